"""A server may die at any point of a conversation: only between the final full stop and its answer nobody knows what came of it."""

import asyncio
import socket

import pytest

from contracts.taxonomy import Fault
from outreach.providers.protocol import AwayError, LaterError, NotSentError, RefusedError, SetupError, UnansweredError
from tests.outreach.providers.sink import Sink, outgoing, smtp_to
from tests.waiting import until

LONG = "a line of a very long message\n" * 300_000
"""More than the buffers between the two hold, so that its end has not left while the server does not read."""


def hang_up() -> None:
    """An answer that is none."""


async def no_connection_left(sink: Sink) -> None:
    async def none() -> bool:
        return sink.open == 0

    await until(none, what="the end of every connection")


@pytest.mark.parametrize("step", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"])
async def test_a_server_that_dies_before_the_content_was_sent_nothing(step: str) -> None:
    async with Sink({step: hang_up}).listening() as sink, smtp_to(sink.port) as smtp:
        with pytest.raises(LaterError):
            await smtp.send(outgoing())
    assert sink.taken == []


async def test_a_server_that_dies_before_the_full_stop_was_surely_not_sent_the_message() -> None:
    async with Sink(dies_within=100_000).listening() as sink, smtp_to(sink.port) as smtp:
        with pytest.raises(LaterError) as told:
            await smtp.send(outgoing(body=LONG))
    assert told.value.reason == "connection_lost"
    assert sink.taken == []


async def test_a_server_that_dies_between_the_content_and_the_full_stop_was_surely_not_sent_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Sink(dies_within=100).listening() as sink, smtp_to(sink.port) as smtp:

        async def slowly(writer: asyncio.StreamWriter) -> None:
            await no_connection_left(sink)

        monkeypatch.setattr(asyncio.StreamWriter, "drain", slowly)
        with pytest.raises(LaterError):
            await smtp.send(outgoing())
    assert sink.taken == []


async def test_a_server_that_dies_after_the_full_stop_leaves_it_unknown() -> None:
    async with Sink({".": hang_up}).listening() as sink, smtp_to(sink.port) as smtp:
        with pytest.raises(UnansweredError) as told:
            await smtp.send(outgoing())
    assert not isinstance(told.value, NotSentError)
    assert len(sink.taken) == 1, "nor was it sent again"


async def test_a_server_that_dies_after_the_answer_has_taken_the_message() -> None:
    async with Sink(hangs_up_after=".").listening() as sink, smtp_to(sink.port) as smtp:
        assert (await smtp.send(outgoing())).provider_reference == "4XyZ12AbC"
        assert (await smtp.send(outgoing())).provider_reference == "4XyZ12AbC"
    assert len(sink.taken) == 2
    assert sink.connections == 2


async def test_a_server_that_stays_silent_after_the_full_stop_leaves_it_unknown() -> None:
    async with Sink({".": ""}).listening() as sink, smtp_to(sink.port, answer_seconds=0.2) as smtp:
        with pytest.raises(UnansweredError):
            await smtp.send(outgoing())
    assert len(sink.taken) == 1


@pytest.mark.parametrize("answer", ["354 go on", "999 what", "nonsense"])
async def test_an_answer_to_the_full_stop_that_is_none_leaves_it_unknown(answer: str) -> None:
    async with Sink({".": answer}).listening() as sink, smtp_to(sink.port) as smtp:
        with pytest.raises(UnansweredError):
            await smtp.send(outgoing())
        sink.answers.clear()
        await smtp.send(outgoing())
    assert sink.connections == 2, "nor is that connection used again"


@pytest.mark.parametrize("step", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"])
async def test_a_server_that_stays_silent_before_the_content_was_sent_nothing(step: str) -> None:
    async with Sink({step: ""}).listening() as sink, smtp_to(sink.port, send_seconds=0.2) as smtp:
        with pytest.raises(AwayError):
            await smtp.send(outgoing())
        assert sink.taken == []


async def test_a_server_that_does_not_read_on_is_never_sent_the_full_stop() -> None:
    async with Sink().listening() as sink, smtp_to(sink.port, send_seconds=0.5) as smtp:
        sink.reads.clear()
        with pytest.raises(LaterError) as told:
            await smtp.send(outgoing(body=LONG))
        sink.reads.set()
        await no_connection_left(sink)
    assert told.value.reason == "timed_out"
    assert sink.taken == []
    assert sink.read < len(LONG), "and what had not left is dropped"


async def test_a_caller_who_gives_up_before_the_full_stop_breaks_the_message_off() -> None:
    async with Sink().listening() as sink, smtp_to(sink.port) as smtp:
        sink.reads.clear()
        sending = asyncio.create_task(smtp.send(outgoing(body=LONG)))

        async def begun() -> bool:
            return "DATA" in sink.heard

        await until(begun)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        sink.reads.set()
        await no_connection_left(sink)
        assert sink.taken == []
        await smtp.send(outgoing())
    assert len(sink.taken) == 1


async def test_where_no_server_listens_nothing_is_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    async with smtp_to(port) as smtp:
        with pytest.raises(AwayError) as told:
            await smtp.send(outgoing())
    assert told.value.reason == "unreachable"
    assert not told.value.throttled


REFUSALS = [
    # step, answer, error, reason, fault or throttled
    ("CONNECT", "554 5.7.1 Client host [192.0.2.7] blocked using zen.spamhaus.org", LaterError, "listed", True),
    ("CONNECT", "421 4.7.0 Too many connections", LaterError, "rate_limited", True),
    ("CONNECT", "421 shutting down", AwayError, "system_unavailable", False),
    ("EHLO", "550 5.7.1 go away", LaterError, "refused", False),
    ("MAIL", "553 5.7.1 Sender address rejected: not owned by user", RefusedError, "sender_refused", Fault.POLICY),
    ("MAIL", "550 5.1.1 user unknown", RefusedError, "sender_refused", Fault.POLICY),
    ("MAIL", "530 5.7.0 Authentication required", SetupError, "login_failed", True),
    ("MAIL", "550 5.4.5 Daily user sending limit exceeded", LaterError, "rate_limited", True),
    ("MAIL", "421 4.3.2 shutting down", AwayError, "system_unavailable", False),
    ("RCPT", "550 5.1.1 user unknown", RefusedError, "mailbox_unknown", Fault.RECIPIENT),
    ("RCPT", "550 5.1.1 blocked for spam", RefusedError, "spam_content", Fault.REPUTATION),
    ("RCPT", "450 4.2.0 Greylisted, try again in 300 seconds", LaterError, "greylisted", False),
    ("RCPT", "552 5.2.2 mailbox full", LaterError, "mailbox_full", False),
    ("RCPT", "421 4.7.0 user unknown", LaterError, "mailbox_unknown", False),
    ("DATA", "451 4.3.0 try again later", LaterError, "system_unavailable", False),
    ("DATA", "554 5.5.1 no valid recipients", RefusedError, "protocol_error", Fault.POLICY),
    ("DATA", "250 what", AwayError, "protocol_error", False),
    (".", "550 5.1.1 user unknown", RefusedError, "mailbox_unknown", Fault.RECIPIENT),
    (".", "550 5.7.26 unauthenticated", RefusedError, "authentication_failed", Fault.POLICY),
    (".", "554 5.7.1 looks like spam", RefusedError, "spam_content", Fault.REPUTATION),
    (".", "552 5.3.4 message too big", RefusedError, "too_large", Fault.POLICY),
    (".", "451 4.7.1 your rate limit is reached", LaterError, "rate_limited", True),
    (".", "421 4.3.2 shutting down", AwayError, "system_unavailable", False),
]


@pytest.mark.parametrize(("step", "answer", "error", "reason", "more"), REFUSALS)
async def test_what_a_server_refuses_was_surely_not_sent(
    step: str, answer: str, error: type[NotSentError], reason: str, more: bool | Fault
) -> None:
    async with Sink({step: answer}).listening() as sink, smtp_to(sink.port) as smtp:
        with pytest.raises(error) as told:
            await smtp.send(outgoing())
        assert (type(told.value), told.value.reason) == (error, reason)
        if isinstance(told.value, RefusedError):
            assert told.value.fault is more
        elif isinstance(told.value, LaterError):
            assert told.value.throttled is more
        # The next message is none the worse for it.
        sink.answers.clear()
        sink.taken.clear()
        await smtp.send(outgoing())
    assert len(sink.taken) == 1
    assert sink.connections <= 2


async def test_how_long_to_wait_is_passed_on() -> None:
    async with Sink({"RCPT": "450 Greylisted, try again in 5 minutes"}).listening() as sink, smtp_to(sink.port) as smtp:
        with pytest.raises(LaterError) as told:
            await smtp.send(outgoing())
    assert told.value.seconds == 300


async def test_no_error_shows_what_a_server_said_or_whom_it_was_about() -> None:
    said = "550 5.1.1 <ann@example.org> user unknown"
    for step in ("RCPT", "."):
        async with Sink({step: said}).listening() as sink, smtp_to(sink.port) as smtp:
            with pytest.raises(RefusedError) as told:
                await smtp.send(outgoing())
        error: BaseException | None = told.value
        assert "ann" not in repr(error)
        assert error is not None
        assert error.__cause__ is None
        assert error.__suppress_context__ or error.__context__ is None
