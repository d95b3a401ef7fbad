"""Submissions over the bus and by request: what each verdict is, and what reaches the event stream."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import nats.js.errors
import pytest

from chassis.keys import tenant_keys
from contracts.intake.leads import (
    GetImportKey,
    GetLead,
    GetSubmissions,
    LeadVerdict,
    ListLeads,
    SubmitLead,
    SubmitLeadNow,
)
from contracts.message import ProblemCode, ProblemError
from contracts.operations import RotateKeys
from intake.leads import source_ids
from tests.platform import Platform
from tests.waiting import until


@pytest.fixture
async def running(intake: Platform, tenant: str) -> Platform:
    """Intake, knowing the tenant."""
    await intake.introduce(tenant, "intake")
    return intake


def lead(source_id: str, **fields: Any) -> SubmitLead:
    return SubmitLead(source_system="web", source_id=source_id, **fields)


async def verdicts(platform: Platform, tenant: str, *ids: Any) -> list[LeadVerdict]:
    """The verdicts on these submissions, once all are known."""

    async def known() -> list[LeadVerdict]:
        found = await platform.caller.ask(tenant, GetSubmissions(submission_ids=list(ids)))
        by_id = {view.submission_id: view.verdict for view in found.submissions}
        return [by_id[id_] for id_ in ids] if len(by_id) == len(set(ids)) else []

    return await until(known, what="every verdict")


async def give(platform: Platform, tenant: str, *submissions: tuple[UUID, SubmitLead]) -> None:
    """Publish submissions under these ids, as often as wanted: the broker is given no id to know a repetition by."""
    async with platform.connect("operator") as client:
        for id_, message in submissions:
            body, headers = message.model_dump_json().encode(), {"ce-id": str(id_)}
            await client.jetstream().publish(message.topic.subject(tenant), body, headers=headers)


async def told(platform: Platform, tenant: str, at_least: int) -> list[tuple[str, dict[str, Any]]]:
    """Subjects and bodies of the tenant's events of intake, once the broker stores so many."""

    async def stored() -> list[tuple[str, dict[str, Any]]]:
        found, seq = [], 1
        while True:
            try:
                message = await platform.operator.jetstream().get_msg(
                    "EVENTS", seq, f"intake.event.*.v1.{tenant}", next=True
                )
            except nats.js.errors.NotFoundError:
                return found if len(found) >= at_least else []
            found.append((message.subject, json.loads(message.data)))
            seq = message.seq + 1

    return await until(stored, what=f"{at_least} events")


async def test_a_lead_is_accepted_then_duplicate_then_updated_and_never_by_its_phone(
    running: Platform, tenant: str
) -> None:
    ids = [
        await running.publish("operator", tenant, message)
        for message in (
            lead("1", full_name="Jane Roe", phone="(614) 555-0134", geo="Dublin, OH"),
            lead("1", full_name="Jane Roe", phone="(614) 555-0134", geo="Dublin, OH"),
            lead("1", full_name="Jane Roe", phone="(614) 555-0134", geo="Columbus, OH"),
            lead("2", full_name="John Roe", phone="614-555-0134"),
            lead("3"),
        )
    ]
    assert await verdicts(running, tenant, *ids) == ["accepted", "duplicate", "updated", "accepted", "rejected"]
    page = await running.caller.ask(tenant, ListLeads())
    second, first = page.leads
    assert (first.version, first.attribution.geo_key) == (2, "columbus_oh")
    assert first.person_id == second.person_id, "a shared phone links two leads as one person, and keeps both"


async def test_a_rejection_tells_the_version_at_which_the_lead_before_it_stays(running: Platform, tenant: str) -> None:
    bodies = [lead("1"), lead("1", full_name="Jane"), lead("1"), lead("1", full_name="Jane", geo="Dublin"), lead("1")]
    ids = [uuid4() for _ in bodies]
    await give(running, tenant, *zip(ids, bodies, strict=True))
    assert await verdicts(running, tenant, *ids) == ["rejected", "accepted", "rejected", "updated", "rejected"]
    events = [(subject.split(".")[2], body) for subject, body in await told(running, tenant, 5)]
    assert [(name, body["submission_id"], body.get("version")) for name, body in events] == [
        ("lead_rejected", str(ids[0]), None),
        ("lead_accepted", str(ids[1]), 1),
        ("lead_rejected", str(ids[2]), 1),
        ("lead_updated", str(ids[3]), 2),
        ("lead_rejected", str(ids[4]), 2),
    ]
    assert len({body["lead_id"] for _, body in events if body.get("lead_id")}) == 1


async def test_what_was_submitted_long_ago_and_comes_again_changes_nothing(running: Platform, tenant: str) -> None:
    first, second, bad = uuid4(), uuid4(), uuid4()
    file = [
        (first, lead("1", full_name="Jane Roe", geo="Dublin")),
        (second, lead("1", full_name="Jane Roe", geo="Columbus")),
        (bad, lead("2")),
    ]
    await give(running, tenant, *file)
    before = await verdicts(running, tenant, first, second, bad)
    assert before == ["accepted", "updated", "rejected"]
    async with running.sql() as sql:
        await sql.execute("delete from intake.inbox where tenant = $1", tenant)
    last = uuid4()
    await give(running, tenant, *file, (last, lead("3", full_name="Jane Roe")))
    await verdicts(running, tenant, last)
    assert await verdicts(running, tenant, first, second, bad) == before
    (still,) = [view for view in (await running.caller.ask(tenant, ListLeads())).leads if view.source_id == "1"]
    assert (still.version, still.attribution.geo_key) == (2, "columbus")
    names = sorted(subject.split(".")[2] for subject, _ in await told(running, tenant, 4))
    assert names == ["lead_accepted", "lead_accepted", "lead_rejected", "lead_updated"]


async def test_the_key_of_imports_is_each_tenants_own_and_outlives_rotations(
    running: Platform, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenant_keys, "HEARD_OF_SECONDS", 0.0)

    async def key(of: str) -> str:
        return (await running.caller.ask(of, GetImportKey())).key

    first = await key(tenant)
    assert len(bytes.fromhex(first)) == 32
    for tokens in (False, True):
        await running.caller.ask(tenant, RotateKeys(tokens=tokens), of="intake")
    assert await key(tenant) == first
    assert await key(f"{tenant[:50]}-other") != first


@pytest.mark.parametrize(
    "body",
    [
        {"source_system": "canary@example.com", "source_id": "1", "full_name": "Jane"},
        {"source_system": "614-555-0177 canary", "source_id": "1", "full_name": "Jane"},
        {"source_id": "1", "full_name": "Jane", "canary_6145550177": "1"},
    ],
)
async def test_a_submission_that_would_carry_a_contact_in_clear_is_put_away_unquoted(
    running: Platform, tenant: str, body: dict[str, str]
) -> None:
    async with running.connect("operator") as client:
        subject = SubmitLead.topic.subject(tenant)
        await client.jetstream().publish(subject, json.dumps({"source_system": "web", **body}).encode())
    after = await running.publish("operator", tenant, lead("after", full_name="Jane"))
    await verdicts(running, tenant, after)
    async with running.sql() as sql:
        (letter,) = await sql.fetch("select reason from intake.dead_letter where tenant = $1", tenant)
    events = await told(running, tenant, at_least=2)
    assert sorted(subject.split(".")[2] for subject, _ in events) == ["lead_accepted", "message_dead_lettered"]
    assert not [secret for secret in ("canary", "6145550177") if secret in f"{letter['reason']} {events}"]


@pytest.mark.parametrize("given", [{}, {"created_at": datetime(1753, 1, 1, tzinfo=UTC)}])
async def test_a_lead_without_a_usable_time_was_created_when_it_first_came(
    running: Platform, tenant: str, given: dict[str, Any]
) -> None:
    created = set()
    for name in ("Jane Roe", "Jane Doe"):
        await verdicts(running, tenant, await running.publish("operator", tenant, lead("1", full_name=name, **given)))
        created |= {lead.created_at for lead in (await running.caller.ask(tenant, ListLeads())).leads}
    assert len(created) == 1


async def test_the_order_of_a_lead_s_submissions_is_kept_within_one_batch(running: Platform, tenant: str) -> None:
    async with running.connect("operator") as client:
        js = client.jetstream()
        for number in range(40):
            message = lead(str(number % 4), full_name="Jane Roe", geo=f"place {number}")
            await js.publish(message.topic.subject(tenant), message.model_dump_json().encode())

    async def settled() -> dict[str, str | None] | None:
        leads = (await running.caller.ask(tenant, ListLeads())).leads
        if len(leads) == 4 and all(view.version == 10 for view in leads):
            return {view.source_id: view.attribution.geo_key for view in leads}
        return None

    assert await until(settled) == {str(n): f"place_{36 + n}" for n in range(4)}


async def test_leads_found_to_be_one_person_later_are_linked_and_both_are_told(running: Platform, tenant: str) -> None:
    first = await running.publish("operator", tenant, lead("1", full_name="A", phone="+16145550134"))
    second = await running.publish("operator", tenant, lead("2", full_name="B", email="b@example.com"))
    await verdicts(running, tenant, first, second)
    both = await running.publish("operator", tenant, lead("3", phone="+16145550134", email="b@example.com"))
    await verdicts(running, tenant, both)
    leads = (await running.caller.ask(tenant, ListLeads())).leads
    assert len({view.person_id for view in leads}) == 1
    assert len(leads) == 3


async def test_the_person_s_time_zone_is_on_the_lead_and_on_every_event_of_it(running: Platform, tenant: str) -> None:
    ids = [
        await running.publish("operator", tenant, message)
        for message in (
            lead("1", full_name="A", phone="(614) 555-0134"),
            lead("2", full_name="B", phone="020 7183 8750", country="GB"),
            lead("3", full_name="C", geo="Denver, CO", email="c@example.com"),
            lead("4", full_name="D", geo="Miami, FL"),
            lead("3", full_name="C", geo="Denver, CO", email="c@example.com", time_zone="Europe/Berlin"),
        )
    ]
    await verdicts(running, tenant, *ids)
    both = await running.publish("operator", tenant, lead("5", phone="+442071838750", email="c@example.com"))
    await verdicts(running, tenant, both)
    views = {view.source_id: view.time_zone for view in (await running.caller.ask(tenant, ListLeads())).leads}
    zones = {"1": "America/New_York", "2": "Europe/London", "3": "Europe/Berlin", "4": None, "5": "Europe/London"}
    assert views == zones
    last: dict[str, dict[str, Any]] = {}
    for _, body in await told(running, tenant, 7):
        last[body["source_id"]] = max(body, last.get(body["source_id"], body), key=lambda event: event["version"])
    assert (last["3"]["version"], last["3"]["changed"]) == (3, ["person_id"]), "by now it is one person with 2"
    assert {source_id: body["time_zone"] for source_id, body in last.items()} == zones


async def test_a_strict_submission_is_refused_naming_the_field_and_not_the_value(
    running: Platform, tenant: str
) -> None:
    with pytest.raises(ProblemError) as refused:
        await running.caller.ask(
            tenant, SubmitLeadNow(source_system="web", source_id="1", full_name="Jane", phone="12")
        )
    assert refused.value.problem.code is ProblemCode.INVALID
    assert refused.value.problem.field == "phone"
    assert not (await running.caller.ask(tenant, ListLeads())).leads


async def test_the_same_lead_submitted_by_twenty_callers_at_once_is_accepted_once(
    running: Platform, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At two replicas, since one answers four at once at most: the first wait until there are five."""
    inside, five, hide = 0, asyncio.Event(), source_ids.hide

    async def together(*arguments: Any) -> Any:
        nonlocal inside
        inside += 1
        if inside == 5:
            five.set()
        await asyncio.wait_for(five.wait(), 15)
        return await hide(*arguments)

    monkeypatch.setattr(source_ids, "hide", together)
    request = SubmitLeadNow(source_system="web", source_id="1", full_name="Jane Roe", email="jane@example.com")
    async with running.running("intake", gateway=True):
        replies = await asyncio.gather(*(running.caller.ask(tenant, request, seconds=30) for _ in range(20)))
    assert sorted(reply.verdict for reply in replies) == ["accepted"] + ["duplicate"] * 19
    (lead_id,) = {reply.lead_id for reply in replies}
    assert [lead.lead_id for lead in (await running.caller.ask(tenant, ListLeads())).leads] == [lead_id]


async def test_two_tenants_may_send_under_the_same_message_id(running: Platform, tenant: str) -> None:
    other, id_ = f"other-{uuid4().hex[:8]}", uuid4()
    await running.introduce(other, "intake")
    async with running.connect("operator") as client:
        for name in (tenant, other):
            body = lead("1", full_name=f"Jane of {name}").model_dump_json().encode()
            await client.jetstream().publish(SubmitLead.topic.subject(name), body, headers={"ce-id": str(id_)})
    assert await verdicts(running, tenant, id_) == ["accepted"]
    assert await verdicts(running, other, id_) == ["accepted"]


async def test_a_tenant_may_be_called_null(running: Platform) -> None:
    await running.introduce("null", "intake")
    submitted = await running.publish("operator", "null", lead(uuid4().hex, full_name="Jane Roe"))
    assert await verdicts(running, "null", submitted) == ["accepted"]


async def test_a_number_of_any_size_in_the_metadata_is_sealed(running: Platform, tenant: str) -> None:
    submitted = await running.publish("operator", tenant, lead("1", full_name="Jane", metadata={"n": 10**40}))
    assert await verdicts(running, tenant, submitted) == ["accepted"]


async def test_another_tenant_s_lead_is_not_found(running: Platform, tenant: str) -> None:
    reply = await running.caller.ask(tenant, SubmitLeadNow(source_system="web", source_id="1", full_name="Jane Roe"))
    assert reply.lead_id
    with pytest.raises(ProblemError, match="no such lead"):
        await running.caller.ask(f"other-{uuid4().hex[:8]}", GetLead(lead_id=reply.lead_id))


async def test_without_a_key_nothing_is_stored_and_the_command_waits(running: Platform, tenant: str) -> None:
    hidden = running.key_file.with_suffix(".away")
    running.key_file.rename(hidden)
    try:
        waiting = await running.publish("operator", tenant, lead("1", full_name="Jane Roe"))
        with pytest.raises(ProblemError) as refused:
            await running.caller.ask(tenant, SubmitLeadNow(source_system="web", source_id="2", full_name="Jane Roe"))
        assert refused.value.problem.code is ProblemCode.UNAVAILABLE
        async with running.sql() as sql:
            assert await sql.fetchval("select count(*) from intake.vault where tenant_id = $1", tenant) == 0
            assert await sql.fetchval("select count(*) from intake.dead_letter where tenant = $1", tenant) == 0
    finally:
        hidden.rename(running.key_file)
    assert await verdicts(running, tenant, waiting) == ["accepted"]


async def test_what_is_personal_is_nowhere_in_clear(running: Platform, tenant: str) -> None:
    secrets = ["Jane", "Canary", "6145550177", "canary@example.com", "614-555-0188"]
    submitted = await running.publish(
        "operator", tenant,
        lead("1", full_name="Jane Canary", phone="(614) 555-0177", email="canary@example.com",
             notes="call her sister on 614-555-0188", metadata={"spouse": "Jane Canary", "utm_source": "ads"}),
    )  # fmt: skip
    await verdicts(running, tenant, submitted)
    async with running.sql() as sql:
        tables = await sql.fetch("select tablename from pg_tables where schemaname = 'intake'")
        for table in tables:
            rows = await sql.fetch(f"select t::text as row from intake.{table['tablename']} t")
            for row in rows:
                assert not any(secret in row["row"] for secret in secrets), table["tablename"]
