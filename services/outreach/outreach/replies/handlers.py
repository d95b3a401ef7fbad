"""What outreach does when somebody hands it what came back of a message, or asks for it."""

import asyncio
from collections.abc import Iterable
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from chassis import paging
from chassis.received import Received
from chassis.unit_of_work import Row, UnitOfWork
from contracts.message import Envelope, ProblemCode, ProblemError
from contracts.outreach import replies as messages
from contracts.taxonomy import Channel, ReplyClass
from outreach import locks
from outreach.bounces import domain_bounce
from outreach.replies import by_address, store, taking
from outreach.replies.by_address import Ask
from outreach.replies.delivery_report import Action
from outreach.replies.mail import IncomingMail, MailKind, read_mail
from outreach.replies.taking import Incoming
from outreach.sending import store_queue
from outreach.sending.leaving import message_of


class Handlers:
    """The answers about replies and reports.

    Parameters:
        ask: asks intake to keep the words of a reply, and who wrote it.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def take_reply(self, uow: UnitOfWork, request: Received[messages.TakeReply]) -> messages.ReplyView:
        tenant, given = request.tenant, request.body
        row = await _message(uow, tenant, given.message_id, given.account_id)
        incoming = Incoming(f"service:{given.source_key}", given.received_at or uow.now, given.text)
        reply_id = await taking.take_reply(uow, tenant, row, incoming, self._ask, request.envelope)
        return _view(await _reply(uow, tenant, reply_id))

    async def take_mail(self, uow: UnitOfWork, request: Received[messages.TakeMail]) -> messages.MailTaken:
        asked = request.body
        return await self.mail(uow, request.tenant, asked.raw, asked.account_id, request.envelope, only_its_own=True)

    async def mail(
        self,
        uow: UnitOfWork,
        tenant: str,
        raw: bytes,
        account_id: UUID | None,
        cause: Envelope | None = None,
        *,
        only_its_own: bool = False,
    ) -> messages.MailTaken:
        """Take a mail that came in, once; of one that is about none of the tenant's messages nothing is kept.

        Parameters:
            account_id: the account it came to: of one that names no message the sender tells, if that account wrote to them.
            only_its_own: whether nothing is kept either of what is about messages that left by another account.

        Raises:
            ProblemError: intake does not keep a reply's words for now, or does not say who wrote it: nothing was taken.
        """
        mail = await asyncio.to_thread(read_mail, raw)
        key = f"mail:{mail.message_id or sha256(raw).hexdigest()}".replace("\0", "")[:500]
        message_id = await store.first_known(uow, tenant, _messages_of(mail))
        if message_id is None:
            return await self._of_sender(uow, tenant, mail, key, account_id, cause)
        if only_its_own and account_id not in (None, (await _message(uow, tenant, message_id))["account_id"]):
            return messages.MailTaken(kind=mail.kind.value)
        reply_id = None
        if mail.kind is MailKind.COMPLAINT:
            await taking.take_complaint(uow, tenant, message_id, key, cause)
        elif mail.kind is MailKind.DELIVERY_REPORT:
            if message_id not in _references(mail.returned) and not await self._is_of_recipient(
                uow, tenant, message_id, mail, cause
            ):
                by_address.passed_by(tenant, mail)
                return messages.MailTaken(kind=mail.kind.value)
            await _reported(uow, tenant, message_id, key, mail, cause)
        else:
            row = await _message(uow, tenant, message_id)
            reply_id = await taking.take_reply(uow, tenant, row, _incoming(uow, mail, key), self._ask, cause)
        return messages.MailTaken(kind=mail.kind.value, message_id=message_id, reply_id=reply_id)

    async def _of_sender(
        self,
        uow: UnitOfWork,
        tenant: str,
        mail: IncomingMail,
        key: str,
        account_id: UUID | None,
        cause: Envelope | None,
    ) -> messages.MailTaken:
        """Take a mail that names no message for an answer to what its sender was sent last; where that may be several, for each of them
        as one that a person has to read."""
        found = await by_address.answered(uow, tenant, mail, account_id, self._ask, cause) if account_id else []
        if not found:
            by_address.passed_by(tenant, mail)
            return messages.MailTaken(kind=mail.kind.value)
        several = len(found) > 1
        taken = []
        for message_id in found:
            row = await _message(uow, tenant, message_id)
            incoming = _incoming(uow, mail, f"{key[:400]}/{message_id}" if several else key, of_several=several)
            taken.append(await taking.take_reply(uow, tenant, row, incoming, self._ask, cause))
        return messages.MailTaken(kind=mail.kind.value, message_id=found[0], reply_id=taken[0])

    async def _is_of_recipient(
        self, uow: UnitOfWork, tenant: str, message_id: UUID, mail: IncomingMail, cause: Envelope | None
    ) -> bool:
        """Whether a report that has no message with it tells of the person whom the message that it answers was sent to: it may be
        about what they sent themselves."""
        row = await _message(uow, tenant, message_id)
        told = {address for each in mail.deliveries for address in (each.recipient, each.original_recipient) if address}
        return await by_address.is_one_of(tenant, row, told, self._ask, cause)

    async def report_delivery(
        self, uow: UnitOfWork, request: Received[messages.ReportDelivery]
    ) -> messages.DeliveryTaken:
        tenant, given = request.tenant, request.body
        await _message(uow, tenant, given.message_id, given.account_id)
        # Services name what they report by what they call the message: one that was delivered may come back all the same, or be answered.
        key = f"service-{'delivered' if given.delivered else 'failed'}:{given.source_key}"
        await taking.take_delivery(
            uow, tenant, given.message_id, key, delivered=given.delivered, reason=given.reason, fault=given.fault,
            cause=request.envelope,
        )  # fmt: skip
        return messages.DeliveryTaken(message_id=given.message_id)

    async def report_complaint(
        self, uow: UnitOfWork, request: Received[messages.ReportComplaint]
    ) -> messages.DeliveryTaken:
        tenant, given = request.tenant, request.body
        await _message(uow, tenant, given.message_id, given.account_id)
        key = f"service-complaint:{given.source_key}"
        await taking.take_complaint(uow, tenant, given.message_id, key, request.envelope)
        return messages.DeliveryTaken(message_id=given.message_id)

    async def list_replies(self, uow: UnitOfWork, request: Received[messages.ListReplies]) -> messages.ReplyPage:
        ask = request.body
        rows = await store.page(
            uow, request.tenant, paging.after(ask.cursor, UUID), ask.limit + 1, lead=ask.lead_id, campaign=ask.campaign_id,
            needs_person=ask.needs_person,
        )  # fmt: skip
        page = rows[: ask.limit]
        cursor = str(page[-1]["taken_id"]) if len(rows) > ask.limit else None
        return messages.ReplyPage(replies=[_view(row) for row in page], next_cursor=cursor)

    async def classify_reply(self, uow: UnitOfWork, request: Received[messages.ClassifyReply]) -> messages.ReplyView:
        tenant, said = request.tenant, request.body
        if said.returns_on and said.reply_class is not ReplyClass.OUT_OF_OFFICE:
            raise ProblemError(ProblemCode.INVALID, "only who is out of office returns: leave it out", "returns_on")
        await locks.stop_messages(uow, [tenant])
        reply = await _reply(uow, tenant, said.reply_id, lock=True)
        row = await _message(uow, tenant, reply["message_id"])
        if reply["reply_class"] == ReplyClass.OUT_OF_OFFICE:
            await taking.wait_no_longer(uow, tenant, row, reply["received_at"], reply["returns_on"])
        await store.classify(
            uow, tenant, said.reply_id, said.model_dump(include={"reply_class", "returns_on", "actor"})
        )
        event = messages.ReplyClassified(
            **_about(uow, reply), reply_id=said.reply_id, reply_class=said.reply_class, returns_on=said.returns_on,
            actor=said.actor,
        )  # fmt: skip
        uow.publish(tenant, event, request.envelope)
        await taking.act(
            uow, tenant, row, said.reply_class, reply["received_at"], said.returns_on, request.envelope, said.actor
        )
        return _view(await _reply(uow, tenant, said.reply_id))

    async def handle_reply(self, uow: UnitOfWork, request: Received[messages.HandleReply]) -> messages.ReplyView:
        tenant, said = request.tenant, request.body
        reply = await _reply(uow, tenant, said.reply_id, lock=True)
        if reply["needs_person"]:
            await store.handle(uow, tenant, said.reply_id, said.actor)
            event = messages.ReplyHandled(**_about(uow, reply), reply_id=said.reply_id, actor=said.actor)
            uow.publish(tenant, event, request.envelope)
        return _view(await _reply(uow, tenant, said.reply_id))

    async def stop_after_reply(self, uow: UnitOfWork, request: Received[messages.StopAfterReply]) -> messages.ReplyView:
        tenant, said = request.tenant, request.body
        await locks.stop_messages(uow, [tenant])
        reply = await _reply(uow, tenant, said.reply_id, lock=True)
        row = await _message(uow, tenant, reply["message_id"])
        await taking.stop_person(uow, tenant, row, request.envelope, said.actor)
        return _view(await _reply(uow, tenant, said.reply_id))


async def _reported(
    uow: UnitOfWork, tenant: str, message_id: UUID, key: str, mail: IncomingMail, cause: Envelope | None
) -> None:
    """A message goes to one recipient: where its report names several, as after a forwarding, one failure is one."""
    failed = next((each for each in mail.deliveries if each.action is Action.FAILED), None)
    if failed:
        bounce = domain_bounce.of_report(failed.status, failed.diagnostic)
        await taking.take_delivery(
            uow, tenant, message_id, key, delivered=False, reason=bounce.reason, fault=bounce.fault, cause=cause
        )
    elif any(each.action is not Action.DELAYED for each in mail.deliveries):
        await taking.take_delivery(uow, tenant, message_id, key, delivered=True, cause=cause)


def _incoming(uow: UnitOfWork, mail: IncomingMail, key: str, *, of_several: bool = False) -> Incoming:
    received_at = min(mail.sent_at or uow.now, uow.now)  # nobody answers tomorrow, whatever their clock says
    return Incoming(key, received_at, mail.text, mail.subject, mail.headers, of_several)


def _messages_of(mail: IncomingMail) -> list[UUID]:
    """The messages that a mail may be about, the likeliest first: of the references it names, and of the address it came to."""
    return _references((*mail.belongs_to, *mail.tags))


def _references(names: Iterable[str]) -> list[UUID]:
    """The messages that these are references of, those that are ours."""
    return list(dict.fromkeys(each for name in names if (each := message_of(name))))


async def _message(uow: UnitOfWork, tenant: str, message_id: UUID, account_id: UUID | None = None) -> Row:
    row = await store_queue.one(uow, tenant, message_id)
    if row is None or account_id not in (None, row["account_id"]):
        raise ProblemError(ProblemCode.NOT_FOUND, "this tenant has no such message", "message_id")
    if not await store.has_left(uow, tenant, message_id):
        raise ProblemError(
            ProblemCode.CONFLICT, f"the message is {row['state']}: it has not left, so nothing comes back of it", "message_id"
        )  # fmt: skip
    return row


async def _reply(uow: UnitOfWork, tenant: str, reply_id: UUID, *, lock: bool = False) -> RowMapping:
    row = await store.one(uow, tenant, reply_id, lock=lock)
    if row is None:
        raise ProblemError(ProblemCode.NOT_FOUND, "this tenant has no such reply; list_replies shows them", "reply_id")
    return row


def _about(uow: UnitOfWork, reply: RowMapping) -> dict[str, Any]:
    """What every event of a reply says of it."""
    names = ("campaign_id", "message_id", "lead_id", "enrollment_id", "account_id", "variant")
    return {**{name: reply[name] for name in names}, "channel": Channel(reply["channel"]), "occurred_at": uow.now}


def _view(row: RowMapping) -> messages.ReplyView:
    return messages.ReplyView.model_validate({name: row[name] for name in messages.ReplyView.model_fields})
