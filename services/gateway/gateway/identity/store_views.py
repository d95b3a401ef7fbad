"""Every query about saved views."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from uuid_utils.compat import uuid7

from chassis.unit_of_work import UnitOfWork


async def views(uow: UnitOfWork, tenant: str, owner: str, list_: str) -> Sequence[RowMapping]:
    """Somebody's views of a list, and those of others that they share, by name."""
    rows = await uow.execute(
        """select view_id, owner, name, terms, shared from saved_view
           where tenant_id = :tenant and list = :list and (owner = :owner or shared)
           order by lower(name), view_id""",
        tenant=tenant, owner=owner, list=list_,
    )  # fmt: skip
    return rows.mappings().all()


async def count(uow: UnitOfWork, tenant: str, owner: str, list_: str) -> int:
    rows = await uow.execute(
        "select count(*) from saved_view where tenant_id = :tenant and owner = :owner and list = :list",
        tenant=tenant, owner=owner, list=list_,
    )  # fmt: skip
    return int(rows.scalar_one())


async def save(
    uow: UnitOfWork, tenant: str, owner: str, list_: str, name: str, terms: Mapping[str, Any], *, shared: bool
) -> UUID:
    """Keep a view, in the place of the owner's other one of that name; returns its id."""
    rows = await uow.execute(
        """insert into saved_view (tenant_id, view_id, owner, list, name, terms, shared, saved_at)
           values (:tenant, :view, :owner, :list, :name, cast(:terms as jsonb), :shared, :now)
           on conflict (tenant_id, owner, list, name) do update
               set terms = excluded.terms, shared = excluded.shared, saved_at = excluded.saved_at
           returning view_id""",
        tenant=tenant, view=uuid7(), owner=owner, list=list_, name=name, terms=json.dumps(terms), shared=shared, now=uow.now,
    )  # fmt: skip
    found: UUID = rows.scalar_one()
    return found


async def forget(uow: UnitOfWork, tenant: str, view_id: UUID, owner: str | None) -> bool:
    """Drop a view, if it is the owner's; whoever's it is that is shared, where no owner is named. Whether there was one."""
    rows = await uow.execute(
        """delete from saved_view where tenant_id = :tenant and view_id = :view
           and (owner = :owner or cast(:owner as text) is null and shared)""",
        tenant=tenant, view=view_id, owner=owner,
    )  # fmt: skip
    return rows.rowcount == 1
