"""What the tests of the notifier are made of: outcomes' answers, runs of the job, and a look at what it published."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from nats.aio.client import Client
from nats.aio.msg import Msg

from chassis.received import encode
from contracts.message import PLATFORM, Problem, ProblemCode
from contracts.notifier import AlertView, ListAlerts
from contracts.operations import JobRunView, RunJob
from contracts.outcomes import MissingOutcome, MissingOutcomes, MissingOutcomesView
from contracts.taxonomy import Tier, Timeline
from tests.platform import Platform

QUIET_SINCE = datetime(2026, 1, 1, 12, tzinfo=UTC)


def view(lead_ids: Sequence[UUID]) -> MissingOutcomesView:
    """Outcomes' answer for leads, the first of them the longest quiet."""
    leads = [
        MissingOutcome(
            lead_id=lead_id, source_key=None, geo_key=None, tier=Tier.A, timeline=Timeline.DAYS_0_30,
            last_activity_at=QUIET_SINCE + timedelta(days=place), days_stale=30,
        )
        for place, lead_id in enumerate(lead_ids[:100])
    ]  # fmt: skip
    return MissingOutcomesView(leads=leads, count=len(lead_ids))


class Scene:
    """The notifier running beside an outcomes that answers what it is told; other tenants miss nothing."""

    def __init__(self, platform: Platform, outcomes: Client) -> None:
        self._platform = platform
        self._outcomes = outcomes
        self._answers: dict[str, MissingOutcomesView | Problem] = {}

    def missing(self, tenant: str, *lead_ids: UUID) -> None:
        self._answers[tenant] = view(lead_ids)

    def failing(self, tenant: str) -> None:
        self._answers[tenant] = Problem(code=ProblemCode.INTERNAL, message="this should not have happened")

    async def answer_requests(self) -> None:
        """Let outcomes answer from now on."""
        await self._outcomes.subscribe(MissingOutcomes.topic.every_tenant, queue="outcomes", cb=self._answer)
        await self._outcomes.flush()

    async def _answer(self, request: Msg) -> None:
        reply = self._answers.get(request.subject.rpartition(".")[2], view([]))
        headers = {"Nats-Service-Error": reply.code.value} if isinstance(reply, Problem) else None
        await self._outcomes.publish(request.reply, encode(reply), headers=headers)

    async def know(self, tenant: str) -> None:
        await self._platform.introduce(tenant, "notifier")

    async def look(self) -> JobRunView:
        """Run the daily job by hand."""
        return await self._platform.caller.ask(PLATFORM, RunJob(job="missing_outcomes"), of="notifier")

    async def alerts(self, tenant: str, *, every: bool = False) -> list[AlertView]:
        return (await self._platform.caller.ask(tenant, ListAlerts(all=every))).alerts

    async def events(self, tenant: str) -> list[tuple[str, dict[str, Any]]]:
        """Names and bodies of the events that were published for the tenant, in order."""
        async with self._platform.sql() as sql:
            rows = await sql.fetch(
                "select type, convert_from(body, 'utf8') as body from notifier.outbox where tenant = $1 order by seq",
                tenant,
            )
        return [(row["type"].split(".")[2], json.loads(row["body"])) for row in rows]


@asynccontextmanager
async def notifier(platform: Platform, tenant: str, *, answering: bool = True) -> AsyncIterator[Scene]:
    async with platform.connect("outcomes") as outcomes:
        scene = Scene(platform, outcomes)
        if answering:
            await scene.answer_requests()
        async with platform.running("notifier"):
            await scene.know(tenant)
            yield scene
