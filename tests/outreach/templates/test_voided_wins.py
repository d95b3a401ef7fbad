"""A lead counts as won, for what variants are judged by, from the first of its wins that was not voided, in whatever order these are
heard."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from uuid import uuid4

import pytest
from uuid_utils.compat import uuid7

from chassis.received import Received, Wire, encode
from chassis.unit_of_work import Database
from contracts.message import Envelope, Event
from contracts.outcomes import OutcomeRecorded, OutcomeVoided
from contracts.taxonomy import STAGE_OF, OutcomeType
from contracts.values import Attribution
from outreach.leads.handlers import note_wins, void_wins

FIRST, LATER = datetime(2026, 11, 2, 9, tzinfo=UTC), datetime(2026, 11, 3, 9, tzinfo=UTC)


def told(type_: OutcomeType, at: datetime, lead_id: object) -> tuple[OutcomeRecorded, OutcomeVoided]:
    """An outcome, and its void."""
    recorded = OutcomeRecorded(
        outcome_id=uuid4(), lead_id=lead_id, sequence=1, type=type_, stage=STAGE_OF[type_], occurred_at=at,
        recorded_at=at, recorded_by="user:1", attribution=Attribution(),
    )  # fmt: skip
    voided = OutcomeVoided(
        outcome_id=recorded.outcome_id, lead_id=lead_id, type=type_, occurred_at=at, attribution=Attribution(),
        voided_at=at + timedelta(days=9), voided_by="user:1",
    )  # fmt: skip
    return recorded, voided


@pytest.mark.parametrize("order", list(permutations(range(4))))
async def test_a_void_undoes_its_own_win_only(
    database: Database, platform: object, tenant: str, order: tuple[int, ...]
) -> None:
    lead_id, other = uuid4(), uuid4()
    first, void = told(OutcomeType.CLOSED_WON, FIRST, lead_id)
    later, _ = told(OutcomeType.CLOSED_WON, LATER, lead_id)
    mistake, void_of_it = told(OutcomeType.CLOSED_WON, FIRST, other)
    _, no_win = told(OutcomeType.CLOSED_LOST, FIRST, lead_id)
    batches: list[list[Event]] = [[first, first], [void, void_of_it, no_win], [later], [mistake]]
    for number in (*order, *order):
        async with database.begin(tenant) as uow:
            received = []
            for event in batches[number]:
                envelope = Envelope(uuid7(), event.topic.type, tenant, FIRST, uuid7())
                received.append(Received(envelope, event, Wire(envelope.subject, {}, encode(event), FIRST)))
            await (void_wins if isinstance(batches[number][0], OutcomeVoided) else note_wins)(uow, received)
    async with database.begin(tenant) as uow:
        wins = await uow.execute("select lead_id, won_at from win where tenant_id = :tenant", tenant=tenant)
        assert [tuple(row) for row in wins] == [(lead_id, LATER)]
