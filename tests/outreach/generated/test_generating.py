"""A made-up week is told by outreach to a tenant without events, and leaves no trace in outreach itself."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from contracts.aggregator.events import ArchiveEvents, ListEvents
from contracts.message import ProblemCode, ProblemError
from contracts.outreach.activity import ListActivity
from contracts.outreach.campaigns import ListCampaigns
from contracts.outreach.generated import GeneratedHistory, GenerateHistory
from contracts.outreach.sending import MessageSent
from contracts.taxonomy import OutcomeType
from tests.aggregator.events.test_finding import SEED_002, listed, put, row
from tests.aggregator.recorded import recorded
from tests.platform import Platform
from tests.waiting import until


async def stored(platform: Platform, tenant: str, made: GeneratedHistory) -> Counter[str]:
    async def all_of_it() -> Counter[str]:
        types = Counter(
            event.type.split(".")[2] for event in await listed(platform, tenant) if "outreach" in event.type
        )
        return types if types.total() == made.events else Counter()

    return await until(all_of_it, what="the made-up events stored")


async def test_a_tenant_without_events_is_given_a_week_once(platform: Platform, tenant: str) -> None:
    async with platform.running("outreach", "aggregator"):
        await platform.introduce(tenant, "outreach", "aggregator", time_zone="America/New_York")
        made = await platform.caller.ask(tenant, GenerateHistory(seed=7), seconds=60)
        types = await stored(platform, tenant, made)
        assert {*SEED_002} <= types.keys()
        assert (types["message_sent"], types["reply_received"]) == (made.messages, made.replies)
        found = await platform.caller.ask(tenant, ListEvents(campaign_id=made.campaigns[0], types=["message_sent"]))
        assert found.events
        assert (await platform.caller.ask(tenant, ListCampaigns())).campaigns == []
        assert (await platform.caller.ask(tenant, ListActivity())).entries == []
        with pytest.raises(ProblemError, match="has events already") as refused:
            await platform.caller.ask(tenant, GenerateHistory(seed=7), seconds=60)
        assert refused.value.problem.code is ProblemCode.CONFLICT


async def test_a_tenant_with_events_of_its_own_is_given_none(platform: Platform, tenant: str) -> None:
    async with platform.running("outreach", "aggregator"):
        await platform.introduce(tenant, "outreach", "aggregator")
        await platform.publish("outcomes", tenant, recorded(OutcomeType.CONTACTED))
        await until(lambda: listed(platform, tenant, types=["outcome_recorded"]), what="the event stored")
        with pytest.raises(ProblemError, match="has events already"):
            await platform.caller.ask(tenant, GenerateHistory(), seconds=60)
        assert await listed(platform, tenant, types=["message_sent"]) == []


async def test_a_tenant_whose_events_are_archived_is_given_none(
    platform: Platform, tenant: str, tmp_path: Path
) -> None:
    june = datetime(2025, 6, 15, tzinfo=UTC)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEADLOOP_ARCHIVE_URI", f"file://{tmp_path}")
        async with platform.running("outreach", "aggregator"):
            await put(platform, tenant, [row(tenant, MessageSent, june, lead_id=uuid4())])
            await platform.caller.ask(tenant, ArchiveEvents(month="2025-06"), seconds=60)
            with pytest.raises(ProblemError, match="has events already"):
                await platform.caller.ask(tenant, GenerateHistory(), seconds=60)
