"""``leadloop import, publish``: leads and messages go in. `leadloop.main` says what each command does."""

import asyncio
import sys
from dataclasses import asdict
from pathlib import Path

import nats.errors

from chassis.caller import Caller
from contracts.catalogue import by_type
from contracts.message import Kind
from leadloop import mapping
from leadloop.app import Common, Tenant
from leadloop.commands_tenants import check_known
from leadloop.errors_file import ErrorsFile
from leadloop.importing import Import, Report
from leadloop.installation import Installation
from leadloop.output import Answer, CommandError, table
from leadloop.progress import progress
from leadloop.rows import BadRow, Rows, read


async def import_(
    file: Path, /, *, map: Path, tenant: Tenant, dry_run: bool = False, common: Common = Common()
) -> Answer:
    """``leadloop import``.

    Args:
        file: a CSV file with a header, of any size.
        map: what its columns mean (YAML; examples/README.md).
        tenant: whose leads they are.
        dry_run: check the mapping and every row, and send nothing.
    """
    mapping_file = mapping.load(map)
    with file.open("rb") as stream, ErrorsFile(file) as errors:
        rows = read(stream, mapping_file, tenant)
        if dry_run:
            return _checked(file, rows, errors)
        installation = Installation(common.open())
        async with installation.reached() as client:
            await check_known(Caller(client), tenant, "intake", "outcomes")
            with progress("importing", rows.size, shown=not common.json) as advance:
                report = await Import(client, installation.address, tenant, errors, advance).run(rows)
        return _answer(file, report, errors)


def _checked(file: Path, rows: Rows, errors: ErrorsFile) -> Answer:
    good = outcomes = 0
    for row in rows:
        if isinstance(row, BadRow):
            errors.write(row)
        else:
            good += 1
            outcomes += len(row.outcomes.command.outcomes) if row.outcomes else 0  # type: ignore[attr-defined]
    data = {"dry_run": True, "rows": good + errors.count, "bad_rows": errors.count, "outcomes": outcomes}
    shown = [f"{file}: {good} rows would be sent, with {outcomes} outcomes; nothing was sent"]
    return Answer(data, shown + _found(errors), ok=not errors.count)


def _answer(file: Path, report: Report, errors: ErrorsFile) -> Answer:
    shown = table(
        f"{file}: {report.rows} rows in {report.seconds:.1f} s", "", "accepted", "duplicate", "updated", "rejected",
        right=("accepted", "duplicate", "updated", "rejected"),
    )  # fmt: skip
    shown.add_row("leads", *map(str, (report.accepted, report.duplicate, report.updated, report.rejected)))
    outcomes = table("", "", "recorded", "duplicate", "blocked", "refused",
                     right=("recorded", "duplicate", "blocked", "refused"))  # fmt: skip
    outcomes.add_row(
        "outcomes",
        *map(str, (report.outcomes_recorded, report.outcomes_duplicate, report.outcomes_blocked,
                   report.outcomes_refused)),
    )  # fmt: skip
    said = [] if report.changed else ["nothing changed: every row had been applied before"]
    data = {**asdict(report), "changed": report.changed, "errors_file": str(errors.path) if errors.count else None}
    return Answer(data, [shown, outcomes, *said, *_found(errors)])


def _found(errors: ErrorsFile) -> list[str]:
    return [f"{errors.count} errors: {errors.path} names row, field and reason"] if errors.count else []


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
