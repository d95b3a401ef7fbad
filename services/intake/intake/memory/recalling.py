"""Recalling actions: whether something similar was done before, and recording what is done.

It is advice for whoever is about to act. A caller that cannot get it (the database or the key service is away, so the answer is
`unavailable`) acts as if nothing had been found.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis import tenants
from chassis.keys import TenantKey
from chassis.unit_of_work import UnitOfWork
from contracts.intake.memory import (
    ActionRecall,
    ActionRecorded,
    ActionUpdated,
    ActionView,
    CheckAction,
    RecordAction,
)
from contracts.message import Envelope, ProblemCode, ProblemError
from contracts.taxonomy import ActionStatus
from intake import locks
from intake.memory import store_actions as store
from intake.memory.domain_fingerprint import parts, recall_message, whole
from intake.memory.store_actions import Fingerprint

_PART_BYTES = 16
"""Enough that no two parts of a tenant share a hash by chance; half the index."""


def fingerprint(key: TenantKey, about: CheckAction | RecordAction) -> Fingerprint:
    """The request's hashes under the tenant's key. Only actions of one type about one kind of entity share any.

    A rotation of the key makes no action forgotten.
    """
    kind = f"action/{about.action_type}/{about.entity_type}"
    entity = {"entity_id": str(about.entity_id)} if about.entity_id else {}
    of = parts({"request": about.request, **entity})
    return Fingerprint(
        about.action_type,
        about.entity_type,
        about.entity_id,
        bytes.fromhex(key.lasting_token(kind, whole(of))) if of else None,
        sorted(bytes.fromhex(key.lasting_token(f"{kind}/part", part))[:_PART_BYTES] for part in of),
    )


async def check(uow: UnitOfWork, key: TenantKey, about: CheckAction | RecordAction) -> ActionRecall:
    """Whether an action like this one was taken within the time that the tenant remembers."""
    found = await store.most_similar(uow, key.tenant, fingerprint(key, about))
    if found is None:
        return ActionRecall(similar_action_found=False)
    zone = (await tenants.settings_of(uow, key.tenant)).time_zone
    status = ActionStatus(found["status"])
    return ActionRecall(
        similar_action_found=True,
        previous_action_id=found["action_id"],
        previous_action_date=found["acted_at"],
        previous_action_status=status,
        message=recall_message(found["acted_at"], zone, status, same=found["same"]),
    )


async def record(
    uow: UnitOfWork,
    key: TenantKey,
    order: RecordAction,
    cause: Envelope | None = None,
    told_of: UUID | None = None,
) -> ActionView:
    """Record an action; one that was recorded under its id before is returned as it stands.

    Of one about an erased person nothing stays that would tell whom it was about.

    Parameters:
        told_of: the action its actor was told of, and went on; the most similar of its type, if empty.
    """
    made = fingerprint(key, order)
    if order.entity_id:
        # Before the entity is looked up: it is erased either before, or after and together with what is recorded here.
        await locks.linking(uow, key.tenant)
        if await store.is_erased(uow, key.tenant, order.entity_id):
            made = replace(made, entity_id=None, whole=None, parts=[])
    if order.proceeded_anyway and told_of is None:
        similar = await store.most_similar(uow, key.tenant, made)
        told_of = similar["action_id"] if similar else None
    action_id = order.action_id or uuid7()
    hours = (await tenants.settings_of(uow, key.tenant)).memory_ttl_hours
    recorded = await store.record(
        uow, key.tenant, action_id, order, made, told_of if order.proceeded_anyway else None,
        uow.now + timedelta(hours=hours),
    )  # fmt: skip
    if recorded is None:
        return await _action(uow, key.tenant, action_id)
    view = ActionView.model_validate(dict(recorded))
    uow.publish(key.tenant, ActionRecorded(occurred_at=uow.now, **view.model_dump()), cause)
    return view


async def update(
    uow: UnitOfWork, tenant: str, action_id: UUID, status: ActionStatus, cause: Envelope | None = None
) -> ActionView:
    """Set what came of an action.

    Raises:
        ProblemError: `not_found`, there is no such action.
    """
    updated = await store.update(uow, tenant, action_id, status)
    if updated is None:
        return await _action(uow, tenant, action_id)
    view = ActionView.model_validate(dict(updated))
    uow.publish(tenant, ActionUpdated(occurred_at=uow.now, **view.model_dump()), cause)
    return view


async def advance(uow: UnitOfWork, told: Mapping[tuple[str, UUID], Envelope], status: ActionStatus) -> None:
    """Set what came of outreach's actions, by (tenant, id) with what tells of it; more than this is known of some, and stays.

    Actions that nobody recorded are left out.
    """
    for row in await store.advance(uow, list(told), status):
        tenant = row["tenant_id"]
        view = ActionView.model_validate({name: row[name] for name in ActionView.model_fields})
        uow.publish(tenant, ActionUpdated(occurred_at=uow.now, **view.model_dump()), told[tenant, view.action_id])


async def _action(uow: UnitOfWork, tenant: str, action_id: UUID) -> ActionView:
    row = await store.action(uow, tenant, action_id)
    if row is None:
        raise ProblemError(
            ProblemCode.NOT_FOUND, "this tenant has no such action; list_actions shows those it has", "action_id"
        )
    return ActionView.model_validate(dict(row))
