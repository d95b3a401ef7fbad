"""What is personal about users, sealed under their tenant's key: what they are called and where they are reached.

A user is found by a token of the e-mail address, which only the tenant's key makes.
"""

import json
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from chassis.keys import ResealedColumn, TenantKey, TenantKeys
from chassis.unit_of_work import Row, UnitOfWork
from contracts.message import PLATFORM

_SUPERADMINS: Final = "_superadmins"
"""Whose keys those of the platform's users are: the platform's own rows are the service's, see `chassis.keys`."""

RESEALED: Final = (
    ResealedColumn("user_account", "sealed", key={"user_id": "uuid"}, context="user/{user_id}"),
    ResealedColumn("sign_in_provider", "sealed", key={"name": "text"}, context="sign-in-provider/{name}"),
)


@dataclass(frozen=True, slots=True)
class Personal:
    """What is personal about a user."""

    email: str | None = None
    name: str | None = None


async def key_of(uow: UnitOfWork, keys: TenantKeys, tenant: str) -> TenantKey:
    """The keys that a tenant's users are sealed under."""
    return await keys.of(uow, _SUPERADMINS if tenant == PLATFORM else tenant)


def email_token(key: TenantKey, email: str | None) -> str | None:
    """What a user is found by: the same after a rotation, for an address has one user."""
    return key.lasting_token("user_email", email) if email else None


def sealed(key: TenantKey, user_id: UUID, personal: Personal) -> bytes | None:
    if personal == Personal():
        return None
    content = {name: value for name, value in (("email", personal.email), ("name", personal.name)) if value}
    return key.seal(json.dumps(content).encode(), f"user/{user_id}")


def opened(key: TenantKey, row: Row) -> Personal:
    """What is personal about a user, of whom this is the row."""
    if row["sealed"] is None:
        return Personal()
    return Personal(**json.loads(key.open(row["sealed"], f"user/{row['user_id']}")))


def sealed_secret(key: TenantKey, provider: str, secret: str | None) -> bytes | None:
    return key.seal(secret.encode(), f"sign-in-provider/{provider}") if secret else None


def opened_secret(key: TenantKey, row: Row) -> str | None:
    """What we show at a sign-in provider, of which this is the row."""
    return key.open(row["sealed"], f"sign-in-provider/{row['name']}").decode() if row["sealed"] else None
