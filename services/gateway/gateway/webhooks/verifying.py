"""Whoever signs a webhook is the account's service; all others are answered alike, whatever was wrong."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from uuid import UUID

from starlette.datastructures import Headers

from chassis.keys import TenantKeys
from chassis.unit_of_work import Database
from contracts.gateway.access import RefusedFor
from contracts.message import Envelope
from gateway.identity.refusals import Refusals
from gateway.problems import RefusedError
from gateway.webhooks import handlers
from gateway.webhooks.domain_signature import SECRET_BYTES, Signed


@dataclass(frozen=True, slots=True)
class Verifying:
    """Checks webhooks' signatures."""

    database: Database
    keys: TenantKeys
    refusals: Refusals

    async def webhook_id(self, cause: Envelope, account_id: UUID, headers: Headers, body: bytes) -> str:
        """The id of a webhook that the account's service has signed, at most five minutes ago. `cause` names the tenant.

        Raises:
            RefusedError: 401, it is not signed with one of the account's secrets, or too old, or there is no such account.
        """
        signed = Signed.read(headers)
        if signed is None:
            raise _refused()
        async with self.database.begin(cause.tenant) as uow:
            known = await handlers.counting(uow, self.keys, cause.tenant, account_id)
        # Without an account the same is computed as with one, and nothing matches.
        is_by = signed.is_by(known or [secrets.token_bytes(SECRET_BYTES)], body)
        if not (is_by and signed.is_recent(datetime.now(UTC))):
            await self.refusals.note(cause, RefusedFor.CREDENTIAL, handlers.account(account_id) if known else None)
            raise _refused()
        return signed.webhook_id


def _refused() -> RefusedError:
    return RefusedError(
        HTTPStatus.UNAUTHORIZED,
        "sign it with the account's secret, as Standard Webhooks have it, at most five minutes before it comes: webhook-id, "
        "webhook-timestamp, webhook-signature",
        headers={"WWW-Authenticate": 'Webhook realm="leadloop"'},
    )
