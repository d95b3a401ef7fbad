"""An import's numbers add up, and it knows when its own commands are lost, whatever else is going on."""

import csv
import io
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from chassis.caller import inbox_prefix
from chassis.exports.mapping import MappingError, loads
from chassis.exports.rows import BadRow, Row, Rows
from contracts.catalogue import OPERATOR
from contracts.gateway import TenantChanged, TenantSettings
from contracts.intake.imports import (
    CancelImport,
    ImportOrigin,
    ImportState,
    ListImportErrors,
    ListImports,
    RevertCounts,
    RevertImport,
)
from contracts.intake.leads import GetImportKey, SubmitLead
from contracts.message import Envelope
from contracts.operations import GetTenant, RunJob
from contracts.outcomes import Outcome, RecordOutcomes
from contracts.taxonomy import OutcomeType
from contracts.values import LeadRef
from leadloop import importing
from leadloop.errors_file import ErrorsFile
from leadloop.importing import Import, Report
from leadloop.output import CommandError
from tests.platform import Platform
from tests.waiting import until

MAPPING = """\
source_system: shop
lead:
  source_id: { column: Id }
  full_name: { column: Name }
  phone: { column: Phone }
outcomes:
  - type: { column: Stage }
    when: { column: Stage, not_null: true }
    occurred_at: { value: 2026-01-05 }
"""
HEADER = "Id,Name,Phone,Stage"
ROWS = [
    "1,Ann,,closed_lost",
    ",No Id,,",
    "1,Ann,,closed_lost",  # repeats
    "1,Ann,,closed_won",  # the lead repeats, its outcome is blocked
    "1,Ann,,closed_won",
    "2,,12,contacted",  # rejected, and its outcome refused
    "2,,12,contacted",
    "3,Bo,,",
    "3,Cy,,",  # an update
    "3,Bo,,",  # goes back, in vain
]


@pytest.fixture
async def known(platform: Platform, tenant: str) -> AsyncIterator[str]:
    """A tenant of the services that take part in an import, which run."""
    services = ("intake", "outcomes", "aggregator")
    async with platform.running(*services):
        await platform.introduce(tenant, *services)
        yield tenant


def content(rows: Sequence[str], header: str = HEADER) -> bytes:
    return "\n".join([header, *rows, ""]).encode()


async def run_import(
    platform: Platform,
    tenant: str,
    folder: Path,
    rows: Sequence[str],
    *,
    header: str = HEADER,
    mapping: str = MAPPING,
    quiet_seconds: float = 60.0,
    again: bool = False,
) -> Report:
    export = folder / "export.csv"
    export.write_bytes(content(rows, header))
    address = {
        "servers": [platform.broker.url],
        "nkeys_seed_str": platform.seeds[OPERATOR],
        "inbox_prefix": inbox_prefix(OPERATOR),
    }
    with export.open("rb") as stream, ErrorsFile(export) as errors:
        run = Import(platform.operator, address, tenant, errors, quiet_seconds=quiet_seconds)
        return await run.run(Rows(stream, loads(mapping, "m.yaml")), again=again)


async def rows_of(platform: Platform, tenant: str, rows: Sequence[str]) -> list[Row | BadRow]:
    """What an import makes of these rows."""
    key = bytes.fromhex((await platform.caller.ask(tenant, GetImportKey())).key)
    return list(Rows(io.BytesIO(content(rows)), loads(MAPPING, "m.yaml")).read(key))


def errors_in(folder: Path) -> list[dict[str, str]]:
    path = folder / "export.errors.csv"
    return list(csv.DictReader(path.read_text().splitlines())) if path.exists() else []


def check_sums(report: Report) -> None:
    leads = report.accepted + report.duplicate + report.updated + report.rejected
    assert report.rows == report.bad_rows + leads
    handled = report.outcomes_recorded + report.outcomes_duplicate
    assert report.outcomes == handled + report.outcomes_blocked + report.outcomes_refused + report.outcomes_waiting


@pytest.mark.parametrize("under_way", [1, 4000], ids=["one by one", "all at once"])
async def test_numbers_add_up_and_do_not_depend_on_what_is_under_way_together(
    platform: Platform, known: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, under_way: int
) -> None:
    monkeypatch.setattr(importing, "CHUNK", under_way)
    monkeypatch.setattr(importing, "WINDOW", 0 if under_way == 1 else under_way)
    report = await run_import(platform, known, tmp_path, ROWS)
    check_sums(report)
    assert (report.rows, report.bad_rows, report.repeated, report.superseded) == (10, 1, 5, 1)
    assert (report.accepted, report.updated, report.rejected, report.duplicate) == (2, 1, 1, 5)
    assert (report.outcomes, report.outcomes_recorded, report.outcomes_duplicate) == (6, 1, 3)
    assert (report.outcomes_blocked, report.outcomes_refused) == (1, 1)

    again = await run_import(platform, known, tmp_path, ROWS)
    check_sums(again)
    assert not again.changed
    assert (again.repeated, again.rejected, again.duplicate, again.outcomes_blocked) == (5, 1, 8, 1)
    assert sorted(error["row"] for error in errors_in(tmp_path)) == ["10", "2", "6", "6"]


async def change_settings(platform: Platform, tenant: str, id_: UUID | None = None, **settings: str) -> None:
    """Have intake know other settings of the tenant's, by an event under this id."""
    news = TenantChanged(version=2, settings=TenantSettings(**settings), created_at=datetime.now(UTC))
    await platform.publish("gateway", tenant, news, id_)

    async def known() -> bool:
        return (await platform.caller.ask(tenant, GetTenant(), of="intake")).version == 2

    await until(known, what="intake knowing the settings")


async def test_what_was_rejected_is_said_when_it_is_passed_over_and_judged_anew_when_asked(
    platform: Platform, known: str, tmp_path: Path
) -> None:
    rows = ["1,Ann,,contacted", "2,,030 901820,contacted"]  # a telephone number of Berlin's
    first = await run_import(platform, known, tmp_path, rows)
    assert (first.accepted, first.rejected, first.rejected_before, first.outcomes_refused) == (1, 1, 0, 1)

    await change_settings(platform, known, region="DE")
    second = await run_import(platform, known, tmp_path, rows)
    check_sums(second)
    assert (second.changed, second.rejected, second.rejected_before, second.outcomes_refused) == (False, 1, 1, 1)

    third = await run_import(platform, known, tmp_path, rows, again=True)
    check_sums(third)
    assert (third.accepted, third.duplicate, third.rejected, third.rejected_before) == (1, 1, 0, 0)
    assert (third.outcomes_recorded, third.outcomes_duplicate, third.outcomes_refused) == (1, 1, 0)
    assert errors_in(tmp_path) == []

    fourth = await run_import(platform, known, tmp_path, rows, again=True)
    check_sums(fourth)
    assert (fourth.changed, fourth.duplicate, fourth.outcomes_duplicate) == (False, 2, 2)


async def test_a_lost_command_is_noticed_whatever_else_waits(platform: Platform, tenant: str, tmp_path: Path) -> None:
    """Its id was used before; and another tenant's command waits for a service that does not run."""
    rows = [",Bad,,", "1,Ann,,", "2,Bo,,"]
    contacted = RecordOutcomes(
        lead=LeadRef(source_system="web", source_id="1"), outcomes=[Outcome(type=OutcomeType.CONTACTED)], recorded_by="x"
    )  # fmt: skip

    async with platform.running("intake"):
        await platform.introduce(tenant, "intake")
        *_, lost = await rows_of(platform, tenant, rows)
        assert isinstance(lost, Row)
        await change_settings(platform, tenant, lost.lead.id)
        await platform.publish(OPERATOR, f"{tenant[:50]}-other", contacted)
        with pytest.raises(CommandError, match=r"^1 commands, the first of row 3, were handled without a verdict: see"):
            await run_import(platform, tenant, tmp_path, rows, quiet_seconds=0.0)


async def test_an_import_behind_others_is_not_taken_for_lost(platform: Platform, known: str, tmp_path: Path) -> None:
    for number in range(200):
        await platform.operator.publish(
            SubmitLead.topic.subject(f"{known[:50]}-other"), b'{"source_system": "web", "source_id": "%d"}' % number
        )
    report = await run_import(
        platform, known, tmp_path, [f"{at},Ann,,contacted" for at in range(50)], quiet_seconds=0.0
    )
    assert (report.accepted, report.outcomes_recorded) == (50, 50)


@pytest.mark.parametrize("created", ["0001-01-01", "1753-01-01", "2999-01-01", "2026-01-05", ""])
async def test_an_outcome_without_a_time_has_its_leads_however_the_row_states_that(
    platform: Platform, known: str, tmp_path: Path, created: str
) -> None:
    mapping = MAPPING.partition("outcomes:")[0] + "  created_at: { column: Created }\noutcomes: [{ type: contacted }]\n"
    for name in ("Ann", "Anna"):
        report = await run_import(
            platform, known, tmp_path, [f"1,{name},,{created}"], header="Id,Name,Phone,Created", mapping=mapping
        )
        check_sums(report)
        assert errors_in(tmp_path) == []
    assert (report.updated, report.outcomes_duplicate) == (1, 1)
    async with platform.sql() as sql:
        [lead] = await sql.fetch("select created_at from intake.lead where tenant_id = $1", known)
        [outcome] = await sql.fetch("select occurred_at from outcomes.outcome where tenant_id = $1", known)
    assert outcome["occurred_at"] == lead["created_at"]


async def a_day_passes(platform: Platform, tenant: str) -> None:
    """For what waits."""
    async with platform.sql() as sql:
        await sql.execute(
            "update outcomes.waiting set waits_until = waits_until - interval '1 day' where tenant_id = $1", tenant
        )
    await platform.caller.ask(tenant, RunJob(job="give_up_waiting"), of="outcomes")


async def test_an_outcome_behind_one_that_waits_is_counted_and_neither_lost_nor_waited_for(
    platform: Platform, known: str, tmp_path: Path
) -> None:
    rows = ["1,Ann,,", "2,Bo,,contacted"]
    await run_import(platform, known, tmp_path, rows)
    elsewhere = RecordOutcomes(
        lead=LeadRef(source_system="shop", source_id="1", submission_id=uuid4()),
        outcomes=[Outcome(type=OutcomeType.CLOSED_LOST)],
    )
    await platform.publish(OPERATOR, known, elsewhere)

    rows[0] = "1,Ann,,contacted"
    for _ in range(2):
        report = await run_import(platform, known, tmp_path, rows, quiet_seconds=0.0)
        check_sums(report)
        assert (report.outcomes_waiting, report.outcomes_duplicate, report.outcomes_recorded) == (1, 1, 0)

    await a_day_passes(platform, known)
    report = await run_import(platform, known, tmp_path, rows, quiet_seconds=0.0)
    check_sums(report)
    assert (report.outcomes_waiting, report.outcomes_duplicate) == (0, 2)


async def test_an_outcome_that_was_refused_is_an_error_wherever_no_rejected_row_is(
    platform: Platform, known: str, tmp_path: Path
) -> None:
    """Its lead came a day too late."""
    (row,) = await rows_of(platform, known, ["1,Ann,,contacted"])
    assert isinstance(row, Row)
    assert row.outcomes
    envelope = Envelope(row.outcomes.id, RecordOutcomes.topic.type, known, datetime.now(UTC), uuid4())
    await platform.operator.jetstream().publish(envelope.subject, row.outcomes.body, headers=envelope.headers)

    async def waits() -> bool:
        async with platform.sql() as sql:
            return bool(await sql.fetchval("select true from outcomes.waiting where tenant_id = $1", known))

    await until(waits, what="the outcome that waits")
    await a_day_passes(platform, known)

    report = await run_import(platform, known, tmp_path, ["1,Ann,,contacted"])
    check_sums(report)
    assert (report.accepted, report.outcomes_refused) == (1, 1)
    [error] = errors_in(tmp_path)
    assert (error["row"], error["field"]) == ("1", "outcomes.1.type")
    assert error["reason"].startswith("contacted was refused, as its lead had not come within 24 hours: ")


async def test_outcomes_of_known_leads_are_recorded_and_the_leads_stay_as_they_are(
    platform: Platform, known: str, tmp_path: Path
) -> None:
    await run_import(platform, known, tmp_path, ["1,Ann,,", "2,Bo,,contacted"])
    mapping = """\
source_system: shop
known_leads: true
lead: { source_id: { column: Id } }
outcomes:
  - type: { column: Stage }
    occurred_at: { value: 2026-01-06 }
"""
    rows = ["1,closed_won", "1,closed_lost", "2,invalid", "2,invalid"]
    for recorded, duplicate in ((2, 1), (0, 3)):
        report = await run_import(platform, known, tmp_path, rows, header="Id,Stage", mapping=mapping)
        check_sums(report)
        assert (report.accepted, report.updated, report.rejected) == (0, 0, 0)
        assert (report.outcomes_recorded, report.outcomes_duplicate, report.outcomes_blocked) == (
            recorded,
            duplicate,
            1,
        )
    async with platform.sql() as sql:
        assert await sql.fetchval("select max(version) from intake.lead where tenant_id = $1", known) == 1
    report = await run_import(
        platform, known, tmp_path, ["9,contacted"], header="Id,Stage", mapping=mapping, quiet_seconds=0.0
    )
    assert report.outcomes_waiting == 1


def test_a_mapping_of_known_leads_says_nothing_else_of_them() -> None:
    with pytest.raises(MappingError, match="leads stay as they are"):
        loads(MAPPING + "known_leads: true\n", "m.yaml")


async def test_it_is_one_of_the_tenants_imports_with_its_counts_and_errors_and_is_taken_back_like_them(
    platform: Platform, known: str, tmp_path: Path
) -> None:
    report = await run_import(platform, known, tmp_path, ROWS)
    (view,) = (await platform.caller.ask(known, ListImports())).imports
    assert (view.run_id, view.state, view.origin) == (report.run_id, ImportState.COMPLETED, ImportOrigin.COMMANDS)
    told = view.counts.model_dump(exclude={"errors"})
    assert told == {name: value for name, value in vars(report).items() if name in told}
    page = await platform.caller.ask(known, ListImportErrors(run_id=report.run_id))
    assert [str(error.row) for error in page.errors] == [error["row"] for error in errors_in(tmp_path)]
    await platform.caller.ask(known, RevertImport(run_id=report.run_id, actor="user:1"))

    async def reverted() -> bool:
        (view,) = (await platform.caller.ask(known, ListImports())).imports
        return view.state is ImportState.REVERTED and view.reverted == RevertCounts(withdrawn=2, outcomes_voided=1)

    await until(reverted, what="the import being taken back")


async def test_somebody_who_cancels_it_stops_it(
    platform: Platform, known: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "_NOTED_EVERY", -1.0)
    monkeypatch.setattr(importing, "CHUNK", 1)
    noted = importing.Import._say_how_far

    async def cancelled(self: Import, rows: Rows) -> None:
        await platform.caller.ask(known, CancelImport(run_id=self.report.run_id, actor="user:1"))
        await noted(self, rows)

    monkeypatch.setattr(importing.Import, "_say_how_far", cancelled)
    with pytest.raises(CommandError, match="somebody cancelled the import"):
        await run_import(platform, known, tmp_path, ROWS)
    (view,) = (await platform.caller.ask(known, ListImports())).imports
    assert view.state is ImportState.CANCELLED
