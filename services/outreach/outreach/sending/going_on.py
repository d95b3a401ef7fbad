"""A message of a sequence is over: what comes next."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from chassis.unit_of_work import Row, UnitOfWork
from contracts.message import Envelope
from contracts.outreach.campaigns import CampaignState, EnrollmentEnd
from contracts.outreach.sending import Gate, MessageSkipped
from contracts.taxonomy import CHANNEL_OF, SendKind
from outreach.sending import store_enrollments, store_queue
from outreach.sending.facts import campaign_settings, campaign_steps
from outreach.sending.queueing import Entry, about_message, end_enrollments, enqueue, variant_of

_ENDS = {
    Gate.ERASED: EnrollmentEnd.ERASED,
    Gate.SUPPRESSION: EnrollmentEnd.SUPPRESSED,
    Gate.UNSUBSCRIBED: EnrollmentEnd.UNSUBSCRIBED,
    Gate.DO_NOT_CONTACT: EnrollmentEnd.DO_NOT_CONTACT,
    Gate.REPLIED: EnrollmentEnd.REPLIED,
    Gate.CAMPAIGN_RUNNING: EnrollmentEnd.ARCHIVED,
    Gate.SIXTY_DAYS: EnrollmentEnd.SAME_PERSON,
}
"""How a sequence ends where a gate will never open; behind any other gate it goes on with its next step."""


async def skip(
    uow: UnitOfWork,
    skipped: Sequence[tuple[Row, str]],
    *,
    actor: str | None = None,
    cause: Envelope | None = None,
) -> None:
    """Messages are not sent because of what a gate says for good, or somebody."""
    if not skipped:
        return
    rows = [
        {
            **_key(row),
            "token": row["token"],
            "state": "skipped",
            "reason": reason,
            "fault": None,
            "provider_reference": None,
        }
        for row, reason in skipped
    ]
    ended = {row["message_id"]: row for row in await store_queue.end(uow, rows)}
    over = [(ended[row["message_id"]], reason) for row, reason in skipped if row["message_id"] in ended]
    if not over:
        return
    for row, reason in over:
        event = MessageSkipped(**about_message(row), reason=reason, actor=actor, occurred_at=uow.now)
        uow.publish(row["tenant_id"], event, cause)
    stopped = [(row, _ENDS[Gate(reason)]) for row, reason in over if reason in _ENDS]
    await end_enrollments(uow, [(row["tenant_id"], row["enrollment_id"], end) for row, end in stopped], cause)
    await follow_up(uow, [row for row, reason in over if reason not in _ENDS], cause)


async def follow_up(
    uow: UnitOfWork, over: Sequence[Row], cause: Envelope | None = None, *, contacted: bool = False
) -> None:
    """Put the next message of each of these messages' sequences into the queue; where there is none, it is complete.

    Parameters:
        contacted: whether they were sent, so that the 60 days are counted from now on.
    """
    if not over:
        return
    campaigns = await store_queue.campaigns(uow, over)
    complete: list[Row] = []
    unfinished: list[Row] = []
    for row in over:
        campaign = campaigns[row["campaign_id"]]
        is_last = row["step"] >= len(campaign_steps(campaign["campaign_steps"]))
        (complete if is_last or campaign["campaign_state"] == CampaignState.ARCHIVED else unfinished).append(row)
    if contacted and unfinished:
        await store_enrollments.contacted(uow, unfinished)
    following, reachable = [], []
    persons = await store_enrollments.persons(uow, unfinished) if unfinished else {}
    for row in (row for row in unfinished if row["enrollment_id"] in persons):
        campaign, person = campaigns[row["campaign_id"]], persons[row["enrollment_id"]]
        step = campaign_steps(campaign["campaign_steps"])[row["step"]]
        same = CHANNEL_OF[step.kind] is CHANNEL_OF[SendKind(row["kind"])]
        reachable.append(CHANNEL_OF[step.kind] in person["channels"])
        following.append(
            Entry(
                tenant=row["tenant_id"], enrollment_id=row["enrollment_id"], campaign_id=row["campaign_id"],
                lead_id=row["lead_id"], step=row["step"] + 1, kind=step.kind,
                rotation_set=campaign_settings(campaign["campaign_settings"]).rotation_set, person=person["person"],
                due_at=uow.now + timedelta(days=step.delay_days), account_id=row["account_id"] if same else None, cause=cause,
                variant=variant_of(step.variants, row["step"] + 1, row["enrollment_id"]),
            )
        )  # fmt: skip
    rows = await enqueue(uow, following)
    ends = [(row["tenant_id"], row["enrollment_id"], EnrollmentEnd.COMPLETED) for row in complete]
    ended = await end_enrollments(uow, ends, cause, contacted=contacted)
    if contacted and (before := [row for row in complete if row["enrollment_id"] not in ended]):
        await store_enrollments.contacted(uow, before)
    # No account need be looked for where there is no address.
    nowhere = [row for row, able in zip(rows, reachable, strict=True) if not able]
    await skip(uow, [(row, Gate.CONDITION.value) for row in nowhere], cause=cause)


def _key(row: Row) -> dict[str, Any]:
    return {"tenant_id": row["tenant_id"], "message_id": row["message_id"]}
