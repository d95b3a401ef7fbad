"""What became of messages that were handed over."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chassis.unit_of_work import Row, UnitOfWork
from contracts.outreach.accounts import AutomationThrottled, CaptchaDetected
from contracts.outreach.campaigns import EnrollmentEnd
from contracts.outreach.people import SuppressionReason
from contracts.outreach.sending import FollowupSent, MessageFailed, MessageSent, MessageUnknown, SendState
from contracts.taxonomy import Fault, SendKind
from outreach.accounts import breaking, judging
from outreach.accounts import store as accounts
from outreach.accounts.breaking import Tried
from outreach.accounts.domain_health import BOUNCE_OF, Trouble
from outreach.people import store as people
from outreach.sending import store_enrollments, store_queue
from outreach.sending.going_on import follow_up
from outreach.sending.leaving import put_back
from outreach.sending.queueing import about_message, end_enrollments

MOST_TRIES = 8
"""How often a message that was surely not sent is tried, at most."""
_PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 180, 360, 720))
"""How long after a try that came to nothing the next one is, where the provider does not say."""
_THROTTLED = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a message.

    Attributes:
        state: sent, failed, unknown; or queued where it was surely not sent and may be tried again.
        reason: why it failed, or was not sent.
        fault: whose fault that is.
        again_after: seconds after which it may be tried again, if the provider said so.
        throttled: whether its account is to send nothing until then.
        wants_a_person: whether its account is to send nothing until a person has been there (a captcha).
        away: whether the provider was, or did not answer.
        asked: whether it was asked: not where the account's own setup kept it from being.
        tried: what that says of the provider, where it says anything.
    """

    tenant: str
    message_id: UUID
    token: UUID
    state: SendState
    reason: str | None = None
    fault: Fault | None = None
    provider_reference: str | None = None
    again_after: float | None = None
    throttled: bool = False
    wants_a_person: bool = False
    away: bool = False
    asked: bool = True
    tried: Tried | None = None


async def record(uow: UnitOfWork, results: Sequence[Result]) -> None:
    """Record what became of messages, publish it, and go on with their sequences."""
    await _not_sent(uow, [result for result in results if result.state is SendState.QUEUED])
    await _over(uow, [result for result in results if result.state is not SendState.QUEUED])
    tried = [result.tried for result in results if result.tried]
    if tried and (changed := await breaking.hear(uow, tried)):
        await store_queue.wake_at(uow, changed)


async def _over(uow: UnitOfWork, results: Sequence[Result]) -> None:
    given = {result.message_id: result for result in results}
    rows = await store_queue.end(uow, [_end(result) for result in results]) if results else []
    for row in rows:
        _publish(uow, row, given[row["message_id"]])
    if unknown := [row for row in rows if row["state"] == SendState.UNKNOWN]:
        await store_enrollments.contacted(uow, unknown)
    await follow_up(uow, [row for row in rows if row["state"] == SendState.SENT], contacted=True)
    failed = [row for row in rows if row["state"] == SendState.FAILED]
    for tenant in {row["tenant_id"] for row in failed}:
        await judging.hear(uow, tenant, [_trouble(row) for row in failed if row["tenant_id"] == tenant])
    gone = [row for row in failed if row["fault"] == Fault.RECIPIENT]
    await people.suppress_recipients(
        uow, [(row["tenant_id"], row["lead_id"], SendKind(row["kind"])) for row in gone], SuppressionReason.BOUNCE
    )
    ends = [(row["tenant_id"], row["enrollment_id"], EnrollmentEnd.FAILED) for row in failed]
    await end_enrollments(uow, ends)


async def _not_sent(uow: UnitOfWork, results: Sequence[Result]) -> None:
    """Try again later what was surely not sent; what was tried too often fails."""
    if not results:
        return
    given = {result.message_id: result for result in results}
    rows = await store_queue.sending(uow, {r.message_id: (r.tenant, r.token) for r in results})
    again: list[tuple[Row, datetime | None, str]] = []
    failed = []
    for row in rows:
        result = given[row["message_id"]]
        if result.asked and row["tries"] + 1 >= MOST_TRIES:
            failed.append(Result(result.tenant, result.message_id, result.token, SendState.FAILED, result.reason))
            continue
        pause = _PAUSES[min(row["tries"], len(_PAUSES) - 1)]
        if result.again_after is not None:
            pause = max(pause, timedelta(seconds=result.again_after))
        # Of what was not asked the account waits, and the message itself is due as soon as that goes on.
        due = uow.now + pause if result.asked else uow.now
        again.append((row, due, result.reason or "not_sent"))
        if result.throttled or result.wants_a_person:
            await _throttle(uow, row, result)
    if tried := [each for each in again if given[each[0]["message_id"]].asked]:
        await put_back(uow, tried, tried=True)
    if untried := [each for each in again if not given[each[0]["message_id"]].asked]:
        await put_back(uow, untried)
    await _over(uow, failed)


async def _throttle(uow: UnitOfWork, row: Row, result: Result) -> None:
    """Have an account send nothing as its provider wants."""
    tenant, account = row["tenant_id"], row["account_id"]
    until = (
        None if result.wants_a_person else uow.now + timedelta(seconds=result.again_after or _THROTTLED.total_seconds())
    )
    heard = Trouble.CAPTCHA if result.wants_a_person else Trouble.THROTTLING
    if result.asked:
        await judging.hear(uow, tenant, [(account, row["message_id"], heard)])
    if not await accounts.throttle(uow, tenant, account, until):
        return
    if result.wants_a_person:
        uow.publish(tenant, CaptchaDetected(account_id=account, occurred_at=uow.now))
    reason = result.reason or "throttled"
    uow.publish(tenant, AutomationThrottled(account_id=account, reason=reason, until=until, occurred_at=uow.now))


def _trouble(row: Row) -> tuple[UUID, UUID, Trouble]:
    kind = BOUNCE_OF[Fault(row["fault"])] if row["fault"] else Trouble.FAILURE
    return row["account_id"], row["message_id"], kind


def _end(result: Result) -> dict[str, Any]:
    return {
        "tenant_id": result.tenant, "message_id": result.message_id, "token": result.token, "state": result.state.value,
        "reason": result.reason, "fault": result.fault.value if result.fault else None,
        "provider_reference": result.provider_reference,
    }  # fmt: skip


def _publish(uow: UnitOfWork, row: Row, result: Result) -> None:
    about = {**about_message(row), "occurred_at": uow.now}
    if row["state"] == SendState.SENT:
        uow.publish(row["tenant_id"], MessageSent(**about))
        if row["step"] > 1:
            uow.publish(row["tenant_id"], FollowupSent(**about))
    elif row["state"] == SendState.UNKNOWN:
        uow.publish(row["tenant_id"], MessageUnknown(**about))
    else:
        uow.publish(row["tenant_id"], MessageFailed(**about, reason=row["reason"], fault=result.fault))
