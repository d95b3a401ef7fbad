"""What was sent is waited for until it has had all of its effect."""

import asyncio
from datetime import timedelta

import pytest

from chassis.outlet import Outgoing
from contracts.catalogue import OPERATOR
from contracts.intake.leads import SubmitLead
from contracts.message import ProblemCode, ProblemError
from leadloop import patience
from leadloop.patience import patiently, settle
from leadloop.sending import Sender
from tests.platform import Platform
from tests.waiting import until


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(hours=-1)])
async def test_what_a_service_has_written_is_waited_for_whatever_its_clock_says(
    platform: Platform, tenant: str, ahead: timedelta
) -> None:
    services = ("intake", "outcomes", "aggregator")
    async with platform.sql() as sql:
        # Who holds the relay's lock keeps everything unpublished.
        await sql.execute("select pg_advisory_lock(hashtextextended('intake/relay', 0))")
        async with platform.running(*services):
            await platform.introduce(tenant, *services)
            await platform.publish(OPERATOR, tenant, SubmitLead(source_system="web", source_id="1", full_name="Ann"))

            async def written() -> bool:
                moved = "update intake.outbox set time = time + $2 where tenant = $1 returning 1"
                return bool(await sql.fetch(moved, tenant, ahead))

            await until(written, what="the event of the lead")
            settling = asyncio.create_task(settle(platform.operator, platform.caller))
            done, _ = await asyncio.wait([settling], timeout=0.5)
            assert not done
            await sql.execute("select pg_advisory_unlock_all()")
            await settling
            assert await sql.fetch("select from intake.outbox_unsent") == []


@pytest.mark.parametrize(
    "silent_seconds, said", [(0.0, "waiting: intake is away; see `leadloop status`\n"), (60.0, "")]
)
async def test_a_long_wait_for_an_answer_is_told_once_and_a_short_one_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], silent_seconds: float, said: str
) -> None:
    monkeypatch.setattr(patience, "_SILENT_SECONDS", silent_seconds)
    monkeypatch.setattr(patience, "_PAUSE", 0.0)
    answers = iter([ProblemError(ProblemCode.UNAVAILABLE, "intake is away")] * 3)

    async def ask() -> str:
        if error := next(answers, None):
            raise error
        return "done"

    assert await patiently(ask) == "done"
    assert capsys.readouterr() == ("", said)


async def test_a_long_wait_for_the_broker_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(patience, "_SILENT_SECONDS", 0.0)

    async def told() -> str:
        return capsys.readouterr().err

    async with Sender({"servers": ["nats://127.0.0.1:1"]}) as sender:
        sending = asyncio.create_task(sender.send([Outgoing("x", {}, b"")]))
        said = await until(told, what="the word that the broker is waited for")
        sending.cancel()
        await asyncio.wait([sending])
    assert said == "waiting: the broker does not answer; see `leadloop status`\n"
