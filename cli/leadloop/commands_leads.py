"""``leadloop import, publish``: leads and messages go in."""

import asyncio
import sys
from dataclasses import asdict
from pathlib import Path

import nats.errors
import nats.js.errors

from contracts.message import ProblemCode, ProblemError
from contracts.operations import GetTenant
from leadloop import mapping
from leadloop.app import Common, app
from leadloop.errors_file import ErrorsFile
from leadloop.importing import Import, Report
from leadloop.installation import Installation
from leadloop.output import Answer, CommandError, table
from leadloop.progress import progress
from leadloop.rows import BadRow, Rows, read


@app.command(name="import")
async def import_(file: Path, *, map: Path, tenant: str, dry_run: bool = False, common: Common = Common()) -> Answer:
    """Import a CRM export; returns when all of it is applied. Running it again changes nothing.

    Parameters
    ----------
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
        async with installation.asking() as caller:
            for service in ("intake", "outcomes"):
                try:
                    await caller.ask(tenant, GetTenant(), of=service)
                except ProblemError as error:
                    if error.problem.code is ProblemCode.NOT_FOUND:
                        raise CommandError(
                            f"there is no tenant {tenant}: create it with `leadloop tenant create {tenant}`"
                        ) from None
                    raise
        async with installation.connected() as client:
            with progress("importing", rows.size, shown=not common.json) as advance:
                report = await Import(client, tenant, errors, advance).run(rows)
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
    return Answer(data, shown + _bad_rows(errors), ok=not errors.count)


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
    return Answer(data, [shown, outcomes, *said, *_bad_rows(errors)])


def _bad_rows(errors: ErrorsFile) -> list[str]:
    return [f"{errors.count} rows were left out: {errors.path} says why"] if errors.count else []


@app.command
async def publish(subject: str, file: Path | None = None, *, common: Common = Common()) -> Answer:
    """Publish one message as it is, with no header at all, and wait until the broker has stored it.

    Parameters
    ----------
    subject: e.g. intake.command.submit_lead.v1.acme
    file: the body; standard input by default.
    """
    body = await asyncio.to_thread(file.read_bytes if file else sys.stdin.buffer.read)
    async with Installation(common.open()).connected() as client:
        try:
            ack = await client.jetstream().publish(subject, body, timeout=10)
        except nats.js.errors.NoStreamResponseError:
            raise CommandError(f"no stream takes {subject}, or the operator may not publish it") from None
        except nats.errors.MaxPayloadError:
            raise CommandError(f"the body has {len(body)} bytes; the broker takes at most 1 MiB") from None
        except nats.errors.TimeoutError:
            raise CommandError(f"the broker did not store it: may the operator publish {subject}?") from None
    return Answer({"stream": ack.stream, "seq": ack.seq}, [f"stored in {ack.stream} as {ack.seq}"])
