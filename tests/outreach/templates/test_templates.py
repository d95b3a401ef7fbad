"""Templates are kept in versions that nobody changes, and shown for a lead to whom may see it, with nothing of it kept."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from contracts.intake.leads import SubmitLeadNow
from contracts.intake.privacy import ListReveals, OnBehalfOf
from contracts.message import ProblemCode, ProblemError, Request
from contracts.outreach.templates import (
    CheckTemplate,
    GetTemplate,
    ListTemplates,
    ListTemplateVersions,
    PreviewTemplate,
    SaveTemplate,
    TemplateFlawCode,
    TemplatePreview,
    TemplateView,
)
from contracts.taxonomy import Purpose, Role, SendKind
from intake.privacy.domain_policy import GATEWAY, OUTREACH, WHO_MAY_SEE
from outreach.templates.handlers import MAY_PREVIEW
from tests.outreach.scene import events, outreach
from tests.platform import Platform
from tests.waiting import until

AGENT = OnBehalfOf(user="user:7", role=Role.AGENT)
BODY = "Hello {{ first_name | default: 'there' }}, {% if tier == 'A' and full_name %}{{ full_name }}{% else %}you{% endif %}!"


class Desk:
    """A tenant's people who write templates."""

    def __init__(self, platform: Platform, tenant: str) -> None:
        self.platform = platform
        self.tenant = tenant

    async def ask(self, request: Request[Any]) -> Any:
        return await self.platform.caller.ask(self.tenant, request)

    async def save(self, body: str = BODY, name: str = "hello", **fields: Any) -> TemplateView:
        fields = {"kind": SendKind.EMAIL, "subject": "A question", "actor": "user:1"} | fields
        saved: TemplateView = await self.ask(SaveTemplate(name=name, body=body, **fields))
        return saved

    async def preview(self, template_id: UUID, **fields: Any) -> TemplatePreview:
        preview: TemplatePreview = await self.ask(PreviewTemplate(template_id=template_id, **fields))
        return preview

    async def refused(self, request: Request[Any]) -> tuple[ProblemCode, str | None]:
        with pytest.raises(ProblemError) as raised:
            await self.ask(request)
        return raised.value.problem.code, raised.value.problem.field

    async def new_lead(self, **fields: Any) -> UUID:
        """A lead that intake has, and outreach has heard of."""
        fields = {"source_system": "crm", "source_id": uuid4().hex, "email": "ada@example.com"} | fields
        lead_id: UUID = (await self.ask(SubmitLeadNow(**fields))).lead_id

        async def heard() -> bool:
            async with self.platform.sql() as sql:
                return bool(await sql.fetchval("select 1 from outreach.lead where lead_id = $1", lead_id))

        await until(heard, what="outreach has heard of the lead")
        return lead_id


@pytest.fixture
async def desk(platform: Platform, tenant: str) -> AsyncIterator[Desk]:
    async with outreach(platform, tenant):
        yield Desk(platform, tenant)


@pytest.fixture
async def desk_and_intake(platform: Platform, tenant: str) -> AsyncIterator[Desk]:
    async with platform.running("intake", "outreach"):
        await platform.introduce(tenant, "intake", "outreach")
        yield Desk(platform, tenant)


async def test_what_is_saved_is_a_version_and_stays_as_it_is(desk: Desk) -> None:
    first = await desk.save("One {{ company | default: 'firm' }}\r\n")
    second = await desk.save("Two {{ tier | default: 'x' }} {{ geo | default: 'y' }}", actor="user:2")
    assert (first.version, first.body, first.variables) == (1, "One {{ company | default: 'firm' }}\n", ["company"])
    assert (second.template_id, second.version, second.newest) == (first.template_id, 2, 2)
    assert (second.variables, second.saved_by) == (["geo", "tier"], "user:2")
    assert await desk.ask(GetTemplate(template_id=first.template_id)) == second
    assert await desk.ask(GetTemplate(template_id=first.template_id, version=1)) == first.model_copy(
        update={"newest": 2}
    )
    told = await events(desk.platform, desk.tenant, "template_saved")
    assert [(event["template"], event["send_kind"], event["version"], event["saved_by"]) for event in told] == [
        ("hello", "email", 1, "user:1"), ("hello", "email", 2, "user:2"),
    ]  # fmt: skip


async def test_what_the_newest_version_says_makes_no_new_one_and_what_an_older_one_said_does(desk: Desk) -> None:
    versions = [(await desk.save(body)).version for body in ("One", "One", "Two", "One")]
    assert versions == [1, 1, 2, 3]
    assert (await desk.save("One", subject="Another")).version == 4
    assert len(await events(desk.platform, desk.tenant, "template_saved")) == 4


async def test_versions_saved_at_once_are_all_kept_and_have_each_its_number(desk: Desk) -> None:
    saved = await asyncio.gather(*(desk.save(f"Text {number}") for number in range(8)))
    assert sorted(view.version for view in saved) == [*range(1, 9)]
    assert len({view.template_id for view in saved}) == 1


@pytest.mark.parametrize(
    "change",
    [
        "update outreach.template set created_at = created_at", "delete from outreach.template", "truncate outreach.template cascade",
        "update outreach.template_version set saved_at = saved_at", "delete from outreach.template_version",
        "truncate outreach.template_version",
    ],
)  # fmt: skip
async def test_the_database_lets_nobody_change_a_version(desk: Desk, change: str) -> None:
    await desk.save()
    async with desk.platform.sql() as sql:
        with pytest.raises(asyncpg.PostgresError, match="append-only"):
            await sql.execute(change)


async def test_a_text_with_flaws_is_not_kept_and_the_flaws_are_told(desk: Desk) -> None:
    with pytest.raises(ProblemError) as raised:
        await desk.save("Hello\n{{ first_name }} {{ frist_name }}\n{{ geo | shout }}")
    problem = raised.value.problem
    assert (problem.code, problem.field) == (ProblemCode.INVALID, "body")
    for word in ("line 2", "frist_name", "line 3", "a filter that there is not"):
        assert word in problem.message
    assert await desk.refused(SaveTemplate(name="a", kind=SendKind.EMAIL, body="a", actor="user:1")) == (
        ProblemCode.INVALID,
        "subject",
    )
    sms = SaveTemplate(name="a", kind=SendKind.SMS, subject="a", body="a", actor="user:1")
    assert await desk.refused(sms) == (ProblemCode.INVALID, "subject")
    note = SaveTemplate(name="a", kind=SendKind.CONNECTION_REQUEST, body="x" * 301, actor="user:1")
    assert await desk.refused(note) == (ProblemCode.INVALID, "body")
    assert (await desk.ask(ListTemplates())).templates == []


async def test_texts_are_checked_before_they_are_saved(desk: Desk) -> None:
    good = await desk.ask(
        CheckTemplate(kind=SendKind.EMAIL, subject="A question", body=BODY.replace("Hello", "Hello\r\n"))
    )
    assert (good.flaws, good.variables) == ([], ["first_name", "full_name", "tier"])
    assert (good.subject, good.body) == ("A question", "Hello\n [first_name], you!")
    assert {*good.variables, "unsubscribe_url"} <= set(good.may_use)
    bad = await desk.ask(CheckTemplate(kind=SendKind.SMS, subject="No", body="Hi\n{{ frist_name }}, {{ first_name }}"))
    assert [(flaw.part, flaw.line, flaw.variable) for flaw in bad.flaws] == [
        ("subject", None, None), ("body", 2, "frist_name"),
    ]  # fmt: skip
    assert bad.body is None and "unsubscribe_url" not in bad.may_use
    none = await desk.ask(CheckTemplate(kind=SendKind.SMS, body="{% if"))
    assert none.flaws and none.variables == []
    assert (await desk.ask(ListTemplates())).templates == []


async def test_templates_are_listed_by_their_ids(desk: Desk) -> None:
    saved = [await desk.save(name=f"hello_{n}") for n in range(3)]
    asked = [saved[2].template_id, saved[0].template_id, uuid4()]
    found = await desk.ask(ListTemplates(template_ids=asked))
    assert [each.name for each in found.templates] == ["hello_2", "hello_0"]


async def test_a_name_is_one_kinds(desk: Desk) -> None:
    await desk.save()
    sms = SaveTemplate(name="hello", kind=SendKind.SMS, body="a", actor="user:1")
    assert await desk.refused(sms) == (ProblemCode.CONFLICT, "kind")


async def test_templates_and_versions_are_listed_a_page_at_a_time(desk: Desk) -> None:
    for name, kind in (("one", SendKind.EMAIL), ("two", SendKind.SMS), ("three", SendKind.EMAIL)):
        await desk.save("a", name=name, kind=kind, subject="s" if kind is SendKind.EMAIL else None)
    last = await desk.save("b", name="three")
    page = await desk.ask(ListTemplates(limit=2))
    rest = await desk.ask(ListTemplates(limit=2, cursor=page.next_cursor))
    assert [(each.name, each.version, each.versions) for each in page.templates] == [("three", 2, 2), ("two", 1, 1)]
    assert ([each.name for each in rest.templates], rest.next_cursor) == (["one"], None)
    assert [each.name for each in (await desk.ask(ListTemplates(kind=SendKind.SMS))).templates] == ["two"]

    page = await desk.ask(ListTemplateVersions(template_id=last.template_id, limit=1))
    rest = await desk.ask(ListTemplateVersions(template_id=last.template_id, limit=1, cursor=page.next_cursor))
    assert ([each.version for each in page.versions + rest.versions], rest.next_cursor) == ([2, 1], None)
    for cursor in ("x", "-1", "99999999999"):
        refused = await desk.refused(ListTemplateVersions(template_id=last.template_id, cursor=cursor))
        assert refused == (ProblemCode.INVALID, "cursor")


async def test_what_is_not_there_is_said_to_be_not_there(desk: Desk, platform: Platform) -> None:
    saved = await desk.save()
    nowhere = uuid4()
    for request, field in (
        (GetTemplate(template_id=nowhere), "template_id"),
        (GetTemplate(template_id=saved.template_id, version=2), "version"),
        (ListTemplateVersions(template_id=nowhere), "template_id"),
        (PreviewTemplate(template_id=nowhere, sample={}), "template_id"),
        (PreviewTemplate(template_id=saved.template_id, lead_id=nowhere, on_behalf_of=AGENT), "lead_id"),
    ):
        assert await desk.refused(request) == (ProblemCode.NOT_FOUND, field)


async def test_another_tenant_sees_none_of_it(desk: Desk, platform: Platform) -> None:
    saved = await desk.save()
    other = Desk(platform, f"other-{uuid4().hex[:8]}")
    assert (await other.ask(ListTemplates())).templates == []
    assert (await other.refused(GetTemplate(template_id=saved.template_id)))[0] is ProblemCode.NOT_FOUND


async def test_a_preview_with_sample_values_needs_nobody_and_tells_what_is_lacking(desk: Desk) -> None:
    saved = await desk.save(
        "{{ first_name | default: 'You' }} of {{ metadata.city | default: 'here' }}, {{ sender.name }}"
    )
    preview = await desk.preview(saved.template_id, sample={"first_name": "Ada", "metadata.city": "Dublin"})
    assert (preview.version, preview.subject, preview.body) == (1, "A question", "Ada of Dublin, [sender.name]")
    preview = await desk.preview(saved.template_id, sample={"sender.name": "Bo"})
    assert preview.body == "You of here, Bo"
    gone = await desk.save("{% if company %}{{ company | remove: 'Ltd' }}{% endif %} Ltd", name="gap")
    preview = await desk.preview(gone.template_id, sample={"company": "Ltd"})
    assert (preview.subject, preview.body) == (None, None)
    assert [(flaw.code, flaw.variable) for flaw in preview.flaws] == [(TemplateFlawCode.LACKING, "company")]


async def test_a_preview_on_a_lead_shows_what_intake_reveals_and_leaves_a_row_in_the_audit(
    desk_and_intake: Desk,
) -> None:
    desk = desk_and_intake
    saved = await desk.save("{{ full_name }} / {{ company }} / {{ metadata.pets }} / {{ source }} / {{ geo | words }} / {{ intent }} / {{ tier }}"
                            .replace(" }}", " | default: '-' }}"))  # fmt: skip
    lead_id = await desk.new_lead(
        full_name="Ada Example",
        source="Open house",
        geo="Dublin, OH",
        intent="seller",
        tier="B",
        metadata={"pets": "two dogs"},
    )
    preview = await desk.preview(saved.template_id, lead_id=lead_id, on_behalf_of=AGENT)
    assert preview.body == "Ada Example / - / two dogs / open_house / dublin oh / seller / B"
    assert preview.flaws == []

    (reveal,) = (await desk.ask(ListReveals(lead_id=lead_id))).reveals
    assert (reveal.service, reveal.purpose, reveal.actor) == ("outreach", Purpose.SEND_MESSAGE, None)
    assert sorted(reveal.fields) == ["metadata", "name"]
    (told,) = await events(desk.platform, desk.tenant, "template_previewed")
    assert (told["actor"], told["role"], told["lead_id"], told["version"]) == ("user:7", "agent", str(lead_id), 1)
    assert told["correlation_id"] == reveal.correlation_id


async def test_a_preview_of_an_older_version_shows_that_one(desk_and_intake: Desk) -> None:
    desk = desk_and_intake
    saved = await desk.save("One {{ tier | default: '-' }}")
    await desk.save("Two {{ tier | default: '-' }}")
    lead_id = await desk.new_lead(tier="A")
    preview = await desk.preview(saved.template_id, version=1, lead_id=lead_id, on_behalf_of=AGENT)
    assert (preview.version, preview.body) == (1, "One A")


async def test_of_what_a_template_does_not_use_nothing_is_revealed(desk_and_intake: Desk) -> None:
    desk = desk_and_intake
    saved = await desk.save("Hello {{ tier | default: 'you' }}")
    named = await desk.save("Hello {{ first_name | default: 'you' }}", name="named")
    lead_id = await desk.new_lead(full_name="Ada Example", tier="A", notes="a secret")
    await desk.preview(saved.template_id, lead_id=lead_id, on_behalf_of=AGENT)
    assert (await desk.ask(ListReveals(lead_id=lead_id))).reveals == []
    await desk.preview(named.template_id, lead_id=lead_id, on_behalf_of=AGENT)
    (reveal,) = (await desk.ask(ListReveals(lead_id=lead_id))).reveals
    assert reveal.fields == ["name"]


async def test_nothing_personal_of_a_preview_is_stored_or_told(desk_and_intake: Desk) -> None:
    desk = desk_and_intake
    saved = await desk.save("Dear {{ full_name }} {{ metadata.pets }}".replace(" }}", " | default: '-' }}"))
    lead_id = await desk.new_lead(full_name="Adelheid Nebukadnezar", metadata={"pets": "two iguanas"})
    preview = await desk.preview(saved.template_id, lead_id=lead_id, on_behalf_of=AGENT)
    assert preview.body == "Dear Adelheid Nebukadnezar two iguanas"
    async with desk.platform.sql() as sql:
        tables = await sql.fetch(
            "select table_name from information_schema.tables where table_schema = 'outreach' and table_type = 'BASE TABLE'"
        )
        for (table,) in tables:
            rows = json.dumps([row[0] for row in await sql.fetch(f"select to_jsonb(t)::text from outreach.{table} t")])
            for word in ("Adelheid", "iguana", b"Adelheid".hex(), b"iguana".hex()):
                assert word not in rows, table
    assert len(tables) > 10


@pytest.mark.parametrize(
    "who", [None, *(OnBehalfOf(user="user:7", role=role) for role in Role if role not in MAY_PREVIEW)]
)
async def test_a_leads_preview_is_shown_to_nobody_who_may_not_send_messages(desk: Desk, who: OnBehalfOf | None) -> None:
    saved = await desk.save()
    refused = await desk.refused(PreviewTemplate(template_id=saved.template_id, lead_id=uuid4(), on_behalf_of=who))
    assert refused == (ProblemCode.FORBIDDEN, "on_behalf_of")


def test_whoever_may_preview_may_see_the_same_by_way_of_the_gateway() -> None:
    assert WHO_MAY_SEE[GATEWAY, Purpose.SEND_MESSAGE] == MAY_PREVIEW
    # Once intake lets outreach ask on behalf of these, the preview is to, so that the audit and the hourly limit are the user's.
    assert WHO_MAY_SEE[OUTREACH, Purpose.SEND_MESSAGE] == {None}


async def test_without_intake_nothing_personal_is_shown_and_the_caller_is_told(desk: Desk, platform: Platform) -> None:
    saved = await desk.save()
    async with platform.sql() as sql:
        lead_id = uuid4()
        await sql.execute(
            """insert into outreach.lead (tenant_id, lead_id, version, names, channels, attribution, metadata, erased)
               values ($1, $2, 1, '{}', '{}', '{}', '{}', false)""",
            desk.tenant,
            lead_id,
        )
    refused = await desk.refused(PreviewTemplate(template_id=saved.template_id, lead_id=lead_id, on_behalf_of=AGENT))
    assert refused[0] is ProblemCode.UNAVAILABLE
    assert await events(platform, desk.tenant, "template_previewed") == []
