"""What is done to users. Each change is an event, and a row of the audit."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis.keys import TenantKey
from chassis.unit_of_work import Row, UnitOfWork
from contracts.gateway.users import UserChanged, UserFields, UserState
from contracts.message import PLATFORM, Envelope, ProblemCode, ProblemError
from contracts.taxonomy import Role
from gateway.identity import audit, personal, store_sessions, store_users
from gateway.identity.domain_access import refused_role
from gateway.identity.personal import Personal

_KEYS_NAMED: Final = 100
_IN_USE = "another user has this e-mail address"


def fields(row: Row, key: TenantKey) -> dict[str, Any]:
    """A user's row, as others see it."""
    known = personal.opened(key, row)
    shown = {name: row[name] for name in UserFields.model_fields if name in row}
    return shown | {"email": known.email, "name": known.name}


async def found(uow: UnitOfWork, tenant: str, user_id: UUID, *, lock: bool = False) -> Row:
    """A user.

    Raises:
        ProblemError: `not_found`.
    """
    row = await store_users.user(uow, tenant, user_id, lock=lock)
    if row is None:
        raise ProblemError(
            ProblemCode.NOT_FOUND, "the tenant has no such user; list_users shows those it has", "user_id"
        )
    return row


async def add(
    uow: UnitOfWork,
    key: TenantKey,
    cause: Envelope,
    actor: str,
    role: Role,
    known: Personal,
    user_id: UUID | None = None,
) -> UUID:
    """Add a user, under an id if one is given; returns their id.

    Raises:
        ProblemError: the role is none of the tenant's, or another user has the e-mail address.
    """
    must_suit(cause.tenant, role)
    user_id = user_id or uuid7()
    token = personal.email_token(key, known.email)
    if not await store_users.add_user(
        uow, cause.tenant, user_id, role, token, personal.sealed(key, user_id, known)
    ):  # fmt: skip
        raise ProblemError(ProblemCode.CONFLICT, _IN_USE, "email")
    _tell(uow, cause, actor, user_id, 1, role, UserState.ACTIVE)
    await audit.record(uow, cause, actor, "user_added", audit.user(user_id), {"role": role})
    return user_id


async def change(
    uow: UnitOfWork,
    key: TenantKey,
    cause: Envelope,
    actor: str,
    before: Row,
    *,
    role: Role | None = None,
    state: UserState | None = None,
    known: Personal | None = None,
) -> None:
    """Change a locked user. With another role or state their sessions end: what they may do is never what they once might.

    Raises:
        ProblemError: the user was removed, the role is none of the tenant's, another has the e-mail address, or they would change
            their own role or state.
    """
    tenant, user_id = cause.tenant, before["user_id"]
    old_role, old_state, old_known = Role(before["role"]), UserState(before["state"]), personal.opened(key, before)
    role, state, known = role or old_role, state or old_state, known or old_known
    if (role, state, known) == (old_role, old_state, old_known):
        return
    if old_state is UserState.REMOVED:
        raise ProblemError(ProblemCode.CONFLICT, "the user was removed; add them anew", "user_id")
    privileges = (role, state) != (old_role, old_state)
    if privileges and actor == audit.user(user_id):
        raise ProblemError(ProblemCode.FORBIDDEN, "nobody changes their own role or state: another admin can")
    must_suit(tenant, role)
    if state is UserState.REMOVED:
        known = Personal()
    token = personal.email_token(key, known.email)
    if token and not await store_users.email_is_free(uow, tenant, user_id, token):
        raise ProblemError(ProblemCode.CONFLICT, _IN_USE, "email")
    version = await store_users.change_user(
        uow, tenant, user_id, role=role, state=state, email_token=token, sealed=personal.sealed(key, user_id, known)
    )
    ended = await store_sessions.end_sessions(uow, tenant, user_id) if privileges else 0
    left: list[UUID] = []
    if state != old_state and state is not UserState.ACTIVE:
        left = await store_sessions.keys_of(uow, tenant, audit.user(user_id), _KEYS_NAMED)
    _tell(uow, cause, actor, user_id, version, role, state, left)
    detail: dict[str, Any] = {}
    if role != old_role:
        detail["role"] = [old_role, role]
    if state != old_state:
        detail["state"] = [old_state, state]
    if known != old_known and state is not UserState.REMOVED:
        detail["fields"] = [name for name in ("email", "name") if getattr(known, name) != getattr(old_known, name)]
    if ended:
        detail["sessions_ended"] = ended
    if left:
        detail["keys_left"] = [audit.key(key_id) for key_id in left]
    action = "user_removed" if state is UserState.REMOVED else "user_changed"
    await audit.record(uow, cause, actor, action, audit.user(user_id), detail)


async def first_admin(uow: UnitOfWork, key: TenantKey, cause: Envelope) -> UUID:
    """The tenant's first admin, or the installation's first superadmin; added where there is none."""
    role = Role.SUPERADMIN if cause.tenant == PLATFORM else Role.ADMIN
    first = await store_users.first_of_role(uow, cause.tenant, role)
    return first or await add(uow, key, cause, "operator", role, Personal())


def must_suit(tenant: str, role: Role) -> None:
    """Refuse a role that users of the tenant cannot have.

    Raises:
        ProblemError: `invalid`.
    """
    if refusal := refused_role(role, of_platform=tenant == PLATFORM):
        raise ProblemError(ProblemCode.INVALID, refusal, "role")


def _tell(
    uow: UnitOfWork,
    cause: Envelope,
    actor: str,
    user_id: UUID,
    version: int,
    role: Role,
    state: UserState,
    keys_left: Sequence[UUID] = (),
) -> None:
    event = UserChanged(
        user_id=user_id, version=version, role=role, state=state, changed_by=actor, occurred_at=uow.now, keys_left=list(keys_left)
    )  # fmt: skip
    uow.publish(cause.tenant, event, cause)
