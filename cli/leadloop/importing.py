"""An import: an export's rows sent as commands, and waited for until every one of them is applied.

Memory is bounded by the window of rows under way, whatever the size of the file. Every id is made from content, so what
is sent twice is handled once: that is what makes a killed import safe to run again, and lets this one send again
whatever the broker did not confirm.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from time import monotonic
from typing import Any, TypeVar
from uuid import UUID

from nats.aio.client import Client
from uuid_utils.compat import uuid7

from chassis.caller import Caller
from chassis.outlet import Outgoing
from contracts.catalogue import COMMANDS, EVENTS, Stream
from contracts.intake import CountSubmissions, GetSubmissions, LeadVerdict, SubmissionView
from contracts.message import PLATFORM, Envelope, Reply, Request
from contracts.operations import GetStatus
from contracts.outcomes import CountRecordings, GetRecordings, OutcomeVerdict, RecordingView, Refusal
from leadloop.errors_file import ErrorsFile
from leadloop.output import CommandError
from leadloop.patience import patiently, settle
from leadloop.rows import BadRow, Prepared, Row, Rows
from leadloop.sending import Sender

R = TypeVar("R", bound=Reply)

WINDOW = 4000
"""Rows under way at once."""
CHUNK = 500
"""Rows sent at once."""
_ASKED = 1000
"""Verdicts asked for at once; a request takes no more ids."""
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
        address: what the same is connected with; commands are sent over connections of their own.
        tenant: whose leads they are.
        errors: takes the rows that make no command, those that are rejected, and outcomes that lie in the future.
        progress: told after every chunk how many bytes have been read and rows sent.
    """

    def __init__(
        self,
        client: Client,
        address: Mapping[str, Any],
        tenant: str,
        errors: ErrorsFile,
        progress: Callable[[int, int], None] = lambda *_: None,
    ) -> None:
        self._client = client
        self._address = address
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
        async with Sender(self._address) as sender:
            await self._send(rows, sender)
        while self._pending:
            await self._hear()
        await settle(self._client, self._caller)
        await self._count()
        self.report.seconds = monotonic() - began
        return self.report

    async def _send(self, rows: Rows, sender: Sender) -> None:
        """Send every row, and hear of the verdicts as far as it takes to keep to the window."""
        chunk: list[Row] = []
        for row in rows:
            self.report.rows += 1
            if isinstance(row, BadRow):
                self.report.bad_rows += 1
                self._errors.write(row)
                continue
            chunk.append(row)
            if len(chunk) >= CHUNK:
                await self._send_chunk(chunk, sender)
                self._progress(rows.bytes_read, self.report.rows)
                chunk = []
                while len(self._pending) > WINDOW:
                    await self._hear()
        await self._send_chunk(chunk, sender)
        self._progress(rows.bytes_read, self.report.rows)

    async def _send_chunk(self, chunk: list[Row], sender: Sender) -> None:
        commands = [command for row in chunk for command in (row.lead, row.outcomes) if command]
        for outcomes in (row.outcomes for row in chunk if row.outcomes):
            self.report.outcomes_sent += len(outcomes.command.outcomes)  # type: ignore[attr-defined]
        await sender.send([self._outgoing(command) for command in commands])
        self._pending.add(chunk)

    def _outgoing(self, prepared: Prepared) -> Outgoing:
        envelope = Envelope(
            prepared.id, prepared.command.topic.type, self._tenant, datetime.now(UTC), self.report.run_id
        )
        return Outgoing(envelope.subject, envelope.headers, prepared.body)

    async def _hear(self) -> None:
        """Ask for the verdicts on the oldest commands under way, and wait a moment if there is none yet."""
        before = len(self._pending)
        stuck = monotonic() - self._moved_at > _STUCK_SECONDS and await self._nothing_queued()
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
        if stuck:
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
        return await patiently(lambda: self._caller.ask(self._tenant, request))

    async def _nothing_queued(self) -> bool:
        """Whether no command, nor an event that one waits for, is on its way; looked for in the order of the way."""
        return (
            await self._is_drained(COMMANDS, "intake")
            and not (await patiently(lambda: self._caller.ask(PLATFORM, GetStatus(), of="intake"))).outbox_unsent
            and await self._is_drained(EVENTS, "outcomes")
            and await self._is_drained(COMMANDS, "outcomes")
        )

    async def _is_drained(self, stream: Stream, consumer: str) -> bool:
        info = await patiently(lambda: self._client.jetstream().consumer_info(stream.name, consumer))
        return not info.num_pending and not info.num_ack_pending

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
