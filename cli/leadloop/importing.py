"""An import: an export's rows sent as commands, and waited for until every one of them is applied.

Memory is bounded by the window of rows under way, whatever the size of the file. Every id is made from content, so what
is sent twice is handled once: that is what makes a killed import safe to run again, and lets this one send again
whatever the broker did not confirm.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from time import monotonic
from typing import TypeVar
from uuid import UUID

import nats.errors
from nats.aio.client import Client
from nats.js import JetStreamContext
from uuid_utils.compat import uuid7

from chassis.caller import Caller
from contracts.catalogue import COMMANDS, EVENTS
from contracts.intake import CountSubmissions, GetSubmissions, LeadVerdict, SubmissionView
from contracts.message import PLATFORM, Envelope, ProblemCode, ProblemError, Reply, Request
from contracts.operations import GetStatus
from contracts.outcomes import CountRecordings, GetRecordings, OutcomeVerdict, RecordingView, Refusal
from leadloop.errors_file import ErrorsFile
from leadloop.output import CommandError
from leadloop.rows import BadRow, Prepared, Row, Rows

R = TypeVar("R", bound=Reply)

WINDOW = 4000
"""Rows under way at once."""
CHUNK = 500
"""Commands published at once."""
_ASKED = 1000
"""Verdicts asked for at once; a request takes no more ids."""
_ACK_SECONDS = 10.0
_STUCK_SECONDS = 60.0


@dataclass
class Report:
    """How an import went.

    `accepted`, `updated` and `outcomes_recorded` count what this run changed; `rejected`, `outcomes_blocked` and
    `outcomes_refused` count what its rows met with, in this run or in one before. All the rest was there already as the
    rows say, and is a duplicate.
    """

    run_id: UUID
    rows: int = 0
    bad_rows: int = 0
    accepted: int = 0
    duplicate: int = 0
    updated: int = 0
    rejected: int = 0
    outcomes_sent: int = 0
    outcomes_recorded: int = 0
    outcomes_duplicate: int = 0
    outcomes_blocked: int = 0
    outcomes_refused: int = 0
    seconds: float = 0.0

    @property
    def changed(self) -> bool:
        """Whether the run changed anything."""
        return bool(self.accepted or self.updated or self.outcomes_recorded)


@dataclass
class _Pending:
    """The rows whose commands have no verdict yet, by the id of the command, oldest first."""

    leads: dict[UUID, Row] = field(default_factory=dict)
    outcomes: dict[UUID, Row] = field(default_factory=dict)

    def add(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self.leads[row.lead.id] = row
            if row.outcomes:
                self.outcomes[row.outcomes.id] = row

    def __len__(self) -> int:
        return len(self.leads) + len(self.outcomes)


class Import:
    """One run of an import.

    Parameters:
        client: a broker connection with the operator's credential.
        tenant: whose leads they are.
        errors: takes the rows that make no command, those that are rejected, and outcomes that lie in the future.
        progress: told after every chunk how many bytes have been read and rows sent.
    """

    def __init__(
        self, client: Client, tenant: str, errors: ErrorsFile, progress: Callable[[int, int], None] = lambda *_: None
    ) -> None:
        self._client = client
        self._js = self._jetstream()
        self._caller = Caller(client)
        self._tenant = tenant
        self._errors = errors
        self._progress = progress
        self._pending = _Pending()
        self._moved_at = monotonic()
        self.report = Report(uuid7())

    async def run(self, rows: Rows) -> Report:
        """Send every row, wait until all is applied, and count.

        Raises:
            CommandError: nothing moves any more although commands wait; what to look at is in the message.
        """
        began = monotonic()
        chunk: list[Row] = []
        for row in rows:
            self.report.rows += 1
            if isinstance(row, BadRow):
                self.report.bad_rows += 1
                self._errors.write(row)
                continue
            chunk.append(row)
            if len(chunk) >= CHUNK:
                await self._send_rows(chunk)
                self._progress(rows.bytes_read, self.report.rows)
                chunk = []
                while len(self._pending) > WINDOW:
                    await self._hear()
        await self._send_rows(chunk)
        self._progress(rows.bytes_read, self.report.rows)
        while self._pending:
            await self._hear()
        await settle(self._client, self._caller)
        await self._count()
        self.report.seconds = monotonic() - began
        return self.report

    async def _send_rows(self, chunk: list[Row]) -> None:
        commands = [command for row in chunk for command in (row.lead, row.outcomes) if command]
        for outcomes in (row.outcomes for row in chunk if row.outcomes):
            self.report.outcomes_sent += len(outcomes.command.outcomes)  # type: ignore[attr-defined]
        await self._send(commands)
        self._pending.add(chunk)

    async def _send(self, commands: list[Prepared]) -> None:
        """Publish commands in their order; what is not confirmed is sent again until it is.

        They are resent from the first unconfirmed one on, so that a lead's commands keep their order.
        """
        rest = commands
        while rest:
            try:
                futures = [
                    await self._js.publish_async(
                        prepared.command.topic.subject(self._tenant), prepared.body, headers=self._headers(prepared)
                    )
                    for prepared in rest
                ]
                acks = await asyncio.wait_for(asyncio.gather(*futures, return_exceptions=True), _ACK_SECONDS)
            except (nats.errors.Error, TimeoutError, OSError):
                acks = [TimeoutError()] * len(rest)
                self._js = self._jetstream()  # the old one still counts what was never answered
            confirmed = next((n for n, ack in enumerate(acks) if isinstance(ack, BaseException)), len(rest))
            rest = rest[confirmed:]
            if rest:
                await asyncio.sleep(0.5)

    def _jetstream(self) -> JetStreamContext:
        return self._client.jetstream(publish_async_max_pending=2 * CHUNK)

    def _headers(self, prepared: Prepared) -> dict[str, str]:
        return Envelope(
            prepared.id, prepared.command.topic.type, self._tenant, datetime.now(UTC), self.report.run_id
        ).headers

    async def _hear(self) -> None:
        """Ask for the verdicts on the oldest commands under way, and wait a moment if there is none yet."""
        before = len(self._pending)
        if leads := list(islice(self._pending.leads, _ASKED)):
            for submission in (await self._ask(GetSubmissions(submission_ids=leads))).submissions:
                self._note_lead(self._pending.leads.pop(submission.submission_id), submission)
        if outcomes := list(islice(self._pending.outcomes, _ASKED)):
            for recording in (await self._ask(GetRecordings(command_ids=outcomes))).recordings:
                if all(result.verdict is not OutcomeVerdict.WAITING for result in recording.results):
                    self._note_outcomes(self._pending.outcomes.pop(recording.command_id), recording)
        if len(self._pending) < before:
            self._moved_at = monotonic()
            return
        if monotonic() - self._moved_at > _STUCK_SECONDS and await self._nothing_queued():
            raise CommandError(
                f"{len(self._pending)} commands were handled without a verdict: see `leadloop dead list`, "
                "`leadloop dead redrive` when the cause is mended, and run the import again"
            )
        await asyncio.sleep(0.05)

    def _note_lead(self, row: Row, submission: SubmissionView) -> None:
        if submission.verdict is LeadVerdict.REJECTED:
            self.report.rejected += 1
            for flaw in submission.reasons:
                self._errors.write(BadRow(row.number, row.line, flaw.field, flaw.message))

    def _note_outcomes(self, row: Row, recording: RecordingView) -> None:
        for number, result in enumerate(recording.results, start=1):
            self.report.outcomes_blocked += result.verdict is OutcomeVerdict.BLOCKED
            self.report.outcomes_refused += result.verdict is OutcomeVerdict.REFUSED
            if result.refusal is Refusal.IN_FUTURE:
                reason = f"{result.type} lies in the future: record what has happened"
                self._errors.write(BadRow(row.number, row.line, f"outcomes.{number}.occurred_at", reason))

    async def _ask(self, request: Request[R]) -> R:
        return await patiently(self._caller, self._tenant, request)

    async def _nothing_queued(self) -> bool:
        for consumer in ("intake", "outcomes"):
            info = await self._client.jetstream().consumer_info(COMMANDS.name, consumer)
            if info.num_pending or info.num_ack_pending:
                return False
        return True

    async def _count(self) -> None:
        leads = (await self._ask(CountSubmissions(correlation_id=self.report.run_id))).counts
        outcomes = (await self._ask(CountRecordings(correlation_id=self.report.run_id))).counts
        report = self.report
        report.accepted = leads.get(LeadVerdict.ACCEPTED, 0)
        report.updated = leads.get(LeadVerdict.UPDATED, 0)
        report.duplicate = report.rows - report.bad_rows - report.accepted - report.updated - report.rejected
        report.outcomes_recorded = outcomes.get(OutcomeVerdict.RECORDED, 0)
        handled = report.outcomes_recorded + report.outcomes_blocked + report.outcomes_refused
        report.outcomes_duplicate = report.outcomes_sent - handled


async def settle(client: Client, caller: Caller, seconds: float = 600.0) -> None:
    """Wait until every event of what is applied now has been published and stored by the aggregator.

    Raises:
        CommandError: not within `seconds`.
    """
    try:
        async with asyncio.timeout(seconds):
            for service in ("intake", "outcomes"):
                now = (await patiently(caller, PLATFORM, GetStatus(), of=service)).now
                while True:
                    oldest = (await patiently(caller, PLATFORM, GetStatus(), of=service)).outbox_oldest_at
                    if oldest is None or oldest > now:
                        break
                    await asyncio.sleep(0.05)
            js = client.jetstream()
            last = (await js.stream_info(EVENTS.name)).state.last_seq
            while True:
                info = await js.consumer_info(EVENTS.name, "aggregator")
                done = info.ack_floor.stream_seq if info.ack_floor else 0
                if done >= last or not (info.num_pending or info.num_ack_pending):
                    return
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise CommandError(f"events were not stored within {seconds:g} s: see `leadloop status`") from None


async def patiently(caller: Caller, tenant: str, request: Request[R], *, of: str = "") -> R:
    """Ask, and ask again for as long as a service is unavailable: it may be starting again."""
    deadline = monotonic() + 10 * _STUCK_SECONDS
    while True:
        try:
            return await caller.ask(tenant, request, of=of, seconds=10)
        except ProblemError as error:
            if error.problem.code is not ProblemCode.UNAVAILABLE or monotonic() > deadline:
                raise
        await asyncio.sleep(0.5)
