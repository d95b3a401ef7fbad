"""What is personal is shown: to whom may see it, as often as they may, and never without a row in the audit."""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from chassis import tenants
from chassis.keys import TenantKey
from chassis.unit_of_work import UnitOfWork
from contracts.intake.privacy import PersonalField, PiiRevealed, Revealed, RevealLimitReached, RevealState
from contracts.message import Allowance, Envelope, Problem, ProblemCode
from contracts.taxonomy import Purpose
from intake import locks
from intake.leads.domain_combined import first_personal, order_of
from intake.privacy import store_audit
from intake.privacy.asking import Asker
from intake.privacy.domain_fitting import fit
from intake.privacy.domain_policy import WINDOW, wait
from intake.vault import sealing

Sealed = Mapping[UUID, RowMapping]
"""What the vault holds of leads, by lead."""


async def reveal(
    uow: UnitOfWork,
    key: TenantKey,
    who: Asker,
    purpose: Purpose,
    lead_ids: Sequence[UUID],
    fields: Sequence[PersonalField],
    cause: Envelope,
) -> list[Revealed] | Problem:
    """What is personal about one tenant's leads; a problem, which is to be the answer, where it would be too many.

    The problem is returned and not raised: that the limit was reached is an event, which must not be undone with the rest.
    """
    found = await store_audit.sealed(uow, key.tenant, lead_ids)
    lenders = {other for row in found.values() for other in order_of(row["lead_id"], row["combined"])} - found.keys()
    opened = {**found, **await store_audit.sealed(uow, key.tenant, list(lenders))} if lenders else found
    seen = {row["person_id"] for row in opened.values() if not _is_gone(row)}
    if problem := await too_many(uow, key.tenant, who, seen, cause):
        return problem
    views = fit([_view(lead_id, opened, key, fields) for lead_id in lead_ids])
    await record(uow, key.tenant, who, purpose, _shown(views, opened), cause)
    return views


async def too_many(uow: UnitOfWork, tenant: str, who: Asker, persons: set[UUID], cause: Envelope) -> Problem | None:
    """The refusal, where with these persons the caller would have seen more within an hour than the tenant allows.

    The caller is locked until the unit of work ends, and counted by the minute; near the limit, in the audit itself.
    """
    await locks.reveals(uow, tenant, who.caller)
    settings = await tenants.settings_of(uow, tenant)
    limit = settings.reveals_per_hour if who.is_a_person else settings.reveals_per_hour_of_services
    since = uow.now - WINDOW
    if await store_audit.count_since(uow, tenant, who.caller, since) + len(persons) <= limit:
        return None  # a service is shown tens of thousands an hour: who they were matters near the limit only
    shown = await store_audit.shown_since(uow, tenant, who.caller, since)
    new = persons - shown.keys()
    pause = wait(list(shown.values()), len(new), limit, uow.now)
    if pause is None:
        return None
    if await store_audit.tell_limit(uow, tenant, who.caller, WINDOW):
        event = RevealLimitReached(
            caller=who.caller, service=who.service, limit=limit, seen=len(shown), refused=len(new), occurred_at=uow.now
        )
        uow.publish(tenant, event, cause)
    message = (
        f"whoever asks may see {limit} persons an hour, has seen {len(shown)}, and asks for {len(new)} more: "
        f"ask for fewer, or again in {ceil(pause.total_seconds())} s; the tenant's settings say how many"
    )
    allowance = Allowance(
        limit=limit, window_seconds=int(WINDOW.total_seconds()), remaining=max(limit - len(shown), 0),
        reset_seconds=ceil(pause.total_seconds()),
    )  # fmt: skip
    return Problem(code=ProblemCode.UNAVAILABLE, message=message, allowance=allowance)


async def record(
    uow: UnitOfWork,
    tenant: str,
    who: Asker,
    purpose: Purpose,
    shown: Sequence[tuple[UUID, UUID, Sequence[str]]],
    cause: Envelope,
) -> None:
    """Put what is shown into the audit, (lead, person, fields), and publish that it was: of each lead once."""
    if not shown:
        return
    about = {"service": who.service, "actor": who.actor, "role": who.role, "purpose": purpose}
    row = {**about, "caller": who.caller, "correlation_id": cause.correlation_id}
    await store_audit.audit(uow, tenant, row, shown)
    leads = list(dict.fromkeys(lead for lead, _, _ in shown))
    uow.publish(tenant, PiiRevealed(lead_ids=leads, count=len(leads), occurred_at=uow.now, **about), cause)


def personal_of(row: RowMapping, key: TenantKey) -> dict[str, Any]:
    """What the vault holds of a lead, by name; nothing of an erased one."""
    return {} if _is_gone(row) else dict(sealing.open_wrapped(row, key))


def _view(lead_id: UUID, opened: Sealed, key: TenantKey, fields: Sequence[PersonalField]) -> Revealed:
    """What is personal about a lead, with what those that are merged into it lend it."""
    row = opened.get(lead_id)
    if row is None:
        return Revealed(lead_id=lead_id, state=RevealState.NOT_FOUND)
    if _is_gone(row):
        return Revealed(lead_id=lead_id, state=RevealState.ERASED, person_id=row["person_id"])
    order = [opened[each] for each in order_of(lead_id, row["combined"]) if each in opened]
    personal, origins = first_personal((each["lead_id"], personal_of(each, key)) for each in order)
    wanted = {name: value for name, value in personal.items() if not fields or name in fields}
    lent = {f: lead for f, lead in origins.items() if lead != lead_id and f.partition(".")[0] in wanted}
    return Revealed.model_validate(
        {
            **wanted, "lead_id": lead_id, "state": RevealState.REVEALED, "person_id": row["person_id"],
            "provenance": lent,
        }
    )  # fmt: skip


def _shown(views: Sequence[Revealed], opened: Sealed) -> list[tuple[UUID, UUID, list[str]]]:
    """Of which leads and persons which fields are shown: a value that was lent is its lender's."""
    shown: dict[UUID, set[str]] = {}
    for view in views:
        if view.state is RevealState.REVEALED:
            shown.setdefault(view.lead_id, set())
            for path in _paths(view):
                lead = view.provenance.get(path, view.lead_id)
                shown.setdefault(lead, set()).add(path.partition(".")[0])
    return [
        (lead, opened[lead]["person_id"], [field for field in PersonalField if field in fields])
        for lead, fields in shown.items()
    ]


def _paths(view: Revealed) -> list[str]:
    """The values that are shown, as `provenance` names them."""
    held = [field.value for field in PersonalField if getattr(view, field) is not None]
    metadata = [f"metadata.{name}" for name in view.metadata or ()]
    return [field for field in held if field != PersonalField.METADATA or not metadata] + metadata


def _is_gone(row: RowMapping) -> bool:
    return row["erased_at"] is not None or row["wrapped"] is None
