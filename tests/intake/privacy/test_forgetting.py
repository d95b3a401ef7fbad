"""Every service together: what one erases all drop, the numbers stay, and what one holds all of it is exported."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.aggregator.events import ListEvents
from contracts.aggregator.replay import Replay
from contracts.aggregator.win_rates import Dimension, WinRates, WinRateTable
from contracts.intake.erasure import (
    EraseLead,
    ErasureCertificate,
    ErasureResult,
    GetErasureCertificate,
    LeadErased,
    LiftSuppression,
)
from contracts.intake.leads import GetLead, LeadAccepted
from contracts.intake.memory import RecordAction
from contracts.intake.people import PersonRef
from contracts.intake.privacy import DERIVED_FROM_A_PERSON, ExportEntry, ExportKind, ExportLead, ExportPage, ListReveals
from contracts.message import ProblemCode, ProblemError
from contracts.outcomes import (
    GetRecordings,
    MissingOutcomes,
    Outcome,
    OutcomeHistory,
    RecordOutcome,
    RecordOutcomesNow,
)
from contracts.outreach.backfill import BackfillSent, SentRow
from contracts.outreach.campaigns import CreateCampaign, NewStep
from contracts.outreach.people import Suppress, SuppressionReason
from contracts.outreach.sending import LeadMessages, MessageView
from contracts.taxonomy import ActionType, Channel, EntityType, OutcomeType, SendKind
from contracts.values import LeadRef
from tests.intake.privacy.scene import ADA, ADMIN, AGENT, Vault
from tests.outreach.scene import account, campaign
from tests.platform import Platform
from tests.waiting import until

SERVICES = ("intake", "outcomes", "outreach", "aggregator")
NOTE = "She asked to be called about her two dogs."


@pytest.fixture(scope="module")
async def everybody(platform: Platform) -> AsyncIterator[Platform]:
    """The platform, on which every service runs that holds something of a lead."""
    async with platform.running(*SERVICES):
        yield platform


@pytest.fixture
async def vault(everybody: Platform, tenant: str) -> Vault:
    await everybody.introduce(tenant, *SERVICES)
    return Vault(everybody, tenant)


async def known_everywhere(vault: Vault, lead: UUID) -> None:
    async def probe() -> bool:
        try:
            await vault.ask("gateway", OutcomeHistory(lead_id=lead))
        except ProblemError:
            return False
        stored = (await vault.ask("gateway", ListEvents(lead_id=lead))).events
        reachable = (await vault.ask("gateway", LeadMessages(lead_id=lead))).channels
        return bool(stored and reachable)

    await until(probe, what="every service knowing the lead")


async def record(vault: Vault, lead: UUID, *types: OutcomeType, **more: Any) -> None:
    outcomes = [Outcome(type=type_, **{"notes": NOTE, **more}) for type_ in types]
    await vault.ask("gateway", RecordOutcomesNow(lead=LeadRef(lead_id=lead), outcomes=outcomes, recorded_by="user:7"))


async def certificate(vault: Vault, erased: ErasureResult) -> ErasureCertificate:
    """The certificate, once everybody has confirmed."""

    async def complete() -> ErasureCertificate | None:
        found: ErasureCertificate = await vault.ask("gateway", GetErasureCertificate(erasure_id=erased.erasure_id))
        return found if found.complete else None

    found = await until(complete, what="every confirmation", seconds=30)
    assert found
    return found


async def win_rates(vault: Vault, events: int) -> list[WinRateTable]:
    async def counted() -> list[WinRateTable]:
        tables = [await vault.ask("gateway", WinRates(by=by)) for by in Dimension]
        return tables if sum(row.leads_entered for row in tables[0].rows) == events else []

    return await until(counted, what="the outcomes counted")


async def test_everybody_drops_what_they_hold_and_the_numbers_stay(vault: Vault) -> None:
    lead = await vault.new_lead("1")
    stranger = await vault.new_lead(
        "2", phone="(614) 555-0143", email="bob@example.com", linkedin_url=None, notes=None, full_name="Bob"
    )
    for known in (lead, stranger):
        await known_everywhere(vault, known)
    await record(vault, lead, OutcomeType.CONTACTED, OutcomeType.CLOSED_WON)
    await record(vault, stranger, OutcomeType.CONTACTED)
    before = await win_rates(vault, events=2)
    await account(vault.platform, vault.tenant, Channel.SMS)
    sent = await campaign(vault.platform, vault.tenant, NewStep(kind=SendKind.SMS))

    async def ended() -> list[MessageView]:
        found = (await vault.ask("gateway", LeadMessages(lead_id=lead))).messages
        return [m for m in found if m.campaign_id == sent.campaign_id and m.ended_at]

    (sent_before,) = await until(ended, what="the message sent, or refused by the sandbox")
    waiting = await campaign(vault.platform, vault.tenant)  # there is no account for it
    await until(lambda: messages_to(vault, lead, 2), what="another is queued")
    tokens = [row["token"] for row in await vault.rows("select token from intake.person_token where tenant_id = $1")]
    ours = [row["token"] for row in await vault.rows(
        """select token from intake.person_token join intake.lead using (tenant_id, person_id)
           where tenant_id = $1 and lead_id = $2""", lead)]  # fmt: skip
    assert (len(tokens), len(ours)) == (5, 3)

    erased = await vault.ask("gateway", EraseLead(lead_id=lead, on_behalf_of=ADMIN))
    confirmed = {one.service: one.dropped for one in (await certificate(vault, erased)).confirmations}
    assert confirmed == {
        "outcomes": {"outcome_texts": 2, "waiting_texts": 0},
        "outreach": {"contact_channels": 4, "queued_messages": 1},
        "aggregator": {"events_scrubbed": 1},
    }
    history = (await vault.ask("gateway", OutcomeHistory(lead_id=lead))).outcomes
    assert [(one.type, one.notes) for one in history] == [("contacted", None), ("closed_won", None)]
    assert [one.notes for one in (await vault.ask("gateway", OutcomeHistory(lead_id=stranger))).outcomes] == [NOTE]
    messages = await vault.ask("gateway", LeadMessages(lead_id=lead))
    assert messages.channels == []
    assert await ended() == [sent_before], "what was sent stays"
    (given_up,) = [m for m in messages.messages if m.campaign_id == waiting.campaign_id]
    assert (given_up.state, given_up.reason) == ("skipped", "erased")
    stored = {e.type.split(".")[2]: e.body for e in (await vault.ask("gateway", ListEvents(lead_id=lead))).events}
    assert not stored["lead_accepted"].keys() & set(DERIVED_FROM_A_PERSON)
    assert stored["lead_accepted"]["attribution"]["source_key"] == "open_house"
    for service in ("outcomes", "outreach", "aggregator"):
        assert not await holding(vault, service, ours), service

    assert await win_rates(vault, events=2) == before
    assert (await vault.ask("operator", Replay())).differences == []
    assert await win_rates(vault, events=2) == before
    await record(vault, lead, OutcomeType.INVALID)
    assert [one.notes for one in (await vault.ask("gateway", OutcomeHistory(lead_id=lead))).outcomes] == [None] * 3


async def messages_to(vault: Vault, lead: UUID, number: int) -> bool:
    return len((await vault.ask("gateway", LeadMessages(lead_id=lead))).messages) == number


async def holding(vault: Vault, service: str, tokens: list[str]) -> list[str]:
    """The tables of a service in which a token stands."""
    tables = await vault.rows(
        """select table_name from information_schema.columns
           where table_schema = $2 and column_name = 'tenant_id' and $1 <> ''""",
        service,
    )
    return [
        table
        for (table,) in map(tuple, tables)
        for row in await vault.rows(f'select t::text from {service}."{table}" t where tenant_id = $1')
        if any(token in row[0] for token in tokens)
    ]


async def test_a_person_who_came_back_is_known_again(vault: Vault) -> None:
    lead = await vault.new_lead("1")
    await known_everywhere(vault, lead)
    erased = await vault.ask("gateway", EraseLead(lead_id=lead, on_behalf_of=ADMIN))
    await certificate(vault, erased)
    await vault.ask("gateway", LiftSuppression(erasure_id=erased.erasure_id, reason="came_back", on_behalf_of=ADMIN))
    assert (await vault.submit("1", **ADA)).version == 3
    await known_everywhere(vault, lead)
    await record(vault, lead, OutcomeType.CONTACTED)
    assert [one.notes for one in (await vault.ask("gateway", OutcomeHistory(lead_id=lead))).outcomes] == [NOTE]
    newest = (await vault.ask("gateway", ListEvents(lead_id=lead, types=["intake.event.lead_updated.v1"]))).events[0]
    assert newest.body["phone_token"]


async def test_an_event_that_is_stored_after_the_erasure_holds_nothing_of_the_person(vault: Vault) -> None:
    """As when the aggregator handles a dead letter again, or the broker lost its disk."""
    lead = await vault.new_lead("1")
    await known_everywhere(vault, lead)
    (row,) = await vault.rows(
        "select body from intake.outbox where tenant = $1 and type = 'intake.event.lead_accepted.v1'"
    )
    erased = await vault.ask("gateway", EraseLead(lead_id=lead, on_behalf_of=ADMIN))
    await certificate(vault, erased)
    late = LeadAccepted.model_validate_json(row["body"])
    id_ = await vault.platform.publish("intake", vault.tenant, late)

    async def stored() -> Any:
        events = (
            await vault.ask("gateway", ListEvents(lead_id=lead, types=[f"intake.event.{late.topic.name}.v1"]))
        ).events
        return [event for event in events if event.event_id == id_]

    (event,) = await until(stored, what="the late event")
    assert not event.body.keys() & set(DERIVED_FROM_A_PERSON)
    assert (await vault.ask("gateway", LeadMessages(lead_id=lead))).channels == []


async def test_an_erased_lead_asks_nobody_for_an_outcome(vault: Vault) -> None:
    lead = await vault.new_lead("1", timeline="0-30", created_at="2026-01-05T00:00:00Z")
    await known_everywhere(vault, lead)
    assert (await vault.ask("gateway", MissingOutcomes())).count == 1
    await certificate(vault, await vault.ask("gateway", EraseLead(lead_id=lead, on_behalf_of=ADMIN)))
    assert (await vault.ask("gateway", MissingOutcomes())).count == 0


async def test_a_lead_that_a_service_has_never_heard_of_is_confirmed_too(vault: Vault) -> None:
    event = LeadErased(
        erasure_id=UUID(int=1),
        lead_id=UUID(int=2),
        version=2,
        person_id=UUID(int=3),
        occurred_at="2026-11-22T00:00:00Z",
    )
    await vault.platform.publish("intake", vault.tenant, event)

    async def confirmed() -> bool:
        rows = await vault.rows("select service from intake.erasure_confirmation where tenant_id = $1")
        return {row["service"] for row in rows} == {"outcomes", "outreach", "aggregator"}

    await until(confirmed, what="the confirmations")


async def act(vault: Vault, entity: UUID | None) -> UUID:
    """Record that the person was written to; returns the action's id."""
    order = RecordAction(
        action_type=ActionType.OUTREACH, entity_type=EntityType.INDIVIDUAL, entity_id=entity,
        request={"email": ADA["email"]}, actor="user:7",
    )  # fmt: skip
    id_: UUID = (await vault.ask("gateway", order)).action_id
    return id_


async def export(vault: Vault, lead: UUID, sender: str = "operator", **more: Any) -> list[ExportEntry]:
    entries: list[ExportEntry] = []
    cursor = None
    while True:
        page: ExportPage = await vault.ask(sender, ExportLead(lead_id=lead, cursor=cursor, **more))
        entries += page.entries
        if (cursor := page.next_cursor) is None:
            return entries


async def test_an_export_is_all_that_is_known_of_the_person_wherever_it_is_held(vault: Vault) -> None:
    lead = await vault.new_lead("1")
    other = await vault.new_lead("2", full_name="Ada E.", metadata={"large": "x" * 600_000})
    await vault.new_lead("3", full_name="Bob", phone="(614) 555-0143", email=None, linkedin_url=None)
    for known in (lead, other):
        await known_everywhere(vault, known)
    await record(vault, lead, OutcomeType.CONTACTED)
    spring = await vault.ask("gateway", CreateCampaign(title="Spring"))
    await until(lambda: messages_to(vault, lead, 1), what="a message is queued")
    asked = Suppress(lead_id=lead, reason=SuppressionReason.REQUEST, note="Asked by telephone.")
    suppressed = await vault.ask("gateway", asked)
    await vault.reveal(lead)
    person = (await vault.ask("gateway", GetLead(lead_id=lead))).person_id
    acted = [await act(vault, about) for about in (lead, other, person, UUID(int=1), None)]
    entries = await export(vault, lead)
    by_kind: dict[str, list[ExportEntry]] = {}
    for entry in entries:
        by_kind.setdefault(entry.kind, []).append(entry)
    first, second = by_kind[ExportKind.LEAD]
    assert (first.lead_id, second.lead_id) == (lead, other)
    assert (first.content["personal_name"], first.content["personal_notes"]) == ("Ada Example", "Two dogs.")
    assert first.content["source_key"] == "open_house"
    for each in (first, second):  # one person's, by whatever lead
        (kept,) = each.content["suppressions"]
        assert (kept["suppression_id"], kept["note"]) == (str(suppressed.suppression_id), "Asked by telephone.")
    assert len(second.content["personal_metadata"]["large"]) == 600_000
    assert [entry.content["verdict"] for entry in by_kind[ExportKind.SUBMISSION]] == ["accepted", "accepted"]
    assert "user:7" in {entry.content["actor"] for entry in by_kind[ExportKind.REVEAL]}
    (outcome,) = by_kind[ExportKind.OUTCOME]
    assert (outcome.content["notes"], outcome.content["recorded_by"]) == (NOTE, "user:7")
    assert {entry.content["campaign_id"] for entry in by_kind[ExportKind.MESSAGE]} == {str(spring.campaign_id)}
    actions = [
        (entry.lead_id, entry.content["action_id"], entry.content["entity_id"], entry.content["actor"])
        for entry in by_kind[ExportKind.ACTION]
    ]
    assert actions == [
        (lead, str(acted[0]), str(lead), "user:7"), (lead, str(acted[2]), str(person), "user:7"),
        (other, str(acted[1]), str(other), "user:7"),
    ]  # fmt: skip
    types = {(entry.lead_id, entry.content["type"].split(".")[2]) for entry in by_kind[ExportKind.EVENT]}
    assert types >= {(lead, "lead_accepted"), (other, "lead_accepted"), (lead, "outcome_recorded")}
    assert "Bob" not in json.dumps([entry.content for entry in entries])
    page = await vault.ask("operator", ListReveals(purpose="subject_request"))
    assert {(row.lead_id, row.service, *row.fields) for row in page.reveals} == {
        (lead, "operator", "export"), (other, "operator", "export"),
    }  # fmt: skip


async def test_an_export_has_what_was_written_of_the_person_however_much_it_is(vault: Vault) -> None:
    lead = await vault.new_lead("1")
    await known_everywhere(vault, lead)
    note = "n" * 20_000
    for hour in range(60):
        await record(
            vault, lead, OutcomeType.CONTACTED, occurred_at=f"2026-01-05T{hour % 24:02}:{hour:02}:00Z", notes=note
        )
    for number in range(60):
        await vault.ask("gateway", CreateCampaign(title=str(number)))
    await until(lambda: messages_to(vault, lead, 60), what="a message of each campaign is queued")
    contents = [(entry.kind, entry.content) for entry in await export(vault, lead)]
    outcomes = [content for kind, content in contents if kind is ExportKind.OUTCOME]
    assert sorted(content["sequence"] for content in outcomes) == list(range(1, 61))
    assert {content["notes"] for content in outcomes} == {note}
    assert len({content["message_id"] for kind, content in contents if kind is ExportKind.MESSAGE}) == 60


async def test_an_export_has_a_value_that_is_larger_than_a_page_in_parts(vault: Vault) -> None:
    metadata = {"large": 'é"' * 215_000, "small": 1}
    lead = await vault.new_lead("1", metadata=metadata)
    await known_everywhere(vault, lead)
    first, *parts = [entry.content for entry in await export(vault, lead) if entry.kind is ExportKind.LEAD]
    assert (first["in_parts"], first["personal_name"]) == (["personal_metadata"], "Ada Example")
    assert {(part["part_of"], part["parts"]) for part in parts} == {("personal_metadata", len(parts))}
    assert [part["part"] for part in parts] == list(range(1, len(parts) + 1))
    assert json.loads("".join(part["json"] for part in parts)) == metadata


async def test_an_export_has_what_still_waits_to_be_recorded_of_the_person(vault: Vault) -> None:
    lead = await vault.new_lead("1")
    await known_everywhere(vault, lead)
    order = RecordOutcome(
        lead=LeadRef(lead_id=lead, submission_id=uuid4()),
        outcome=Outcome(type=OutcomeType.CONTACTED, notes=NOTE),
        recorded_by="user:7",
    )
    id_ = await vault.platform.publish("operator", vault.tenant, order)

    async def waits() -> Any:
        return (await vault.ask("operator", GetRecordings(command_ids=[id_]))).recordings

    await until(waits, what="the order waiting")
    (outcome,) = [entry.content for entry in await export(vault, lead) if entry.kind is ExportKind.OUTCOME]
    assert (outcome["verdict"], outcome["notes"], outcome["recorded_by"]) == ("waiting", NOTE, "user:7")


async def test_an_export_in_many_pages_is_the_same_export(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    lead = await vault.new_lead("1")
    for number in range(7):
        await vault.submit("1", **{**ADA, "notes": f"note {number}"})
    await known_everywhere(vault, lead)
    settled = {ExportKind.LEAD, ExportKind.SUBMISSION}
    whole = [entry for entry in await export(vault, lead) if entry.kind in settled]
    monkeypatch.setattr("intake.privacy.exporting.ROOM", 1500)
    monkeypatch.setattr("intake.privacy.exporting._CHUNK", 3)
    assert [entry for entry in await export(vault, lead) if entry.kind in settled] == whole
    assert len(whole) == 9


async def test_an_export_lacks_nothing_or_is_refused(vault: Vault, platform: Platform) -> None:
    lead = await vault.new_lead("1")
    await vault.rows("select $1::text")
    for who, sender in ((AGENT, "gateway"), (None, "gateway")):
        with pytest.raises(ProblemError) as refused:
            await vault.ask(sender, ExportLead(lead_id=lead, on_behalf_of=who))
        assert refused.value.problem.code is ProblemCode.FORBIDDEN
    for ask in (ExportLead(lead_id=UUID(int=7)), ExportLead(lead_id=lead, cursor="x")):
        with pytest.raises(ProblemError):
            await vault.ask("operator", ask)
    assert await vault.rows("select from intake.reveal_audit where tenant_id = $1") == []


async def test_an_export_has_what_another_system_sent_the_person(vault: Vault) -> None:
    lead, stranger = (
        await vault.new_lead("1"),
        await vault.new_lead("2", email="b@example.com", phone=None, linkedin_url=None),
    )
    for known in (lead, stranger):
        await known_everywhere(vault, known)
    sent_at = datetime(2026, 1, 5, 9, tzinfo=UTC)
    rows = [
        SentRow(source_key=f"old {number}", person=PersonRef(lead_id=lead), channel=Channel.EMAIL, sent_at=sent_at)
        for number in range(60)
    ]
    rows.append(SentRow(source_key="theirs", person=PersonRef(lead_id=stranger), channel=Channel.SMS, sent_at=sent_at))
    taken = await vault.ask("operator", BackfillSent(source_system="old", rows=rows))
    assert {result.verdict for result in taken.results} == {"taken"}
    await vault.ask("gateway", CreateCampaign(title="Spring"))
    await until(lambda: messages_to(vault, lead, 1), what="a message is queued")
    own, *before = [entry.content for entry in await export(vault, lead) if entry.kind is ExportKind.MESSAGE]
    assert own["message_id"]
    assert [(entry["channel"], entry["sent_at"]) for entry in before] == [("email", "2026-01-05T09:00:00Z")] * 60
