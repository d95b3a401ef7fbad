"""``leadloop import, publish``: leads and messages go in. `leadloop.main` says what each command does."""

import asyncio
import secrets
import sys
from dataclasses import asdict
from pathlib import Path

import nats.errors
from rich.table import Table

from chassis.caller import Caller
from chassis.exports import mapping
from chassis.exports.reading import Tally, unsent
from chassis.exports.rows import Rows
from contracts.catalogue import by_type
from contracts.message import Kind
from leadloop.app import Common, Tenant
from leadloop.commands_tenants import check_known
from leadloop.errors_file import ErrorsFile, errors_found
from leadloop.importing import CHUNK, Import, Report
from leadloop.installation import Installation
from leadloop.output import Answer, CommandError, table
from leadloop.progress import progress


async def import_(
    file: Path, /, *, map: Path, tenant: Tenant, again: bool = False, dry_run: bool = False, common: Common = Common()
) -> Answer:
    """``leadloop import``.

    Args:
        file: a CSV file with a header, of any size.
        map: what its columns mean (YAML; examples/README.md).
        tenant: whose leads they are.
        again: submit every row anew, those too that were judged before: after what they were rejected for was mended.
        dry_run: check the mapping and every row, and send nothing; the errors file is written as by any run.
    """
    mapping_file = mapping.load(map)
    with file.open("rb") as stream, ErrorsFile(file) as errors:
        rows = Rows(stream, mapping_file)
        tally = await (
            _check(rows, errors, common) if dry_run else _apply(rows, file, tenant, errors, common, again=again)
        )
    return answer(file, tally, errors) if isinstance(tally, Report) else _checked(file, tally, errors)


async def _check(rows: Rows, errors: ErrorsFile, common: Common) -> Tally:
    tally = Tally()
    with progress("checking", rows.size, shown=not common.json) as advance:
        for _ in unsent(rows.read(secrets.token_bytes(32)), tally, errors):
            if tally.rows % CHUNK == 0:
                advance(rows.bytes_read, tally.rows)
                await asyncio.sleep(0)  # here it can be stopped
    return tally


async def _apply(rows: Rows, file: Path, tenant: str, errors: ErrorsFile, common: Common, *, again: bool) -> Report:
    installation = Installation(common.open())
    async with installation.reached() as client:
        await check_known(Caller(client), tenant, "intake", "outcomes")
        with progress("importing", rows.size, shown=not common.json) as advance:
            try:
                importing = Import(client, installation.address, tenant, errors, advance, file_name=file.name)
                return await importing.run(rows, again=again)
            except asyncio.CancelledError:
                print("not all rows are imported: import the file again, no row is applied twice", file=sys.stderr)
                raise


def _checked(file: Path, tally: Tally, errors: ErrorsFile) -> Answer:
    good = tally.rows - tally.bad_rows
    shown = f"{file}: {good} of {tally.rows} rows would be sent, with {tally.outcomes} outcomes; nothing was sent"
    data = {"dry_run": True, **asdict(tally), "errors_file": _path(errors)}
    return Answer(data, [shown, *_repeated(tally), *errors_found(errors)], ok=not errors.count)


def answer(file: Path, report: Report, errors: ErrorsFile) -> Answer:
    """What an import that came to its end says; `ok` where every row was used, and no outcome waits."""
    leads = _counts(
        f"{file}: {report.rows} rows in {report.seconds:.1f} s", "leads",
        accepted=report.accepted, duplicate=report.duplicate, updated=report.updated, rejected=report.rejected,
        bad=report.bad_rows,
    )  # fmt: skip
    waiting = {"waiting": report.outcomes_waiting} if report.outcomes_waiting else {}
    outcomes = _counts(
        "", "outcomes", recorded=report.outcomes_recorded, duplicate=report.outcomes_duplicate,
        blocked=report.outcomes_blocked, refused=report.outcomes_refused, **waiting,
    )  # fmt: skip
    data = {**asdict(report), "changed": report.changed, "errors_file": _path(errors)}
    if not waiting:
        del data["outcomes_waiting"]
    shown: list[str | Table] = [
        leads, outcomes, *_unchanged(report), *_repeated(report), *_rejected_before(report), *_unusable(report),
        *_waiting(report),
    ]  # fmt: skip
    return Answer(data, [*shown, *errors_found(errors)], ok=not (errors.count or waiting))


def _counts(title: str, of: str, **counts: int) -> Table:
    shown = table(title, "", *counts, right=list(counts))
    shown.add_row(of, *map(str, counts.values()))
    return shown


def _unchanged(report: Report) -> list[str]:
    if report.changed:
        return []
    if report.bad_rows == report.rows:
        return ["nothing was sent: " + ("every row is bad" if report.rows else "the file has no rows")]
    if report.duplicate == report.repeated:
        return ["nothing changed: every lead was rejected"]
    return ["nothing changed: every row that can be used had been applied before"]


def _repeated(tally: Tally) -> list[str]:
    if not tally.repeated:
        return []
    return [f"rows that say the same of their lead as an earlier row: {tally.repeated}; each is sent once"]


def _rejected_before(report: Report) -> list[str]:
    if not report.rejected_before:
        return []
    return [
        f"rows that an earlier run rejected, and that were not judged again: {report.rejected_before}; when what they were "
        "rejected for is mended, import the file with --again"
    ]


def _unusable(report: Report) -> list[str]:
    if not report.unusable:
        return []
    fields = ", ".join(f"{name} of {count}" for name, count in sorted(report.unusable.items()))
    return [f"leads were taken without what could not be used of them: {fields}"]


def _waiting(report: Report) -> list[str]:
    if not report.outcomes_waiting:
        return []
    return [
        f"outcomes that wait: {report.outcomes_waiting}, up to 24 hours, behind an earlier outcome of the same lead whose "
        "submission has not come; import the file again to see what became of them"
    ]


def _path(errors: ErrorsFile) -> str | None:
    return str(errors.path) if errors.count else None


async def publish(subject: str, file: Path | None = None, /, *, common: Common = Common()) -> Answer:
    """``leadloop publish``.

    Args:
        subject: e.g. intake.command.submit_lead.v1.acme
        file: the body; standard input by default.
    """
    _check_command(subject)
    body = await asyncio.to_thread(file.read_bytes if file else sys.stdin.buffer.read)
    async with Installation(common.open()).reached() as client:
        if len(body) > client.max_payload:
            raise CommandError(f"the body has {len(body):,} bytes; the broker takes at most {client.max_payload:,}")
        try:
            ack = await client.jetstream().publish(subject, body, timeout=10)
        except (nats.errors.Error, TimeoutError):
            raise CommandError("the broker did not store it within 10 s: see `leadloop status`") from None
    return Answer({"stream": ack.stream, "seq": ack.seq}, [f"stored in {ack.stream} as {ack.seq}"])


def _check_command(subject: str) -> None:
    """The operator gives commands and tells no events; the broker would refuse any other subject without a word."""
    type_, _, tenant = subject.rpartition(".")
    commands = {name: entry.topic for name, entry in by_type().items() if entry.topic.kind is Kind.COMMAND}
    if type_ not in commands:
        raise CommandError(f"{subject} is no command: publish {', '.join(commands)}, with a tenant at the end")
    try:
        commands[type_].subject(tenant)
    except ValueError as error:
        raise CommandError(str(error)) from None
