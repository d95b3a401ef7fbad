"""A follow-up is put off by a person: it leaves no earlier than they say, and is counted as due on that day."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from contracts.message import ProblemCode, ProblemError
from contracts.outreach.campaigns import NewStep
from contracts.outreach.sending import ExplainMessage, MessageHistory, PostponeFollowup
from tests.outreach.scene import Gate, account, arrive, campaign, count, events, lead, messages, outreach
from tests.platform import Platform
from tests.waiting import until


async def sequence(platform: Platform, tenant: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A message that was sent, and the one that follows three days later."""
    await account(platform, tenant)
    await arrive(platform, tenant, [lead()])
    await campaign(platform, tenant, NewStep(), NewStep(delay_days=3))

    async def follows() -> bool:
        return (await count(platform, tenant, "sent"), await count(platform, tenant, "queued")) == (1, 1)

    await until(follows, what="the first message")
    first, second = sorted(await messages(platform, tenant), key=lambda message: message["step"])
    return first, second


async def postpone(platform: Platform, tenant: str, message_id: UUID, moment: datetime) -> Any:
    wish = PostponeFollowup(message_id=message_id, until=moment, actor="user:7")
    return await platform.caller.ask(tenant, wish)


async def test_a_follow_up_that_is_put_off_leaves_when_it_is_due_then_and_is_told_as_another(
    platform: Platform, tenant: str
) -> None:
    gate = Gate(tenant)
    gate.open()
    async with outreach(platform, tenant, gate):
        _, second = await sequence(platform, tenant)
        later = datetime.now(UTC).replace(microsecond=0) + timedelta(days=10)
        view = await postpone(platform, tenant, second["message_id"], later)
        assert (view.state, view.due_at, view.waiting_for) == ("queued", later, None)
        explained = await platform.caller.ask(tenant, ExplainMessage(message_id=second["message_id"]))
        assert explained.earliest is not None and explained.earliest >= later
        history = await platform.caller.ask(tenant, MessageHistory(message_id=second["message_id"]))
        assert [(change.state, change.reason) for change in history.changes] == [
            ("queued", None), ("queued", "postponed"),
        ]  # fmt: skip
        again = await postpone(platform, tenant, second["message_id"], later + timedelta(days=1))
        assert again.due_at == later + timedelta(days=1)

        async with platform.sql() as sql:  # as time passes
            await sql.execute(
                "update outreach.send_queue set due_at = now() where tenant_id = $1 and state = 'queued'", tenant
            )
            await sql.execute("update outreach.lane set ready_at = now() where tenant_id = $1", tenant)
        await until(lambda: _sent(platform, tenant, 2), what="the follow-up")
        assert len(gate.handed) == 2, "once"
    scheduled = await events(platform, tenant, "followup_scheduled")
    postponed = await events(platform, tenant, "followup_postponed")
    (sent,) = await events(platform, tenant, "followup_sent")
    names = [each["followup_id"] for each in scheduled]
    assert names[0] is None and len(set(names)) == 3
    assert [each["followup_id"] for each in postponed] == names[:2], "each ends what was due before"
    assert sent["followup_id"] == names[2]
    assert [each["actor"] for each in postponed] == ["user:7", "user:7"]
    assert datetime.fromisoformat(scheduled[1]["due_at"]) == later


async def test_what_is_no_follow_up_or_has_left_is_not_put_off_and_nothing_is_brought_forward(
    platform: Platform, tenant: str
) -> None:
    gate = Gate(tenant)
    gate.open()
    async with outreach(platform, tenant, gate):
        first, second = await sequence(platform, tenant)
        now = datetime.now(UTC)
        for message, moment, code, field in (
            (first, now + timedelta(days=5), ProblemCode.CONFLICT, "message_id"),
            (second, now - timedelta(minutes=1), ProblemCode.INVALID, "until"),
            (second, now + timedelta(days=61), ProblemCode.INVALID, "until"),
            (second, second["due_at"] - timedelta(minutes=1), ProblemCode.CONFLICT, "until"),
        ):
            with pytest.raises(ProblemError) as refused:
                await postpone(platform, tenant, message["message_id"], moment)
            assert (refused.value.problem.code, refused.value.problem.field) == (code, field), moment
        assert [m["due_at"] for m in await messages(platform, tenant) if m["step"] == 2] == [second["due_at"]]
    assert await events(platform, tenant, "followup_postponed") == []


async def _sent(platform: Platform, tenant: str, number: int) -> bool:
    return await count(platform, tenant, "sent") == number
