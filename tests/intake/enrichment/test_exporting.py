"""What runs hold of a person is part of an export of all that is known of them."""

import json
from typing import Any

from contracts.intake.leads import SubmitLeadNow
from contracts.intake.privacy import ExportKind, ExportLead
from tests.intake.enrichment.scene import Scene

OTHERS = ("outcomes", "outreach", "aggregator")


async def test_an_export_holds_what_runs_found_of_the_person_and_of_nobody_else(scene: Scene) -> None:
    await scene.three_providers()
    runs = [await scene.executed(), await scene.executed(criteria={"industry": "roofs", "state": "PA"})]
    await scene.submit(runs[0].run_id)
    lead = await scene.ask(SubmitLeadNow(source_system="web", source_id="1", email="ada@acme.test"))
    async with scene.platform.running(*OTHERS):
        await scene.platform.introduce(scene.tenant, *OTHERS)
        entries = await exported(scene, lead.lead_id)
    oldest = entries[0].lead_id
    assert oldest < lead.lead_id
    found = [entry for entry in entries if entry.kind is ExportKind.CONTACT]
    assert [(entry.lead_id, entry.content["run_id"], entry.content["became_a_lead"]) for entry in found] == [
        (oldest, str(runs[0].run_id), True), (oldest, str(runs[1].run_id), False),
    ]  # fmt: skip
    assert found[0].content["personal"] is None, "that is the lead's, and exported with it"
    assert found[1].content["personal"] == {
        "full_name": "Ada Canary", "title": "Owner", "email": "ada@acme.test", "email_confidence": 0.9,
    }  # fmt: skip
    assert found[1].content["company"]["name"] == "Acme Roofing"
    assert "Bob" not in json.dumps([entry.content for entry in entries])


async def exported(scene: Scene, lead_id: Any) -> list[Any]:
    entries, cursor = [], None
    while True:
        page = await scene.ask(ExportLead(lead_id=lead_id, cursor=cursor))
        entries += page.entries
        if (cursor := page.next_cursor) is None:
            return entries
