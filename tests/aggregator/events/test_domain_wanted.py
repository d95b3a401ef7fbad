"""Names of events stand for types, and a cursor is read by the order it was made in only."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from aggregator.events.domain_wanted import Position, Wanted
from contracts.aggregator.events import ListEvents
from contracts.catalogue import SERVICES
from contracts.message import ProblemError

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
LEAD = UUID(int=1)


def test_a_name_stands_for_the_type_of_every_service_that_tells_it() -> None:
    assert Wanted.of(ListEvents(types=["message_sent"])).types == ("outreach.event.message_sent.v1",)
    dead = Wanted.of(ListEvents(types=["message_dead_lettered"])).types
    assert set(dead) == {f"{service}.event.message_dead_lettered.v1" for service in SERVICES}


def test_a_type_is_taken_as_it_is_and_once() -> None:
    asked = ["outreach.event.gone.v9", "message_sent", "outreach.event.message_sent.v1"]
    assert Wanted.of(ListEvents(types=asked)).types == ("outreach.event.gone.v9", "outreach.event.message_sent.v1")


@pytest.mark.parametrize("name", ["message_snet", "submit_lead", ""])
def test_a_name_that_no_event_has_is_refused(name: str) -> None:
    with pytest.raises(ProblemError) as refused:
        Wanted.of(ListEvents(types=[name]))
    assert refused.value.problem.field == "types"


@pytest.mark.parametrize(
    ("wanted", "by_storing"),
    [
        (Wanted({}), True),
        (Wanted({"lead_id": LEAD}), True),
        (Wanted({"lead_id": LEAD, "campaign_id": LEAD}), False),
        (Wanted({"account_id": LEAD}), False),
        (Wanted({}, ("a.event.b.v1",)), False),
        (Wanted({}, since=NOW), False),
        (Wanted({}, until=NOW), False),
    ],
)
def test_a_cursor_is_of_one_order(wanted: Wanted, by_storing: bool) -> None:
    row = {"seq": 17, "occurred_at": NOW}
    assert wanted.by_storing is by_storing
    position = wanted.position_of(row)
    assert wanted.position(str(position)) == position
    other = Position(17, NOW if by_storing else None)
    with pytest.raises(ValueError, match="order"):
        wanted.position(str(other))


@pytest.mark.parametrize("text", ["", "x", "-1", str(2**63), "2026-12-01T00:00:00~1", "~1"])
def test_what_is_no_cursor_is_none(text: str) -> None:
    for wanted in (Wanted({}), Wanted({}, since=NOW)):
        with pytest.raises(ValueError):
            wanted.position(text)
