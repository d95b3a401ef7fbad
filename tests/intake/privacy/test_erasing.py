"""An erased person is gone from intake, stays away until allowed again, and leaves numbers and a certificate."""

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.keys import TenantKeys, key_service
from chassis.unit_of_work import Database
from contracts.intake.erasure import (
    EraseLead,
    ErasureCertificate,
    ErasureResult,
    GetErasureCertificate,
    LiftSuppression,
)
from contracts.intake.leads import GetLead, GetSubmissions, LeadView
from contracts.intake.memory import ActionView, CheckAction, ListActions, RecordAction
from contracts.intake.privacy import OnBehalfOf, RevealState
from contracts.intake.routing import GetLeadStatus, GetRouting, PublishRouting, RouteLead, SaveRoutingDraft
from contracts.message import ProblemCode, ProblemError
from contracts.operations import RunJob
from contracts.taxonomy import Purpose, Role
from intake.memory import recalling
from intake.privacy.erasing import EMPTIED, KEPT, TABLES
from tests.intake.privacy.scene import ADA, ADMIN, Vault
from tests.platform import Platform
from tests.waiting import until


async def erase(vault: Vault, lead: UUID, **more: Any) -> ErasureResult:
    answer: ErasureResult = await vault.ask("gateway", EraseLead(lead_id=lead, on_behalf_of=ADMIN, **more))
    return answer


async def verdict(vault: Vault, submission: UUID) -> tuple[str, list[tuple[str, str]]]:
    """The verdict on a submission, with codes and fields of its reasons."""

    async def known() -> Any:
        return (await vault.ask("operator", GetSubmissions(submission_ids=[submission]))).submissions

    (view,) = await until(known, what="the verdict")
    return view.verdict, [(reason.code, reason.field) for reason in view.reasons]


async def everything(vault: Vault) -> dict[str, list[str]]:
    """Every row of the tenant in intake, as text, by table."""
    tables = await vault.rows(
        """select table_name as name, column_name as tenant from information_schema.columns
           where table_schema = 'intake' and column_name in ('tenant_id', 'tenant') and $1 <> ''"""
    )
    return {
        row["name"]: [
            found[0]
            for found in await vault.rows(f"select t::text from intake.{row['name']} t where {row['tenant']} = $1")
        ]
        for row in tables
    }


async def test_everything_made_of_the_person_is_gone_and_the_numbers_stay(vault: Vault) -> None:
    first = await vault.new_lead("1")
    second = await vault.new_lead("2", phone=None, full_name="Ada E.")
    await vault.submit("1", **{**ADA, "phone": "(614) 555-0177"})
    stranger = await vault.new_lead("3", full_name="Bob", phone="(614) 555-0143", email=None, linkedin_url=None)
    before: LeadView = await vault.ask("gateway", GetLead(lead_id=first))
    tokens = [row["token"] for row in await vault.rows(
        "select token from intake.person_token where tenant_id = $1 and person_id = $2", before.person_id)]  # fmt: skip
    assert len(tokens) == 4

    erased = await erase(vault, second, reason="consent_withdrawn")
    assert (set(erased.lead_ids), erased.person_id, erased.already) == ({first, second}, before.person_id, False)
    after: LeadView = await vault.ask("gateway", GetLead(lead_id=first))
    assert (after.version, after.has_phone, after.has_email, after.metadata) == (3, False, False, {})
    assert after.erased_at == erased.erased_at
    assert (after.source_id, after.attribution, after.person_id) == ("1", before.attribution, before.person_id)

    stored = await everything(vault)
    kept = {name: "\n".join(rows) for name, rows in stored.items() if name not in ("outbox",)}
    assert not [(name, token) for name, text in kept.items() for token in tokens if token in text]
    assert len(stored["vault"]) == len(stored["person_key"]) == len(stored["person_token"]) == 1, "the stranger's"
    shown = (await vault.reveal(first, second, stranger, sender="operator", who=None, purpose=Purpose.SUPPORT)).leads
    assert [one.state for one in shown] == [RevealState.ERASED, RevealState.ERASED, RevealState.REVEALED]
    events = [json.loads(row["body"]) for row in await vault.rows(
        "select body from intake.outbox where tenant = $1 and type = 'intake.event.lead_erased.v1'")]  # fmt: skip
    assert {(event["lead_id"], event["version"]) for event in events} == {(str(first), 3), (str(second), 2)}


async def test_no_digest_of_what_was_submitted_stays(vault: Vault) -> None:
    """Whoever had it could try what might have been submitted."""
    submission = await vault.import_lead("9", **ADA)
    await verdict(vault, submission)
    handled = "select message_id from intake.inbox where tenant = $1 and message_id = $2"
    assert await vault.rows(handled, submission)
    (lead,) = await vault.rows("select lead_id from intake.lead where tenant_id = $1")
    await erase(vault, lead["lead_id"])
    assert not await vault.rows(handled, submission)


async def test_the_shredded_seal_cannot_be_opened_from_a_copy_of_the_row(vault: Vault, platform: Platform) -> None:
    lead = await vault.new_lead()
    (copy,) = await vault.rows("select * from intake.vault where tenant_id = $1")
    await erase(vault, lead)
    await vault.rows(
        "insert into intake.vault values ($1, $2, $3, $4)", copy["lead_id"], copy["key_id"], copy["sealed"]
    )
    keys = await vault.rows("select from intake.person_key where tenant_id = $1")
    assert keys == []
    (shown,) = (await vault.reveal(lead, who=ADMIN)).leads
    assert (shown.state, shown.name) == (RevealState.ERASED, None)


async def test_a_key_that_seals_another_person_s_record_too_is_kept_for_that(vault: Vault) -> None:
    lead = await vault.new_lead("1")
    stranger = await vault.new_lead("2", full_name="Bob", phone="(614) 555-0143", email=None, linkedin_url=None)
    (key,) = await vault.rows("select key_id from intake.vault where tenant_id = $1 and lead_id = $2", lead)
    await vault.rows(
        "update intake.vault set key_id = $3 where tenant_id = $1 and lead_id = $2", stranger, key["key_id"]
    )
    await erase(vault, lead)
    keys = await vault.rows("select key_id from intake.person_key where tenant_id = $1")
    assert key["key_id"] in {row["key_id"] for row in keys}


async def test_to_erase_again_changes_nothing_and_names_the_same_erasure(vault: Vault) -> None:
    lead = await vault.new_lead()
    first = await erase(vault, lead)
    again = await erase(vault, lead, reason="again")
    by_person: ErasureResult = await vault.ask("operator", EraseLead(person_id=first.person_id))
    assert again == by_person == first.model_copy(update={"already": True})
    rows = await vault.rows("select from intake.outbox where tenant = $1 and type = 'intake.event.lead_erased.v1'")
    assert len(rows) == 1


async def test_who_may_not_decide_about_a_person_erases_nobody(vault: Vault) -> None:
    lead = await vault.new_lead()
    for sender, who in (("gateway", None), ("gateway", OnBehalfOf(user="user:7", role=Role.AGENT))):
        with pytest.raises(ProblemError) as refused:
            await vault.ask(sender, EraseLead(lead_id=lead, on_behalf_of=who))
        assert refused.value.problem.code is ProblemCode.FORBIDDEN
    with pytest.raises(ProblemError) as refused:
        await vault.ask("operator", EraseLead(lead_id=uuid4()))
    assert refused.value.problem.code is ProblemCode.NOT_FOUND
    assert (await vault.reveal(lead)).leads[0].state is RevealState.REVEALED


async def test_the_person_is_refused_by_anything_that_identified_it_until_that_is_lifted(vault: Vault) -> None:
    lead = await vault.new_lead("1")
    await vault.submit("1", **{**ADA, "phone": "(614) 555-0177"})
    erased = await erase(vault, lead)
    by = {
        "phone": {"phone": "614.555.0177"},
        "former": {"phone": "+1 614 555 0142"},
        "email": {"email": "ADA@example.com", "full_name": "Someone"},
        "profile": {"linkedin_url": "linkedin.com/in/ada-example", "full_name": "Someone"},
    }
    for source_id, fields in by.items():
        judged, reasons = await verdict(vault, await vault.import_lead(source_id, **fields))
        assert (judged, [code for code, _ in reasons]) == ("rejected", ["erased"]), source_id
    judged, reasons = await verdict(vault, await vault.import_lead("1", full_name="Ada Again"))
    assert (judged, reasons) == ("rejected", [("erased", "source_id")])
    with pytest.raises(ProblemError) as refused:
        await vault.submit("9", phone="(614) 555-0142")
    assert (refused.value.problem.code, refused.value.problem.field) == (ProblemCode.CONFLICT, "phone")
    stored = await everything(vault)
    assert (stored["vault"], stored["person_token"], len(stored["lead"])) == ([], [], 1)
    assert (await vault.submit("8", phone="(614) 555-0199")).verdict == "accepted", "somebody else"

    lifted = await vault.ask("operator", LiftSuppression(erasure_id=erased.erasure_id, reason="came_back"))
    assert lifted.entries == 4
    assert (await vault.ask("operator", LiftSuppression(erasure_id=erased.erasure_id, reason="x"))).entries == 0
    assert (await vault.submit("9", phone="(614) 555-0142")).verdict == "accepted"
    back = await vault.submit("1", **ADA)
    assert (back.verdict, back.lead_id, back.version) == ("updated", lead, 4)
    assert (await vault.reveal(lead)).leads[0].name == "Ada Example"
    view: LeadView = await vault.ask("gateway", GetLead(lead_id=lead))
    assert view.erased_at is None
    assert view.person_id != erased.person_id, "nobody is the heir of an erased person"
    certificate = await vault.ask("operator", GetErasureCertificate(erasure_id=erased.erasure_id))
    assert (certificate.lifted_by, certificate.lifted_at is not None) == ("operator", True)
    assert (await erase(vault, lead)).erasure_id != erased.erasure_id


async def test_what_keeps_a_person_away_is_no_token_and_is_of_no_use_without_the_key(
    vault: Vault, platform: Platform
) -> None:
    lead = await vault.new_lead()
    tokens = {row["token"] for row in await vault.rows("select token from intake.person_token where tenant_id = $1")}
    await erase(vault, lead)
    entries = {row["entry"] for row in await vault.rows("select entry from intake.suppression where tenant_id = $1")}
    assert len(entries) == len(tokens)
    assert not entries & tokens
    database = Database("intake", platform.settings("intake").database_url)
    async with database.begin(vault.tenant) as uow:
        key = await TenantKeys(key_service(platform.settings("intake").kms_uri)).of(uow, vault.tenant)
    await database.close()
    assert key.token("phone_token", "+16145550142") in tokens
    assert {key.token("suppressed", token) for token in tokens} == entries


async def test_a_submission_at_the_moment_of_the_erasure_is_erased_or_refused_and_never_half_there(
    vault: Vault,
) -> None:
    """Whoever comes first: the person has no key, seal or token afterwards."""
    for number in range(6):
        phone = f"(614) 555-01{number:02}"
        lead = await vault.new_lead(f"a{number}", phone=phone, email=None, linkedin_url=None)
        submitting = [
            vault.submit(f"b{number}-{n}", full_name=f"Ada {n}", phone=phone, email=f"ada{number}.{n}@example.com")
            for n in range(4)
        ]
        erased, *answers = await asyncio.gather(erase(vault, lead), *submitting, return_exceptions=True)
        assert isinstance(erased, ErasureResult)
        taken = {answer.lead_id for answer in answers if not isinstance(answer, BaseException)}
        refusals = [answer.problem.code for answer in answers if isinstance(answer, ProblemError)]
        assert taken | {lead} == set(erased.lead_ids)
        assert refusals == [ProblemCode.CONFLICT] * (4 - len(taken))
    stored = await everything(vault)
    assert (stored["vault"], stored["person_key"], stored["person_token"]) == ([], [], [])


async def test_an_erasure_waits_for_a_submission_under_way_and_takes_it_with_it(
    vault: Vault, platform: Platform
) -> None:
    lead = await vault.new_lead("1")
    async with platform.sql() as sql:
        lock = f"hashtextextended('vault/erasure/{vault.tenant}', 0)"
        await sql.execute(f"select pg_advisory_lock_shared({lock})")
        erasing = asyncio.create_task(erase(vault, lead))

        async def waits() -> Any:
            return await sql.fetchval("select count(*) from pg_locks where locktype = 'advisory' and not granted")

        await until(waits, what="the erasure waiting")
        await sql.execute(f"select pg_advisory_unlock_shared({lock})")
        assert not (await erasing).already


async def test_the_certificate_says_what_was_erased_by_whom_and_what_stays(vault: Vault) -> None:
    lead = await vault.new_lead()
    erased = await erase(vault, lead, reason="consent_withdrawn")
    certificate: ErasureCertificate = await vault.ask("gateway", GetErasureCertificate(erasure_id=erased.erasure_id))
    counts = {"leads": 1, "sealed_records": 1, "keys": 1, "texts": 0, "tokens": 3}
    assert certificate.erased == {**counts, "assignments_ended": 0, "enrichment_contacts": 0, "actions": 0}
    assert (certificate.actor, certificate.role, certificate.service) == ("user:1", "admin", "gateway")
    assert (certificate.reason, certificate.lead_ids) == ("consent_withdrawn", [lead])
    assert [one.service for one in certificate.confirmations] == ["outcomes", "outreach", "aggregator"]
    assert not certificate.complete, "nobody has confirmed it: none of them runs"
    assert len(certificate.remains) == 9
    with pytest.raises(ProblemError):
        await vault.ask("gateway", GetErasureCertificate(erasure_id=uuid4()))


OUTREACH: dict[str, Any] = {"action_type": "outreach", "entity_type": "individual"}
MAILED = {"email": "ada@example.com", "phone": "+16145550142"}


async def act(vault: Vault, entity: UUID | None, request: dict[str, Any] = MAILED, actor: str = "user:7") -> ActionView:
    order = RecordAction(**OUTREACH, entity_id=entity, request=request, actor=actor)
    recorded: ActionView = await vault.ask("gateway", order)
    return recorded


async def recalled(vault: Vault, request: dict[str, Any] = MAILED, entity: UUID | None = None) -> bool:
    recall = await vault.ask("outreach", CheckAction(**OUTREACH, entity_id=entity, request=request))
    return bool(recall.similar_action_found)


async def hashes(vault: Vault, *actions: UUID) -> list[Any]:
    """Whom these actions are about, and what is left of their requests."""
    rows = await vault.rows(
        """select entity_id, fingerprint, parts, (select count(*) from intake.action_part
                                                  where tenant_id = $1 and action_part.action_id = action.action_id)
           from intake.action where tenant_id = $1 and action_id = any($2::uuid[])""",
        list(actions),
    )
    assert len(rows) == len(actions)
    return [tuple(row) for row in rows]


async def test_what_was_done_about_the_person_is_recalled_no_more_and_leaves_no_hash(vault: Vault) -> None:
    """Whoever had the key could try from whose e-mail and telephone they were made."""
    of_source = uuid4()
    lead = await vault.new_lead("1")
    second = await vault.submit(str(of_source), **ADA)
    stranger = await vault.new_lead("3", full_name="Bob", phone="(614) 555-0143", email=None, linkedin_url=None)
    person = (await vault.ask("gateway", GetLead(lead_id=lead))).person_id
    (submission,) = await vault.rows(
        "select submission_id from intake.submission where tenant_id = $1 and lead_id = $2", second.lead_id
    )
    about = [lead, second.lead_id, person, submission["submission_id"], of_source]
    actions = [await act(vault, entity, {**MAILED, "number": str(n)}) for n, entity in enumerate(about)]
    other = await act(vault, stranger, {"phone": "+16145550143"})
    old = (await act(vault, lead, {**MAILED, "old": "yes"})).action_id
    await vault.rows("update intake.action set expires_at = now() where tenant_id = $1 and action_id = $2", old)
    await vault.platform.caller.ask(vault.tenant, RunJob(job="clear_expired"), of="intake")
    assert await hashes(vault, old) == [(lead, None, [], 0)], "forgotten before, but for whom it was about"
    assert await recalled(vault, {**MAILED, "number": "0"}, lead)

    erased = await erase(vault, lead)
    for number, entity in enumerate(about):
        assert not await recalled(vault, {**MAILED, "number": str(number)}, entity)
        assert not await recalled(vault, {**MAILED, "number": str(number)})
    assert await hashes(vault, old) == [(None, None, [], 0)]
    gone = [action.action_id for action in actions]
    assert await hashes(vault, *gone) == [(None, None, [], 0)] * 5
    left = await vault.rows("select distinct action_id from intake.action_part where tenant_id = $1")
    assert [row["action_id"] for row in left] == [other.action_id]
    assert await recalled(vault, {"phone": "+16145550143"}, stranger), "somebody else"
    certificate = await vault.ask("operator", GetErasureCertificate(erasure_id=erased.erasure_id))
    assert certificate.erased["actions"] == 6
    listed = {row.action_id: row for row in (await vault.ask("operator", ListActions())).actions}
    assert {(listed[id_].actor, listed[id_].entity_id) for id_ in gone} == {("user:7", None)}, "who acted, for auditors"


async def test_an_action_that_names_nobody_stays_until_it_is_forgotten_and_the_certificate_says_so(
    vault: Vault,
) -> None:
    lead = await vault.new_lead()
    await act(vault, None)
    erased = await erase(vault, lead)
    assert await recalled(vault), "nothing tells whom it was about"
    certificate = await vault.ask("operator", GetErasureCertificate(erasure_id=erased.erasure_id))
    assert certificate.erased["actions"] == 0
    (said,) = [one for one in certificate.remains if "memory of actions" in one.what]
    assert "without an id" in said.what
    assert "memory_ttl_hours" in said.until


async def test_an_action_about_an_erased_person_leaves_no_hash_either(vault: Vault) -> None:
    lead = await vault.new_lead()
    erased = await erase(vault, lead)
    late = [await act(vault, entity) for entity in (lead, erased.person_id)]
    assert [one.entity_id for one in late] == [None, None]
    assert await hashes(vault, *(one.action_id for one in late)) == [(None, None, [], 0)] * 2
    assert not await recalled(vault)
    await vault.ask("operator", LiftSuppression(erasure_id=erased.erasure_id, reason="came_back"))
    await vault.submit("1", **ADA)
    await act(vault, lead)
    assert await recalled(vault, entity=lead), "the person came back"


async def test_an_erasure_waits_for_an_action_that_is_being_recorded_and_takes_its_hashes_too(
    vault: Vault, platform: Platform
) -> None:
    lead = await vault.new_lead()
    settings = platform.settings("intake")
    database = Database("intake", settings.database_url)
    async with database.begin(vault.tenant) as uow:
        key = await TenantKeys(key_service(settings.kms_uri)).of(uow, vault.tenant)
        order = RecordAction(**OUTREACH, entity_id=lead, request=MAILED, actor="user:7")
        recorded = await recalling.record(uow, key, order)
        erasing = asyncio.create_task(erase(vault, lead))

        async def waits() -> Any:
            return await vault.rows("select from pg_locks where locktype = 'advisory' and not granted and $1 <> ''")

        await until(waits, what="the erasure waiting")
    await database.close()
    assert not (await erasing).already
    assert await hashes(vault, recorded.action_id) == [(None, None, [], 0)]


async def test_work_on_an_erased_lead_is_closed_and_begins_anew_with_a_person_who_came_back(vault: Vault) -> None:
    lead, unrouted = (
        await vault.new_lead("1"),
        await vault.new_lead("2", phone="(614) 555-0143", email=None, linkedin_url=None),
    )
    await vault.rows(
        "insert into intake.work (tenant_id, lead_id, status, waiting_since) values ($1, $2, 'unrouted', now())", lead
    )
    erased = await erase(vault, lead)
    await erase(vault, unrouted)
    for one in (lead, unrouted):
        assert (await vault.ask("gateway", GetLeadStatus(lead_id=one))).status == "closed"
    await vault.ask("operator", LiftSuppression(erasure_id=erased.erasure_id, reason="came_back"))
    await vault.submit("1", **ADA)
    assert (await vault.ask("gateway", GetLeadStatus(lead_id=lead))).status == "received"


async def test_an_erased_lead_is_routed_by_no_rule_and_by_no_hand(vault: Vault) -> None:
    lead = await vault.new_lead("1")
    await erase(vault, lead)
    rules = {"rules": [{"name": "all", "workspace": "sales"}], "workspaces": {"sales": {}}}
    draft = await vault.ask("gateway", SaveRoutingDraft(configuration=rules, actor="user:1"))
    await vault.ask("gateway", PublishRouting(version=draft.version, expected=None, actor="user:1"))
    living = await vault.new_lead("2", phone="(614) 555-0143", email=None, linkedin_url=None)

    async def caught_up() -> bool:
        return not (await vault.ask("gateway", GetRouting())).catching_up

    await until(caught_up, what="the version applied")
    with pytest.raises(ProblemError) as refused:
        await vault.ask("gateway", RouteLead(lead_id=lead, workspace="sales", actor="user:1"))
    assert refused.value.problem.code is ProblemCode.CONFLICT
    assert [row["lead_id"] for row in await vault.rows("select lead_id from intake.work where tenant_id = $1")] == [
        living
    ]


async def test_every_column_of_a_lead_and_every_table_with_a_person_in_it_has_its_place_in_the_erasure(
    platform: Platform,
) -> None:
    """Whoever adds one says what an erasure does with it."""
    async with platform.sql() as sql:
        rows = await sql.fetch(
            "select table_name, column_name from information_schema.columns where table_schema = 'intake'"
        )
    columns = {row["column_name"] for row in rows if row["table_name"] == "lead"}
    assert columns == EMPTIED | KEPT
    about = {
        row["table_name"]
        for row in rows
        if row["column_name"] in ("lead_id", "person_id", "lead_ids", "survivor_id", "person", "key_id", "entity_id")
    }
    assert about == set(TABLES)
