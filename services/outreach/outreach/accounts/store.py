"""Every query about accounts."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork
from contracts.taxonomy import Channel
from outreach.accounts.store_circuit import NOT_CLOSED
from outreach.accounts.store_guard import DOMAIN_STOPPED

_ACCOUNT = f"""account_id, tenant_id, title, channel, transport, smtp, http, sandbox, settings::text as account_settings, state as account_state,
    health, blocked as account_blocked, next_at as account_next_at, changed_at as account_changed_at, resumed_at, created_at,
    throttled_until as account_throttled_until, domain, endpoint as account_endpoint,
    {DOMAIN_STOPPED} as account_domain_stopped, {NOT_CLOSED} as account_circuit"""


async def insert(uow: UnitOfWork, tenant: str, account: Mapping[str, Any]) -> None:
    await uow.execute(
        """insert into account (tenant_id, account_id, title, channel, address, sender_name, transport, smtp, http, sandbox,
                                settings, state, health, blocked, created_at)
           values (:tenant, :account_id, :title, :channel, :address, :sender_name, :transport, cast(:smtp as jsonb),
                   cast(:http as jsonb), cast(:sandbox as jsonb), cast(:settings as jsonb), 'active', 100, false, :now)""",
        tenant=tenant, now=uow.now, **account,
    )  # fmt: skip


async def change(uow: UnitOfWork, tenant: str, account_id: UUID, given: Mapping[str, Any]) -> None:
    """Change what is given of title, address, sender name, transport, its settings and the account's; another transport's are forgotten."""
    await uow.execute(
        """update account set title = coalesce(:title, title), address = coalesce(:address, address),
               sender_name = coalesce(:sender_name, sender_name), transport = coalesce(:transport, transport),
               smtp = case when coalesce(:transport, transport) = 'smtp' then coalesce(cast(:smtp as jsonb), smtp) end,
               http = case when coalesce(:transport, transport) = 'http' then coalesce(cast(:http as jsonb), http) end,
               sandbox = case when coalesce(:transport, transport) = 'sandbox'
                              then coalesce(cast(:sandbox as jsonb), sandbox) end,
               settings = coalesce(cast(:settings as jsonb), settings)
           where tenant_id = :tenant and account_id = :account_id""",
        tenant=tenant, account_id=account_id, **given,
    )  # fmt: skip


async def one(uow: UnitOfWork, tenant: str, account_id: UUID, *, lock: bool = False) -> RowMapping | None:
    rows = await uow.execute(
        f"""select {_ACCOUNT} from account where tenant_id = :tenant and account_id = :account
            {'for update' if lock else ''}""",
        tenant=tenant, account=account_id,
    )  # fmt: skip
    return rows.mappings().first()


async def page(uow: UnitOfWork, tenant: str, after: UUID | None, limit: int) -> list[RowMapping]:
    """Accounts that are not removed, in the order they were added, from behind one."""
    rows = await uow.execute(
        f"""select {_ACCOUNT} from account
            where tenant_id = :tenant and state <> 'removed' and (cast(:after as uuid) is null or account_id > :after)
            order by account_id limit :limit""",
        tenant=tenant, after=after, limit=limit,
    )  # fmt: skip
    return list(rows.mappings())


async def sending(
    uow: UnitOfWork,
    tenant: str,
    *,
    accounts: Collection[UUID] = (),
    domain: str | None = None,
    endpoint: str | None = None,
) -> list[UUID]:
    """Of these accounts, of those of a domain, or of those at a provider the ones that nothing keeps from sending: they are active, and
    neither blocked nor throttled, nor is their domain stopped or their provider away."""
    rows = await uow.execute(
        f"""select account_id from account
            where tenant_id = :tenant and (account_id = any (cast(:accounts as uuid[]))
                                           or domain = cast(:domain as text) or endpoint = cast(:endpoint as text))
                  and state = 'active' and not blocked and (throttled_until is null or throttled_until <= :now)
                  and {DOMAIN_STOPPED} is null and {NOT_CLOSED} is null
            order by account_id""",
        tenant=tenant, accounts=list(accounts), domain=domain, endpoint=endpoint, now=uow.now,
    )  # fmt: skip
    return list(rows.scalars())


async def reaching_people(uow: UnitOfWork, tenant: str, rotation_set: str) -> set[Channel]:
    """The channels of a rotation set's accounts that send to people, and not into the sandbox."""
    rows = await uow.execute(
        """select distinct channel from account
           where tenant_id = :tenant and settings ->> 'rotation_set' = :set and state <> 'removed' and transport <> 'sandbox'""",
        tenant=tenant, set=rotation_set,
    )  # fmt: skip
    return {Channel(name) for name in rows.scalars()}


async def set_state(uow: UnitOfWork, tenant: str, account_id: UUID, state: str) -> bool:
    """Whether it was in another."""
    changed = await uow.execute(
        """update account set state = :state
           where tenant_id = :tenant and account_id = :account and state <> :state and state <> 'removed'""",
        tenant=tenant, account=account_id, state=state,
    )  # fmt: skip
    return changed.rowcount == 1


async def throttle(uow: UnitOfWork, tenant: str, account_id: UUID, until: datetime | None) -> bool:
    """Have an account send nothing until then, or until it is resumed; whether that is news."""
    changed = await uow.execute(
        """update account set throttled_until = coalesce(cast(:until as timestamptz), 'infinity')
           where tenant_id = :tenant and account_id = :account
             and (throttled_until is null or throttled_until < coalesce(cast(:until as timestamptz), 'infinity'))
           returning coalesce(throttled_until > :now, false)""",
        tenant=tenant, account=account_id, until=until, now=uow.now,
    )  # fmt: skip
    return changed.rowcount == 1


async def let_go_on(uow: UnitOfWork, tenant: str, account_id: UUID) -> bool:
    """End an account's throttling; whether there was any."""
    changed = await uow.execute(
        """update account set throttled_until = null
           where tenant_id = :tenant and account_id = :account and throttled_until > :now""",
        tenant=tenant, account=account_id, now=uow.now,
    )  # fmt: skip
    return changed.rowcount == 1


async def no_longer_throttled(uow: UnitOfWork, tenant: str) -> list[UUID]:
    """Accounts whose throttling has ended by itself since this was last asked."""
    rows = await uow.execute(
        """update account set throttled_until = null
           where tenant_id = :tenant and throttled_until <= :now and state = 'active' returning account_id""",
        tenant=tenant, now=uow.now,
    )  # fmt: skip
    return list(rows.scalars())
