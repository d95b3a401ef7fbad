"""What the gateway answers on the bus about users, keys, links, sign-in providers and the audit."""

from uuid import UUID

from uuid_utils.compat import uuid7

from chassis import paging
from chassis.keys import TenantKey, TenantKeys
from chassis.received import Received
from chassis.tenants import NO_SUCH_TENANT
from chassis.unit_of_work import UnitOfWork
from contracts.gateway import audit as audits
from contracts.gateway import keys, sign_in, users
from contracts.gateway.users import UserState
from contracts.message import PLATFORM, ProblemCode, ProblemError
from gateway import store
from gateway.identity import audit, credentials, personal, store_audit, store_sessions, store_users
from gateway.identity import users as people
from gateway.identity.credentials import SignInToken
from gateway.identity.domain_access import OF_PROGRAMS
from gateway.identity.personal import Personal


class Handlers:
    """The answers.

    Parameters:
        keys: of the tenants, under which what is personal about users is sealed.
    """

    def __init__(self, keys: TenantKeys) -> None:
        self._keys = keys

    async def list_users(self, uow: UnitOfWork, request: Received[users.ListUsers]) -> users.UserPage:
        ask, tenant = request.body, request.tenant
        after = paging.after(ask.cursor, UUID)
        rows = await store_users.users(uow, tenant, ask.only, after, ask.limit + 1)
        page, cursor = paging.cut(rows, ask.limit, lambda row: row["user_id"])
        key = await self._key(uow, tenant)
        found = [users.UserFields.model_validate(people.fields(row, key)) for row in page]
        return users.UserPage(users=found, next_cursor=cursor)

    async def get_user(self, uow: UnitOfWork, request: Received[users.GetUser]) -> users.UserView:
        return await self._view(uow, request.tenant, request.body.user_id)

    async def create_user(self, uow: UnitOfWork, request: Received[users.CreateUser]) -> users.UserView:
        ask = request.body
        key = await self._key(uow, request.tenant)
        if ask.user_id and await store_users.user(uow, request.tenant, ask.user_id):
            return await self._view(uow, request.tenant, ask.user_id)
        known = Personal(ask.email, ask.name)
        user_id = await people.add(uow, key, request.envelope, audit.actor_of(request), ask.role, known, ask.user_id)
        return await self._view(uow, request.tenant, user_id)

    async def change_user(self, uow: UnitOfWork, request: Received[users.ChangeUser]) -> users.UserView:
        ask = request.body
        key = await self._key(uow, request.tenant)
        before = await people.found(uow, request.tenant, ask.user_id, lock=True)
        old = personal.opened(key, before)
        state = None
        if ask.suspended is not None and before["state"] != UserState.REMOVED:
            state = UserState.SUSPENDED if ask.suspended else UserState.ACTIVE
        known = Personal(ask.email or old.email, ask.name or old.name)
        await people.change(
            uow, key, request.envelope, audit.actor_of(request), before, role=ask.role, state=state, known=known
        )
        return await self._view(uow, request.tenant, ask.user_id)

    async def remove_user(self, uow: UnitOfWork, request: Received[users.RemoveUser]) -> users.UserView:
        key = await self._key(uow, request.tenant)
        before = await people.found(uow, request.tenant, request.body.user_id, lock=True)
        await people.change(
            uow, key, request.envelope, audit.actor_of(request), before, state=UserState.REMOVED, known=Personal()
        )
        return await self._view(uow, request.tenant, request.body.user_id)

    async def end_sessions(self, uow: UnitOfWork, request: Received[users.EndSessions]) -> users.SessionsEnded:
        user_id = request.body.user_id
        await people.found(uow, request.tenant, user_id)
        ended = await store_sessions.end_sessions(uow, request.tenant, user_id)
        await audit.record(
            uow, request.envelope, audit.actor_of(request), "sessions_ended", audit.user(user_id), {"count": ended}
        )
        return users.SessionsEnded(ended=ended)

    async def create_sign_in_link(
        self, uow: UnitOfWork, request: Received[sign_in.CreateSignInLink]
    ) -> sign_in.SignInLink:
        tenant, user_id = request.tenant, request.body.user_id
        await _must_exist(uow, tenant)
        if user_id and (await people.found(uow, tenant, user_id))["state"] != UserState.ACTIVE:
            raise ProblemError(ProblemCode.CONFLICT, "the user is suspended or was removed", "user_id")
        token = SignInToken(tenant, credentials.new_secret())
        expires_at = uow.now + credentials.SIGN_IN_LIFETIME
        await store_sessions.add_sign_in_link(uow, tenant, credentials.digest(token.secret), expires_at, user_id)
        whom = audit.user(user_id) if user_id else "first_admin"
        await audit.record(uow, request.envelope, audit.actor_of(request), "sign_in_link_made", whom)
        return sign_in.SignInLink(path=f"/sign-in/{token}", expires_at=expires_at)

    async def create_api_key(self, uow: UnitOfWork, request: Received[keys.CreateApiKey]) -> keys.ApiKeyView:
        ask, tenant, actor = request.body, request.tenant, audit.actor_of(request)
        await _must_be_tenant(uow, tenant)
        if ask.expires_at and ask.expires_at <= uow.now:
            raise ProblemError(ProblemCode.INVALID, "lies in the past: the key would open nothing", "expires_at")
        key_id = uuid7()
        secret = credentials.new_key(key_id)
        scopes = sorted(ask.scopes or OF_PROGRAMS)
        await store_sessions.add_key(
            uow, tenant, key_id, ask.label, credentials.digest(secret), scopes, ask.expires_at, actor
        )
        expires = ask.expires_at.isoformat() if ask.expires_at else None
        detail = {"scopes": scopes, "expires_at": expires}
        await audit.record(uow, request.envelope, actor, "key_made", audit.key(key_id), detail)
        return keys.ApiKeyView(key_id=key_id, label=ask.label, secret=secret)

    async def revoke_api_key(self, uow: UnitOfWork, request: Received[keys.RevokeApiKey]) -> keys.RevokeResult:
        key_id = request.body.key_id
        revoked = await store_sessions.revoke_key(uow, request.tenant, key_id)
        if revoked is None:
            raise ProblemError(
                ProblemCode.NOT_FOUND,
                "the tenant has no such key; a key holds its id, between `ll_` and the next `_`",
                "key_id",
            )
        if revoked:
            await audit.record(uow, request.envelope, audit.actor_of(request), "key_revoked", audit.key(key_id))
        return keys.RevokeResult(revoked=revoked)

    async def list_api_keys(self, uow: UnitOfWork, request: Received[keys.ListApiKeys]) -> keys.ApiKeyPage:
        ask = request.body
        before = paging.after(ask.cursor, UUID)
        rows = await store_sessions.keys(uow, request.tenant, before, ask.limit + 1)
        page, cursor = paging.cut(rows, ask.limit, lambda row: row["key_id"])
        shown = [
            keys.ApiKeyInfo.model_validate({**row, "scopes": sorted(row["scopes"] or OF_PROGRAMS)}) for row in page
        ]
        return keys.ApiKeyPage(keys=shown, next_cursor=cursor)

    async def list_sign_in_providers(
        self, uow: UnitOfWork, request: Received[sign_in.ListSignInProviders]
    ) -> sign_in.SignInProviderList:
        return await _providers(uow, request.tenant)

    async def set_sign_in_provider(
        self, uow: UnitOfWork, request: Received[sign_in.SetSignInProvider]
    ) -> sign_in.SignInProviderList:
        ask, tenant = request.body, request.tenant
        await _must_be_tenant(uow, tenant)  # a provider says nothing about who runs the installation
        if ask.provider.new_users:
            people.must_suit(tenant, ask.provider.new_users)
        name = ask.provider.name
        sealed = personal.sealed_secret(await self._key(uow, tenant), name, ask.client_secret)
        shown = ask.provider.model_dump(mode="json")
        await store_users.set_provider(uow, tenant, shown, sealed)
        subject = f"sign_in_provider:{name}"
        detail = {field: shown[field] for field in ("issuer", "client_id", "new_users")}
        await audit.record(
            uow, request.envelope, audit.actor_of(request), "sign_in_provider_set", subject, detail
        )  # fmt: skip
        return await _providers(uow, tenant)

    async def remove_sign_in_provider(
        self, uow: UnitOfWork, request: Received[sign_in.RemoveSignInProvider]
    ) -> sign_in.SignInProviderList:
        name = request.body.name
        if not await store_users.remove_provider(uow, request.tenant, name):
            raise ProblemError(ProblemCode.NOT_FOUND, "the tenant has no sign-in provider of this name", "name")
        subject = f"sign_in_provider:{name}"
        await audit.record(
            uow, request.envelope, audit.actor_of(request), "sign_in_provider_removed", subject
        )  # fmt: skip
        return await _providers(uow, request.tenant)

    async def _key(self, uow: UnitOfWork, tenant: str) -> TenantKey:
        await _must_exist(uow, tenant)  # no key is made for a name that somebody mistyped
        return await personal.key_of(uow, self._keys, tenant)

    async def _view(self, uow: UnitOfWork, tenant: str, user_id: UUID) -> users.UserView:
        row = await people.found(uow, tenant, user_id)
        return users.UserView.model_validate(people.fields(row, await self._key(uow, tenant)))


async def list_changes(uow: UnitOfWork, request: Received[audits.ListChanges]) -> audits.ChangePage:
    ask = request.body
    before = paging.after(ask.cursor, UUID)
    filters = ask.model_dump(exclude={"limit", "cursor"})
    rows = await store_audit.changes(uow, request.tenant, filters, before, ask.limit + 1)
    page, cursor = paging.cut(rows, ask.limit, lambda row: row["change_id"])
    return audits.ChangePage(changes=[audits.Change.model_validate(dict(row)) for row in page], next_cursor=cursor)


async def _providers(uow: UnitOfWork, tenant: str) -> sign_in.SignInProviderList:
    rows = await store_users.providers(uow, tenant)
    return sign_in.SignInProviderList(providers=[sign_in.SignInProvider.model_validate(dict(row)) for row in rows])


async def _must_exist(uow: UnitOfWork, tenant: str) -> None:
    """Refuse users of a tenant that there is not; the platform has some, too."""
    if tenant != PLATFORM:
        await _must_be_tenant(uow, tenant)


async def _must_be_tenant(uow: UnitOfWork, tenant: str) -> None:
    if await store.registered_tenant(uow, tenant) is None:
        raise ProblemError(ProblemCode.NOT_FOUND, NO_SUCH_TENANT, "tenant")
