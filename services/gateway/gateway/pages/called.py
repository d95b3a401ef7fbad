"""What campaigns, accounts and templates are called, where a page has only their ids: nothing, where outreach does not say."""

from collections.abc import Collection, Mapping
from uuid import UUID

from contracts.outreach.accounts import AccountView, ListAccounts
from contracts.outreach.templates import ListTemplates
from gateway.gate import Principal
from gateway.pages.panel import panel


async def accounts_of(principal: Principal) -> dict[UUID, AccountView]:
    """The tenant's accounts, the first 200 that were added."""
    found = await panel(principal, ListAccounts(limit=200))
    return {account.account_id: account for account in found.reply.accounts} if found.reply else {}


def choices(accounts: Mapping[UUID, AccountView]) -> list[tuple[UUID, str]]:
    """Accounts, as a form offers them."""
    return [(account.account_id, account.title) for account in accounts.values()]


async def template_names(principal: Principal, ids: Collection[UUID]) -> dict[UUID, str]:
    """What these templates are called."""
    if not ids:
        return {}
    found = await panel(principal, ListTemplates(template_ids=list(ids), limit=200))
    return {template.template_id: template.name for template in found.reply.templates} if found.reply else {}
