"""Names of events stand for types, and a cursor is read by the order it was made in only."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from aggregator.events.domain_wanted import Order, Position, Wanted
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
    ("wanted", "order"),
    [
        (Wanted({}), Order.TOLD),
        (Wanted({"lead_id": LEAD}), Order.TOLD),
        (Wanted({"correlation_id": LEAD}), Order.TOLD),
        (Wanted({"correlation_id": LEAD}, told_since=NOW), Order.TOLD),
        (Wanted({"lead_id": LEAD, "campaign_id": LEAD}), Order.OCCURRED),
        (Wanted({"account_id": LEAD}), Order.OCCURRED),
        (Wanted({}, ("a.event.b.v1",)), Order.OCCURRED),
        (Wanted({}, since=NOW), Order.OCCURRED),
        (Wanted({}, until=NOW), Order.OCCURRED),
        (Wanted({}, until=NOW, told_until=NOW), Order.OCCURRED),
        (Wanted({}, told_since=NOW), Order.TOLD),
        (Wanted({}, told_until=NOW), Order.TOLD),
    ],
)
def test_a_cursor_is_of_one_order(wanted: Wanted, order: Order) -> None:
    row = {"event_id": UUID(int=17), "occurred_at": NOW, "told_at": NOW + timedelta(hours=1)}
    assert wanted.order is order
    position = wanted.position_of(row)
    assert (position.at, position.id) == (row[order], UUID(int=17))
    assert wanted.position(str(position)) == position
    for other in Order:
        if other is not order:
            with pytest.raises(ValueError, match="order"):
                wanted.position(str(Position(other, NOW, UUID(int=17))))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "7",
        *(
            at + mark + id_
            for mark in "~!"
            for at, id_ in (("", LEAD.hex), ("2026-12-01T00:00:00", LEAD.hex), (f"{NOW}", "7"))
        ),
    ],
)
def test_what_is_no_cursor_is_none(text: str) -> None:
    for wanted in (Wanted({}), Wanted({}, since=NOW)):
        with pytest.raises(ValueError):
            wanted.position(text)
