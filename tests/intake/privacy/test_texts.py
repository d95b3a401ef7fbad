"""Texts that services received of a person are kept sealed, shown like what is personal about leads, and go with the person."""

import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.gateway import TenantChanged, TenantSettings
from contracts.intake.erasure import EraseLead, GetErasureCertificate, LiftSuppression
from contracts.intake.people import DismissReview, MergeLeads
from contracts.intake.privacy import ExportKind, ExportLead, OnBehalfOf, RevealState
from contracts.intake.texts import MOST_TEXT_CHARACTERS, KeepText, RevealedText, RevealTexts, TextKept
from contracts.message import PLATFORM, ProblemCode, ProblemError
from contracts.operations import RotateKeys, RunJob
from contracts.taxonomy import Purpose
from tests.intake.privacy.scene import ADA, ADMIN, AGENT, Vault
from tests.platform import Platform
from tests.waiting import until

WORDS = "Thanks, call my sister on Monday.\nAda — ☎"
BOB = {"full_name": "Bob", "phone": "(614) 555-0143", "email": None, "linkedin_url": None}


async def keep(vault: Vault, lead: UUID, text: str = WORDS, text_id: UUID | None = None) -> UUID:
    """Keep a text in outreach's name; returns its id."""
    text_id = text_id or uuid4()
    answer = await vault.ask("outreach", KeepText(text_id=text_id, lead_id=lead, text=text))
    assert answer == TextKept(text_id=text_id, kept=True)
    return text_id


async def shown(vault: Vault, *texts: UUID, who: OnBehalfOf = AGENT, **more: Any) -> list[RevealedText]:
    request = RevealTexts(text_ids=list(texts), purpose=Purpose.WORK_LEAD, on_behalf_of=who, **more)
    revealed: list[RevealedText] = (await vault.ask("gateway", request)).texts
    return revealed


async def audit(vault: Vault) -> list[tuple[Any, ...]]:
    rows = await vault.rows(
        """select lead_id, service, actor, purpose, fields from intake.reveal_audit
           where tenant_id = $1 order by reveal_id"""
    )
    return [tuple(row) for row in rows]


async def refusal(asking: Any) -> ProblemCode:
    with pytest.raises(ProblemError) as raised:
        await asking
    return raised.value.problem.code


async def test_a_text_that_is_kept_twice_is_there_once_as_it_first_came(vault: Vault) -> None:
    lead = await vault.new_lead()
    text = await keep(vault, lead)
    await keep(vault, lead, "Something else.", text)
    assert [one.text for one in await shown(vault, text, text)] == [WORDS]
    assert len(await vault.rows("select from intake.text where tenant_id = $1")) == 1


async def test_another_tenant_s_lead_gets_no_text_and_its_texts_are_not_found(vault: Vault, platform: Platform) -> None:
    other = Vault(platform, f"{vault.tenant[:40]}-other")
    await platform.introduce(other.tenant, "intake")
    theirs = await other.new_lead()
    text = await keep(other, theirs)
    assert await refusal(keep(vault, theirs)) is ProblemCode.NOT_FOUND
    assert await shown(vault, text) == [RevealedText(text_id=text, state=RevealState.NOT_FOUND)]
    assert await vault.rows("select from intake.text where tenant_id = $1") == []
    assert (await audit(vault), await audit(other)) == ([], [])


async def test_the_words_are_in_no_column(vault: Vault) -> None:
    lead = await vault.new_lead()
    text = await keep(vault, lead)
    await shown(vault, text)
    tables = await vault.rows(
        """select distinct table_name as name from information_schema.tables
           where table_schema = 'intake' and table_type = 'BASE TABLE' and $1 <> ''"""
    )
    assert "text" in {row["name"] for row in tables}
    hidden = (WORDS.encode().hex()[:40], "call my sister", WORDS[:20].encode().hex())
    for table in tables:
        rows = await vault.rows(f"select t::text as line from intake.{table['name']} t where $1 <> ''")
        assert not [row for row in rows for words in hidden if words in row["line"]], table["name"]


async def test_each_text_shown_leaves_a_row_in_the_audit_and_the_event_has_no_words(vault: Vault) -> None:
    ada, bob = await vault.new_lead("1"), await vault.new_lead("2", **BOB)
    first, second, third = await keep(vault, ada), await keep(vault, ada, "Two."), await keep(vault, bob, "Three.")
    nowhere = uuid4()
    assert await shown(vault, third, nowhere, first, second) == [
        RevealedText(text_id=third, state=RevealState.REVEALED, lead_id=bob, text="Three."),
        RevealedText(text_id=nowhere, state=RevealState.NOT_FOUND),
        RevealedText(text_id=first, state=RevealState.REVEALED, lead_id=ada, text=WORDS),
        RevealedText(text_id=second, state=RevealState.REVEALED, lead_id=ada, text="Two."),
    ]
    assert await audit(vault) == [
        (lead, "gateway", "user:7", "work_lead", ["text"]) for lead in (bob, ada, ada)
    ]  # fmt: skip
    (told,) = await vault.rows(
        "select body from intake.outbox where tenant = $1 and type = 'intake.event.pii_revealed.v1'"
    )
    event = json.loads(told["body"])
    assert (event["lead_ids"], event["count"], event["actor"]) == ([str(bob), str(ada)], 2, "user:7")
    assert "sister" not in json.dumps(event)


async def test_who_may_not_see_leads_for_a_purpose_sees_no_text_for_it(vault: Vault) -> None:
    text = await keep(vault, await vault.new_lead())
    assert await refusal(vault.ask("gateway", RevealTexts(text_ids=[text], purpose=Purpose.WORK_LEAD))) == "forbidden"
    order = RevealTexts(text_ids=[text], purpose=Purpose.SUBJECT_REQUEST, on_behalf_of=ADMIN)
    assert await refusal(vault.ask("outreach", order)) is ProblemCode.FORBIDDEN
    assert await audit(vault) == []
    by_itself = RevealTexts(text_ids=[text], purpose=Purpose.SEND_MESSAGE)
    assert [one.text for one in (await vault.ask("outreach", by_itself)).texts] == [WORDS]


async def test_texts_and_leads_are_counted_together_against_the_limit_of_persons(vault: Vault) -> None:
    ada, bob = await vault.new_lead("1"), await vault.new_lead("2", **BOB)
    first, second = await keep(vault, ada), await keep(vault, bob)
    settings = TenantSettings(reveals_per_hour=1)
    changed = TenantChanged(version=9, settings=settings, created_at="2026-01-05T00:00:00Z")
    await vault.platform.publish("gateway", vault.tenant, changed)

    async def known() -> bool:
        rows = await vault.rows("select version from intake.tenant where tenant_id = $1")
        return bool(rows[0]["version"] == 9)

    await until(known, what="the new limit")
    await vault.reveal(ada)
    assert (await shown(vault, first))[0].state is RevealState.REVEALED, "the same person"
    assert await refusal(shown(vault, second)) is ProblemCode.UNAVAILABLE
    assert await refusal(shown(vault, first, second)) is ProblemCode.UNAVAILABLE
    assert [lead for lead, *_ in await audit(vault)] == [ada, ada]


async def test_texts_that_do_not_fit_into_a_reply_are_deferred_and_not_recorded_as_shown(vault: Vault) -> None:
    lead = await vault.new_lead()
    long = "☎" * MOST_TEXT_CHARACTERS
    texts = [await keep(vault, lead, long) for _ in range(16)]
    revealed = await shown(vault, *texts)
    assert [one.text_id for one in revealed] == texts
    assert [one.state for one in revealed] == [RevealState.REVEALED] * 14 + [RevealState.DEFERRED] * 2
    assert len(await audit(vault)) == 14
    assert [one.text for one in await shown(vault, *texts[14:])] == [long] * 2


async def test_a_person_s_texts_go_with_them_and_none_is_kept_until_they_are_back(vault: Vault) -> None:
    ada, again, bob = await vault.new_lead("1"), await vault.new_lead("2"), await vault.new_lead("3", **BOB)
    texts = [await keep(vault, ada), await keep(vault, again)]
    stays = await keep(vault, bob)
    erased = await vault.ask("gateway", EraseLead(lead_id=ada, on_behalf_of=ADMIN))
    certificate = await vault.ask("gateway", GetErasureCertificate(erasure_id=erased.erasure_id))
    assert certificate.erased["texts"] == 2
    assert [row["text_id"] for row in await vault.rows("select text_id from intake.text where tenant_id = $1")] == [
        stays
    ]
    assert {one.state for one in await shown(vault, *texts)} == {RevealState.NOT_FOUND}
    late = KeepText(text_id=uuid4(), lead_id=ada, text=WORDS)
    assert await vault.ask("outreach", late) == TextKept(text_id=late.text_id, kept=False)
    assert len(await vault.rows("select from intake.text where tenant_id = $1")) == 1

    await vault.ask("operator", LiftSuppression(erasure_id=erased.erasure_id, reason="came_back"))
    await vault.submit("1", **ADA)
    assert (await vault.ask("outreach", late)).kept


async def test_a_merged_lead_s_texts_are_exported_and_erased_with_the_one_person(
    vault: Vault, platform: Platform
) -> None:
    ada, bob = await vault.new_lead("1"), await vault.new_lead("2", **BOB)
    texts = {await keep(vault, ada): ada, await keep(vault, bob): bob}
    await vault.ask("gateway", MergeLeads(survivor_id=bob, merged_id=ada, actor="user:7"))
    assert {one.text_id: one.lead_id for one in await shown(vault, *texts)} == texts
    async with platform.running("outcomes", "outreach", "aggregator"):
        for service in ("outcomes", "outreach", "aggregator"):
            await platform.introduce(vault.tenant, service)
        page = await vault.ask("gateway", ExportLead(lead_id=bob, on_behalf_of=ADMIN))
    found = [entry for entry in page.entries if entry.kind is ExportKind.TEXT]
    assert {UUID(entry.content["text_id"]): entry.lead_id for entry in found} == texts
    assert {entry.content["personal_text"] for entry in found} == {WORDS}
    assert {"text_id", "personal_text", "created_at"} == set(found[0].content)
    await vault.ask("gateway", EraseLead(lead_id=bob, on_behalf_of=ADMIN))
    assert await vault.rows("select from intake.text where tenant_id = $1") == []


async def test_after_a_rotation_texts_are_shown_as_before(vault: Vault) -> None:
    text = await keep(vault, await vault.new_lead())
    await vault.platform.caller.ask(vault.tenant, RotateKeys(), of="intake")
    assert [one.text for one in await shown(vault, text)] == [WORDS]
    await vault.platform.caller.ask(PLATFORM, RunJob(job="reseal"), of="intake", seconds=60)
    assert [one.text for one in await shown(vault, text)] == [WORDS]


async def test_an_erased_person_s_texts_cannot_be_read_wherever_copies_of_them_lie(vault: Vault) -> None:
    lead = await vault.new_lead()
    text = await keep(vault, lead)
    (copy,) = await vault.rows("select * from intake.text where tenant_id = $1")
    await vault.ask("gateway", EraseLead(lead_id=lead, on_behalf_of=ADMIN))
    async with vault.platform.sql() as sql:
        await sql.execute("insert into intake.text select ($1::intake.text).*", tuple(copy))
    assert await shown(vault, text) == [RevealedText(text_id=text, state=RevealState.NOT_FOUND)]
    assert await vault.rows("select from intake.person_key where tenant_id = $1") == []


async def test_of_two_persons_who_are_told_apart_each_has_texts_under_a_key_of_their_own(vault: Vault) -> None:
    ada, twin = await vault.new_lead("1"), await vault.new_lead("2")
    texts = {await keep(vault, ada, "Ada's."): ada, await keep(vault, twin, "Her twin's."): twin}
    await vault.ask("gateway", DismissReview(lead_id=ada, other_id=twin, actor="user:7"))
    assert {one.text_id: one.lead_id for one in await shown(vault, *texts)} == texts
    sealed_with = (
        "select text.key_id = vault.key_id as same from intake.text join intake.vault using (tenant_id, lead_id)"
    )
    rows = await vault.rows(f"{sealed_with} where tenant_id = $1")
    assert [row["same"] for row in rows] == [True, True]
    await vault.ask("gateway", EraseLead(lead_id=ada, on_behalf_of=ADMIN))
    assert [one.text for one in await shown(vault, *texts)] == [None, "Her twin's."]
