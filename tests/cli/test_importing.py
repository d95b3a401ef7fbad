"""An import's numbers add up, and it knows when its own commands are lost, whatever else is going on."""

import io
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from chassis.caller import inbox_prefix
from contracts.catalogue import OPERATOR
from contracts.gateway import TenantChanged, TenantSettings
from contracts.intake import SubmitLead
from contracts.operations import GetTenant
from contracts.outcomes import Outcome, RecordOutcomes
from contracts.taxonomy import OutcomeType
from contracts.values import LeadRef
from leadloop import importing
from leadloop.errors_file import ErrorsFile
from leadloop.importing import Import, Report
from leadloop.mapping import loads
from leadloop.output import CommandError
from leadloop.rows import Row, Rows
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


def content(rows: Sequence[str]) -> bytes:
    return "\n".join(["Id,Name,Phone,Stage", *rows, ""]).encode()


async def run_import(
    platform: Platform, tenant: str, folder: Path, rows: Sequence[str], quiet_seconds: float = 60.0
) -> Report:
    export = folder / "export.csv"
    export.write_bytes(content(rows))
    address = {
        "servers": [platform.broker.url],
        "nkeys_seed_str": platform.seeds[OPERATOR],
        "inbox_prefix": inbox_prefix(OPERATOR),
    }
    with export.open("rb") as stream, ErrorsFile(export) as errors:
        run = Import(platform.operator, address, tenant, errors, quiet_seconds=quiet_seconds)
        return await run.run(Rows(stream, loads(MAPPING, "m.yaml"), tenant))


def check_sums(report: Report) -> None:
    leads = report.accepted + report.duplicate + report.updated + report.rejected
    assert report.rows == report.bad_rows + leads
    handled = report.outcomes_recorded + report.outcomes_duplicate
    assert report.outcomes == handled + report.outcomes_blocked + report.outcomes_refused


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
    errors = (tmp_path / "export.errors.csv").read_text().splitlines()
    assert sorted(line.split(",")[0] for line in errors[1:]) == ["10", "2", "6", "6"]


async def test_a_lost_command_is_noticed_whatever_else_waits(platform: Platform, tenant: str, tmp_path: Path) -> None:
    """Its id was used before; and another tenant's command waits for a service that does not run."""
    rows = [",Bad,,", "1,Ann,,", "2,Bo,,"]
    *_, lost = Rows(io.BytesIO(content(rows)), loads(MAPPING, "m.yaml"), tenant)
    assert isinstance(lost, Row)
    contacted = RecordOutcomes(
        lead=LeadRef(source_system="web", source_id="1"), outcomes=[Outcome(type=OutcomeType.CONTACTED)], recorded_by="x"
    )  # fmt: skip

    async def used() -> bool:
        return (await platform.caller.ask(tenant, GetTenant(), of="intake")).version == 2

    async with platform.running("intake"):
        await platform.introduce(tenant, "intake")
        await platform.publish("gateway", tenant, TenantChanged(version=2, settings=TenantSettings()), lost.lead.id)
        await until(used, what="the use of the id")
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
