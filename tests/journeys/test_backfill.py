"""An operator takes over what another system sent, was about to send and must never send, with the mappings of the examples."""

import csv
from pathlib import Path

from contracts.intake.leads import SubmitLeadNow
from contracts.outreach.campaigns import CreateCampaign
from contracts.outreach.people import GetContact
from contracts.outreach.sending import LeadMessages
from tests.journeys.operating import Operator

EXAMPLES = Path(__file__).parents[2] / "examples"


async def test_messages_and_suppressions_of_another_system_are_taken_over(
    operator: Operator, known: str, tmp_path: Path
) -> None:
    async with operator.installation.asking() as caller:
        order = SubmitLeadNow(source_system="crm", source_id="L-1", full_name="Ada", email="ada@example.com")
        lead_id = (await caller.ask(known, order)).lead_id
        assert lead_id
        made = await caller.ask(known, CreateCampaign(title="Spring", start=False))

        file = tmp_path / "pending.csv"
        file.write_text("Message id,Email,Campaign,Step,Send at,Subject,Text\nm-2,ada@example.com,Spring,1,,Hi,Hello\n")
        mapping = tmp_path / "pending.yaml"
        example = (EXAMPLES / "backfill-pending.yaml").read_text()
        mapping.write_text(example.replace("01a200aa-b2b0-73c3-8bc5-f06d61bb0467", str(made.campaign_id)))
        words = ["outreach", "backfill", "pending", str(file), "--map", str(mapping), "--tenant", known]
        trial = await operator.ask(*words, "--dry-run")
        assert (trial["dry_run"], trial["rows"], trial["taken"], trial["errors_file"]) == (True, 1, 1, None)
        assert (await caller.ask(known, LeadMessages(lead_id=lead_id))).messages == []
        assert (await operator.ask(*words))["taken"] == 1
        assert (await operator.ask(*words))["known"] == 1
        (message,) = (await caller.ask(known, LeadMessages(lead_id=lead_id))).messages
        assert message.campaign_id == made.campaign_id

        file = tmp_path / "sent.csv"
        rows = ["m-1,ada@example.com,,Mail,10/05/2026 09:30", "m-0,,,Mail,10/05/2026 09:30"]
        file.write_text("\n".join(["Message id,Email,LinkedIn,Channel,Sent at", *rows, ""]))
        words = [
            "outreach",
            "backfill",
            "sent",
            str(file),
            "--map",
            str(EXAMPLES / "backfill-sent.yaml"),
            "--tenant",
            known,
        ]
        ran = await operator.run(*words)
        assert (ran.status, "errors: 1" in ran.out) == (1, True)
        assert (tmp_path / "sent.errors.csv").read_text().splitlines()[1].startswith("2,3,person,")
        assert (await caller.ask(known, GetContact(lead_id=lead_id))).last_contacted

        file = tmp_path / "unwanted.csv"
        file.write_text("Email,Phone,Why,Only by,Until,Remark\nbob@example.com,,Spam report,,,=note\n")
        words = [
            "outreach",
            "suppressions",
            "import",
            str(file),
            "--map",
            str(EXAMPLES / "suppressions.yaml"),
            "--tenant",
            known,
        ]
        assert (await operator.ask(*words, "--actor", "user:7"))["taken"] == 1
        assert (await operator.ask(*words))["known"] == 1
        out = tmp_path / "ledger.csv"
        await operator.say("outreach", "suppressions", "export", str(out), "--tenant", known)
        (entry,) = csv.DictReader(out.read_text().splitlines())
        assert (entry["reason"], entry["actor"], entry["note"]) == ("complaint", "user:7", "'=note")
        assert out.stat().st_mode & 0o777 == 0o600
    assert "example.com" not in out.read_text()
