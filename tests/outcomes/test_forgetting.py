"""What was written about an erased person goes, also what waits to be recorded; nothing else of an outcome ever changes."""

from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
import pytest

from contracts.intake.erasure import LeadErased
from contracts.outcomes import CorrectOutcome, Outcome, OutcomeVerdict, RecordOutcomes, VoidOutcome
from contracts.taxonomy import OutcomeType
from contracts.values import LeadRef
from tests.outcomes.desk import Desk, accepted, updated
from tests.waiting import until

NOTE = "She has two dogs."


async def sealed(desk: Desk) -> tuple[int, int]:
    """How many texts there are of outcomes, and of such as wait."""
    async with desk.platform.sql() as sql:
        texts = await sql.fetchval(
            "select count(*) from outcomes.outcome where tenant_id = $1 and sealed is not null", desk.tenant
        )
        waiting = await sql.fetchval(
            "select count(*) from outcomes.waiting where tenant_id = $1 and entries @? '$[*].sealed'", desk.tenant
        )
    return texts, waiting


async def erase(desk: Desk, lead: object, version: int) -> None:
    event = LeadErased(
        erasure_id=uuid4(), lead_id=lead, version=version, person_id=uuid4(), occurred_at=datetime.now(UTC)
    )
    await desk.platform.publish("intake", desk.tenant, event)

    async def confirmed() -> bool:
        async with desk.platform.sql() as sql:
            return bool(
                await sql.fetchval(
                    """select count(*) from outcomes.outbox where tenant = $1
                       and type = 'outcomes.event.personal_data_dropped.v1' and convert_from(body, 'UTF8') like $2""",
                    desk.tenant, f"%{event.erasure_id}%",
                )
            )  # fmt: skip

    await until(confirmed, what="the confirmation")


async def test_what_waits_is_recorded_without_what_was_written(desk: Desk) -> None:
    lead = accepted("1")
    await desk.arrive(lead)
    submission = uuid4()
    later = updated(lead, submission_id=submission)
    refs = [
        LeadRef(lead_id=lead.lead_id, submission_id=submission),
        LeadRef(source_system="crm", source_id="1", submission_id=submission),
    ]
    orders = [
        RecordOutcomes(lead=ref, outcomes=[Outcome(type=OutcomeType.CONTACTED, notes=NOTE, idempotency_key=key)])
        for ref, key in zip(refs, "ab", strict=True)
    ]
    ids = await desk.give(*orders)

    async def wait() -> bool:
        return (await sealed(desk))[1] == 2

    await until(wait, what="both orders waiting")
    await erase(desk, lead.lead_id, 3)
    assert await sealed(desk) == (0, 0)
    await desk.hear(later)
    await desk.results(*ids)
    assert [one.notes for one in await desk.history(lead.lead_id)] == [None, None]
    assert await sealed(desk) == (0, 0)


async def test_why_an_outcome_was_voided_goes_and_that_it_was_stays(desk: Desk) -> None:
    lead = accepted("1")
    await desk.arrive(lead)
    all_ = [Outcome(type=OutcomeType.CONTACTED, idempotency_key=key) for key in "abc"]
    order = RecordOutcomes(lead=LeadRef(lead_id=lead.lead_id), outcomes=all_)
    [[first, second, third]] = await desk.results(*await desk.give(order))
    await desk.ask(VoidOutcome(lead_id=lead.lead_id, outcome_id=first.outcome_id, reason=NOTE))
    await erase(desk, lead.lead_id, 3)
    await desk.ask(VoidOutcome(lead_id=lead.lead_id, outcome_id=second.outcome_id, reason=NOTE))
    instead = Outcome(type=OutcomeType.INVALID, notes=NOTE)
    await desk.ask(CorrectOutcome(lead_id=lead.lead_id, outcome_id=third.outcome_id, outcome=instead, reason=NOTE))
    assert await sealed(desk) == (0, 0)
    async with desk.platform.sql() as sql:
        kept = "select count(*), count(sealed) from outcomes.outcome_void where tenant_id = $1"
        assert tuple(await sql.fetchrow(kept, desk.tenant)) == (3, 0)


async def test_nothing_of_an_outcome_changes_but_that_what_was_written_goes(desk: Desk) -> None:
    lead = accepted("1")
    await desk.arrive(lead)
    outcomes = [Outcome(type=OutcomeType.CONTACTED, notes=NOTE)]
    order = RecordOutcomes(lead=LeadRef(lead_id=lead.lead_id), outcomes=outcomes)
    assert await desk.verdicts(*await desk.give(order)) == [[OutcomeVerdict.RECORDED]]
    async with desk.platform.sql() as sql:
        for change in (
            "update outcomes.outcome set type = 'invalid'", "update outcomes.outcome set sealed = 'x'",
            "update outcomes.outcome set sealed = null, type = 'invalid'", "delete from outcomes.outcome",
            "truncate outcomes.outcome",
        ):  # fmt: skip
            with pytest.raises(asyncpg.RestrictViolationError):
                await sql.execute(change)
        await sql.execute("update outcomes.outcome set sealed = null where tenant_id = $1", desk.tenant)
    assert await sealed(desk) == (0, 0)
