"""Every query about aliases."""

from collections.abc import Collection, Sequence

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork

_FIND = """
    select kind, alias, key from alias
    where tenant_id = :tenant and (kind, alias) in
          (select * from unnest(cast(:kinds as text[]), cast(:aliases as text[])))
"""
_SET = """
    insert into alias (tenant_id, kind, alias, key)
    select :tenant, * from unnest(cast(:kinds as text[]), cast(:aliases as text[]), cast(:keys as text[]))
    on conflict (tenant_id, kind, alias) do update set key = excluded.key where alias.key <> excluded.key
    returning kind, alias, key
"""
_DELETE = """
    delete from alias
    where tenant_id = :tenant and (kind, alias) in
          (select * from unnest(cast(:kinds as text[]), cast(:aliases as text[])))
    returning kind, alias, key
"""
_PAGE = """
    select kind, alias, key from alias
    where tenant_id = :tenant and (cast(:kind as text) is null or kind = :kind)
      and (cast(:after_kind as text) is null or (kind, alias) > (:after_kind, :after_alias))
    order by kind, alias limit :limit
"""


async def find(uow: UnitOfWork, tenant: str, names: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The keys of those of these (kind, alias) that there are."""
    kinds, aliases = [name[0] for name in names], [name[1] for name in names]
    rows = await uow.execute(_FIND, tenant=tenant, kinds=kinds, aliases=aliases)
    return {(row.kind, row.alias): row.key for row in rows}


async def keep(uow: UnitOfWork, tenant: str, keys: dict[tuple[str, str], str]) -> Sequence[RowMapping]:
    """Keep the key of each (kind, alias), in one order everywhere; returns what changed by it."""
    ordered = sorted(keys)
    kinds, aliases = [name[0] for name in ordered], [name[1] for name in ordered]
    rows = await uow.execute(_SET, tenant=tenant, kinds=kinds, aliases=aliases, keys=[keys[name] for name in ordered])
    return rows.mappings().all()


async def delete(uow: UnitOfWork, tenant: str, names: Collection[tuple[str, str]]) -> Sequence[RowMapping]:
    """Delete each (kind, alias) that there is; returns those."""
    kinds, aliases = [name[0] for name in names], [name[1] for name in names]
    rows = await uow.execute(_DELETE, tenant=tenant, kinds=kinds, aliases=aliases)
    return rows.mappings().all()


async def page(
    uow: UnitOfWork, tenant: str, kind: str | None, after: tuple[str, str] | None, limit: int
) -> Sequence[RowMapping]:
    """The aliases behind a (kind, alias), in their order."""
    after_kind, after_alias = after or (None, None)
    rows = await uow.execute(
        _PAGE, tenant=tenant, kind=kind, after_kind=after_kind, after_alias=after_alias, limit=limit
    )
    return rows.mappings().all()
