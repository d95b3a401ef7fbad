"""What is asked of outreach for trying out: a history that never happened."""

from collections.abc import Awaitable, Callable
from typing import Final

from chassis import outbox
from chassis.received import Received
from chassis.tenants import settings_of
from chassis.unit_of_work import UnitOfWork
from contracts.aggregator.events import EventPage, ListEvents
from contracts.message import Envelope, ProblemCode, ProblemError
from contracts.outreach.generated import GeneratedHistory, GenerateHistory
from contracts.outreach.replies import ManualActionRequired, ReplyClassified, ReplyReceived
from contracts.outreach.sending import MessageSent
from outreach import locks
from outreach.generated.domain_history import History

Ask = Callable[[str, ListEvents, Envelope], Awaitable[EventPage]]

_OF_TENANTS: Final = "gateway."
"""What the gateway tells is of the tenant itself, and not of its leads."""
_PAGE: Final = 200


class Handlers:
    """The answers about made-up histories.

    Parameters:
        ask: asks the aggregator on behalf of a tenant, because of a message.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def generate(self, uow: UnitOfWork, request: Received[GenerateHistory]) -> GeneratedHistory:
        """A tenant with a history of its own is given none: nobody could tell the two apart."""
        tenant = request.tenant
        await locks.campaign_begins(uow, tenant)  # two at once would make two histories
        if await outbox.holds(uow.connection, tenant) or await self._has_events(tenant, request.envelope):
            raise ProblemError(
                ProblemCode.CONFLICT,
                "the tenant has events already: a made-up history is for a tenant without any; create one for it",
                "tenant",
            )
        settings = await settings_of(uow, tenant)
        history = History(f"{tenant}/{request.body.seed}", uow.now, settings.time_zone)
        events = history.events
        for event in events:
            uow.publish(tenant, event, request.envelope)
        sent = [event for event in events if isinstance(event, MessageSent)]
        replies = {event.reply_id for event in events if isinstance(event, ReplyReceived)}
        known = {event.reply_id for event in events if isinstance(event, ReplyClassified | ManualActionRequired)}
        return GeneratedHistory(
            events=len(events),
            leads=len({event.lead_id for event in sent}),
            messages=len(sent),
            replies=len(replies),
            waiting=len(replies - known),
            campaigns=history.campaigns,
            accounts=[account.account_id for account in history.accounts],
        )

    async def _has_events(self, tenant: str, cause: Envelope) -> bool:
        cursor = None
        while True:
            page = await self._ask(tenant, ListEvents(limit=_PAGE, cursor=cursor), cause)
            if page.archived_months:  # of whatever they are
                return True
            if any(not event.type.startswith(_OF_TENANTS) for event in page.events):
                return True
            if (cursor := page.next_cursor) is None:
                return False
