"""What is asked about messages, and said of them."""

from uuid import UUID

from uuid_utils.compat import uuid7

from chassis import paging
from chassis.received import Received
from chassis.unit_of_work import Row, UnitOfWork
from contracts.message import ProblemCode, ProblemError
from contracts.outreach import sending as messages
from contracts.outreach.sending import (
    Explanation,
    FollowupPostponed,
    FollowupScheduled,
    MessageView,
    SendState,
    Verdict,
)
from contracts.taxonomy import Channel
from outreach.leads import store as leads
from outreach.sending import store_enrollments, store_messages, store_queue
from outreach.sending.domain_gates import REST, ask, binding
from outreach.sending.facts import GATE_NAMES, Accounts, facts_of, may_leave_at
from outreach.sending.going_on import skip
from outreach.sending.leaving import put_back
from outreach.sending.queueing import about_message
from outreach.sending.recording import Result, record

_OVER = (SendState.SENT, SendState.FAILED, SendState.SKIPPED, SendState.UNKNOWN)
_BY_HAND = "by_hand"
_POSTPONED = "postponed"


async def lead_messages(uow: UnitOfWork, request: Received[messages.LeadMessages]) -> messages.LeadMessagesView:
    tenant, query = request.tenant, request.body
    after = paging.after(query.cursor, UUID)
    rows = await store_messages.to_lead(uow, tenant, query.lead_id, after, query.limit + 1)
    lead = await leads.one(uow, tenant, query.lead_id)
    page = [_view(row) for row in rows[: query.limit]]
    return messages.LeadMessagesView(
        lead_id=query.lead_id, channels=[Channel(name) for name in lead["channels"]] if lead else [], messages=page,
        next_cursor=str(page[-1].message_id) if len(rows) > query.limit else None,
    )  # fmt: skip


async def explain_message(uow: UnitOfWork, request: Received[messages.ExplainMessage]) -> Explanation:
    """Every gate is asked as it is when the message is claimed; nothing is changed by asking."""
    row = await _message(uow, request.tenant, request.body.message_id)
    if row["state"] in _OVER:
        return Explanation(message=_view(row), verdicts=[])
    facts = facts_of(row, await Accounts.read(uow, [row]))
    answers = ask(facts, uow.now)
    kept = binding(answers, uow.now)
    return Explanation(
        message=_view(row),
        verdicts=[
            Verdict(
                gate=a.gate, passes=a.passes(uow.now), why=a.why, final=a.final,
                opens_at=None if a.passes(uow.now) else a.opens_at,
            )
            for a in answers
        ],
        binding=kept.gate if kept else None,
        earliest=may_leave_at(row, facts, uow.now),
    )  # fmt: skip


async def message_history(uow: UnitOfWork, request: Received[messages.MessageHistory]) -> messages.MessageHistoryView:
    row = await _message(uow, request.tenant, request.body.message_id)
    changes = await store_messages.changes(uow, request.tenant, request.body.message_id)
    return messages.MessageHistoryView(
        message=_view(row), changes=[messages.MessageChange.model_validate(dict(change)) for change in changes]
    )


async def skip_message(uow: UnitOfWork, request: Received[messages.SkipMessage]) -> MessageView:
    row = await _message(uow, request.tenant, request.body.message_id, lock=True)
    if row["state"] not in (SendState.QUEUED, SendState.CLAIMED):
        raise ProblemError(
            ProblemCode.CONFLICT, f"the message is {row['state']}: only one that has not begun to leave can be skipped",
            "message_id",
        )  # fmt: skip
    await skip(uow, [(row, request.body.reason.value)], actor=request.body.actor, cause=request.envelope)
    return _view(await _message(uow, request.tenant, request.body.message_id))


async def postpone_followup(uow: UnitOfWork, request: Received[messages.PostponeFollowup]) -> MessageView:
    """What is counted of a follow-up is counted by a name, and it gets another one: so that what was due on a day stays what was due."""
    tenant, wish = request.tenant, request.body
    row = await _message(uow, tenant, wish.message_id, lock=True)
    if row["step"] == 1:
        raise ProblemError(
            ProblemCode.CONFLICT, "it is the first of its sequence, and follows on nothing: pause its campaign, or skip it",
            "message_id",
        )  # fmt: skip
    if row["state"] not in (SendState.QUEUED, SendState.CLAIMED):
        raise ProblemError(
            ProblemCode.CONFLICT, f"the message is {row['state']}: only one that has not begun to leave can be put off",
            "message_id",
        )  # fmt: skip
    if not uow.now < wish.until <= uow.now + REST:
        raise ProblemError(
            ProblemCode.INVALID, f"name a moment to come, at most {REST.days} days from now: its person is kept from others meanwhile",
            "until",
        )  # fmt: skip
    if row["due_at"].tzinfo and wish.until <= row["due_at"]:
        raise ProblemError(
            ProblemCode.CONFLICT, "it is due later than that already, and is not brought forward", "until"
        )
    followup_id = uuid7()
    await put_back(uow, [(row, wish.until, _POSTPONED)])
    await store_queue.rename_followup(uow, tenant, wish.message_id, followup_id)
    over = FollowupPostponed(**about_message(row), until=wish.until, actor=wish.actor, occurred_at=uow.now)
    uow.publish(tenant, over, request.envelope)
    about = about_message({**row, "followup_id": followup_id})
    uow.publish(tenant, FollowupScheduled(**about, due_at=wish.until, occurred_at=uow.now), request.envelope)
    return _view(await _message(uow, tenant, wish.message_id))


async def settle_message(uow: UnitOfWork, request: Received[messages.SettleMessage]) -> MessageView:
    tenant, decided = request.tenant, request.body
    row = await _message(uow, tenant, decided.message_id, lock=True)
    if row["state"] != SendState.UNKNOWN:
        raise ProblemError(
            ProblemCode.CONFLICT, f"the message is {row['state']}: only of an unknown one it is asked what became of it",
            "message_id",
        )  # fmt: skip
    if decided.outcome == "send_again":
        if over := await store_enrollments.ended(uow, [row]):
            (why,) = over.values()
            raise ProblemError(
                ProblemCode.CONFLICT, f"the sequence has ended ({why}): nothing more is sent of it", "outcome"
            )
        await put_back(uow, [(row, uow.now, _BY_HAND)])
    else:
        reason = _BY_HAND if decided.outcome == "failed" else None
        await record(uow, [Result(tenant, row["message_id"], row["token"], SendState(decided.outcome), reason)])
    return _view(await _message(uow, tenant, decided.message_id))


async def _message(uow: UnitOfWork, tenant: str, message_id: UUID, *, lock: bool = False) -> Row:
    row = await store_queue.one(uow, tenant, message_id, lock=lock)
    if row is None:
        raise ProblemError(ProblemCode.NOT_FOUND, "this tenant has no such message", "message_id")
    return row


def _view(row: Row) -> MessageView:
    names = (
        "message_id",
        "campaign_id",
        "lead_id",
        "step",
        "kind",
        "account_id",
        "state",
        "queued_at",
        "ended_at",
        "reason",
    )
    waits = row["state"] == SendState.QUEUED and row["due_at"].tzinfo is not None
    return MessageView(
        **{name: row[name] for name in names}, due_at=row["due_at"] if waits else None,
        waiting_for=row["waiting_for"] if row["waiting_for"] in GATE_NAMES else None,
    )  # fmt: skip
