"""An uploaded import carried out: rows become leads in one transaction with how far it is, then their outcomes are sent.

Killed at any point it goes on where it stood. Leads of a row and that the row is done commit together. Outcomes are sent after that,
and are known to be sent when the next rows are done: those between are sent again, under the same ids, which are of their content.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from time import monotonic
from typing import Final
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.broker import outlet_address
from chassis.caller import Caller
from chassis.exports.reading import Unsent
from chassis.exports.rows import BadRow, field_of
from chassis.exports.verdicts import refused_for
from chassis.failures import is_transient, lost_a_race
from chassis.keys import TenantKeys
from chassis.outlet import Outgoing, Outlet
from chassis.received import Received, Wire
from chassis.settings import Settings
from chassis.unit_of_work import Database, UnitOfWork
from contracts.intake.imports import ImportCounts, ImportState
from contracts.intake.leads import Flaw, LeadVerdict, SubmitLead
from contracts.message import Envelope
from contracts.outcomes import CountRecordings, GetRecordings, OutcomeVerdict, RecordingView
from intake.imports import store, store_work, telling
from intake.imports.domain_import import completed
from intake.imports.reading import Batch, Reading
from intake.imports.store_work import Claim
from intake.submissions import store as submissions
from intake.submissions.submitting import submit

ROWS_AT_ONCE: Final = 200
_ORDERS_AT_ONCE: Final = 1000
_RACES: Final = 20
_QUIET_SECONDS: Final = 60.0
"""How long an order may have no verdict and nothing else happen, until it counts as one that waits."""
_WAITING_SECONDS: Final = 3.0
"""The same where each that is left is known to wait."""


class LostClaimError(Exception):
    """The import is not this worker's any more: it was cancelled, or taken over."""


class Importer:
    """Carries out one import at a time that a worker holds."""

    def __init__(self, database: Database, keys: TenantKeys, settings: Settings, caller: Caller, claim: Claim) -> None:
        self._database = database
        self._keys = keys
        self._settings = settings
        self._caller = caller
        self._claim = claim

    async def run(self) -> None:
        """Go on with the import to its end.

        Raises:
            LostClaimError: it is not this worker's any more.
            ExportError, MappingError: its file cannot be read.
        """
        run, reading = await self._begun()
        if not run["read_all"]:
            async with AsyncExitStack() as connection:
                outlet = await connection.enter_async_context(Outlet.open(outlet_address("intake", self._settings)))
                await self._read(reading, outlet)
        await self._settle()
        await self._complete()

    async def _begun(self) -> tuple[RowMapping, Reading]:
        async with self._database.begin(self._claim.tenant) as uow:
            key = await self._keys.of(uow, self._claim.tenant)
            run = await held(uow, self._claim)
        return run, Reading(self._database, self._keys, key, run)

    async def _read(self, reading: Reading, outlet: Outlet) -> None:
        sent = 0
        while True:
            batch = await reading.take(ROWS_AT_ONCE)
            done = await self._import(batch, sent)
            await self._send(outlet, [row for row in batch.rows if row.row.number > done.sent_before])
            sent = batch.tally.rows
            if batch.is_last:
                async with self._database.begin(self._claim.tenant) as uow:
                    await held(uow, self._claim)
                    await store_work.advance(uow, self._claim, rows_sent=sent, read_all=True)
                return

    async def _import(self, batch: Batch, sent: int) -> "_Done":
        """Have a batch's leads be there; what was done before is not done again.

        One that the database does not take as a whole is taken row by row, and what is at fault is an error of its row.
        """
        try:
            return await self._in_one(batch, batch.rows, [], sent)
        except Exception as error:
            if is_transient(error) or isinstance(error, LostClaimError) or len(batch.rows) == 0:
                raise
        good, faults = [], []
        for row in batch.rows:
            try:
                async with self._database.begin(self._claim.tenant) as uow:
                    await self._submit(uow, [row])
                    raise _TriedError
            except _TriedError:
                good.append(row)
            except Exception as error:
                if is_transient(error):
                    raise
                faults.append(
                    BadRow(
                        row.row.number, row.row.line, "", "cannot be stored as it is: correct it, and import it again"
                    )
                )
        return await self._in_one(batch, good, faults, sent)

    async def _in_one(self, batch: Batch, rows: Sequence[Unsent], faults: Sequence[BadRow], sent: int) -> "_Done":
        for left in range(_RACES, -1, -1):
            try:
                async with self._database.begin(self._claim.tenant) as uow:
                    return await self._take(uow, batch, rows, faults, sent)
            except Exception as error:
                if not (left and lost_a_race(error)):
                    raise
        raise AssertionError("unreachable")

    async def _take(
        self, uow: UnitOfWork, batch: Batch, rows: Sequence[Unsent], faults: Sequence[BadRow], sent: int
    ) -> "_Done":
        run = await held(uow, self._claim)
        done = _Done(run["rows_done"], run["rows_sent"])
        if batch.tally.rows <= done.rows:
            return done
        fresh = [row for row in rows if row.row.number > done.rows]
        errors = [error for error in (*batch.errors, *faults) if error.number > done.rows]
        verdicts = await self._submit(uow, fresh)
        counts = _counted(ImportCounts.model_validate(run["counts"]), batch, verdicts.values())
        counts.rejected += len(faults)
        counts.duplicate -= len(faults)
        errors += [
            BadRow(row.row.number, row.row.line, flaw.field, flaw.message)
            for row in fresh
            if row.lead and (verdict := verdicts.get(row.lead.id)) and verdict[0] is LeadVerdict.REJECTED
            for flaw in verdict[1]
        ]
        errors.sort(key=lambda error: error.number)
        await store.add_errors(
            uow, await self._keys.of(uow, self._claim.tenant), self._claim.run_id, counts.errors, errors
        )
        counts.errors += len(errors)
        orders = [(row.outcomes.id, row.row.number, row.row.line, row.row.places) for row in fresh if row.outcomes]
        await store_work.add_orders(uow, self._claim, orders)
        await store_work.advance(
            uow, self._claim, rows_done=batch.tally.rows, rows_sent=max(sent, done.sent_before),
            bytes_read=batch.bytes_read, counts=counts.model_dump_json(),
        )  # fmt: skip
        return done

    async def _submit(
        self, uow: UnitOfWork, rows: Sequence[Unsent]
    ) -> dict[UUID, tuple[LeadVerdict, list[Flaw], bool]]:
        """Submit the leads of rows; the verdict on each, why, and whether it was judged now and not before."""
        tenant, key = self._claim.tenant, await self._keys.of(uow, self._claim.tenant)
        leads = {row.lead.id: row.lead.command for row in rows if row.lead}
        before = {
            row["submission_id"]: (
                LeadVerdict(row["verdict"]),
                [Flaw.model_validate(flaw) for flaw in row["reasons"]],
                False,
            )
            for row in await submissions.verdicts(uow, tenant, list(leads))
        }
        new = [self._received(uow, id_, lead) for id_, lead in leads.items() if id_ not in before]
        results = await submit(uow, key, new, strict=False) if new else []
        now = {
            message.id: (result.verdict, result.warnings, True) for message, result in zip(new, results, strict=True)
        }
        return before | now

    def _received(self, uow: UnitOfWork, id_: UUID, lead: SubmitLead) -> Received[SubmitLead]:
        envelope = Envelope(id_, lead.topic.type, self._claim.tenant, uow.now, self._claim.run_id)
        return Received(envelope, lead, Wire(envelope.subject, {}, b"", uow.now))

    async def _send(self, outlet: Outlet, rows: Sequence[Unsent]) -> None:
        """Send the orders to record the outcomes of rows.

        Raises:
            OSError, nats.errors.Error: the broker did not take one; what it took is the same when sent again.
        """
        orders = [row.outcomes for row in rows if row.outcomes]
        now = datetime.now(UTC)
        messages = []
        for order in orders:
            envelope = Envelope(order.id, order.command.topic.type, self._claim.tenant, now, self._claim.run_id)
            messages.append(Outgoing(envelope.subject, envelope.headers, order.body))
        if messages:
            for error in await outlet.publish(messages):
                if error:
                    raise error

    async def _settle(self) -> None:
        """Wait for the verdicts on the import's outcomes, and note what was refused."""
        since = monotonic()
        while True:
            async with self._database.begin(self._claim.tenant) as uow:
                await held(uow, self._claim)
                pending = await store_work.orders(uow, self._claim, _ORDERS_AT_ONCE)
            if not pending:
                return
            news, unjudged = await self._hear(pending)
            if news:
                since = monotonic()
                continue
            if monotonic() - since > (_QUIET_SECONDS if unjudged else _WAITING_SECONDS):
                return
            await asyncio.sleep(0.2)

    async def _hear(self, pending: Sequence[RowMapping]) -> tuple[bool, bool]:
        """Ask what became of orders and note it; whether anything did, and whether some have no verdict at all."""
        ask = GetRecordings(command_ids=[order["command_id"] for order in pending])
        recordings = (await self._caller.ask(self._claim.tenant, ask)).recordings
        known = {each.command_id: each for each in recordings if not _waits(each)}
        if known:
            async with self._database.begin(self._claim.tenant) as uow:
                run = await held(uow, self._claim)
                await self._note(uow, run, {order["command_id"]: order for order in pending}, known)
        return bool(known), len(recordings) < len(pending)

    async def _note(
        self,
        uow: UnitOfWork,
        run: RowMapping,
        orders: Mapping[UUID, RowMapping],
        known: Mapping[UUID, RecordingView],
    ) -> None:
        counts = ImportCounts.model_validate(run["counts"])
        errors = []
        for command_id, recording in known.items():
            order = orders[command_id]
            for at, result in enumerate(recording.results):
                counts.outcomes_recorded += result.verdict is OutcomeVerdict.RECORDED
                counts.outcomes_blocked += result.verdict is OutcomeVerdict.BLOCKED
                counts.outcomes_refused += result.verdict is OutcomeVerdict.REFUSED
                if why := refused_for(result):
                    field, reason = why
                    name = field_of(("outcomes", at, field), order["places"])
                    errors.append((order["row_number"], order["line"], name, f"{result.type} {reason}"))
        await store.add_errors(
            uow, await self._keys.of(uow, self._claim.tenant), self._claim.run_id, counts.errors, errors
        )
        counts.errors += len(errors)
        await store_work.end_orders(uow, self._claim.tenant, self._claim.run_id, known)
        await store_work.advance(uow, self._claim, counts=counts.model_dump_json())

    async def _complete(self) -> None:
        recorded = await self._caller.ask(self._claim.tenant, CountRecordings(correlation_id=self._claim.run_id))
        tenant, run_id = self._claim.tenant, self._claim.run_id
        async with self._database.begin(tenant) as uow:
            run = await held(uow, self._claim)
            waiting = recorded.counts.get(OutcomeVerdict.WAITING, 0)
            counts = completed(ImportCounts.model_validate(run["counts"]), recorded.counts, waiting)
            await store_work.advance(uow, self._claim, counts=counts.model_dump_json(), bytes_read=run["bytes"])
            await store_work.end_orders(uow, tenant, run_id)
            await store.drop_file(uow, tenant, run_id)
            run = await store.set_state(uow, tenant, run_id, ImportState.COMPLETED, ended_at=uow.now)
            telling.ended(uow, tenant, run)


class _Done:
    """How far an import was before: its leads, and its outcomes."""

    def __init__(self, rows: int, sent_before: int) -> None:
        self.rows = rows
        self.sent_before = sent_before


class _TriedError(Exception):
    """What was tried is undone."""


async def held(uow: UnitOfWork, claim: Claim) -> RowMapping:
    """The import, locked and held on.

    Raises:
        LostClaimError: it is not this worker's any more.
    """
    if (run := await store_work.hold(uow, claim)) is None:
        raise LostClaimError
    return run


def _waits(recording: RecordingView) -> bool:
    return any(result.verdict is OutcomeVerdict.WAITING for result in recording.results)


def _counted(
    counts: ImportCounts, batch: Batch, verdicts: Collection[tuple[LeadVerdict, list[Flaw], bool]]
) -> ImportCounts:
    """The counts after a batch: what was read as it is by now, and what became of its leads on top."""
    counted = counts.model_copy(update={**vars(batch.tally)})
    for verdict, _, is_new in verdicts:
        counted.accepted += is_new and verdict is LeadVerdict.ACCEPTED
        counted.updated += is_new and verdict is LeadVerdict.UPDATED
        counted.rejected += verdict is LeadVerdict.REJECTED
    counted.duplicate = counted.rows - counted.bad_rows - counted.accepted - counted.updated - counted.rejected
    return counted
