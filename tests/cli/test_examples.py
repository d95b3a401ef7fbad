"""The example mappings make of an export what its file says, counted in two ways that share no code."""

import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Literal

import pytest

from chassis.exports.mapping import load
from chassis.exports.rows import Row, Rows
from contracts.intake.leads import SubmitLead
from contracts.outcomes import RecordOutcomes
from contracts.taxonomy import key
from leadloop.generator import Shape, write
from tests.cli.expected import OPPOSITE, Expected, WinRate, expected_win_rates

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
DATA = ROOT.parent / "shared" / "data"
MAPPINGS: dict[Shape, Path] = {"bank": EXAMPLES / "bank-marketing.yaml", "crm": EXAMPLES / "sample-crm.yaml"}
By = Literal["source", "geo"]

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the public data sets are not in {DATA}")


def imported_win_rates(export: Path, mapping: Path, by: By) -> Expected:
    """What the commands of an import come to if each is applied in order."""
    seen: dict[str, set[tuple[object, ...]]] = defaultdict(set)
    groups: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    blocked = 0
    with export.open("rb") as stream:
        for row in Rows(stream, load(mapping)).read(b"key"):
            assert isinstance(row, Row), row
            lead = row.lead.command
            assert isinstance(lead, SubmitLead)
            group = key(getattr(lead, by) or "unknown"), lead.intent or "unknown"
            seen[lead.source_id].update()
            batch = row.outcomes.command if row.outcomes else None
            for outcome in batch.outcomes if isinstance(batch, RecordOutcomes) else ():
                if OPPOSITE.get(outcome.type) in {type_ for type_, *_ in seen[lead.source_id]}:
                    blocked += 1
                else:
                    seen[lead.source_id].add((outcome.type, outcome.occurred_at, outcome.idempotency_key))
                    groups[group]["any"].add(lead.source_id)
                    groups[group][outcome.type].add(lead.source_id)
    rates = []
    for (group_key, intent), leads in sorted(groups.items()):
        entered, appointments, won, lost = (
            len(leads[of]) for of in ("any", "appointment_set", "closed_won", "closed_lost")
        )
        decided = len(leads["closed_won"] | leads["closed_lost"])
        rates.append(WinRate(group_key, intent, entered, appointments, won, lost, won / decided if decided else None))
    return Expected(len(seen), sum(map(len, seen.values())), blocked, rates)


@pytest.mark.parametrize("by", ["source", "geo"])
@pytest.mark.parametrize("shape", ["bank", "crm"])
def test_generated_exports_come_out_as_their_files_say(tmp_path: Path, shape: Shape, by: By) -> None:
    export = tmp_path / "export.csv"
    write(export, shape, 1500, seed=3)
    expected = expected_win_rates(export, MAPPINGS[shape], by)
    assert imported_win_rates(export, MAPPINGS[shape], by) == expected
    assert sum(rate.won for rate in expected.rates) > 50
    assert (expected.blocked > 20) == (shape == "crm")


@needs_data
def test_the_bank_campaign_comes_out_as_its_file_says() -> None:
    export = DATA / "bank-marketing.csv"
    expected = expected_win_rates(export, MAPPINGS["bank"])
    assert imported_win_rates(export, MAPPINGS["bank"], "source") == expected
    assert (expected.leads, sum(rate.won for rate in expected.rates)) == (45_211, 5_289)


@needs_data
def test_the_sample_crm_is_joined_and_comes_out_as_its_files_say(tmp_path: Path) -> None:
    joined = tmp_path / "crm.csv"
    subprocess.run([sys.executable, EXAMPLES / "join_sample_crm.py", DATA / "sample-crm", joined], check=True)
    expected = expected_win_rates(joined, MAPPINGS["crm"], "geo")
    assert imported_win_rates(joined, MAPPINGS["crm"], "geo") == expected
    assert (expected.leads, expected.blocked) == (200, 41)
