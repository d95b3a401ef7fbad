"""Every query about templates and their versions, which are added and never changed."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork
from contracts.taxonomy import SendKind


async def name(uow: UnitOfWork, tenant: str, template_id: UUID, called: str, kind: SendKind) -> RowMapping:
    """The template of a name (template_id, kind), a new one where there is none; nobody else saves it until the unit ends."""
    await uow.execute(
        """insert into template (tenant_id, template_id, name, kind, created_at)
           values (:tenant, :template, :name, :kind, :now) on conflict (tenant_id, name) do nothing""",
        tenant=tenant, template=template_id, name=called, kind=kind, now=uow.now,
    )  # fmt: skip
    rows = await uow.execute(
        "select template_id, kind from template where tenant_id = :tenant and name = :name for update",
        tenant=tenant,
        name=called,
    )
    return rows.mappings().one()


async def version(uow: UnitOfWork, tenant: str, template_id: UUID, number: int | None) -> RowMapping | None:
    """A version with its texts, the newest where none is named."""
    rows = await uow.execute(
        """select template_id, name, kind, version, subject, body, variables, saved_by, saved_at,
                  (select max(version) from template_version where tenant_id = :tenant and template_id = :template) as newest
           from template join template_version using (tenant_id, template_id)
           where tenant_id = :tenant and template_id = :template and (cast(:version as integer) is null or version = :version)
           order by version desc limit 1""",
        tenant=tenant, template=template_id, version=number,
    )  # fmt: skip
    return rows.mappings().first()


async def keep(
    uow: UnitOfWork,
    tenant: str,
    template_id: UUID,
    subject: str | None,
    body: str,
    variables: Collection[str],
    actor: str,
) -> int:
    """Keep texts as the next version of a template that this unit of work has to itself; returns its number."""
    rows = await uow.execute(
        """insert into template_version (tenant_id, template_id, version, subject, body, variables, saved_by, saved_at)
           select :tenant, :template, coalesce(max(version), 0) + 1, :subject, :body, cast(:variables as text[]), :actor, :now
           from template_version where tenant_id = :tenant and template_id = :template
           returning version""",
        tenant=tenant, template=template_id, subject=subject, body=body, variables=sorted(variables), actor=actor,
        now=uow.now,
    )  # fmt: skip
    number: int = rows.scalar_one()
    return number


async def page(
    uow: UnitOfWork, tenant: str, kind: SendKind | None, only: Collection[UUID], before: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """Templates without their texts, the youngest first, from before one; only some, if any are named."""
    rows = await uow.execute(
        """select template_id, name, kind, created_at, newest.version, newest.versions, newest.saved_at
           from template cross join lateral (
               select max(version) as version, count(*) as versions, max(saved_at) as saved_at from template_version
               where template_version.tenant_id = :tenant and template_version.template_id = template.template_id
           ) as newest
           where tenant_id = :tenant and (cast(:kind as text) is null or kind = :kind)
             and (cast(:only as uuid[]) is null or template_id = any (cast(:only as uuid[])))
             and (cast(:before as uuid) is null or template_id < :before)
           order by template_id desc limit :limit""",
        tenant=tenant, kind=kind, only=list(only) or None, before=before, limit=limit,
    )  # fmt: skip
    return rows.mappings().all()


async def page_of_versions(
    uow: UnitOfWork, tenant: str, template_id: UUID, before: int | None, limit: int
) -> Sequence[RowMapping]:
    """A template's versions without their texts, newest first, from before one."""
    rows = await uow.execute(
        """select version, saved_by, saved_at from template_version
           where tenant_id = :tenant and template_id = :template and (cast(:before as integer) is null or version < :before)
           order by version desc limit :limit""",
        tenant=tenant, template=template_id, before=before, limit=limit,
    )  # fmt: skip
    return rows.mappings().all()


async def attribution(uow: UnitOfWork, tenant: str, lead_id: UUID) -> RowMapping | None:
    """What outreach's copy of a lead says of it: `attribution`, by the names of `contracts.values.Attribution`, and `metadata`."""
    rows = await uow.execute(
        "select attribution, metadata from lead where tenant_id = :tenant and lead_id = :lead and not erased",
        tenant=tenant, lead=lead_id,
    )  # fmt: skip
    return rows.mappings().first()
