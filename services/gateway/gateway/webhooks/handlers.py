"""What the gateway does when somebody orders or looks at the secrets of an account's webhooks."""

import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis import paging
from chassis.keys import ResealedColumn, TenantKey, TenantKeys
from chassis.received import Received
from chassis.tenants import NO_SUCH_TENANT
from chassis.unit_of_work import UnitOfWork
from contracts.gateway import webhooks as messages
from contracts.message import ProblemCode, ProblemError
from gateway import store as tenants
from gateway.identity import audit
from gateway.webhooks import store
from gateway.webhooks.domain_signature import SECRET_BYTES, shown

RESEALED: Final = ResealedColumn(
    "webhook_secret",
    "sealed",
    key={"account_id": "uuid", "secret_id": "uuid"},
    context="webhook/{account_id}/{secret_id}",
)


class Handlers:
    """The answers about webhooks."""

    def __init__(self, keys: TenantKeys) -> None:
        self._keys = keys

    async def make_secret(
        self, uow: UnitOfWork, request: Received[messages.MakeWebhookSecret]
    ) -> messages.WebhookSecretMade:
        tenant, ask, actor = request.tenant, request.body, audit.actor_of(request)
        if await tenants.registered_tenant(uow, tenant) is None:
            raise ProblemError(ProblemCode.NOT_FOUND, NO_SUCH_TENANT, "tenant")
        key = await self._keys.of(uow, tenant)
        secret_id, secret = uuid7(), secrets.token_bytes(SECRET_BYTES)
        sealed = key.seal(secret, _context(ask.account_id, secret_id))
        others_end_at = uow.now + timedelta(hours=ask.overlap_hours)
        await store.add(uow, tenant, ask.account_id, secret_id, sealed, actor, others_end_at)
        detail = {"secret_id": str(secret_id), "others_end_at": others_end_at.isoformat()}
        await audit.record(uow, request.envelope, actor, "webhook_secret_made", account(ask.account_id), detail)
        view = await _view(uow, tenant, ask.account_id)
        return messages.WebhookSecretMade(**view.model_dump(), secret=shown(secret))

    async def get_webhook(self, uow: UnitOfWork, request: Received[messages.GetWebhook]) -> messages.WebhookView:
        return await _view(uow, request.tenant, request.body.account_id)

    async def list_webhooks(self, uow: UnitOfWork, request: Received[messages.ListWebhooks]) -> messages.WebhookPage:
        ask, tenant = request.body, request.tenant
        rows = await store.accounts(uow, tenant, paging.after(ask.cursor, UUID), ask.limit + 1)
        account_ids, cursor = paging.cut(rows, ask.limit, str)
        found = await _views(uow, tenant, account_ids)
        return messages.WebhookPage(webhooks=found, next_cursor=cursor)

    async def remove_webhook(self, uow: UnitOfWork, request: Received[messages.RemoveWebhook]) -> messages.WebhookView:
        ask, actor = request.body, audit.actor_of(request)
        if await store.remove(uow, request.tenant, ask.account_id, ask.secret_id):
            action, detail = (
                ("webhook_secret_revoked", {"secret_id": str(ask.secret_id)})
                if ask.secret_id
                else ("webhook_removed", {})
            )
            await audit.record(uow, request.envelope, actor, action, account(ask.account_id), detail)
        return await _view(uow, request.tenant, ask.account_id)


async def counting(uow: UnitOfWork, keys: TenantKeys, tenant: str, account_id: UUID) -> list[bytes]:
    """The secrets that count for an account's webhooks now; none where there is no such account, or tenant."""
    rows = await store.counting(uow, tenant, [account_id])
    if not rows:
        return []
    key: TenantKey = await keys.of(uow, tenant)
    return [key.open(row["sealed"], _context(account_id, row["secret_id"])) for row in rows]


def account(account_id: object) -> str:
    """An account's name in records."""
    return f"account:{account_id}"


async def _view(uow: UnitOfWork, tenant: str, account_id: UUID) -> messages.WebhookView:
    (view,) = await _views(uow, tenant, [account_id])
    return view


async def _views(uow: UnitOfWork, tenant: str, account_ids: Sequence[UUID]) -> list[messages.WebhookView]:
    secrets_of: dict[UUID, list[messages.WebhookSecretInfo]] = {account_id: [] for account_id in account_ids}
    for row in await store.counting(uow, tenant, account_ids):
        secrets_of[row["account_id"]].append(messages.WebhookSecretInfo.model_validate(dict(row)))
    return [
        messages.WebhookView(account_id=account_id, path=f"/hooks/{tenant}/{account_id}", secrets=found)
        for account_id, found in secrets_of.items()
    ]


def _context(account_id: UUID, secret_id: UUID) -> str:
    return f"webhook/{account_id}/{secret_id}"
