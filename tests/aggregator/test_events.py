"""The event store takes every event once, and win rates are counted from what it holds."""

from datetime import UTC, datetime
from uuid import uuid4

from contracts.aggregator import ListEvents, WinRates
from contracts.outcomes import OutcomeRecorded
from contracts.taxonomy import STAGE_OF, OutcomeType
from contracts.values import Attribution
from tests.platform import Platform
from tests.waiting import until


def recorded(type_: OutcomeType, **attribution: str) -> OutcomeRecorded:
    now = datetime.now(UTC)
    return OutcomeRecorded(
        outcome_id=uuid4(), lead_id=uuid4(), sequence=1, type=type_, stage=STAGE_OF[type_], occurred_at=now,
        recorded_at=now, recorded_by="tester", attribution=Attribution(**attribution),
    )  # fmt: skip


async def test_an_event_published_twice_is_stored_once(platform: Platform, tenant: str) -> None:
    async with platform.running("aggregator"):
        event = recorded(OutcomeType.CLOSED_WON, source_key="web")
        id_ = await platform.publish("outcomes", tenant, event)
        await platform.publish("outcomes", tenant, event, id_)
        await platform.publish("outcomes", tenant, recorded(OutcomeType.CLOSED_LOST, source_key="web"))

        async def stored() -> list[str]:
            page = await platform.caller.ask(tenant, ListEvents())
            return [str(event.event_id) for event in page.events] if len(page.events) >= 2 else []

        assert len(await until(stored)) == 2
        table = await platform.caller.ask(tenant, WinRates())
        assert [(row.key, row.leads_entered, row.won, row.lost, row.win_rate) for row in table.rows] == [
            ("web", 2, 1, 1, 0.5)
        ]
        assert table.partial
