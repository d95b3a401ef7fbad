"""Every query about actions and their fingerprints."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork
from contracts.intake.memory import RecordAction
from contracts.taxonomy import ActionStatus, ActionType, EntityType
from intake.memory.domain_fingerprint import SIMILAR, telling_parts

_FROM_LITTLE_TO_MUCH: Final = (ActionStatus.NO_ACTION, ActionStatus.PARTIAL, ActionStatus.COMPLETED)
_SEEN = (
    "action_id, action_type, entity_type, entity_id, actor, status, proceeded_anyway, similar_to, acted_at, updated_at"
)

_KNOWN = "action_id, acted_at, status"
_COMPARABLE = """
    tenant_id = :tenant and expires_at > :now and action_type = :action_type and entity_type = :entity_type
    and (entity_id is null or cast(:entity_id as uuid) is null or entity_id = :entity_id)
"""
_MOST = 10_000
_SAME = f"""
    select {_KNOWN}, true as same from action
    where {_COMPARABLE} and fingerprint = :fingerprint order by acted_at desc, action_id desc limit 1
"""
# Whatever is similar has one of the rarest parts, if enough of those are looked for: so what every request has, such as
# a country, is not walked through. Where all its parts are in more than `_MOST` actions, it is advice from the latest of them.
_SIMILAR = f"""
    with asked as (
        select part, (select count(*) from (select from action_part
                                            where tenant_id = :tenant and action_part.part = given.part limit {_MOST})
                                            as first) as often
        from unnest(cast(:parts as bytea[])) as given (part)
    ), candidate as (
        select distinct action_id
        from (select part from asked order by often limit :rarest) as rare
        cross join lateral (select action_id from action_part
                            where tenant_id = :tenant and action_part.part = rare.part
                            order by action_id desc limit {_MOST}) as found
    )
    select {_KNOWN}, false as same
    from candidate
    join lateral (select *, (select count(*) from unnest(parts) as part where part = any(cast(:parts as bytea[]))) as shared
                  from action where {_COMPARABLE} and action.action_id = candidate.action_id offset 0) as action
        using (action_id)
    where cast(shared as double precision) / (cardinality(parts) + :count - shared) >= :similar
    order by acted_at desc, action_id desc limit 1
"""

_RECORD = f"""
    insert into action (tenant_id, action_id, action_type, entity_type, entity_id, actor, status, proceeded_anyway,
                        similar_to, fingerprint, parts, acted_at, updated_at, expires_at)
    values (:tenant, :action_id, :action_type, :entity_type, :entity_id, :actor, :status, :proceeded_anyway,
            :similar_to, :fingerprint, :parts, :now, :now, :expires_at)
    on conflict (tenant_id, action_id) do nothing
    returning {_SEEN}
"""
_RECORD_PARTS = """
    insert into action_part (tenant_id, part, action_id)
    select :tenant, part, :action_id from unnest(cast(:parts as bytea[])) as part
"""
_UPDATE = f"""
    update action set status = :status, updated_at = :now
    where tenant_id = :tenant and action_id = :action_id and status <> :status returning {_SEEN}
"""
# In the order of their keys, or two replicas that hear of the same campaigns wait for each other.
_ADVANCE = f"""
    with told as (
        select tenant_id, action_id from action
        where (tenant_id, action_id) in (select * from unnest(cast(:tenants as text[]), cast(:actions as uuid[])))
          and action_type = 'outreach' and status = any(cast(:below as text[]))
        order by tenant_id, action_id for update
    )
    update action set status = :status, updated_at = :now
    where (tenant_id, action_id) in (select tenant_id, action_id from told) returning tenant_id, {_SEEN}
"""
_PAGE = f"""
    select {_SEEN} from action
    where tenant_id = :tenant and (cast(:before as timestamptz) is null or (acted_at, action_id) < (:before, cast(:after as uuid)))
      and (cast(:action_type as text) is null or action_type = :action_type)
      and (cast(:actor as text) is null or actor = :actor)
      and (cast(:proceeded_anyway as boolean) is null or proceeded_anyway = :proceeded_anyway)
    order by acted_at desc, action_id desc limit :limit
"""
_FORGET_EXPIRED = """
    with expired as (
        select action_id, parts from action
        where tenant_id = :tenant and fingerprint is not null and expires_at <= :now
        order by expires_at limit :most for update skip locked
    ), parted as (
        delete from action_part using expired, unnest(expired.parts) as of (part)
        where action_part.tenant_id = :tenant and action_part.part = of.part
          and action_part.action_id = expired.action_id
    )
    update action set fingerprint = null, parts = '{}' from expired
    where action.tenant_id = :tenant and action.action_id = expired.action_id
"""

_OF_ENTITIES = f"""
    select {_SEEN}, expires_at from action
    where tenant_id = :tenant and entity_id = any(cast(:entities as uuid[]))
      and (cast(:after as uuid) is null or action_id > :after)
    order by action_id limit :limit
"""
_FORGET_ENTITIES = """
    with about as (
        select action_id, parts from action
        where tenant_id = :tenant and entity_id = any(cast(:entities as uuid[]))
        order by action_id for update
    ), parted as (
        delete from action_part using about, unnest(about.parts) as of (part)
        where action_part.tenant_id = :tenant and action_part.part = of.part and action_part.action_id = about.action_id
    )
    update action set entity_id = null, fingerprint = null, parts = '{}' from about
    where action.tenant_id = :tenant and action.action_id = about.action_id
"""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A request's hashes under its tenant's key.

    Attributes:
        whole: of the whole request; equal for equal requests. Empty where there is nothing to compare by.
        parts: of each of its parts.
    """

    action_type: ActionType
    entity_type: EntityType
    entity_id: UUID | None
    whole: bytes | None
    parts: Sequence[bytes]


async def most_similar(uow: UnitOfWork, tenant: str, fingerprint: Fingerprint) -> RowMapping | None:
    """The latest action that asked for the very same, or else for something similar (action_id, acted_at, status, same)."""
    about: dict[str, Any] = {"tenant": tenant, "now": uow.now, **_about(fingerprint)}
    rows = await uow.execute(_SAME, fingerprint=fingerprint.whole, **about)
    if found := rows.mappings().first():
        return found
    rarest = telling_parts(len(fingerprint.parts))
    rows = await uow.execute(
        _SIMILAR, parts=fingerprint.parts, count=len(fingerprint.parts), similar=SIMILAR, rarest=rarest, **about
    )
    return rows.mappings().first()


async def record(
    uow: UnitOfWork, tenant: str, action_id: UUID, order: RecordAction, fingerprint: Fingerprint,
    similar_to: UUID | None, expires_at: datetime,
) -> RowMapping | None:  # fmt: skip
    """Keep an action; none if there is one of its id."""
    rows = await uow.execute(
        _RECORD, tenant=tenant, action_id=action_id, actor=order.actor, status=order.status,
        proceeded_anyway=order.proceeded_anyway, similar_to=similar_to, fingerprint=fingerprint.whole, now=uow.now,
        parts=fingerprint.parts, expires_at=expires_at, **_about(fingerprint),
    )  # fmt: skip
    recorded = rows.mappings().first()
    if recorded:
        await uow.execute(_RECORD_PARTS, tenant=tenant, action_id=action_id, parts=fingerprint.parts)
    return recorded


async def update(uow: UnitOfWork, tenant: str, action_id: UUID, status: ActionStatus) -> RowMapping | None:
    """Set an action's status; none if there is no such action, or it stands so already."""
    rows = await uow.execute(_UPDATE, tenant=tenant, action_id=action_id, status=status, now=uow.now)
    return rows.mappings().first()


async def advance(uow: UnitOfWork, actions: Sequence[tuple[str, UUID]], status: ActionStatus) -> Sequence[RowMapping]:
    """Set the status of those of outreach's actions (tenant, id) of which less is known; returns them, with their tenants."""
    below = _FROM_LITTLE_TO_MUCH[: _FROM_LITTLE_TO_MUCH.index(status)]
    rows = await uow.execute(
        _ADVANCE, tenants=[tenant for tenant, _ in actions], actions=[action for _, action in actions], status=status,
        below=[each.value for each in below], now=uow.now,
    )  # fmt: skip
    return rows.mappings().all()


async def action(uow: UnitOfWork, tenant: str, action_id: UUID) -> RowMapping | None:
    rows = await uow.execute(
        f"select {_SEEN} from action where tenant_id = :tenant and action_id = :action_id",
        tenant=tenant, action_id=action_id,
    )  # fmt: skip
    return rows.mappings().first()


async def page(
    uow: UnitOfWork, tenant: str, filters: dict[str, Any], after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[RowMapping]:
    """Actions that match, newest first, beginning behind the one taken and called as `after` says."""
    before, id_ = after or (None, None)
    rows = await uow.execute(_PAGE, tenant=tenant, before=before, after=id_, limit=limit, **filters)
    return rows.mappings().all()


async def forget_expired(uow: UnitOfWork, tenant: str, most: int) -> int:
    """Delete fingerprints whose time has come, of not more than `most` actions, which stay for auditors; returns how many."""
    return (await uow.execute(_FORGET_EXPIRED, tenant=tenant, now=uow.now, most=most)).rowcount


async def of_entities(
    uow: UnitOfWork, tenant: str, entities: Collection[UUID], after: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """The actions about any of these, as auditors see them and until when they are remembered, from behind one of them."""
    rows = await uow.execute(_OF_ENTITIES, tenant=tenant, entities=list(entities), after=after, limit=limit)
    return rows.mappings().all()


async def forget_entities(uow: UnitOfWork, tenant: str, entities: Collection[UUID]) -> int:
    """Delete the fingerprints of the actions about any of these, and whom they were about; the rest stays for auditors.

    Returns how many actions they are.
    """
    return (await uow.execute(_FORGET_ENTITIES, tenant=tenant, entities=list(entities))).rowcount


async def is_erased(uow: UnitOfWork, tenant: str, entity_id: UUID) -> bool:
    """Whether this is a lead, or a person, that was erased."""
    rows = await uow.execute(
        """select exists (select from lead where tenant_id = :tenant and lead_id = :entity and erased_at is not null)
               or exists (select from lead where tenant_id = :tenant and person_id = :entity and erased_at is not null)""",
        tenant=tenant, entity=entity_id,
    )  # fmt: skip
    return bool(rows.scalar_one())


def _about(fingerprint: Fingerprint) -> dict[str, Any]:
    return {
        "action_type": fingerprint.action_type,
        "entity_type": fingerprint.entity_type,
        "entity_id": fingerprint.entity_id,
    }
