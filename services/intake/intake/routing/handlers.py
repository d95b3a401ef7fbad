"""What intake does when it is asked about routing."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis import paging
from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts.intake import routing as messages
from contracts.intake.routing import WorkStatus
from contracts.message import ProblemCode, ProblemError
from intake import locks
from intake.routing import store_decisions, store_versions, versions
from intake.routing.dry_run import dry_run
from intake.routing.shown import status


class Handlers:
    """The answers about routing.

    Parameters:
        version_published: called when one was, and has been committed.
    """

    def __init__(self, version_published: Callable[[], None]) -> None:
        self._version_published = version_published

    async def save_draft(
        self, uow: UnitOfWork, request: Received[messages.SaveRoutingDraft]
    ) -> messages.RoutingVersionView:
        return await versions.save(uow, request.tenant, request.body.configuration, request.body.actor)

    async def delete_draft(
        self, uow: UnitOfWork, request: Received[messages.DeleteRoutingDraft]
    ) -> messages.RoutingDraftDeletionResult:
        number = request.body.version
        await locks.routing_versions(uow, request.tenant)
        if not await store_versions.discard(uow, request.tenant, number):
            version = await versions.view(uow, request.tenant, number)
            raise ProblemError(
                ProblemCode.CONFLICT, f"version {number} is {version.status}: only a draft can be deleted", "version"
            )
        return messages.RoutingDraftDeletionResult(version=number)

    async def get(self, uow: UnitOfWork, request: Received[messages.GetRouting]) -> messages.RoutingVersionView:
        number = request.body.version
        if number is None:
            return await versions.published_view(uow, request.tenant)
        return await versions.view(uow, request.tenant, number)

    async def list_versions(
        self, uow: UnitOfWork, request: Received[messages.ListRoutingVersions]
    ) -> messages.RoutingVersionPage:
        ask = request.body
        rows = await store_versions.page(uow, request.tenant, paging.after(ask.cursor, int), ask.limit + 1)
        found = versions.summaries(rows[: ask.limit])
        return messages.RoutingVersionPage(
            versions=found, next_cursor=str(found[-1].version) if len(rows) > ask.limit else None
        )

    async def dry_run(self, uow: UnitOfWork, request: Received[messages.DryRunRouting]) -> messages.DryRun:
        ask = request.body
        if ask.version is not None:
            configuration: messages.RoutingConfiguration = (
                await versions.view(uow, request.tenant, ask.version)
            ).configuration
        else:
            assert ask.configuration is not None  # the contract demands one of the two
            configuration = ask.configuration
            await versions.check(uow, request.tenant, configuration)
        return await dry_run(uow, request.tenant, configuration, last=ask.last, sample=ask.sample)

    async def publish(self, uow: UnitOfWork, request: Received[messages.PublishRouting]) -> messages.RoutingVersionView:
        ask = request.body
        uow.after_commit.append(self._version_published)
        return await versions.publish(uow, request.tenant, ask.version, ask.expected, ask.actor)

    async def roll_back(
        self, uow: UnitOfWork, request: Received[messages.RollBackRouting]
    ) -> messages.RoutingVersionView:
        uow.after_commit.append(self._version_published)
        return await versions.roll_back(uow, request.tenant, request.body.version, request.body.actor)

    async def list_queue(self, uow: UnitOfWork, request: Received[messages.ListWorkQueue]) -> messages.WorkQueuePage:
        ask = request.body
        after = paging.after(ask.cursor, _place_in_queue)
        rows = await store_decisions.queue(uow, request.tenant, ask.workspace, after, ask.limit + 1)
        leads = [_waiting(row, uow.now) for row in rows[: ask.limit]]
        last = leads[-1] if len(rows) > ask.limit else None
        cursor = f"{last.waiting_since.isoformat()}/{last.lead_id}" if last else None
        return messages.WorkQueuePage(leads=leads, next_cursor=cursor)

    async def get_status(self, uow: UnitOfWork, request: Received[messages.GetLeadStatus]) -> messages.LeadStatus:
        return await status(uow, request.tenant, request.body.lead_id)

    async def get_decisions(
        self, uow: UnitOfWork, request: Received[messages.GetLeadDecisions]
    ) -> messages.DecisionPage:
        ask = request.body
        before = paging.after(ask.cursor, UUID)
        rows = await store_decisions.of_lead(uow, request.tenant, ask.lead_id, before, ask.limit + 1)
        if not rows:
            await status(uow, request.tenant, ask.lead_id)  # there is such a lead
        decisions = [messages.DecisionView.model_validate(dict(row)) for row in rows[: ask.limit]]
        return messages.DecisionPage(
            decisions=decisions, next_cursor=str(decisions[-1].decision_id) if len(rows) > ask.limit else None
        )


def _waiting(row: Mapping[str, Any], now: datetime) -> messages.WaitingLead:
    return messages.WaitingLead(
        lead_id=row["lead_id"],
        waiting_since=row["waiting_since"],
        waiting_seconds=max(0, int((now - row["waiting_since"]).total_seconds())),
        workspace=row["workspace"],
        sub_vertical=row["sub_vertical"],
        reason=row["kept_back"] or ("nobody_took_it" if row["status"] == WorkStatus.ROUTED else "no_rule_matched"),
        decision=messages.DecisionView.model_validate(dict(row)) if row["decision_id"] else None,
    )


def _place_in_queue(cursor: str) -> tuple[datetime, UUID]:
    since, _, lead_id = cursor.partition("/")
    return datetime.fromisoformat(since), UUID(lead_id)
