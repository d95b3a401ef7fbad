"""Somebody says that two leads are of two persons, although a token that they share says one."""

from uuid import UUID

from uuid_utils.compat import uuid7

from chassis import tenants
from chassis.keys import TenantKeys
from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts.intake.leads import LeadUpdated
from contracts.intake.people import DismissReview
from contracts.message import ProblemCode, ProblemError
from intake import locks
from intake.leads import store as leads
from intake.leads.problems import no_such_lead
from intake.leads.shown import snapshot
from intake.people import store, store_merges
from intake.vault import sealing
from intake.vault import store as vault


async def keep_apart(uow: UnitOfWork, keys: TenantKeys, request: Received[DismissReview]) -> bool:
    """Have two leads be two persons from now on: neither merged, linked nor listed for review; returns whether that is new.

    Where they were one person, `other_id` and what is merged with it become another one, with the tokens that nobody else of
    the first has, sealed under a key of its own.

    Raises:
        ProblemError: there is no such lead, one of them was erased, or they are merged.
    """
    tenant, ask = request.tenant, request.body
    await locks.merges(uow, tenant)
    await locks.linking(uow, tenant)
    rows = await store_merges.groups(uow, tenant, [ask.lead_id, ask.other_id])
    for field in ("lead_id", "other_id"):
        if getattr(ask, field) not in rows:
            raise no_such_lead(field)
        if rows[getattr(ask, field)]["erased_at"]:
            raise ProblemError(
                ProblemCode.CONFLICT, "the lead's person was erased: there is nobody to tell apart", field
            )
    into = {lead_id: row["merged_into"] or lead_id for lead_id, row in rows.items()}
    if into[ask.lead_id] == into[ask.other_id]:
        raise ProblemError(ProblemCode.CONFLICT, "the leads are merged: part them with unmerge_lead", "lead_id")
    is_new = await store_merges.keep_apart(uow, tenant, ask.lead_id, [ask.other_id], ask.actor)
    stay = {row["person_id"] for lead_id, row in rows.items() if into[lead_id] == into[ask.lead_id]}
    go = {lead_id for lead_id, row in rows.items() if into[lead_id] == into[ask.other_id] and row["person_id"] in stay}
    for person in {rows[lead_id]["person_id"] for lead_id in go}:
        await _part(uow, keys, request, person, {lead_id for lead_id in go if rows[lead_id]["person_id"] == person})
    return is_new


async def _part(
    uow: UnitOfWork, keys: TenantKeys, request: Received[DismissReview], person: UUID, lead_ids: set[UUID]
) -> None:
    """Make another person of some leads of one."""
    tenant, new = request.tenant, uuid7()
    key = await keys.of(uow, tenant)
    allowed = (await tenants.settings_of(uow, tenant)).metadata_allowed
    await store.await_new_tokens(uow, tenant, [person])
    await store.move_tokens(uow, tenant, lead_ids, person, new)
    for row in await leads.give_to_person(uow, tenant, lead_ids, new):
        uow.publish(tenant, LeadUpdated(changed=["person_id"], **snapshot(row, allowed)), request.envelope)
    own = (await sealing.person_keys(uow, key, [new]))[new]
    sealed = [
        (row["lead_id"], new, sealing.seal(sealing.open_wrapped(row, key), row["lead_id"], tenant, own))
        for row in await vault.sealed(uow, tenant, lead_ids)
    ]
    await sealing.keep(uow, key, sealed)
