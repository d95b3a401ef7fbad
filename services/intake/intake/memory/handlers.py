"""What the memory of actions is asked."""

from datetime import datetime
from uuid import UUID

from chassis import paging
from chassis.keys import TenantKeys
from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts.intake import memory as messages
from intake.memory import recalling, store_actions


class Handlers:
    """The memory's handlers; they share the tenants' keys."""

    def __init__(self, keys: TenantKeys) -> None:
        self._keys = keys

    async def check_action(self, uow: UnitOfWork, request: Received[messages.CheckAction]) -> messages.ActionRecall:
        return await recalling.check(uow, await self._keys.of(uow, request.tenant), request.body)

    async def record_action(self, uow: UnitOfWork, request: Received[messages.RecordAction]) -> messages.ActionView:
        return await recalling.record(uow, await self._keys.of(uow, request.tenant), request.body, request.envelope)

    async def update_action(self, uow: UnitOfWork, request: Received[messages.UpdateAction]) -> messages.ActionView:
        return await recalling.update(
            uow, request.tenant, request.body.action_id, request.body.status, request.envelope
        )

    async def list_actions(self, uow: UnitOfWork, request: Received[messages.ListActions]) -> messages.ActionPage:
        ask = request.body
        filters = ask.model_dump(include={"action_type", "actor", "proceeded_anyway"})
        after = paging.after(ask.cursor, _place)
        rows = await store_actions.page(uow, request.tenant, filters, after, ask.limit + 1)
        actions = [messages.ActionView.model_validate(dict(row)) for row in rows[: ask.limit]]
        more = f"{actions[-1].acted_at.isoformat()}/{actions[-1].action_id}" if len(rows) > ask.limit else None
        return messages.ActionPage(actions=actions, next_cursor=more)


def _place(cursor: str) -> tuple[datetime, UUID]:
    acted_at, _, action_id = cursor.partition("/")
    moment = datetime.fromisoformat(acted_at)
    if moment.tzinfo is None:
        raise ValueError("no time zone")
    return moment, UUID(action_id)
