"""Whose a mail is that does not tell it by a message of ours: people answer from another program, or write anew.

Only its sender tells then, or the recipient that a report is about. Anybody may claim to be one, as anybody may write an answer: what it can do is have nothing more be sent.
"""

from collections.abc import Awaitable, Callable, Collection
from typing import Any
from uuid import UUID

from prometheus_client import Counter

from chassis.logs import get_logger
from chassis.unit_of_work import Row, UnitOfWork
from contracts.intake.people import MOST_IDENTIFIED, IdentifiedPersons, IdentifyPersons, PersonRef
from contracts.message import Envelope, Request
from outreach.replies import store
from outreach.replies.mail import IncomingMail, MailKind
from outreach.sending.domain_gates import REST

log = get_logger("replies")

UNATTRIBUTED = Counter(
    "leadloop_mails_unattributed_total", "Mails that came in and are about no message that is known", ["type"]
)

Ask = Callable[[str, Request[Any], Envelope | None], Awaitable[Any]]
"""Asks intake something about a tenant's persons."""

_OF_PERSONS = (MailKind.REPLY, MailKind.AUTO_REPLY, MailKind.OTHER)


async def answered(
    uow: UnitOfWork, tenant: str, mail: IncomingMail, account_id: UUID, ask: Ask, cause: Envelope | None
) -> list[UUID]:
    """The last message to each lead that the mail may answer, the latest first: of leads of whoever wrote it, whose sequence goes on, or
    to whom the account sent something in the last 60 days. Several, where it cannot be told which of them it is about.

    Raises:
        ProblemError: intake does not answer for now.
    """
    if mail.sender is None or mail.to_many or mail.kind not in _OF_PERSONS:
        return []
    answer: IdentifiedPersons = await ask(tenant, IdentifyPersons(persons=[PersonRef(email=mail.sender)]), cause)
    (person,) = answer.persons
    if not person.lead_ids:
        return []
    found = await store.last_to_each(uow, tenant, account_id, person.lead_ids, uow.now - REST)
    # A machine does not answer twice: whom it answers for is not worth a person's time.
    return found if len(found) == 1 or mail.kind is not MailKind.AUTO_REPLY else []


async def is_one_of(tenant: str, message: Row, addresses: Collection[str], ask: Ask, cause: Envelope | None) -> bool:
    """Whether one of these e-mail addresses is of the person whom a message (`store_queue.one`) was sent to.

    Raises:
        ProblemError: intake does not answer for now.
    """
    if not addresses:
        return False
    refs = [PersonRef(email=each) for each in sorted(addresses)[:MOST_IDENTIFIED]]
    answer: IdentifiedPersons = await ask(tenant, IdentifyPersons(persons=refs), cause)
    return any(
        message["lead_id"] in each.lead_ids or f"email:{each.email_token}" in message["names"]
        for each in answer.persons
    )


def passed_by(tenant: str, mail: IncomingMail) -> None:
    """Count a mail that is nobody's, and say so; nothing of it is kept."""
    UNATTRIBUTED.labels(mail.kind.value).inc()
    log.info(
        "a mail that came in is about no message that is known: nothing of it is kept",
        tenant=tenant,
        type=mail.kind.value,
    )
