"""Every query of the notifier."""

import json
from typing import Any
from uuid import UUID

from chassis.unit_of_work import UnitOfWork
from contracts.notifier import AlertView, ListAlerts
from notifier.domain import Notice
from notifier.domain_stops import Change, Code, Stopped

_ALERTS = """
    select alert_id, category, code, severity, title, message, evidence, raised_at, resolved_at, dismissed_at,
           dismissed_by, acknowledged_at, acknowledged_by
    from alert where tenant_id = :tenant
"""
_OPEN = "resolved_at is null and dismissed_at is null"


async def _read(uow: UnitOfWork, statement: str, **parameters: Any) -> list[AlertView]:
    rows = await uow.execute(statement, **parameters)
    return [AlertView.model_validate(dict(row)) for row in rows.mappings()]


async def alert(uow: UnitOfWork, tenant: str, alert_id: UUID) -> AlertView | None:
    found = await _read(uow, f"{_ALERTS} and alert_id = :alert", tenant=tenant, alert=alert_id)
    return found[0] if found else None


async def alerts(uow: UnitOfWork, tenant: str, wanted: ListAlerts, before: UUID | None) -> list[AlertView]:
    """A page of the alerts that are wanted, and one more, newest first, from before one of them."""
    return await _read(
        uow,
        f"""{_ALERTS} and (cast(:every as boolean) or ({_OPEN}))
            and (cast(:acknowledged as boolean) is null or (acknowledged_at is not null) = :acknowledged)
            and (cast(:severity as text) is null or severity = :severity)
            and (cast(:category as text) is null or category = :category)
            and (cast(:code as text) is null or code = :code)
            and (cast(:before as uuid) is null or alert_id < :before)
            order by alert_id desc limit :limit""",
        tenant=tenant, every=wanted.all, acknowledged=wanted.acknowledged, severity=wanted.severity,
        category=wanted.category, code=wanted.code, before=before, limit=wanted.limit + 1,
    )  # fmt: skip


async def lock_standing(uow: UnitOfWork, tenant: str, code: str, condition: str = "") -> list[AlertView]:
    """A condition's alerts that have not been resolved, newest first; nobody dismisses one before the unit ends."""
    return await _read(
        uow,
        f"""{_ALERTS} and code = :code and condition = :condition and resolved_at is null
            order by alert_id desc for update""",
        tenant=tenant, code=code, condition=condition,
    )  # fmt: skip


async def keep_open(uow: UnitOfWork, tenant: str, alert_id: UUID, notice: Notice) -> bool:
    """Bring a condition's open alert up to date, or raise one under `alert_id`; whether one was raised."""
    rows = await uow.execute(
        f"""insert into alert (tenant_id, alert_id, code, condition, category, severity, title, message, evidence,
                               raised_at)
            values (:tenant, :alert, :code, :condition, :category, :severity, :title, :message,
                    cast(:evidence as jsonb), :now)
            on conflict (tenant_id, code, condition) where {_OPEN} do update
                set title = excluded.title, message = excluded.message, evidence = excluded.evidence
            returning alert_id = :alert""",
        tenant=tenant, alert=alert_id, code=notice.code, condition=notice.condition, category=notice.category,
        severity=notice.severity, title=notice.title, message=notice.message, evidence=json.dumps(notice.evidence),
        now=uow.now,
    )  # fmt: skip
    return bool(rows.scalar_one())


async def resolve(uow: UnitOfWork, tenant: str, code: str, condition: str = "") -> list[UUID]:
    """The condition ended: none of its alerts stands any longer, the dismissed included; returns the open ones."""
    rows = await uow.execute(
        """update alert set resolved_at = :now
           where tenant_id = :tenant and code = :code and condition = :condition and resolved_at is null
           returning alert_id, dismissed_at is null as was_open""",
        tenant=tenant, code=code, condition=condition, now=uow.now,
    )  # fmt: skip
    return [row.alert_id for row in rows if row.was_open]


async def acknowledge(uow: UnitOfWork, tenant: str, alert_id: UUID, acknowledged_by: str) -> bool:
    """Whether there was such an alert, it was open, and nobody saw to it."""
    acknowledged = await uow.execute(
        f"""update alert set acknowledged_at = :now, acknowledged_by = :acknowledged_by
            where tenant_id = :tenant and alert_id = :alert and {_OPEN} and acknowledged_at is null""",
        tenant=tenant, alert=alert_id, acknowledged_by=acknowledged_by, now=uow.now,
    )  # fmt: skip
    return acknowledged.rowcount == 1


async def dismiss(uow: UnitOfWork, tenant: str, alert_id: UUID, dismissed_by: str) -> bool:
    """Whether there was such an alert and it was open."""
    dismissed = await uow.execute(
        f"""update alert set dismissed_at = :now, dismissed_by = :dismissed_by
            where tenant_id = :tenant and alert_id = :alert and {_OPEN}""",
        tenant=tenant, alert=alert_id, dismissed_by=dismissed_by, now=uow.now,
    )  # fmt: skip
    return dismissed.rowcount == 1


async def keep_stops(uow: UnitOfWork, tenant: str, change: Change) -> set[Code]:
    """Keep what has stopped and what goes on; returns the codes of what has just stopped."""
    await uow.execute(
        """delete from stopped using unnest(cast(:codes as text[]), cast(:subjects as uuid[])) as given (code, subject)
           where tenant_id = :tenant and stopped.code = given.code and subject_id = given.subject""",
        tenant=tenant, codes=[code.value for code, _ in change.ended], subjects=[subject for _, subject in change.ended],
    )  # fmt: skip
    rows = await uow.execute(
        """insert into stopped (tenant_id, code, subject_id, since)
           select :tenant, * from unnest(cast(:codes as text[]), cast(:subjects as uuid[]), cast(:moments as timestamptz[]))
           on conflict (tenant_id, code, subject_id) do nothing returning code""",
        tenant=tenant, codes=[stop.code.value for stop in change.stops],
        subjects=[stop.subject_id for stop in change.stops], moments=[stop.since for stop in change.stops],
    )  # fmt: skip
    return {Code(code) for code in rows.scalars()}


async def stopped(uow: UnitOfWork, tenant: str, code: Code, *, joined: bool) -> Stopped:
    """What stands still for a reason; `joined` says whether any of it has just stopped."""
    rows = await uow.execute(
        """select subject_id, since, count(*) over () as number from stopped
           where tenant_id = :tenant and code = :code order by since, subject_id limit 100""",
        tenant=tenant, code=code.value,
    )  # fmt: skip
    found = rows.all()
    number, since = (found[0].number, found[0].since) if found else (0, None)
    return Stopped(code, [row.subject_id for row in found], number, since, joined)
