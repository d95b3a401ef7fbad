"""What two units of work of one tenant must not do at the same moment.

Whoever takes several locks takes them in this order, and those of accounts behind the accounts' rows.
"""

from collections.abc import Collection

from chassis.unit_of_work import UnitOfWork

_SHARED = """
    select pg_advisory_xact_lock_shared(hashtextextended(:what || tenant, 0))
    from (select tenant from unnest(cast(:tenants as text[])) as tenant order by tenant) as given
"""
_ALONE = """
    select pg_advisory_xact_lock(hashtextextended(:what || tenant, 0))
    from (select tenant from unnest(cast(:tenants as text[])) as tenant order by tenant) as given
"""
_AUDIENCE = "outreach/audience/"
_WIRE = "outreach/wire/"
_ACCOUNTS = "outreach/accounts/"


async def leads_arrive(uow: UnitOfWork, tenants: Collection[str]) -> None:
    """Let no campaign of these tenants begin until this unit of work ends.

    A lead that arrives while a campaign begins would be seen by neither: not by the campaign, which does not see what is
    uncommitted, nor the campaign by the lead's own handler.
    """
    await uow.execute(_SHARED, what=_AUDIENCE, tenants=list(tenants))


async def campaign_begins(uow: UnitOfWork, tenant: str) -> None:
    """Let no lead of the tenant be kept until this unit of work ends; the other half of the above."""
    await uow.execute(_ALONE, what=_AUDIENCE, tenants=[tenant])


async def messages_leave(uow: UnitOfWork, tenants: Collection[str]) -> None:
    """Let nothing that stops a message happen between a last look at the gates and the commit that has it leave."""
    await uow.execute(_SHARED, what=_WIRE, tenants=list(tenants))


async def stop_messages(uow: UnitOfWork, tenants: Collection[str]) -> None:
    """Wait until what was let pass has been committed as leaving; what comes after this unit of work sees what it did.

    Whoever is told that a campaign is paused, or a person suppressed, can rely on it from the reply on.
    """
    await uow.execute(_ALONE, what=_WIRE, tenants=list(tenants))


async def accounts_are_chosen(uow: UnitOfWork, tenants: Collection[str]) -> None:
    """Let no account of these tenants come or go until this unit of work ends.

    A message that is queued while an account is added would be seen by neither, and have none.
    """
    await uow.execute(_SHARED, what=_ACCOUNTS, tenants=list(tenants))


async def accounts_change(uow: UnitOfWork, tenant: str) -> None:
    """Let no message of the tenant be queued or claimed until this unit of work ends; the other half of the above."""
    await uow.execute(_ALONE, what=_ACCOUNTS, tenants=[tenant])
