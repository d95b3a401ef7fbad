"""What the operator does for a person who asks what is known of them, and for whoever asks who has seen it."""

import csv
import io
import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from contracts.intake.leads import SubmitLeadNow
from contracts.intake.privacy import OnBehalfOf, RevealPii
from contracts.taxonomy import Purpose, Role
from tests.journeys.operating import Operator

LARGE = {"text": "x" * 850_000}
ADA = {"full_name": "Ada Example", "phone": "(614) 555-0142", "notes": "Two dogs."}


async def submit(operator: Operator, tenant: str, source_id: str = "1", **more: Any) -> UUID:
    async with operator.caller() as caller:
        submitted = await caller.ask(tenant, SubmitLeadNow(source_system="web", source_id=source_id, **ADA, **more))
    assert submitted.lead_id
    return submitted.lead_id


async def test_all_that_is_known_of_a_person_is_written_into_a_file_of_its_owner_s(
    operator: Operator, known: str, tmp_path: Path
) -> None:
    lead = str(await submit(operator, known, metadata=LARGE))
    shown = await operator.ask("lead", "export", lead, "--tenant", known)
    (content,) = [entry["content"] for entry in shown["entries"] if entry["kind"] == "lead"]
    assert (content["personal_name"], content["personal_metadata"]) == ("Ada Example", LARGE)
    assert "in_parts" not in content
    out = tmp_path / "ada.json"
    said = await operator.say("lead", "export", lead, "--tenant", known, "--out", out)
    assert "Ada" not in said
    assert out.stat().st_mode & 0o777 == 0o600
    assert json.loads(out.read_text())["person_id"] == shown["person_id"]
    assert "is there already" in await operator.refused("lead", "export", lead, "--tenant", known, "--out", out)
    assert "no such lead" in await operator.refused("lead", "export", str(uuid4()), "--tenant", known)


async def test_nobody_is_erased_who_was_not_meant(operator: Operator, known: str) -> None:
    lead = str(await submit(operator, known))
    assert "--yes" in await operator.refused("lead", "erase", lead, "--tenant", known)
    assert "personal_name" in await operator.say("lead", "export", lead, "--tenant", known)
    certificate = await operator.ask("lead", "erase", lead, "--tenant", known, "--reason", "moved_away", "--yes")
    assert (certificate["complete"], certificate["reason"], certificate["service"]) == (True, "moved_away", "operator")
    said = await operator.say("lead", "erase", lead, "--tenant", known, "--yes")
    assert "nothing changed" in said
    assert "aggregator: confirmed" in said
    assert "personal_name" not in await operator.say("lead", "export", lead, "--tenant", known)


async def test_the_audit_is_exported_whole_and_no_cell_of_it_is_a_formula(operator: Operator, known: str) -> None:
    async with operator.caller() as caller:
        leads = [await submit(operator, known, str(number)) for number in range(3)]
        who = OnBehalfOf(user="-7", role=Role.ADMIN)
        await caller.ask(known, RevealPii(lead_ids=leads, purpose=Purpose.SUPPORT, on_behalf_of=who))
        for _ in range(3):
            await caller.ask(known, RevealPii(lead_ids=leads[:1], purpose=Purpose.FRAUD_CHECK))
    rows = list(csv.DictReader(io.StringIO(await operator.say("audit", "export", "--tenant", known))))
    assert [row["purpose"] for row in rows] == ["fraud_check"] * 3 + ["support"] * 3
    assert {row["actor"] for row in rows} == {"", "'-7"}
    assert rows[0]["fields"] == "name phone notes"
    as_json = json.loads(await operator.say("audit", "export", "--tenant", known, "--format", "json"))
    assert [row["reveal_id"] for row in as_json] == [row["reveal_id"] for row in rows]
    assert as_json == await operator.ask("audit", "export", "--tenant", known)
    since = rows[2]["revealed_at"]
    later = json.loads(await operator.say("audit", "export", "--tenant", known, "--format", "json", "--since", since))
    assert len(later) == 3
    assert (
        json.loads(
            await operator.say("audit", "export", "--tenant", known, "--since", "2099-01-01", "--format", "json")
        )
        == []
    )
