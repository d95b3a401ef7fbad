"""What is answered about the timeline."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from chassis import paging
from chassis.paging import Place
from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts.outreach.activity import ActivityEntry, ActivityPage, ListActivity
from contracts.outreach.sending import SendState
from contracts.taxonomy import CHANNEL_OF, SendKind
from outreach.activity import store
from outreach.sending import store_queue
from outreach.sending.domain_gates import ask as ask_gates
from outreach.sending.domain_gates import binding
from outreach.sending.facts import Accounts, facts_of, may_leave_at

_SCHEDULED = (SendState.QUEUED, SendState.CLAIMED, SendState.SENDING)


async def list_activity(uow: UnitOfWork, request: Received[ListActivity]) -> ActivityPage:
    """What is scheduled is shown with what the gates say of it now, as `explain_message` does."""
    tenant, ask = request.tenant, request.body
    rows = await store.page(uow, tenant, ask, paging.after(ask.cursor, Place.read), ask.limit + 1)
    page, cursor = paging.cut(rows, ask.limit, lambda row: Place(row["at"], row["entry_id"]))
    outlook = await _outlook(uow, tenant, [row["message_id"] for row in page if row["state"] in _SCHEDULED])
    sent = [row["message_id"] for row in page if row["message_id"]]
    replies = _by_message(await store.replies(uow, tenant, sent))
    troubles = _by_message(await store.troubles(uow, tenant, sent))
    entries = [
        ActivityEntry.model_validate(
            {
                **row,
                **outlook.get(row["message_id"], {}),
                "at": row["at"] if row["at"].tzinfo else None,
                "channel": row["channel"] or CHANNEL_OF[SendKind(row["kind"])],
                "replies": replies.get(row["message_id"], []),
                "troubles": troubles.get(row["message_id"], []),
            }
        )
        for row in page
    ]
    return ActivityPage(entries=entries, next_cursor=cursor)


async def _outlook(uow: UnitOfWork, tenant: str, messages: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """Of messages that have not left which gate keeps them, and when they may leave."""
    if not messages:
        return {}
    rows = await store_queue.some(uow, tenant, messages)
    accounts = await Accounts.read(uow, rows.values())
    outlook = {}
    for message, row in rows.items():
        facts = facts_of(row, accounts)
        kept = binding(ask_gates(facts, uow.now), uow.now)
        outlook[message] = {
            "kept_by": kept.gate if kept else None,
            "may_leave_at": may_leave_at(row, facts, uow.now),
        }
    return outlook


def _by_message(rows: Sequence[RowMapping]) -> dict[UUID, list[dict[str, Any]]]:
    found: dict[UUID, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["message_id"], []).append(dict(row))
    return found
