"""Every query about users."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork
from contracts.gateway.users import UserState
from contracts.taxonomy import Role

_USERS = """
    select user_id, version, role, state, sealed, password_hash, password_hash is not null as has_password, created_at
    from user_account where tenant_id = :tenant
"""


async def user(uow: UnitOfWork, tenant: str, user_id: UUID, *, lock: bool = False) -> RowMapping | None:
    """A user; locked until the unit of work ends, where they are to be changed."""
    rows = await uow.execute(
        f"{_USERS} and user_id = :user {'for update' if lock else ''}", tenant=tenant, user=user_id
    )
    return rows.mappings().one_or_none()


async def user_by_email(uow: UnitOfWork, tenant: str, token: str) -> RowMapping | None:
    """The user whose e-mail address has this token."""
    rows = await uow.execute(f"{_USERS} and email_token = :token", tenant=tenant, token=token)
    return rows.mappings().one_or_none()


async def user_by_identity(uow: UnitOfWork, tenant: str, issuer: str, subject: str) -> RowMapping | None:
    """The user who is somebody at a sign-in provider."""
    rows = await uow.execute(
        f"""{_USERS} and user_id = (select user_id from user_identity
                where tenant_id = :tenant and issuer = :issuer and subject = :subject)""",
        tenant=tenant, issuer=issuer, subject=subject,
    )  # fmt: skip
    return rows.mappings().one_or_none()


async def users(
    uow: UnitOfWork, tenant: str, only: Sequence[UUID], after: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """A page of those that were not removed, or of some of them, in the order in which they were added."""
    rows = await uow.execute(
        f"""{_USERS} and state <> 'removed' and (cast(:after as uuid) is null or user_id > :after)
              and (cardinality(cast(:only as uuid[])) = 0 or user_id = any(cast(:only as uuid[])))
            order by user_id limit :limit""",
        tenant=tenant, only=list(only), after=after, limit=limit,
    )  # fmt: skip
    return rows.mappings().all()


async def first_of_role(uow: UnitOfWork, tenant: str, role: Role) -> UUID | None:
    """Who has been active in a role for longest. Nobody else asks before the unit of work ends."""
    await uow.execute("select pg_advisory_xact_lock(hashtextextended('first user of ' || :tenant, 0))", tenant=tenant)
    rows = await uow.execute(
        """select user_id from user_account where tenant_id = :tenant and role = :role and state = 'active'
           order by user_id limit 1""",
        tenant=tenant, role=role,
    )  # fmt: skip
    return rows.scalar_one_or_none()


async def add_user(
    uow: UnitOfWork, tenant: str, user_id: UUID, role: Role, email_token: str | None, sealed: bytes | None
) -> bool:
    """Add an active user; whether the e-mail address was nobody else's."""
    rows = await uow.execute(
        """insert into user_account (tenant_id, user_id, role, email_token, sealed, created_at)
           values (:tenant, :user, :role, :email_token, :sealed, :now)
           on conflict (tenant_id, email_token) do nothing""",
        tenant=tenant, user=user_id, role=role, email_token=email_token, sealed=sealed, now=uow.now,
    )  # fmt: skip
    return rows.rowcount == 1


async def email_is_free(uow: UnitOfWork, tenant: str, user_id: UUID, email_token: str | None) -> bool:
    """Whether no other user has the e-mail address."""
    rows = await uow.execute(
        "select 1 from user_account where tenant_id = :tenant and email_token = :token and user_id <> :user",
        tenant=tenant, token=email_token, user=user_id,
    )  # fmt: skip
    return rows.first() is None


async def change_user(
    uow: UnitOfWork,
    tenant: str,
    user_id: UUID,
    *,
    role: Role,
    state: UserState,
    email_token: str | None,
    sealed: bytes | None,
) -> int:
    """Write what a user is now; returns the version. One that is removed has no password, no other way in and no views of their own."""
    if state is UserState.REMOVED:
        await uow.execute(
            "delete from saved_view where tenant_id = :tenant and owner = 'user:' || cast(:user as text) and not shared",
            tenant=tenant, user=str(user_id),
        )  # fmt: skip
        await uow.execute(
            "delete from user_identity where tenant_id = :tenant and user_id = :user", tenant=tenant, user=user_id
        )
    rows = await uow.execute(
        """update user_account set version = version + 1, role = :role, state = :state, email_token = :email_token,
               sealed = :sealed, password_hash = case when :state = 'removed' then null else password_hash end
           where tenant_id = :tenant and user_id = :user returning version""",
        tenant=tenant, user=user_id, role=role, state=state, email_token=email_token, sealed=sealed,
    )  # fmt: skip
    return int(rows.scalar_one())


async def set_password(uow: UnitOfWork, tenant: str, user_id: UUID, password_hash: str) -> None:
    await uow.execute(
        "update user_account set password_hash = :hash where tenant_id = :tenant and user_id = :user",
        tenant=tenant, user=user_id, hash=password_hash,
    )  # fmt: skip


async def has_identity(uow: UnitOfWork, tenant: str, issuer: str, user_id: UUID) -> bool:
    """Whether somebody at a sign-in provider is the user already."""
    rows = await uow.execute(
        "select 1 from user_identity where tenant_id = :tenant and issuer = :issuer and user_id = :user",
        tenant=tenant, issuer=issuer, user=user_id,
    )  # fmt: skip
    return rows.first() is not None


async def add_identity(uow: UnitOfWork, tenant: str, issuer: str, subject: str, user_id: UUID) -> None:
    """Have somebody at a sign-in provider be a user from now on."""
    await uow.execute(
        """insert into user_identity (tenant_id, issuer, subject, user_id)
           values (:tenant, :issuer, :subject, :user) on conflict do nothing""",
        tenant=tenant, issuer=issuer, subject=subject, user=user_id,
    )  # fmt: skip


async def providers(uow: UnitOfWork, tenant: str) -> Sequence[RowMapping]:
    """The tenant's sign-in providers, by name."""
    rows = await uow.execute(
        """select name, issuer, client_id, new_users from sign_in_provider where tenant_id = :tenant
           order by name collate "C" """,
        tenant=tenant,
    )
    return rows.mappings().all()


async def provider(uow: UnitOfWork, tenant: str, name: str) -> RowMapping | None:
    """A sign-in provider, with its sealed secret."""
    rows = await uow.execute(
        """select name, issuer, client_id, new_users, sealed from sign_in_provider
           where tenant_id = :tenant and name = :name""",
        tenant=tenant, name=name,
    )  # fmt: skip
    return rows.mappings().one_or_none()


async def set_provider(uow: UnitOfWork, tenant: str, provider: dict[str, Any], sealed: bytes | None) -> None:
    await uow.execute(
        """insert into sign_in_provider (tenant_id, name, issuer, client_id, new_users, sealed)
           values (:tenant, :name, :issuer, :client_id, :new_users, :sealed)
           on conflict (tenant_id, name) do update set issuer = excluded.issuer, client_id = excluded.client_id,
               new_users = excluded.new_users, sealed = excluded.sealed""",
        tenant=tenant, sealed=sealed, **provider,
    )  # fmt: skip


async def remove_provider(uow: UnitOfWork, tenant: str, name: str) -> bool:
    """Whether there was one of that name."""
    rows = await uow.execute(
        "delete from sign_in_provider where tenant_id = :tenant and name = :name", tenant=tenant, name=name
    )
    return rows.rowcount == 1
