"""What is personal is shown to whom may see it, and never without a row in the audit and an event."""

import asyncio
import json
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from nats.aio.msg import Msg

from chassis.caller import inbox_prefix
from chassis.received import encode
from contracts.gateway import TenantChanged, TenantSettings
from contracts.intake.privacy import (
    ExportLead,
    ListReveals,
    OnBehalfOf,
    PersonalField,
    PiiRevealed,
    Revealed,
    RevealLimitReached,
    RevealPii,
    RevealState,
)
from contracts.message import Problem, ProblemCode, ProblemError
from contracts.notifier import DismissAlert, ListAlerts
from contracts.taxonomy import Purpose, Role
from intake.privacy import store_audit
from tests.intake.privacy.scene import ADMIN, AGENT, Vault
from tests.platform import Platform
from tests.waiting import until


async def events(vault: Vault, type_: str) -> list[dict[str, Any]]:
    rows = await vault.rows(
        "select body from intake.outbox where tenant = $1 and type = $2 order by seq", f"intake.event.{type_}.v1"
    )
    return [json.loads(row["body"]) for row in rows]


async def audit(vault: Vault) -> list[asyncpg.Record]:
    return await vault.rows("select * from intake.reveal_audit where tenant_id = $1 order by reveal_id")


async def refused(asking: Any) -> ProblemError:
    with pytest.raises(ProblemError) as raised:
        await asking
    return raised.value


async def test_a_reveal_shows_what_was_given_and_leaves_a_row_a_person_and_an_event(vault: Vault) -> None:
    first = await vault.new_lead("1")
    second = await vault.new_lead(
        "2", full_name="Bob", phone="(614) 555-0143", email=None, linkedin_url=None, notes=None
    )
    shown = (await vault.reveal(first, second, first)).leads
    person = shown[0].person_id
    assert shown[0] == Revealed(
        lead_id=first, state=RevealState.REVEALED, person_id=person, name="Ada Example", phone="+16145550142",
        email="ada@example.com", linkedin_url="https://www.linkedin.com/in/ada-example/", notes="Two dogs.",
        metadata={"shoe": 40},
    )  # fmt: skip
    assert [(one.lead_id, one.name, one.email) for one in shown[1:]] == [(second, "Bob", None)]
    rows = await audit(vault)
    assert [(row["lead_id"], row["person_id"]) for row in rows] == [(one.lead_id, one.person_id) for one in shown]
    assert {(r["service"], r["actor"], r["role"], r["purpose"]) for r in rows} == {
        ("gateway", "user:7", "agent", "work_lead")
    }
    assert rows[0]["fields"] == ["name", "phone", "email", "linkedin_url", "notes", "metadata"]
    assert rows[1]["fields"] == ["name", "phone", "metadata"]
    (told,) = await events(vault, "pii_revealed")
    event = PiiRevealed.model_validate(told)
    assert (event.lead_ids, event.count, event.actor) == ([first, second], 2, "user:7")
    assert not [word for word in ("Ada", "5550142", "example.com", "dogs") if word in json.dumps(told)]


async def test_only_the_fields_asked_for_are_shown(vault: Vault) -> None:
    lead = await vault.new_lead()
    (shown,) = (await vault.reveal(lead, fields=[PersonalField.PHONE])).leads
    assert (shown.phone, shown.name, shown.notes) == ("+16145550142", None, None)
    assert (await audit(vault))[0]["fields"] == ["phone"]


async def test_a_lead_that_is_not_there_and_another_tenant_s_look_the_same_and_leave_no_row(
    vault: Vault, platform: Platform
) -> None:
    other = Vault(platform, f"{vault.tenant[:40]}-other")
    await platform.introduce(other.tenant, "intake")
    theirs, ours = await other.new_lead(), await vault.new_lead()
    nowhere = type(ours)(int=ours.int ^ 1)
    shown = (await vault.reveal(theirs, nowhere, ours)).leads
    assert shown[:2] == [Revealed(lead_id=lead, state=RevealState.NOT_FOUND) for lead in (theirs, nowhere)]
    assert shown[2].state is RevealState.REVEALED
    assert [row["lead_id"] for row in await audit(vault)] == [ours]
    assert await audit(other) == []


async def test_more_leads_than_can_be_asked_for_at_once_are_refused_and_nothing_is_shown(vault: Vault) -> None:
    lead = await vault.new_lead()
    most = [lead, *(UUID(int=n) for n in range(1, 100))]
    assert len((await vault.reveal(*most)).leads) == 100
    before = await audit(vault)
    ask = RevealPii(lead_ids=most, purpose=Purpose.SUPPORT)
    body = json.dumps({**ask.model_dump(mode="json"), "lead_ids": [*map(str, most), str(UUID(int=100))]})
    subject = ask.topic.subject(vault.tenant)
    answer = await vault.platform.operator.request(subject, body.encode(), timeout=30)
    problem = Problem.model_validate_json(answer.data)
    assert (problem.code, problem.field) == (ProblemCode.INVALID, "lead_ids")
    assert await audit(vault) == before


@pytest.mark.parametrize(
    ("sender", "who", "purpose"),
    [
        ("gateway", None, Purpose.WORK_LEAD),
        ("gateway", OnBehalfOf(user="user:2", role=Role.VIEWER), Purpose.WORK_LEAD),
        ("gateway", OnBehalfOf(user="user:2", role=Role.AUDITOR), Purpose.SUBJECT_REQUEST),
        ("gateway", AGENT, Purpose.FRAUD_CHECK),
        ("outreach", None, Purpose.WORK_LEAD),
        ("outreach", ADMIN, Purpose.SUBJECT_REQUEST),
        ("operator", None, Purpose.WORK_LEAD),
    ],
)
async def test_what_the_table_does_not_allow_is_forbidden_and_leaves_nothing(
    vault: Vault, sender: str, who: OnBehalfOf | None, purpose: Purpose
) -> None:
    lead = await vault.new_lead()
    error = await refused(vault.reveal(lead, sender=sender, who=who, purpose=purpose))
    assert error.problem.code is ProblemCode.FORBIDDEN
    assert (await audit(vault), await events(vault, "pii_revealed")) == ([], [])


async def test_outreach_itself_and_the_operator_see_for_their_purposes(vault: Vault) -> None:
    lead = await vault.new_lead()
    for sender, purpose in (("outreach", Purpose.SEND_MESSAGE), ("operator", Purpose.SUPPORT)):
        (shown,) = (await vault.reveal(lead, sender=sender, who=None, purpose=purpose)).leads
        assert shown.state is RevealState.REVEALED
    assert [(row["service"], row["actor"]) for row in await audit(vault)] == [("outreach", None), ("operator", None)]


async def test_a_service_that_lies_about_its_inbox_is_told_nothing(vault: Vault, platform: Platform) -> None:
    """Outreach may ask, for its own purpose. In the gateway's name it is answered where it cannot listen."""
    lead = await vault.new_lead()
    request = RevealPii(lead_ids=[lead], purpose=Purpose.SUBJECT_REQUEST, on_behalf_of=ADMIN)
    heard: list[Msg] = []
    told: list[Msg] = []

    async def listen(message: Msg) -> None:
        heard.append(message)

    async def tell(message: Msg) -> None:
        told.append(message)

    async with platform.connect("outreach") as liar, platform.connect("gateway") as gateway:
        await gateway.subscribe(f"{inbox_prefix('gateway')}.stolen", cb=tell)
        await gateway.flush()
        await liar.subscribe(f"{inbox_prefix('outreach')}.>", cb=listen)
        subject = request.topic.subject(vault.tenant)
        for inbox in ("_INBOX_gateway.stolen", "_INBOX_gatewayx.a", "_INBOX_.gateway", "_INBOX_outreach.gateway"):
            await liar.publish(subject, encode(request), reply=inbox)
        await liar.flush()
        await until(lambda: answered(told), what="the answer, in the inbox of whom it names")
        await until(lambda: answered(heard), what="the refusal in its own name")
    assert [b"Ada" in message.data for message in told] == [True]
    assert [json.loads(message.data)["code"] for message in heard] == ["forbidden"]
    assert [row["service"] for row in await audit(vault)] == ["gateway"]


async def answered(messages: list[Msg]) -> bool:
    return bool(messages)


async def test_without_a_row_in_the_audit_nothing_is_shown(vault: Vault, platform: Platform) -> None:
    lead = await vault.new_lead()
    async with platform.sql() as sql:
        await sql.execute(
            f"alter table intake.reveal_audit add constraint broken check (tenant_id <> '{vault.tenant}') not valid"
        )
        try:
            error = await refused(vault.reveal(lead))
        finally:
            await sql.execute("alter table intake.reveal_audit drop constraint broken")
    assert error.problem.code is ProblemCode.INTERNAL
    assert "Ada" not in str(error)
    assert (await audit(vault), await events(vault, "pii_revealed")) == ([], [])


async def test_the_audit_can_only_be_added_to(vault: Vault, platform: Platform) -> None:
    await vault.reveal(await vault.new_lead())
    changes = (
        "update intake.reveal_audit set actor = 'user:9'",
        "delete from intake.reveal_audit",
        "truncate intake.reveal_audit",
    )
    async with platform.sql("leadloop_intake") as service:
        for change in changes:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await service.execute(change)
    async with platform.sql() as superuser:
        for change in changes:
            with pytest.raises(asyncpg.RestrictViolationError):
                await superuser.execute(change)
    assert len(await audit(vault)) == 1


async def test_the_audit_is_listed_page_by_page_by_whom_of_whom_for_what_and_when(vault: Vault) -> None:
    leads = [await vault.new_lead(str(n), phone=f"(614) 555-01{n:02}", email=None, linkedin_url=None) for n in range(5)]
    await vault.reveal(*leads[:3])
    await vault.reveal(*leads, sender="operator", who=None, purpose=Purpose.SUPPORT)
    whole, cursor = [], None
    while True:
        page = await vault.ask("operator", ListReveals(limit=3, cursor=cursor))
        whole += page.reveals
        if (cursor := page.next_cursor) is None:
            break
    assert [row.lead_id for row in whole] == [*reversed(leads), *reversed(leads[:3])]

    async def listed(**filters: Any) -> list[Any]:
        return (await vault.ask("gateway", ListReveals(**filters))).reveals

    assert {row.purpose for row in await listed(actor="user:7")} == {"work_lead"}
    assert {row.service for row in await listed(actor="operator")} == {"operator"}
    assert [row.service for row in await listed(lead_id=leads[0])] == ["operator", "gateway"]
    assert len(await listed(person_id=whole[0].person_id)) == 1
    assert len(await listed(purpose=Purpose.SUPPORT)) == 5
    middle = whole[4].revealed_at
    assert len(await listed(since=middle)) == 5
    assert len(await listed(until=middle)) == 3
    assert (await refused(vault.ask("gateway", ListReveals(cursor="x")))).problem.field == "cursor"


async def test_the_audit_of_a_person_has_what_was_shown_before_two_were_found_to_be_one(vault: Vault) -> None:
    first, second = await two_persons(vault)
    await vault.reveal(first, second)
    await vault.submit("0", full_name="Ada Example", phone="(614) 555-0101")
    person = (await vault.reveal(first)).leads[0].person_id
    assert (await vault.reveal(second)).leads[0].person_id == person, "they are one by now"
    rows = (await vault.ask("operator", ListReveals(person_id=person))).reveals
    assert [row.lead_id for row in rows] == [second, first, second, first]


async def limit(vault: Vault, **settings: int) -> None:
    """Have intake know how many persons an hour the tenant allows."""
    changed = TenantChanged(version=9, settings=TenantSettings(**settings), created_at="2026-01-05T00:00:00Z")
    await vault.platform.publish("gateway", vault.tenant, changed)

    async def known() -> bool:
        rows = await vault.rows("select version from intake.tenant where tenant_id = $1")
        return bool(rows[0]["version"] == 9)

    await until(known, what="the new limit")


async def two_persons(vault: Vault) -> list[UUID]:
    return [await vault.new_lead(str(n), phone=f"(614) 555-01{n:02}", email=None, linkedin_url=None) for n in range(2)]


async def test_a_service_by_itself_is_shown_so_many_persons_an_hour_and_no_more(vault: Vault) -> None:
    first, second = await two_persons(vault)
    await limit(vault, reveals_per_hour_of_services=1)
    by_itself = {"sender": "outreach", "who": None, "purpose": Purpose.SEND_MESSAGE}
    await vault.reveal(first, **by_itself)
    error = await refused(vault.reveal(second, **by_itself))
    assert (error.problem.code, error.problem.allowance and error.problem.allowance.limit) == ("unavailable", 1)
    assert [row["lead_id"] for row in await audit(vault)] == [first]


async def test_an_export_counts_as_a_reveal_of_one_person_and_is_limited_with_them(vault: Vault) -> None:
    first, second = await two_persons(vault)
    await limit(vault, reveals_per_hour=1)
    await vault.reveal(first, sender="operator", who=None, purpose=Purpose.SUPPORT)
    error = await refused(vault.ask("operator", ExportLead(lead_id=second)))
    assert (error.problem.code, error.problem.allowance and error.problem.allowance.limit) == ("unavailable", 1)
    assert [row["lead_id"] for row in await audit(vault)] == [first]


async def test_bulk_reveal_is_limited_per_caller_and_told_once_and_alerts_once(
    vault: Vault, platform: Platform
) -> None:
    leads = [await vault.new_lead(str(n), phone=f"(614) 555-01{n:02}", email=None, linkedin_url=None) for n in range(5)]
    async with platform.running("notifier"):
        await platform.introduce(vault.tenant, "intake", "notifier")
        await limit(vault, reveals_per_hour=3)
        await vault.reveal(*leads[:3])
        await vault.reveal(*leads[:3])
        error = await refused(vault.reveal(*leads[2:4]))
        assert error.problem.code is ProblemCode.UNAVAILABLE
        assert error.problem.allowance
        assert error.problem.allowance.limit == 3
        assert 0 < error.problem.allowance.reset_seconds <= 3600
        await refused(vault.reveal(leads[4]))
        assert len(await audit(vault)) == 6
        (told,) = [RevealLimitReached.model_validate(body) for body in await events(vault, "reveal_limit_reached")]
        assert (told.caller, told.limit, told.seen, told.refused) == ("user:7", 3, 3, 1)

        others = OnBehalfOf(user="user:8", role=Role.AGENT)
        assert (await vault.reveal(leads[3], who=others)).leads[0].state is RevealState.REVEALED
        await vault.reveal(*leads, sender="outreach", who=None, purpose=Purpose.SEND_MESSAGE)

        async def alerts() -> list[Any]:
            return (await vault.ask("gateway", ListAlerts())).alerts

        (alert,) = await until(alerts, what="the alert")
        assert (alert.code, alert.evidence["caller"], alert.severity) == ("REVEAL_LIMIT", "user:7", "critical")
        again = told.model_copy(update={"refused": 9})
        await platform.publish("intake", vault.tenant, again)

        async def updated() -> bool:
            return [one.evidence["refused"] for one in await alerts()] == [9]

        await until(updated, what="the one open alert brought up to date")
        await vault.ask("gateway", DismissAlert(alert_id=alert.alert_id, dismissed_by="user:1"))
        assert await alerts() == []


async def test_reveals_to_one_caller_wait_for_each_other_so_that_none_goes_uncounted(
    vault: Vault, platform: Platform
) -> None:
    lead = await vault.new_lead()
    async with platform.sql() as sql:
        lock = f"hashtextextended('vault/reveal/{vault.tenant}/user:7', 0)"
        await sql.execute(f"select pg_advisory_lock({lock})")
        revealing = asyncio.create_task(vault.reveal(lead))

        async def waits() -> Any:
            return await sql.fetchval("select count(*) from pg_locks where locktype = 'advisory' and not granted")

        await until(waits, what="the reveal waiting")
        assert (await vault.reveal(lead, who=ADMIN)).leads[0].name == "Ada Example", "another caller does not wait"
        await sql.execute(f"select pg_advisory_unlock({lock})")
        assert (await revealing).leads[0].name == "Ada Example"


async def test_what_does_not_fit_into_a_reply_is_deferred_and_not_recorded_as_shown(vault: Vault) -> None:
    large = {"text": "x" * 480_000}
    leads = [
        await vault.new_lead(str(n), phone=f"(614) 555-01{n:02}", email=None, linkedin_url=None, metadata=large)
        for n in range(2)
    ]
    shown = (await vault.reveal(*leads)).leads
    assert [one.state for one in shown] == [RevealState.REVEALED, RevealState.DEFERRED]
    assert [row["lead_id"] for row in await audit(vault)] == leads[:1]
    (other,) = (await vault.reveal(leads[1])).leads
    assert other.metadata == large


async def test_a_row_that_is_not_kept_is_noticed(
    monkeypatch: pytest.MonkeyPatch, vault: Vault, platform: Platform
) -> None:
    """The statement that keeps the rows says how many it kept."""
    lead = await vault.new_lead()
    lossy = store_audit._AUDIT.replace("order by n", "where given.n > 1 order by n")
    monkeypatch.setattr(store_audit, "_AUDIT", lossy)
    assert (await refused(vault.reveal(lead))).problem.code is ProblemCode.INTERNAL
