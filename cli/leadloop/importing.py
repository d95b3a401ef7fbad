"""An import: an export's rows sent as commands, and waited for until every one of them is applied.

It is one of intake's imports, as those are whose files are uploaded: begun there under the id that its commands carry, told of as it
goes on, listed with them and taken back like them.

Memory is bounded by the window of rows under way, whatever the size of the file. Every id is made from content, under the
tenant's key, so what is sent twice is handled once: that is what makes a killed import safe to run again, and lets this
one send again whatever the broker did not confirm.
"""

import asyncio
import secrets
from asyncio import CancelledError
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from time import monotonic
from typing import Any, TypeVar
from uuid import UUID

import nats.errors
from nats.aio.client import Client
from uuid_utils.compat import uuid7

from chassis.caller import Caller
from chassis.exports.reading import Tally, Unsent, unsent
from chassis.exports.rows import BadRow, Prepared, Row, Rows
from chassis.exports.verdicts import refused_for
from chassis.outlet import Outgoing
from contracts.intake.imports import ERRORS_AT_ONCE, BeginImport, CountsSoFar, ImportState, NoteImport, RowError
from contracts.intake.leads import CountSubmissions, GetImportKey, GetSubmissions, LeadVerdict, SubmissionView
from contracts.message import Envelope, ProblemCode, ProblemError, Reply, Request
from contracts.outcomes import CountRecordings, GetRecordings, OutcomeVerdict, RecordingView
from leadloop.errors_file import ErrorsFile
from leadloop.output import CommandError
from leadloop.patience import patiently, settle, until_handled
from leadloop.sending import Sender

R = TypeVar("R", bound=Reply)

WINDOW = 4000
"""Rows under way at once."""
CHUNK = 500
"""Rows taken at once."""
_ASKED = 1000
"""Verdicts asked for at once; a request takes no more ids."""
_NOTED_EVERY = 2.0
"""Seconds between two notes of how far it is."""
_NOTE_SECONDS = 2.0
"""How long one may take; the next tells the same."""
QUIET_SECONDS = 60.0
"""How long no verdict may come before it is looked into."""


@dataclass(kw_only=True)
class Report(Tally):
    """How an import went.

    `accepted`, `updated` and `outcomes_recorded` count what this run changed; `rejected`, `outcomes_blocked`,
    `outcomes_refused` and `outcomes_waiting` count what its commands met with, in this run or in one before. All the
    rest is a duplicate: it was there already as the rows say, or repeats what an earlier row says. So

        rows     == bad_rows + accepted + duplicate + updated + rejected
        outcomes == outcomes_recorded + outcomes_duplicate + outcomes_blocked + outcomes_refused + outcomes_waiting
    """

    run_id: UUID
    accepted: int = 0
    duplicate: int = 0
    updated: int = 0
    rejected: int = 0
    rejected_before: int = 0
    """Those of the rejected that were rejected in an earlier run, and not looked at again in this one."""
    outcomes_recorded: int = 0
    outcomes_duplicate: int = 0
    outcomes_blocked: int = 0
    outcomes_refused: int = 0
    outcomes_waiting: int = 0
    """Those behind an earlier order for their lead, from whomever, that names a submission which has not come; and those of leads
    that were said to be known and have not come."""
    unusable: dict[str, int] = field(default_factory=dict)
    """In how many leads that were taken a field was left out, or sealed, for what was in it."""
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

    def add(self, chunk: Iterable[Unsent]) -> None:
        for row, lead, outcomes in chunk:
            if lead:
                self.leads[lead.id] = row
            if outcomes:
                self.outcomes[outcomes.id] = row

    def __len__(self) -> int:
        return len(self.leads) + len(self.outcomes)


class _Errors:
    """The errors of a run: written down, and kept until they were told."""

    def __init__(self, written: ErrorsFile) -> None:
        self._written = written
        self.untold: list[RowError] = []

    def write(self, row: BadRow, /) -> None:
        self._written.write(row)
        self.untold.append(RowError(row=row.number, line=row.line, field=row.field, reason=row.reason))


class Import:
    """One run of an import.

    Parameters:
        client: a broker connection with the operator's credential.
        address: what the same is connected with; commands are sent over connections of their own.
        tenant: whose leads they are.
        errors: takes the rows that make no command, those that are rejected, and outcomes that are refused.
        progress: told after every chunk how many bytes and rows have been read.
        quiet_seconds: how long no verdict on its commands may come before it finds out whether they are lost.
        file_name: what the export is called.
    """

    def __init__(
        self,
        client: Client,
        address: Mapping[str, Any],
        tenant: str,
        errors: ErrorsFile,
        progress: Callable[[int, int], None] = lambda *_: None,
        quiet_seconds: float = QUIET_SECONDS,
        file_name: str = "export",
    ) -> None:
        self._client = client
        self._address = address
        self._caller = Caller(client)
        self._tenant = tenant
        self._errors = _Errors(errors)
        self._progress = progress
        self._file_name = file_name
        self._bytes_read = 0
        self._errors_told = 0
        self._noted_at = monotonic()
        self._quiet_seconds = quiet_seconds
        self._pending = _Pending()
        self._waiting: dict[UUID, Row] = {}
        self._heard_at = monotonic()
        self.report = Report(run_id=uuid7())

    async def run(self, rows: Rows, *, again: bool = False) -> Report:
        """Send every row, wait until all is applied, and count; `again`: under ids that no other run has.

        Raises:
            CommandError: commands were handled without a verdict, a service stands still, or somebody cancelled the import; the
                message says what to do.
            LeadLoopError: as `unsent`.
        """
        began = monotonic()
        await self._ask(BeginImport(run_id=self.report.run_id, file_name=self._file_name[-200:], bytes=rows.size or 0))
        try:
            await self._run(rows, again=again)
            await self._tell(ImportState.COMPLETED)
        except BaseException:
            # As well as it can: what nothing is told of any more is taken for stopped.
            with suppress(ProblemError, CommandError, CancelledError, nats.errors.Error):
                await self._note(ImportState.CANCELLED)
            raise
        self.report.seconds = monotonic() - began
        return self.report

    async def _run(self, rows: Rows, *, again: bool) -> None:
        key = secrets.token_bytes(32) if again else bytes.fromhex((await self._ask(GetImportKey())).key)
        async with Sender(self._address) as sender:
            await self._send(rows, key, sender)
        while self._pending:
            await self._hear()
        await settle(self._client, self._caller)
        await self._count()

    async def _send(self, rows: Rows, key: bytes, sender: Sender) -> None:
        """Send every row, and hear of the verdicts as far as it takes to keep to the window."""
        chunk: list[Unsent] = []
        for work in unsent(rows.read(key), self.report, self._errors):
            if work:
                chunk.append(work)
            if self.report.rows % CHUNK == 0:
                await self._send_chunk(chunk, sender)
                await self._say_how_far(rows)
                chunk = []
                while len(self._pending) > WINDOW:
                    await self._hear()
        await self._send_chunk(chunk, sender)
        await self._say_how_far(rows)

    async def _say_how_far(self, rows: Rows) -> None:
        self._bytes_read = rows.bytes_read
        self._progress(rows.bytes_read, self.report.rows)
        if monotonic() - self._noted_at > _NOTED_EVERY:
            with suppress(ProblemError, nats.errors.Error):  # the next says it as well
                await self._note()
            self._noted_at = monotonic()

    async def _tell(self, ended: ImportState) -> None:
        """Tell how the run ended, however long it takes."""
        await patiently(lambda: self._note(ended))

    async def _note(self, ended: ImportState | None = None) -> None:
        """Tell intake how far the run is, with the errors that it was not told.

        Raises:
            CommandError: somebody cancelled it.
            ProblemError: intake does not answer.
        """
        counts = CountsSoFar.model_validate(
            {name: value for name, value in vars(self.report).items() if name in CountsSoFar.model_fields}
        )
        while True:
            some = self._errors.untold[:ERRORS_AT_ONCE]
            is_last = len(some) == len(self._errors.untold)
            note = NoteImport(
                run_id=self.report.run_id, bytes_read=self._bytes_read, counts=counts, errors=some,
                first_error=self._errors_told, ended=ended if is_last else None,
            )  # fmt: skip
            try:
                await self._caller.ask(self._tenant, note, seconds=_NOTE_SECONDS)
            except ProblemError as error:
                if error.problem.code is ProblemCode.CONFLICT:
                    raise CommandError("somebody cancelled the import; what it had imported by then stays") from None
                raise
            del self._errors.untold[: len(some)]
            self._errors_told += len(some)
            if is_last:
                return

    async def _send_chunk(self, chunk: list[Unsent], sender: Sender) -> None:
        commands = [command for _, lead, outcomes in chunk for command in (lead, outcomes) if command]
        await sender.send([self._outgoing(command) for command in commands])
        if not self._pending:
            self._heard_at = monotonic()
        self._pending.add(chunk)

    def _outgoing(self, prepared: Prepared[Any]) -> Outgoing:
        envelope = Envelope(
            prepared.id, prepared.command.topic.type, self._tenant, datetime.now(UTC), self.report.run_id
        )
        return Outgoing(envelope.subject, envelope.headers, prepared.body)

    async def _hear(self) -> None:
        """Take the verdicts on the oldest commands under way, and wait a moment if there is none yet.

        Raises:
            CommandError: there will be none.
        """
        if await self._take_verdicts(
            list(islice(self._pending.leads, _ASKED)), list(islice(self._pending.outcomes, _ASKED))
        ):
            self._heard_at = monotonic()
        elif monotonic() - self._heard_at > self._quiet_seconds:
            await self._find_lost()
            self._heard_at = monotonic()
        else:
            await asyncio.sleep(0.05)

    async def _find_lost(self) -> None:
        """Wait until all that was sent is handled: what then has no verdict has none for ever.

        An order that waits then does so behind another, which may take its time; its verdict is what `_count` finds.
        """
        await until_handled(self._client, self._caller, with_outcomes=bool(self._pending.outcomes))
        await self._take_verdicts(list(self._pending.leads), [])
        for recording in await self._recordings(list(self._pending.outcomes)):
            self._waiting[recording.command_id] = self._pending.outcomes.pop(recording.command_id)
        if lost := [*self._pending.leads.values(), *self._pending.outcomes.values()]:
            first = min(row.number for row in lost)
            raise CommandError(
                f"{len(lost)} commands, the first of row {first}, were handled without a verdict: see `leadloop dead "
                "list`, `leadloop dead redrive` when the cause is mended, and run the import again"
            )

    async def _take_verdicts(self, leads: list[UUID], outcomes: list[UUID]) -> bool:
        """Ask what became of these commands, and note what is known; returns whether anything is."""
        before = len(self._pending)
        for start in range(0, len(leads), _ASKED):
            asked = GetSubmissions(submission_ids=leads[start : start + _ASKED])
            for submission in (await self._ask(asked)).submissions:
                self._note_lead(self._pending.leads.pop(submission.submission_id), submission)
        for recording in await self._recordings(outcomes):
            if all(result.verdict is not OutcomeVerdict.WAITING for result in recording.results):
                self._note_outcomes(self._pending.outcomes.pop(recording.command_id), recording)
        return len(self._pending) < before

    async def _recordings(self, commands: list[UUID]) -> list[RecordingView]:
        found: list[RecordingView] = []
        for start in range(0, len(commands), _ASKED):
            found += (await self._ask(GetRecordings(command_ids=commands[start : start + _ASKED]))).recordings
        return found

    def _note_lead(self, row: Row, submission: SubmissionView) -> None:
        if submission.verdict is LeadVerdict.REJECTED:
            self.report.rejected += 1
            for flaw in submission.reasons:
                self._errors.write(BadRow(row.number, row.line, flaw.field, flaw.message))
            return
        for name in {flaw.field for flaw in submission.reasons}:
            self.report.unusable[name] = self.report.unusable.get(name, 0) + 1

    def _note_outcomes(self, row: Row, recording: RecordingView) -> None:
        for at, result in enumerate(recording.results):
            self.report.outcomes_blocked += result.verdict is OutcomeVerdict.BLOCKED
            self.report.outcomes_refused += result.verdict is OutcomeVerdict.REFUSED
            self.report.outcomes_waiting += result.verdict is OutcomeVerdict.WAITING
            if why := refused_for(result):
                field, reason = why
                self._errors.write(row.flaw(at, field, f"{result.type} {reason}"))

    async def _ask(self, request: Request[R]) -> R:
        return await patiently(lambda: self._caller.ask(self._tenant, request))

    async def _count(self) -> None:
        leads = (await self._ask(CountSubmissions(correlation_id=self.report.run_id))).counts
        outcomes = (await self._ask(CountRecordings(correlation_id=self.report.run_id))).counts
        # Asked after the count: what has just ceased to wait is then counted once, as a duplicate if it was recorded.
        for recording in await self._recordings(list(self._waiting)):
            self._note_outcomes(self._waiting[recording.command_id], recording)
        report = self.report
        report.accepted = leads.get(LeadVerdict.ACCEPTED, 0)
        report.updated = leads.get(LeadVerdict.UPDATED, 0)
        report.rejected_before = report.rejected - leads.get(LeadVerdict.REJECTED, 0)
        report.duplicate = report.rows - report.bad_rows - report.accepted - report.updated - report.rejected
        report.outcomes_recorded = outcomes.get(OutcomeVerdict.RECORDED, 0)
        handled = report.outcomes_recorded + report.outcomes_blocked + report.outcomes_refused
        report.outcomes_duplicate = report.outcomes - handled - report.outcomes_waiting
