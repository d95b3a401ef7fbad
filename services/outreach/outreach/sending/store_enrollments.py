"""Every query about the sequences that leads are in, as sending sees them."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import Row, UnitOfWork, columns
from contracts.outreach.campaigns import EnrollmentEnd
from outreach.leads.store import OF_MERGED


async def skip_pending(uow: UnitOfWork, tenant: str, enrollments: Collection[UUID], reason: str) -> list[RowMapping]:
    """What of these sequences has not begun to leave does not; returns the messages."""
    rows = await uow.execute(
        """update send_queue set state = 'skipped', reason = :reason, ended_at = :now, token = null, lease_until = null,
               spent_at = null, waiting_for = null
           where tenant_id = :tenant and enrollment_id = any (cast(:enrollments as uuid[]))
                 and state in ('queued', 'claimed')
           returning *""",
        tenant=tenant, enrollments=list(enrollments), reason=reason, now=uow.now,
    )  # fmt: skip
    return list(rows.mappings())


async def end(uow: UnitOfWork, ends: Sequence[tuple[str, UUID, EnrollmentEnd]], *, contacted: bool) -> list[RowMapping]:
    """End sequences that go on, and let go of their persons, to whom something was sent just now if they were `contacted`; returns those
    that did."""
    tenants, enrollments = [tenant for tenant, _, _ in ends], [enrollment for _, enrollment, _ in ends]
    rows = await uow.execute(
        """update enrollment set ended_at = :now, end_reason = given.reason, holds = false
           from unnest(cast(:tenants as text[]), cast(:enrollments as uuid[]), cast(:reasons as text[]))
                as given (tenant, enrollment, reason)
           where tenant_id = given.tenant and enrollment_id = given.enrollment and ended_at is null
                 and enrollment_id = any (cast(:enrollments as uuid[]))
           returning enrollment.*""",
        now=uow.now, tenants=tenants, enrollments=enrollments, reasons=[reason.value for _, _, reason in ends],
    )  # fmt: skip
    ended = list(rows.mappings())
    if ended:
        given = {"tenants": [row["tenant_id"] for row in ended], "enrollments": [row["enrollment_id"] for row in ended]}
        await _lock_holds(uow, **given)
        if contacted:
            await uow.execute(
                """update hold set lasts = false, last_sent_at = :now
                   where tenant_id = any (cast(:tenants as text[])) and enrollment_id = any (cast(:enrollments as uuid[]))""",
                **given, now=uow.now,
            )  # fmt: skip
            return ended
        # What is on its way to them, or may have reached them, counts as sent now.
        await uow.execute(
            """with leaving as materialized (
                   select enrollment_id
                   from unnest(cast(:tenants as text[]), cast(:enrollments as uuid[])) as given (tenant_id, enrollment_id)
                   cross join lateral (
                       select state from send_queue
                       where tenant_id = given.tenant_id and enrollment_id = given.enrollment_id offset 0
                   ) as message
                   where message.state in ('sending', 'unknown')
               ), freed as (
                   delete from hold
                   where tenant_id = any (cast(:tenants as text[])) and enrollment_id = any (cast(:enrollments as uuid[]))
                     and last_sent_at is null and enrollment_id not in (select enrollment_id from leaving)
               )
               update hold
               set lasts = false, last_sent_at = case when enrollment_id in (select enrollment_id from leaving) then :now
                                                      else last_sent_at end
               where tenant_id = any (cast(:tenants as text[])) and enrollment_id = any (cast(:enrollments as uuid[]))
                 and (last_sent_at is not null or enrollment_id in (select enrollment_id from leaving))""",
            **given, now=uow.now,
        )  # fmt: skip
    return ended


async def contacted(uow: UnitOfWork, messages: Sequence[Row]) -> None:
    """Something was sent to the persons of these messages, or may have been: from now on the 60 days are counted anew."""
    given = {
        "tenants": list({row["tenant_id"] for row in messages}), "enrollments": [row["enrollment_id"] for row in messages]
    }  # fmt: skip
    await _lock_holds(uow, **given)
    await uow.execute(
        """update hold set last_sent_at = :now where tenant_id = any (cast(:tenants as text[]))
             and enrollment_id = any (cast(:enrollments as uuid[]))""",
        **given, now=uow.now,
    )  # fmt: skip


async def _lock_holds(uow: UnitOfWork, tenants: Sequence[str], enrollments: Sequence[UUID]) -> None:
    """Lock these sequences' holds in the order in which everybody does."""
    await uow.execute(
        """select from hold where tenant_id = any (cast(:tenants as text[]))
             and enrollment_id = any (cast(:enrollments as uuid[])) order by tenant_id, name for update""",
        tenants=list(tenants), enrollments=list(enrollments),
    )  # fmt: skip


async def follow_names(uow: UnitOfWork, leads: Sequence[tuple[str, UUID]]) -> None:
    """Who holds the person of (tenant, lead), or sent them something, does so by every name that they are known by now, and by every one
    they are out of office."""
    await uow.execute(
        """insert into hold (tenant_id, name, enrollment_id, lasts, last_sent_at, away_until)
            select known.tenant_id, name, (array_agg(known.mine) filter (where known.mine is not null))[1],
                   bool_or(known.mine is not null), max(known.last_sent_at), max(known.away_until)
            from (
                select lead.tenant_id, names, max(last_sent_at) as last_sent_at, max(away_until) as away_until,
                       (array_agg(hold.enrollment_id) filter (where lasts and enrollment.lead_id = lead.lead_id))[1] as mine
                from (select lead.tenant_id, lead.lead_id, lead.names || {OF_MERGED} as names
                      from unnest(cast(:tenants as text[]), cast(:leads as uuid[])) as given (tenant_id, lead_id)
                      join lead using (tenant_id, lead_id) where lead.merged_into is null and not lead.erased) as lead
                cross join lateral (
                    select * from hold where tenant_id = lead.tenant_id and name = any (lead.names) offset 0
                ) as hold
                left join lateral (
                    select lead_id from enrollment
                    where tenant_id = hold.tenant_id and enrollment_id = hold.enrollment_id offset 0
                ) as enrollment on true
                group by lead.tenant_id, lead.lead_id, names
            ) as known cross join lateral unnest(known.names) as name
            where known.mine is not null or known.last_sent_at is not null
            group by known.tenant_id, name
            order by known.tenant_id, name
            on conflict (tenant_id, name) do update set last_sent_at = greatest(hold.last_sent_at, excluded.last_sent_at),
                                                        away_until = greatest(hold.away_until, excluded.away_until)""".replace(
            "{OF_MERGED}", OF_MERGED
        ),
        tenants=[tenant for tenant, _ in leads], leads=[lead for _, lead in leads],
    )  # fmt: skip


async def part(uow: UnitOfWork, leads: Sequence[tuple[str, UUID]]) -> None:
    """The persons of (tenant, lead), which were parted from others, are not held by the others' sequences any more, but by names that
    they share."""
    await uow.execute(
        """delete from hold using lead, enrollment, lead as theirs,
                  unnest(cast(:tenants as text[]), cast(:leads as uuid[])) as given (tenant, lead)
           where lead.tenant_id = given.tenant and lead.lead_id = given.lead and hold.tenant_id = given.tenant
             and hold.name = any (lead.names) and enrollment.tenant_id = given.tenant
             and enrollment.enrollment_id = hold.enrollment_id and enrollment.lead_id <> lead.lead_id
             and theirs.tenant_id = given.tenant and theirs.lead_id = enrollment.lead_id
             and hold.name <> all (theirs.names)""",
        tenants=[tenant for tenant, _ in leads], leads=[lead for _, lead in leads],
    )  # fmt: skip


async def stand_aside(uow: UnitOfWork, leads: Sequence[tuple[str, UUID]]) -> None:
    """Sequences of (tenant, lead), for which another lead stands now, let go of their persons where nothing has left to them: the
    other lead's may have them. They go on once the lead is parted."""
    rows = await uow.execute(
        """update enrollment set holds = false
           from unnest(cast(:tenants as text[]), cast(:leads as uuid[])) as given (tenant, lead)
           where tenant_id = given.tenant and lead_id = given.lead and ended_at is null and holds and not exists (
               select from send_queue as message
               where message.tenant_id = enrollment.tenant_id and message.enrollment_id = enrollment.enrollment_id
                     and message.state in ('sending', 'sent', 'unknown'))
           returning tenant_id, enrollment_id""",
        tenants=[tenant for tenant, _ in leads], leads=[lead for _, lead in leads],
    )  # fmt: skip
    if aside := rows.all():
        given = {"tenants": list({row.tenant_id for row in aside}), "enrollments": [row.enrollment_id for row in aside]}
        await _lock_holds(uow, **given)
        await uow.execute(
            """delete from hold where tenant_id = any (cast(:tenants as text[]))
                 and enrollment_id = any (cast(:enrollments as uuid[])) and last_sent_at is null""",
            **given,
        )


async def going_on(uow: UnitOfWork, tenant: str, lead_ids: Collection[UUID]) -> list[UUID]:
    """The sequences that leads are in."""
    rows = await uow.execute(
        """select enrollment_id from enrollment
           where tenant_id = :tenant and lead_id = any (cast(:leads as uuid[])) and ended_at is null""",
        tenant=tenant, leads=list(lead_ids),
    )  # fmt: skip
    return list(rows.scalars())


async def going_on_of_persons(uow: UnitOfWork, tenant: str, names: Sequence[str]) -> list[UUID]:
    """The sequences that hold persons known by these names."""
    rows = await uow.execute(
        """select distinct enrollment_id from hold
           where tenant_id = :tenant and name = any (cast(:names as text[])) and lasts""",
        tenant=tenant, names=list(names),
    )  # fmt: skip
    return list(rows.scalars())


async def ended(uow: UnitOfWork, messages: Sequence[Row]) -> dict[UUID, str]:
    """Of the sequences of these messages those that have ended, with why."""
    rows = await uow.execute(
        """select enrollment_id, end_reason from enrollment
           where tenant_id = any (cast(:tenants as text[])) and enrollment_id = any (cast(:enrollments as uuid[]))
             and ended_at is not null""",
        tenants=list({row["tenant_id"] for row in messages}), enrollments=[row["enrollment_id"] for row in messages],
    )  # fmt: skip
    return {row.enrollment_id: row.end_reason for row in rows}


async def persons(uow: UnitOfWork, messages: Sequence[Row]) -> dict[UUID, RowMapping]:
    """Of these messages' sequences those that go on, each with a name of its lead's `person` and the lead's `channels`."""
    given = columns(messages, "tenant_id", "enrollment_id", "lead_id")
    rows = await uow.execute(
        """select enrollment_id, coalesce(lead.names[1], '') as person, lead.channels
           from unnest(cast(:tenants as text[]), cast(:enrollments as uuid[]), cast(:leads as uuid[]))
                as given (tenant_id, enrollment_id, lead_id)
           cross join lateral (
               select ended_at from enrollment
               where tenant_id = given.tenant_id and enrollment_id = given.enrollment_id offset 0
           ) as enrollment
           cross join lateral (
               select names, channels from lead where tenant_id = given.tenant_id and lead_id = given.lead_id offset 0
           ) as lead
           where enrollment.ended_at is null""",
        tenants=given["tenant_id"], enrollments=given["enrollment_id"], leads=given["lead_id"],
    )  # fmt: skip
    return {row["enrollment_id"]: row for row in rows.mappings()}
