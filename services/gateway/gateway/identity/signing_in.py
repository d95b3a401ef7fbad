"""A session begins, goes on under another secret, or ends."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis.keys import TenantKeys
from chassis.unit_of_work import Database, UnitOfWork
from contracts.gateway.access import RefusedFor
from contracts.gateway.users import SignInMethod, UserSignedIn, UserState
from contracts.message import PLATFORM, Envelope, ProblemCode, ProblemError
from contracts.taxonomy import Role
from gateway import store
from gateway.identity import audit, credentials, passwords, personal, store_sessions, store_users, users
from gateway.identity.credentials import SignInToken
from gateway.identity.domain_password import flaw
from gateway.identity.domain_session import ABSOLUTE, IDLE, may_set_password
from gateway.identity.personal import Personal
from gateway.identity.refusals import Refusals


@dataclass(frozen=True, slots=True)
class Known:
    """Whom a sign-in provider says somebody is.

    Attributes:
        subject: what the provider calls them for ever.
        email: only if the provider has confirmed that it is theirs.
    """

    issuer: str
    subject: str
    email: str | None
    name: str | None


@dataclass(frozen=True, slots=True)
class SigningIn:
    """Begins sessions. `cause` of each is the HTTP request, and names the tenant; `replaces` is the secret of the session that
    the browser had before, which ends: no session goes on under a secret from before somebody signed in."""

    database: Database
    keys: TenantKeys
    refusals: Refusals

    async def link_works_until(self, link: SignInToken) -> datetime | None:
        """Until when a link that was not used yet works."""
        async with self.database.begin(link.tenant) as uow:
            return await store_sessions.sign_in_link_expiry(uow, link.tenant, credentials.digest(link.secret))

    async def by_link(self, cause: Envelope, link: SignInToken, replaces: str | None) -> str | None:
        """Use a link up; the secret of the session that begins, or none where the link does not work."""
        async with self.database.begin(link.tenant) as uow:
            used = await store_sessions.use_sign_in_link(uow, link.tenant, credentials.digest(link.secret))
            if used is None:
                return None
            user_id = used.user_id
            if user_id is None:
                key = await personal.key_of(uow, self.keys, link.tenant)
                user_id = await users.first_admin(uow, key, cause)
            elif (await users.found(uow, link.tenant, user_id))["state"] != UserState.ACTIVE:
                return None
            return await _begin(uow, cause, user_id, SignInMethod.LINK, replaces)

    async def by_password(self, cause: Envelope, email: str, password: str, replaces: str | None) -> str | None:
        """The secret of the session that begins, or none: nobody is told whether the address or the password was wrong."""
        tenant = cause.tenant
        async with self.database.begin(tenant) as uow:
            row = None
            if tenant == PLATFORM or await store.registered_tenant(uow, tenant):
                key = await personal.key_of(uow, self.keys, tenant)
                row = await store_users.user_by_email(uow, tenant, personal.email_token(key, email) or "")
        right, newer = await passwords.verified(password, row["password_hash"] if row else None)
        if row is None or not right or row["state"] != UserState.ACTIVE:
            await self.refusals.note(cause, RefusedFor.SIGN_IN, audit.user(row["user_id"]) if row else None)
            return None
        async with self.database.begin(tenant) as uow:
            now = await users.found(uow, tenant, row["user_id"], lock=True)
            if (now["state"], now["password_hash"]) != (row["state"], row["password_hash"]):
                return None  # changed while the password was looked at
            if newer:
                await store_users.set_password(uow, tenant, row["user_id"], newer)
            return await _begin(uow, cause, row["user_id"], SignInMethod.PASSWORD, replaces)

    async def by_provider(
        self, cause: Envelope, known: Known, new_users: Role | None, replaces: str | None
    ) -> str | None:
        """The secret of the session that begins, or none where the tenant has no such user and adds none by itself."""
        tenant = cause.tenant
        async with self.database.begin(tenant) as uow:
            key = await personal.key_of(uow, self.keys, tenant)
            row = await store_users.user_by_identity(uow, tenant, known.issuer, known.subject)
            if row is None and known.email:
                row = await store_users.user_by_email(uow, tenant, personal.email_token(key, known.email) or "")
                if row and await store_users.has_identity(uow, tenant, known.issuer, row["user_id"]):
                    row, new_users = None, None  # the address has changed hands
            if row is not None and row["state"] != UserState.ACTIVE:
                row, new_users = None, None
            user_id = row["user_id"] if row else None
            if user_id is None and new_users and known.email:
                who = Personal(known.email, known.name)
                user_id = await users.add(uow, key, cause, "gateway", new_users, who)
            if user_id is not None:
                await store_users.add_identity(uow, tenant, known.issuer, known.subject, user_id)
                return await _begin(uow, cause, user_id, SignInMethod.OIDC, replaces)
        await self.refusals.note(cause, RefusedFor.SIGN_IN)
        return None

    async def set_password(self, cause: Envelope, secret: str, current: str, new: str) -> str:
        """Set the password of whoever's session this is; returns the session's new secret, and the user's other sessions end.

        Raises:
            ProblemError: it is no good password (`invalid`), or they may not set one (`forbidden`).
        """
        tenant = cause.tenant
        digest = credentials.digest(secret)
        async with self.database.begin(tenant) as uow:
            session, user = await _own(uow, tenant, digest)
            key = await personal.key_of(uow, self.keys, tenant)
            email = personal.opened(key, user).email
        if why := flaw(new, email):
            raise ProblemError(ProblemCode.INVALID, why, "password")
        right, _ = await passwords.verified(current, user["password_hash"]) if current else (False, None)
        method = SignInMethod(session["method"])
        if not may_set_password(user["has_password"], right, method, session["began_at"], session["now"]):
            await self.refusals.note(cause, RefusedFor.SIGN_IN, audit.user(user["user_id"]))
            raise ProblemError(ProblemCode.FORBIDDEN, "the current password is wrong", "current")
        hashed = await passwords.hashed(new)
        async with self.database.begin(tenant) as uow:
            session, again = await _own(uow, tenant, digest)
            if again["password_hash"] != user["password_hash"]:
                raise ProblemError(ProblemCode.CONFLICT, "the password was changed a moment ago", "current")
            await store_users.set_password(uow, tenant, user["user_id"], hashed)
            ended = await store_sessions.end_sessions(uow, tenant, user["user_id"])
            renewed = credentials.new_secret()
            await store_sessions.add_session(
                uow, tenant, session["session_id"], credentials.digest(renewed), user["user_id"], method, ABSOLUTE,
                began_at=session["began_at"],
            )  # fmt: skip
            who = audit.user(user["user_id"])
            await audit.record(uow, cause, who, "password_set", who, {"sessions_ended": ended - 1})
        return renewed

    async def end(self, cause: Envelope, actor: str, secret: str) -> None:
        """End a session."""
        async with self.database.begin(cause.tenant) as uow:
            await store_sessions.end_session(uow, cause.tenant, credentials.digest(secret))
            await audit.record(uow, cause, actor, "signed_out", actor)


async def _begin(uow: UnitOfWork, cause: Envelope, user_id: UUID, method: SignInMethod, replaces: str | None) -> str:
    if replaces:
        await store_sessions.end_session(uow, cause.tenant, credentials.digest(replaces))
    secret = credentials.new_secret()
    await store_sessions.add_session(
        uow, cause.tenant, uuid7(), credentials.digest(secret), user_id, method, ABSOLUTE
    )  # fmt: skip
    uow.publish(cause.tenant, UserSignedIn(user_id=user_id, method=method, occurred_at=uow.now), cause)
    who = audit.user(user_id)
    await audit.record(uow, cause, who, "signed_in", who, {"method": method})
    return secret


async def _own(uow: UnitOfWork, tenant: str, digest: bytes) -> tuple[Any, Any]:
    """The session, and its user, locked until the unit of work ends."""
    session = await store_sessions.session(uow, tenant, digest, IDLE)
    if session is None:
        raise ProblemError(ProblemCode.FORBIDDEN, "the session has ended; sign in again")
    return session, await users.found(uow, tenant, session["user_id"], lock=True)
