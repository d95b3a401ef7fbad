"""``leadloop user``, ``key list`` and ``audit changes``: who may do what, and who changed that.

`leadloop.main` says what each command does.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from cyclopts import Parameter

from chassis.caller import Caller
from contracts.gateway.audit import Change, ListChanges
from contracts.gateway.keys import ApiKeyInfo, ListApiKeys
from contracts.gateway.sign_in import CreateSignInLink
from contracts.gateway.users import ChangeUser, CreateUser, ListUsers, RemoveUser, UserFields
from contracts.message import PLATFORM
from contracts.taxonomy import Role
from leadloop.app import Common, Tenant
from leadloop.commands_tenants import check_known
from leadloop.installation import Installation
from leadloop.output import Answer, print_rows, table

OfTenant = Literal["viewer", "agent", "operator", "admin", "auditor"]


async def add(
    tenant: Tenant,
    /,
    *,
    role: OfTenant,
    email: str | None = None,
    name: str | None = None,
    common: Common = Common(),
) -> Answer:
    """``leadloop user add``.

    Args:
        tenant: where they work.
        role: what they may do there.
        email: what they sign in by; without it they have links only.
        name: what they are called.
    """
    installation = Installation(common.open())
    async with installation.asking() as caller:
        await check_known(caller, tenant, "gateway")
        user = await caller.ask(tenant, CreateUser(role=Role(role), email=email, name=name))
        link = await caller.ask(tenant, CreateSignInLink(user_id=user.user_id))
    url = f"{installation.gateway_url}{link.path}"
    return Answer(
        {"user_id": user.user_id, "url": url, "expires_at": link.expires_at},
        [f"user {user.user_id}", url, f"it signs them in once, until {link.expires_at:%H:%M} UTC; then they can set a password"],
    )  # fmt: skip


async def list_users(tenant: Tenant, /, *, common: Common = Common()) -> Answer:
    """``leadloop user list``.

    Args:
        tenant: whose.
    """
    async with Installation(common.open()).asking() as caller:
        await check_known(caller, tenant, "gateway")
        found = [user async for user in _users(caller, tenant)]
    shown = table(f"Users of {tenant}", "user", "role", "state", "e-mail", "name")
    for user in found:
        shown.add_row(str(user.user_id), user.role, user.state, user.email or "", user.name or "")
    return Answer([user.model_dump() for user in found], [shown])


async def change(
    tenant: Tenant,
    user_id: UUID,
    /,
    *,
    role: OfTenant | None = None,
    suspended: Annotated[bool | None, Parameter(negative="--allowed")] = None,
    email: str | None = None,
    name: str | None = None,
    common: Common = Common(),
) -> Answer:
    """``leadloop user set``.

    Args:
        tenant: where they work.
        user_id: who; `user list` shows it.
        role: what they may do there.
        suspended: whether they may not sign in for now.
        email: what they sign in by.
        name: what they are called.
    """
    async with Installation(common.open()).asking() as caller:
        await check_known(caller, tenant, "gateway")
        order = ChangeUser(
            user_id=user_id, role=Role(role) if role else None, suspended=suspended, email=email, name=name
        )
        user = await caller.ask(tenant, order)
    return Answer(user.model_dump(), [f"{user_id} is {user.state}, with the role {user.role}"])


async def remove(tenant: Tenant, user_id: UUID, /, *, common: Common = Common()) -> Answer:
    """``leadloop user remove``.

    Args:
        tenant: where they work.
        user_id: who; `user list` shows it.
    """
    async with Installation(common.open()).asking() as caller:
        await check_known(caller, tenant, "gateway")
        user = await caller.ask(tenant, RemoveUser(user_id=user_id))
    return Answer(user.model_dump(), [f"{user_id} was removed"])


async def sign_in(tenant: Tenant, user_id: UUID, /, *, common: Common = Common()) -> Answer:
    """``leadloop user sign-in``.

    Args:
        tenant: where they work.
        user_id: who; `user list` shows it.
    """
    installation = Installation(common.open())
    async with installation.asking() as caller:
        await check_known(caller, tenant, "gateway")
        link = await caller.ask(tenant, CreateSignInLink(user_id=user_id))
    url = f"{installation.gateway_url}{link.path}"
    return Answer(
        {"url": url, "expires_at": link.expires_at}, [url, f"it works once, until {link.expires_at:%H:%M} UTC"]
    )


async def superadmin(*, email: str | None = None, name: str | None = None, common: Common = Common()) -> Answer:
    """``leadloop user superadmin``.

    Args:
        email: what one more superadmin signs in by.
        name: what they are called.
    """
    installation = Installation(common.open())
    async with installation.asking() as caller:
        user_id = None
        if email or name:
            user_id = (await caller.ask(PLATFORM, CreateUser(role=Role.SUPERADMIN, email=email, name=name))).user_id
        link = await caller.ask(PLATFORM, CreateSignInLink(user_id=user_id))
    url = f"{installation.gateway_url}{link.path}"
    return Answer(
        {"url": url, "expires_at": link.expires_at}, [url, f"it works once, until {link.expires_at:%H:%M} UTC"]
    )


async def list_keys(tenant: Tenant, /, *, common: Common = Common()) -> Answer:
    """``leadloop key list``.

    Args:
        tenant: whose.
    """
    found: list[ApiKeyInfo] = []
    async with Installation(common.open()).asking() as caller:
        await check_known(caller, tenant, "gateway")
        cursor = None
        while True:
            page = await caller.ask(tenant, ListApiKeys(limit=200, cursor=cursor))
            found += page.keys
            if (cursor := page.next_cursor) is None:
                break
    shown = table(f"API keys of {tenant}", "key", "label", "made", "until", "allows")
    for key in found:
        until = "revoked" if key.revoked_at else f"{key.expires_at:%Y-%m-%d %H:%M}" if key.expires_at else ""
        made = f"{key.created_at:%Y-%m-%d %H:%M}"
        shown.add_row(str(key.key_id), key.label, made, until, ", ".join(key.scopes))
    return Answer([key.model_dump() for key in found], [shown])


async def export_changes(
    *,
    tenant: Tenant,
    since: datetime | None = None,
    format: Literal["csv", "json"] = "csv",
    common: Common = Common(),
) -> Answer:
    """``leadloop audit changes``.

    Args:
        tenant: whose.
        since: only from this moment on; UTC, unless it says otherwise.
        format: a CSV file with a header, or a JSON array.
    """
    if since and since.tzinfo is None:
        since = since.replace(tzinfo=UTC)
    async with Installation(common.open()).asking() as caller:
        await check_known(caller, tenant, "gateway")
        rows = _changes(caller, tenant, since)
        return await print_rows(Change, rows, as_json=common.json or format == "json")


async def _changes(caller: Caller, tenant: str, since: datetime | None) -> AsyncIterator[Change]:
    cursor = None
    while True:
        page = await caller.ask(tenant, ListChanges(since=since, limit=500, cursor=cursor))
        for change in page.changes:
            yield change
        if (cursor := page.next_cursor) is None:
            return


async def _users(caller: Caller, tenant: str) -> AsyncIterator[UserFields]:
    cursor = None
    while True:
        page = await caller.ask(tenant, ListUsers(limit=200, cursor=cursor))
        for user in page.users:
            yield user
        if (cursor := page.next_cursor) is None:
            return
