"""The audit: every change to tenants, users, keys and sign-in, by whom, and what is different since."""

from collections.abc import Mapping
from typing import Any

from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts.message import Envelope
from gateway.identity import store_audit


async def record(
    uow: UnitOfWork,
    cause: Envelope,
    actor: str,
    action: str,
    subject: str,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Write a row in the unit of work that makes the change: none without the other."""
    await store_audit.add_change(uow, cause.tenant, actor, action, subject, detail or {}, cause.correlation_id)


def actor_of(request: Received[Any]) -> str:
    """Who orders it: whom the request names, or else whoever sent it."""
    return request.body.ordered_by or request.wire.sender or "gateway"


def user(user_id: object) -> str:
    """A user's name in records."""
    return f"user:{user_id}"


def key(key_id: object) -> str:
    """An API key's name in records."""
    return f"key:{key_id}"
