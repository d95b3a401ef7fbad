"""Keeps what was sent under an `Idempotency-Key`, as hashes: for a day after it was last sent, across restarts and replicas."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final
from uuid import UUID

from fastapi.exceptions import RequestValidationError
from uuid_utils.compat import uuid7

from chassis.keys import TenantKeys
from chassis.unit_of_work import Database
from contracts.message import id_from_content, keyed_id
from gateway import store_idempotency
from gateway.problems import RefusedError

HEADER: Final = "Idempotency-Key"
KEPT: Final = timedelta(hours=24)
"""How long a key is known after it was last sent."""
AT_WORK: Final = timedelta(minutes=2)
"""After how long whoever works under a key is taken to have died. A few requests may take longer; what these do is safe to begin twice."""
_RETRY_SECONDS: Final = 1


@dataclass(frozen=True, slots=True)
class Key:
    """A key that somebody sent: keys of two tenants or two callers are never the same.

    Attributes:
        made_id: the id of what is made under it where ids tell the order in which things were made (UUIDv7): the same each time.
        done: whether what was sent under it was done before.
    """

    tenant: str
    actor: str
    sent: str
    made_id: UUID
    done: bool = False

    def id(self, what: str) -> UUID:
        """The id of what is made under this key, where it need not tell when; the same for ever, and not for a day only."""
        return id_from_content(HEADER, self.tenant, self.actor, what, self.sent)

    @property
    def came_at(self) -> datetime:
        """When it came first."""
        return datetime.fromtimestamp((self.made_id.int >> 80) / 1000, UTC)


@dataclass(frozen=True, slots=True)
class Idempotency:
    """What was sent under which key."""

    database: Database
    keys: TenantKeys

    @asynccontextmanager
    async def under(self, tenant: str, actor: str, sent: str, *content: str | bytes) -> AsyncIterator[Key]:
        """Do once at a time what is sent under a key; what it was refused for before anything was done frees the key.

        Raises:
            RefusedError: 409, it is being done right now; 422, the key came with another content.
        """
        attempt, made_id = uuid7(), uuid7()
        async with self.database.begin(tenant) as uow:
            secret = await self.keys.secret(uow)
            key_id = keyed_id(secret, HEADER, actor, sent)
            fingerprint = keyed_id(secret, HEADER, *content)
            begun = await store_idempotency.begin(
                uow, tenant, key_id, fingerprint=fingerprint, made_id=made_id, attempt=attempt, at_work=AT_WORK, kept=KEPT
            )  # fmt: skip
            if begun is None:
                raise _refusal(same=await store_idempotency.is_same(uow, tenant, key_id, fingerprint))
        done = False
        try:
            yield Key(tenant, actor, sent, begun["made_id"], begun["done"])
            done = True
        except RequestValidationError:
            async with self.database.begin(tenant) as uow:
                await store_idempotency.forget(uow, tenant, key_id, attempt)
            raise
        finally:
            async with self.database.begin(tenant) as uow:
                await store_idempotency.end(uow, tenant, key_id, attempt, done=done)


def _refusal(*, same: bool) -> RefusedError:
    if same:
        headers = {"Retry-After": str(_RETRY_SECONDS)}
        return RefusedError(
            HTTPStatus.CONFLICT, f"what was sent under this `{HEADER}` is being done; ask again in a moment",
            headers=headers, field=HEADER,
        )  # fmt: skip
    return RefusedError(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        f"this `{HEADER}` came with another request; take a new one for each",
        field=HEADER,
    )
