"""An export goes in, and the win rates that come out are those its file says, to the last digit."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from leadloop.generator import Shape, write
from tests.cli.expected import WinRate, expected_win_rates
from tests.journeys.operating import Operator

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
MAPPINGS = {
    "bank": ROOT / "examples" / "bank-marketing.yaml",
    "crm": ROOT / "examples" / "sample-crm.yaml",
}
EVERY = 1 if os.environ.get("LEADLOOP_FULL") else 16
"""All rows of the bank's file take a minute or two: LEADLOOP_FULL=1 imports them, else every sixteenth is, from one on that is drawn."""

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the public data sets are not in {DATA}")


async def import_and_compare(operator: Operator, tenant: str, export: Path, shape: str) -> None:
    report = await operator.ask("import", export, "--map", MAPPINGS[shape], "--tenant", tenant, process=True)
    for by in ("source", "geo"):
        expected = expected_win_rates(export, MAPPINGS[shape], by)  # type: ignore[arg-type]
        assert await operator.win_rates(tenant, by) == as_csv(expected.rates)
        counts = (report["accepted"], report["outcomes_recorded"], report["outcomes_blocked"])
        assert counts == (expected.leads, expected.recorded, expected.blocked)
    assert sum(rate.won for rate in expected.rates) > 0
    assert (report["rejected"], report["bad_rows"], report["outcomes_refused"]) == (0, 0, 0)


def as_csv(rates: list[WinRate]) -> str:
    rows = [",".join("" if value is None else str(value) for value in rate) for rate in rates]
    return "\n".join([",".join(WinRate._fields), *rows, ""])


@pytest.mark.parametrize("shape", ["bank", "crm"])
async def test_a_generated_export(operator: Operator, known: str, tmp_path: Path, shape: Shape) -> None:
    export = tmp_path / "export.csv"
    write(export, shape, 800, seed=11)
    await import_and_compare(operator, known, export, shape)


@needs_data
@pytest.mark.timeout(900)
async def test_the_bank_campaign(operator: Operator, known: str, tmp_path: Path) -> None:
    export = tmp_path / "bank.csv"
    with (DATA / "bank-marketing.csv").open(newline="") as whole, export.open("w", newline="") as sample:
        header, *rows = csv.reader(whole)
        first = int(os.environ["LEADLOOP_CHAOS_SEED"]) % EVERY
        csv.writer(sample).writerows([header, *rows[first::EVERY]])
    await import_and_compare(operator, known, export, "bank")


@pytest.fixture
def joined(tmp_path: Path) -> Path:
    """The sample CRM's files, joined into one."""
    export = tmp_path / "crm.csv"
    subprocess.run([sys.executable, ROOT / "examples" / "join_sample_crm.py", DATA / "sample-crm", export], check=True)
    return export


@needs_data
async def test_the_sample_crm(operator: Operator, known: str, joined: Path) -> None:
    await import_and_compare(operator, known, joined, "crm")
