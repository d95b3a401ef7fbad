"""Every query about outcomes: recorded, voided, and what is kept of leads to find missing ones by."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import Row, UnitOfWork, columns
from contracts.taxonomy import STAGE_OF, OutcomeType
from outcomes.domain import PROMISING_TIERS, PROMISING_TIMELINES, Recorded
from outcomes.store import LeadKey

_HISTORIES = """
    select wanted.tenant_id, wanted.lead_id, one.*
    from unnest(cast(:tenants as text[]), cast(:leads as uuid[])) as wanted (tenant_id, lead_id)
    cross join lateral (
        select outcome_id, sequence, type, occurred_at, idempotency_key,
               (select void.reverted from outcome_void as void
                where void.tenant_id = wanted.tenant_id and void.lead_id = wanted.lead_id
                      and void.sequence = outcome.sequence) as reverted
        from outcome
        where outcome.tenant_id = wanted.tenant_id and outcome.lead_id = wanted.lead_id
        offset 0
    ) as one
    order by one.sequence
"""
_OUTCOME_TYPES = {
    "tenant_id": "text", "lead_id": "uuid", "sequence": "integer", "outcome_id": "uuid", "type": "text",
    "occurred_at": "timestamptz", "idempotency_key": "text", "recorded_at": "timestamptz", "recorded_by": "text",
    "attribution": "jsonb", "value": "numeric", "currency": "text", "value_band": "text", "reason_code": "text",
    "overridden": "boolean", "corrects": "uuid", "sealed": "bytea", "again": "integer",
}  # fmt: skip
_OUTCOME = ", ".join(_OUTCOME_TYPES)
_WITH_VOIDS = f"""
    select {_OUTCOME}, warnings, voided_at, voided_by, void_reason_code, corrected_by, void_sealed
    from outcome left join lateral (
        select voided_at, voided_by, reason_code as void_reason_code, corrected_by, void.sealed as void_sealed
        from outcome_void as void
        where void.tenant_id = outcome.tenant_id and void.lead_id = outcome.lead_id and void.sequence = outcome.sequence
        limit 1
    ) as void on true
"""
_ADD_OUTCOMES = f"""
    with given as materialized (
        select * from unnest({", ".join(f"cast(:{name} as {type_}[])" for name, type_ in _OUTCOME_TYPES.items())},
                             cast(:warnings as text[]), cast(:beyond_contacted as boolean[]), cast(:stage as text[]))
                      as given ({_OUTCOME}, warnings, beyond_contacted, stage)
    ), added as (
        insert into outcome ({_OUTCOME}, warnings)
        select {_OUTCOME}, string_to_array(warnings, ',') from given
    )
    update lead set last_activity_at = greatest(lead.last_activity_at, latest.occurred_at),
                    told_activity_at = coalesce(lead.told_activity_at, lead.last_activity_at),
                    beyond_contacted = lead.beyond_contacted or latest.beyond_contacted,
                    stage = case when lead.staged_at > latest.occurred_at then lead.stage else latest.stage end,
                    staged_at = greatest(lead.staged_at, latest.occurred_at)
    from (
        select tenant_id, lead_id, max(occurred_at) as occurred_at, bool_or(beyond_contacted) as beyond_contacted,
               (array_agg(stage order by occurred_at desc, sequence desc))[1] as stage
        from given group by tenant_id, lead_id
    ) as latest
    where lead.tenant_id = latest.tenant_id and lead.lead_id = latest.lead_id
"""
_STANDING = """
    from outcome
    where outcome.tenant_id = lead.tenant_id and outcome.lead_id = lead.lead_id
      and not exists (select from outcome_void as void
                      where void.tenant_id = outcome.tenant_id and void.lead_id = outcome.lead_id
                            and void.sequence = outcome.sequence)
"""
"""The outcomes of `lead` that were not voided."""
_BEYOND_CONTACTED = f"exists (select {_STANDING} and outcome.type <> '{OutcomeType.CONTACTED}')"
"""What `is_beyond_contacted` says of them together."""
_LAST_ACTIVITY = (
    f"greatest(coalesce(told_activity_at, last_activity_at), (select max(outcome.occurred_at) {_STANDING}))"
)
"""When something last happened to `lead`: what other services told, or an outcome. What was told is not known of a lead of which nothing
has been heard for long; then it is when it was said to have happened last."""
_LAST = f"(select {{0}} {_STANDING} order by outcome.occurred_at desc, outcome.sequence desc limit 1)"
_STAGE = _LAST.format(
    "case outcome.type "
    + " ".join(f"when '{type_}' then '{stage}'" for type_, stage in STAGE_OF.items()) + " end"
)  # fmt: skip
"""What `state_of` says of where `lead` stands."""
_STAGED_AT = _LAST.format("outcome.occurred_at")
_AS_DERIVED = f"beyond_contacted = {_BEYOND_CONTACTED}, last_activity_at = {_LAST_ACTIVITY}, stage = {_STAGE}, staged_at = {_STAGED_AT}"
_MERGED = (
    "exists (select from lead as merged where merged.tenant_id = :tenant and merged.merged_into = lead.lead_id and {0})"
)
_PROMISING = f"""
    lead.tenant_id = :tenant and lead.merged_into is null and not beyond_contacted
    and tier in ({", ".join(f"'{tier}'" for tier in PROMISING_TIERS)})
    and timeline in ({", ".join(f"'{timeline}'" for timeline in PROMISING_TIMELINES)})
"""
"""The words stand in the statement itself, as they do in the partial indexes that it is to be answered from."""
_ACTIVE = _MERGED.format("merged.last_activity_at >= :before")
_QUIET = f"""
    from lead where {_PROMISING} and last_activity_at < :before
      and not {_MERGED.format("(merged.beyond_contacted or merged.last_activity_at >= :before)")}
"""
_UNANSWERED = f"""
    from lead where {_PROMISING} and sms_replied_at < :before and (last_activity_at >= :before or {_ACTIVE})
      and not {_MERGED.format("(merged.beyond_contacted or merged.sms_replied_at >= :before)")}
"""
# Apart, and each in the order of an index: the stalest few are read, and not all that are stale.
_STALEST = f"""
    (select *, last_activity_at as stale_since {_QUIET} order by last_activity_at, lead_id limit :limit)
    union all
    (select *, sms_replied_at as stale_since {_UNANSWERED} order by sms_replied_at, lead_id limit :limit)
    order by stale_since, lead_id limit :limit
"""
"""Nothing has happened for a week, or an SMS of theirs is a week old, whatever was sent since (outcome-capture plan, "Missing Outcome
Nudges")."""


async def histories(uow: UnitOfWork, leads: Collection[LeadKey]) -> dict[LeadKey, list[Recorded]]:
    """The outcomes of each lead, in recorded order."""
    found: dict[LeadKey, list[Recorded]] = {key: [] for key in leads}
    rows = await uow.execute(_HISTORIES, tenants=[key[0] for key in leads], leads=[key[1] for key in leads])
    for row in rows:
        found[row.tenant_id, row.lead_id].append(
            Recorded(
                row.outcome_id,
                row.sequence,
                OutcomeType(row.type),
                row.occurred_at,
                row.idempotency_key,
                voided=row.reverted is not None,
                reverted=bool(row.reverted),
            )
        )
    return found


async def void(
    uow: UnitOfWork,
    tenant: str,
    outcomes: Sequence[Row],
    *,
    voided_by: str,
    reason_code: str | None,
    corrected_by: UUID | None = None,
    sealed: Sequence[bytes | None],
) -> None:
    """Keep that outcomes are voided now; what is kept of their leads is as if they had never been.

    Parameters:
        outcomes: the lead_id, sequence and outcome_id of each.
        sealed: why, in words, of each.
    """
    given = columns(outcomes, "lead_id", "sequence", "outcome_id")
    await uow.execute(
        """insert into outcome_void (tenant_id, lead_id, sequence, outcome_id, voided_at, voided_by, reason_code,
                                     corrected_by, sealed)
           select :tenant, lead_id, sequence, outcome_id, :voided_at, :voided_by, :reason_code, :corrected_by, sealed
           from unnest(cast(:lead_id as uuid[]), cast(:sequence as integer[]), cast(:outcome_id as uuid[]), cast(:sealed as bytea[]))
                as given (lead_id, sequence, outcome_id, sealed)""",
        tenant=tenant, voided_at=uow.now, voided_by=voided_by, reason_code=reason_code, corrected_by=corrected_by,
        sealed=list(sealed), **given,
    )  # fmt: skip
    await keep_as_derived(uow, tenant, given["lead_id"])


async def revert(uow: UnitOfWork, tenant: str, outcomes: Collection[UUID], voided_by: str) -> Sequence[RowMapping]:
    """Keep of those of these outcomes that stand that they are voided, and may be recorded again; returns them, as `OutcomeVoided`
    tells of them."""
    rows = await uow.execute(
        """with voided as (
               insert into outcome_void (tenant_id, lead_id, sequence, outcome_id, voided_at, voided_by, reverted)
               select tenant_id, lead_id, sequence, outcome_id, :now, :voided_by, true from outcome
               where tenant_id = :tenant and outcome_id = any(cast(:outcomes as uuid[]))
               on conflict do nothing
               returning tenant_id, lead_id, sequence, voided_at, voided_by
           )
           select outcome_id, lead_id, type, occurred_at, attribution, voided_at, voided_by
           from outcome join voided using (tenant_id, lead_id, sequence) order by lead_id, sequence""",
        tenant=tenant, outcomes=list(outcomes), voided_by=voided_by, now=uow.now,
    )  # fmt: skip
    voided = rows.mappings().all()
    await keep_as_derived(uow, tenant, {row["lead_id"] for row in voided})
    return voided


async def with_standing(uow: UnitOfWork, tenant: str, leads: Collection[UUID]) -> set[UUID]:
    """Those of these leads that have an outcome which was not voided."""
    rows = await uow.execute(
        f"""select lead_id from (
                select cast(:tenant as text) as tenant_id, lead_id from unnest(cast(:leads as uuid[])) as given (lead_id)
            ) as lead where exists (select {_STANDING})""",
        tenant=tenant, leads=list(leads),
    )  # fmt: skip
    return set(rows.scalars())


async def wrongly_kept(uow: UnitOfWork, tenant: str, among: Collection[UUID] | None = None) -> list[UUID]:
    """The leads, all or among these, of which something else is kept than their outcomes say."""
    rows = await uow.execute(
        f"""select lead_id from lead
            where tenant_id = :tenant and (cast(:among as uuid[]) is null or lead_id = any(cast(:among as uuid[])))
                  and (beyond_contacted <> {_BEYOND_CONTACTED} or last_activity_at <> {_LAST_ACTIVITY}
                       or stage is distinct from {_STAGE} or staged_at is distinct from {_STAGED_AT})
            order by lead_id""",
        tenant=tenant, among=None if among is None else list(among),
    )  # fmt: skip
    return list(rows.scalars())


async def keep_as_derived(uow: UnitOfWork, tenant: str, leads: Collection[UUID]) -> None:
    """Have be kept of these leads what their outcomes say."""
    await uow.execute(
        f"""update lead set {_AS_DERIVED}
            where tenant_id = :tenant and lead_id = any(cast(:leads as uuid[]))""",
        tenant=tenant, leads=list(leads),
    )  # fmt: skip


async def add_outcomes(uow: UnitOfWork, outcomes: Sequence[Mapping[str, Any]]) -> None:
    """Insert outcomes; raise their leads' last_activity_at and beyond_contacted, and say where they stand by them."""
    if outcomes:
        kept = ("warnings", "beyond_contacted", "stage")
        await uow.execute(_ADD_OUTCOMES, **columns(outcomes, *_OUTCOME_TYPES, *kept))


async def outcomes_of(
    uow: UnitOfWork, tenant: str, lead_id: UUID, after: int | None, limit: int
) -> Sequence[RowMapping]:
    """A lead's outcomes in state order, by when they happened, then as recorded, from behind the one of a sequence number."""
    rows = await uow.execute(
        f"""{_WITH_VOIDS}
            where tenant_id = :tenant and lead_id = :lead_id and (
                cast(:after as bigint) is null or (occurred_at, sequence) > (
                    select occurred_at, sequence from outcome
                    where tenant_id = :tenant and lead_id = :lead_id and sequence = cast(:after as bigint)))
            order by occurred_at, sequence limit :limit""",
        tenant=tenant, lead_id=lead_id, after=after, limit=limit,
    )  # fmt: skip
    return rows.mappings().all()


async def outcome_of(uow: UnitOfWork, tenant: str, lead_id: UUID, outcome_id: UUID) -> RowMapping | None:
    """One of a lead's outcomes, as `outcomes_of` has them."""
    rows = await uow.execute(
        f"{_WITH_VOIDS} where tenant_id = :tenant and lead_id = :lead_id and outcome_id = :outcome_id",
        tenant=tenant, lead_id=lead_id, outcome_id=outcome_id,
    )  # fmt: skip
    return rows.mappings().one_or_none()


async def some(uow: UnitOfWork, tenant: str, named: Sequence[tuple[UUID, UUID]]) -> Sequence[RowMapping]:
    """Those of these outcomes (lead, outcome) that the tenant has, as `outcomes_of` has them."""
    rows = await uow.execute(
        f"""select one.* from unnest(cast(:leads as uuid[]), cast(:outcomes as uuid[])) as named (named_lead, named_outcome)
            cross join lateral (
                {_WITH_VOIDS} where tenant_id = :tenant and lead_id = named_lead and outcome_id = named_outcome offset 0
            ) as one""",
        tenant=tenant, leads=[lead for lead, _ in named], outcomes=[outcome for _, outcome in named],
    )  # fmt: skip
    return rows.mappings().all()


async def missing(uow: UnitOfWork, tenant: str, before: datetime, limit: int) -> tuple[Sequence[RowMapping], int]:
    """The promising leads without an outcome to which nothing has happened since `before`, or whose last SMS is older, the stalest first,
    and how many there are."""
    rows = await uow.execute(
        f"""select lead.lead_id, tier, timeline, last_activity_at, sms_replied_at, stale_since, seen.attribution
            from ({_STALEST}) as lead
            join lead_version as seen
              on seen.tenant_id = lead.tenant_id and seen.lead_id = lead.lead_id and seen.version = lead.version
            order by stale_since, lead.lead_id""",
        tenant=tenant, before=before, limit=limit,
    )  # fmt: skip
    count = await uow.execute(
        f"select (select count(*) {_QUIET}) + (select count(*) {_UNANSWERED})", tenant=tenant, before=before
    )
    return rows.mappings().all(), count.scalar_one()
