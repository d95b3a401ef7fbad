"""Leads join the audiences of campaigns: each is enrolled once in each, holds its person if nothing else does, and is queued.

One that was withdrawn before anything was sent to it, and comes again, is enrolled anew: under another id, so that what was told of the
former enrollment stays true.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import RowMapping

from chassis import tenants
from chassis.unit_of_work import Database, UnitOfWork
from contracts.message import Envelope
from contracts.outreach.campaigns import EnrollmentEnd, EnrollmentStarted, Step
from outreach.campaigns import store
from outreach.sending import store_queue
from outreach.sending.domain_gates import REST
from outreach.sending.facts import campaign_settings
from outreach.sending.queueing import Entry, enqueue, stop, variant_of

BATCH = 500


async def enrol(
    uow: UnitOfWork,
    leads: Sequence[tuple[str, UUID]],
    causes: Mapping[tuple[str, UUID], Envelope] | None = None,
    known: Sequence[tuple[str, UUID]] = (),
) -> None:
    """Enroll (tenant, lead), which came or changed, in every campaign that is for them; those that were `known` before, and may have
    been withdrawn meanwhile, also where they were then."""
    if not leads:
        return
    rows = await store.enrol(uow, leads)
    if known:
        rows += await store.enrol_anew(uow, known)
    await _begin(uow, rows, causes or {})


async def _begin(uow: UnitOfWork, rows: Sequence[RowMapping], causes: Mapping[tuple[str, UUID], Envelope]) -> None:
    """Publish that enrollments have begun, have them hold their persons, and queue their first messages.

    One whose person another sequence holds waits for them in the queue, as the gates say.
    """
    if not rows:
        return
    for row in rows:
        event = EnrollmentStarted(
            campaign_id=row["campaign_id"],
            enrollment_id=row["enrollment_id"],
            lead_id=row["lead_id"],
            occurred_at=uow.now,
        )
        uow.publish(row["tenant_id"], event, causes.get((row["tenant_id"], row["lead_id"])))
    wanted = [(row["tenant_id"], row["enrollment_id"], row["names"]) for row in rows]
    await store_queue.take_holds(uow, wanted, REST)
    entries = []
    for row in rows:
        step = Step.model_validate(row["step"])
        entries.append(
            Entry(
                tenant=row["tenant_id"], enrollment_id=row["enrollment_id"], campaign_id=row["campaign_id"],
                lead_id=row["lead_id"], step=1, kind=step.kind,
                rotation_set=campaign_settings(row["settings"]).rotation_set, person=row["names"][0],
                due_at=uow.now + timedelta(days=step.delay_days), cause=causes.get((row["tenant_id"], row["lead_id"])),
                variant=variant_of(step.variants, 1, row["enrollment_id"]),
            )
        )  # fmt: skip
    await enqueue(uow, entries)


async def enrol_audiences(database: Database) -> int:
    """Enroll a batch of every campaign that has begun, of the leads that were there before; returns how many campaigns had one.
    Sequences of campaigns that were archived end here too."""
    async with database.begin() as uow:
        names = await tenants.all_tenants(uow)
        await uow.act_for(names)
        campaigns = await store.enrolling(uow, names)
        archived = await store.archived_with_enrollments(uow, names)
    worked = 0
    for tenant, campaign_id in campaigns:
        async with database.begin(tenant) as uow:
            if (page := await store.enrol_known(uow, tenant, campaign_id, BATCH)) is not None:
                await _begin(uow, page[0], {})
                worked += page[1]
    for tenant, campaign_id in archived:
        async with database.begin(tenant) as uow:
            if enrollments := await store.pending(uow, tenant, campaign_id, BATCH):
                await stop(uow, tenant, enrollments, EnrollmentEnd.ARCHIVED)
                worked += 1
    return worked
