"""``leadloop outreach backfill, suppressions``: what other systems sent, were about to send, or were told never to send.

`leadloop.main` says what each command does.
"""

import asyncio
import csv
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from rich.table import Table as ShownTable

from chassis.caller import Caller
from chassis.exports.mapping import MappingFile, load_as
from chassis.exports.mapping_model import TableMapping
from chassis.exports.rows import Table
from contracts.cells import harmless
from contracts.outreach.backfill import BackfillPending, BackfillSent, ImportSuppressions
from contracts.outreach.people import ListSuppressions, SuppressionView
from leadloop.app import Common, Tenant
from leadloop.backfill_model import PendingMapping, SentMapping, SuppressionMapping
from leadloop.commands_tenants import check_known
from leadloop.errors_file import ErrorsFile, errors_found
from leadloop.handing_over import Ask, HandingOver, Report, pending_rows, sent_rows, suppression_rows
from leadloop.installation import Installation
from leadloop.output import Answer, table
from leadloop.patience import patiently
from leadloop.progress import progress

M = TypeVar("M", bound=TableMapping)
_PAGE = 200


async def backfill_sent(
    file: Path, /, *, map: Path, tenant: Tenant, dry_run: bool = False, common: Common = Common()
) -> Answer:
    """``leadloop outreach backfill sent``.

    Args:
        file: a CSV file with a header, of any size.
        map: what its columns mean (YAML; docs/operations.md).
        tenant: whose messages they are.
        dry_run: say what would become of each row, and keep nothing; the errors file is written as by any run.
    """
    mapping_file = load_as(map, SentMapping)
    system = mapping_file.mapping.source_system

    def ask(rows: Sequence[Any]) -> BackfillSent:
        return BackfillSent(source_system=system, rows=list(rows), dry_run=dry_run)

    return await _hand_over(file, mapping_file, sent_rows, ask, tenant, common, dry_run=dry_run)


async def backfill_pending(
    file: Path, /, *, map: Path, tenant: Tenant, dry_run: bool = False, common: Common = Common()
) -> Answer:
    """``leadloop outreach backfill pending``.

    Args:
        file: a CSV file with a header, of any size.
        map: what its columns mean (YAML; docs/operations.md).
        tenant: whose messages they are.
        dry_run: say what would become of each row, and keep nothing; the errors file is written as by any run.
    """
    mapping_file = load_as(map, PendingMapping)
    system = mapping_file.mapping.source_system

    def ask(rows: Sequence[Any]) -> BackfillPending:
        return BackfillPending(source_system=system, rows=list(rows), dry_run=dry_run)

    return await _hand_over(file, mapping_file, pending_rows, ask, tenant, common, dry_run=dry_run)


async def import_suppressions(
    file: Path,
    /,
    *,
    map: Path,
    tenant: Tenant,
    actor: str | None = None,
    dry_run: bool = False,
    common: Common = Common(),
) -> Answer:
    """``leadloop outreach suppressions import``.

    Args:
        file: a CSV file with a header, of any size.
        map: what its columns mean (YAML; docs/operations.md).
        tenant: whose ledger it is.
        actor: who says so: a user, key or service id, never a name.
        dry_run: say what would become of each row, and keep nothing; the errors file is written as by any run.
    """
    mapping_file = load_as(map, SuppressionMapping)

    def ask(rows: Sequence[Any]) -> ImportSuppressions:
        return ImportSuppressions(rows=list(rows), actor=actor, dry_run=dry_run)

    return await _hand_over(file, mapping_file, suppression_rows, ask, tenant, common, dry_run=dry_run)


async def export_suppressions(file: Path, /, *, tenant: Tenant, common: Common = Common()) -> Answer:
    """``leadloop outreach suppressions export``.

    Args:
        file: a CSV file, which only its owner may read: notes may be personal. One that is there is replaced.
        tenant: whose ledger it is.
    """
    count = 0
    draft = file.with_name(f".{file.name}.part")
    async with Installation(common.open()).asking() as caller:
        await check_known(caller, tenant, "outreach")
        try:
            draft.touch(0o600)
            with draft.open("w", newline="", encoding="utf-8") as out:
                writer = csv.writer(out)
                writer.writerow(SuppressionView.model_fields)
                async for entry in _entries(caller, tenant):
                    writer.writerow([harmless(cell or "") for cell in entry.model_dump(mode="json").values()])
                    count += 1
            draft.replace(file)
        finally:
            draft.unlink(missing_ok=True)
    return Answer({"file": str(file), "entries": count}, [f"{count} entries of the suppression ledger in {file}"])


async def _entries(caller: Caller, tenant: str) -> AsyncIterator[SuppressionView]:
    cursor = None
    while True:
        ask = ListSuppressions(limit=_PAGE, cursor=cursor)
        page = await patiently(lambda ask=ask: caller.ask(tenant, ask, seconds=60))  # type: ignore[misc]
        for entry in page.suppressions:
            yield entry
        if (cursor := page.next_cursor) is None:
            return


async def _hand_over(
    file: Path,
    mapping_file: MappingFile[M],
    read: Callable[[Table[Any], MappingFile[M]], Iterator[Any]],
    ask: Ask,
    tenant: str,
    common: Common,
    *,
    dry_run: bool,
) -> Answer:
    with file.open("rb") as stream, ErrorsFile(file) as errors:
        rows: Table[Any] = Table(stream, mapping_file)
        async with Installation(common.open()).asking() as caller:
            await check_known(caller, tenant, "intake", "outreach")
            with progress("checking" if dry_run else "taking over", rows.size, shown=not common.json) as advance:
                run = HandingOver(caller, tenant, errors, advance)
                try:
                    report = await run.run(rows, read(rows, mapping_file), ask)
                except asyncio.CancelledError:
                    print("not all rows are taken over: run it again, no row is taken twice", file=sys.stderr)
                    raise
    return answer(file, report, errors, dry_run=dry_run)


def answer(file: Path, report: Report, errors: ErrorsFile, *, dry_run: bool) -> Answer:
    """What a run that came to its end says; `ok` where every row was taken or known."""
    title = f"{file}: {report.rows} rows in {report.seconds:.1f} s" + ("; nothing was kept" if dry_run else "")
    counts = {"taken": report.taken, "known": report.known, "refused": report.refused, "bad": report.bad_rows}
    shown: ShownTable = table(title, "", *counts, right=list(counts))
    shown.add_row("would be" if dry_run else "rows", *map(str, counts.values()))
    data = {"dry_run": dry_run, **asdict(report), "errors_file": str(errors.path) if errors.count else None}
    return Answer(data, [shown, *errors_found(errors)], ok=not errors.count)
