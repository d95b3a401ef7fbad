"""A tenant's aliases: other words for its sources and places, for whatever is submitted from then on."""

from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError
from sqlalchemy import event

from chassis.unit_of_work import Database
from contracts.intake.aliases import MOST_ALIASES, Alias, AliasName, DeleteAliases, ListAliases, SetAliases
from contracts.intake.leads import ListLeads, SubmitLead
from contracts.message import ProblemCode, ProblemError
from contracts.values import Attribution
from intake.leads.aliases import rename, renamed
from tests.intake.submissions.test_submitting import told, verdicts
from tests.platform import Platform


@pytest.fixture
async def running(intake: Platform, tenant: str) -> Platform:
    """Intake, knowing the tenant."""
    await intake.introduce(tenant, "intake")
    return intake


def alias(kind: str, alias: str, key: str) -> Alias:
    return Alias.model_validate({"kind": kind, "alias": alias, "key": key})


def named(kind: str, alias: str) -> AliasName:
    return AliasName.model_validate({"kind": kind, "alias": alias})


async def keys_of(platform: Platform, tenant: str, *leads: dict[str, Any]) -> list[tuple[str | None, str | None]]:
    """The source and the geo key of each lead, submitted together."""
    ids = [
        await platform.publish("operator", tenant, SubmitLead(source_system="web", full_name="Jane Roe", **lead))
        for lead in leads
    ]
    await verdicts(platform, tenant, *ids)
    views = {view.source_id: view.attribution for view in (await platform.caller.ask(tenant, ListLeads())).leads}
    return [(views[lead["source_id"]].source_key, views[lead["source_id"]].geo_key) for lead in leads]


async def test_what_is_submitted_gets_the_key_of_its_alias_however_it_is_spelled(
    running: Platform, tenant: str
) -> None:
    order = SetAliases(aliases=[alias("source", "G Ads", "google"), alias("geo", "Cbus", "columbus_oh"),
                                alias("geo", "Springfield, Illinois", "Capital Region"), alias("geo", "google", "x")])  # fmt: skip
    assert (await running.caller.ask(tenant, order)).changes == 4
    leads = [
        {"source_id": "1", "source": "g-ads", "geo": "CBUS"},
        {"source_id": "2", "source": "https://x.org/?utm_source=G%20Ads", "geo": "Springfield IL 62701"},
        {"source_id": "3", "source": "google", "geo": "Columbus, OH"},
        {"source_id": "4", "metadata": {"utm_source": "g_ads"}},
    ]
    assert await keys_of(running, tenant, *leads) == [
        ("google", "columbus_oh"), ("google", "capital_region"), ("google", "columbus_oh"), ("google", None),
    ]  # fmt: skip


async def test_a_batch_asks_once_for_all_its_aliases_and_without_keys_not_at_all(
    running: Platform, tenant: str
) -> None:
    await running.caller.ask(tenant, SetAliases(aliases=[alias("geo", "place 7", "seven")]))
    database = Database("intake", running.database_url("leadloop_intake"))
    asked: list[str] = []
    event.listen(database.engine.sync_engine, "before_cursor_execute", lambda *call: asked.append(call[2]))
    try:
        async with database.begin(tenant) as uow:
            asked.clear()
            leads = [Attribution(source_key=f"source_{n}", geo_key=f"place_{n}") for n in range(500)]
            keys = await renamed(uow, tenant, leads)
            assert [rename(lead, keys).geo_key for lead in leads[6:9]] == ["place_6", "seven", "place_8"]
            assert len(asked) == 1
            assert not await renamed(uow, tenant, [Attribution()] * 500)
            assert len(asked) == 1
    finally:
        await database.close()


async def test_an_alias_is_followed_once(running: Platform, tenant: str) -> None:
    await running.caller.ask(tenant, SetAliases(aliases=[alias("source", "a", "b"), alias("source", "b", "c")]))
    leads = [{"source_id": "1", "source": "a"}, {"source_id": "2", "source": "b"}]
    assert [source for source, _ in await keys_of(running, tenant, *leads)] == ["b", "c"]


async def test_a_lead_keeps_its_keys_until_its_source_sends_it_with_other_values(
    running: Platform, tenant: str
) -> None:
    lead = {"source_id": "1", "geo": "Cbus"}
    assert await keys_of(running, tenant, lead) == [(None, "cbus")]
    await running.caller.ask(tenant, SetAliases(aliases=[alias("geo", "cbus", "columbus_oh")]))
    assert await keys_of(running, tenant, lead) == [(None, "cbus")]
    assert await keys_of(running, tenant, lead | {"tier": "A"}) == [(None, "columbus_oh")]
    await running.caller.ask(tenant, DeleteAliases(aliases=[named("geo", "cbus")]))
    assert await keys_of(running, tenant, lead | {"tier": "A"}) == [(None, "columbus_oh")]


async def test_changes_are_told_and_what_changes_nothing_is_not(running: Platform, tenant: str) -> None:
    ask = running.caller.ask
    order = SetAliases(
        aliases=[alias("geo", "Cbus", "columbus_oh"), alias("source", "g ads", "google")], changed_by="user:7"
    )
    assert (await ask(tenant, order)).changes == 2
    assert (await ask(tenant, order)).changes == 0
    assert (await ask(tenant, SetAliases(aliases=[alias("geo", "cbus", "Ohio")]))).changes == 1
    gone = DeleteAliases(aliases=[named("geo", "CBUS"), named("geo", "never was"), named("source", "cbus")])
    assert [(await ask(tenant, gone)).changes for _ in range(2)] == [1, 0]
    events = [body for subject, body in await told(running, tenant, 3) if ".aliases_changed." in subject]
    assert [
        ({(a["kind"], a["alias"]): a["key"] for a in body["aliases"]}, body["deleted"], body["changed_by"]) for body in events
    ] == [
        ({("geo", "cbus"): "columbus_oh", ("source", "g_ads"): "google"}, [], "user:7"),
        ({("geo", "cbus"): "ohio"}, [], None),
        ({}, [{"kind": "geo", "alias": "cbus", "key": "ohio"}], None),
    ]  # fmt: skip


async def test_an_alias_can_be_deleted_as_it_is_listed_wherever_the_tenant_is_by_now(
    running: Platform, tenant: str
) -> None:
    await running.caller.ask(tenant, SetAliases(aliases=[alias("geo", "Batumi, Georgia", "adjara")]))
    async with running.sql() as sql:  # as it was kept when the tenant was in Georgia
        await sql.execute("update intake.alias set alias = 'batumi_georgia' where tenant_id = $1", tenant)
    (listed,) = (await running.caller.ask(tenant, ListAliases())).aliases
    assert (await running.caller.ask(tenant, DeleteAliases(aliases=[named("geo", listed.alias)]))).changes == 1


async def test_aliases_are_listed_a_page_at_a_time(running: Platform, tenant: str) -> None:
    given = [alias("source", f"source {n}", "one") for n in range(5)] + [
        alias("geo", f"place {n}", "two") for n in range(5)
    ]
    await running.caller.ask(tenant, SetAliases(aliases=given))
    pages, cursor = [], None
    while not pages or cursor:
        page = await running.caller.ask(tenant, ListAliases(limit=4, cursor=cursor))
        pages.append([(a.kind.value, a.alias) for a in page.aliases])
        cursor = page.next_cursor
    assert [len(page) for page in pages] == [4, 4, 2]
    kinds = {kind: [name for page in pages for k, name in page if k == kind] for kind in ("geo", "source")}
    assert kinds == {"geo": [f"place_{n}" for n in range(5)], "source": [f"source_{n}" for n in range(5)]}
    only = await running.caller.ask(tenant, ListAliases(kind="geo"))
    assert [a.alias for a in only.aliases] == kinds["geo"]
    for wrong in ("place:x", "geo:A\0", "geo"):
        with pytest.raises(ProblemError) as refused:
            await running.caller.ask(tenant, ListAliases(cursor=wrong + "!"))
        assert refused.value.problem.field == "cursor"


async def test_an_alias_that_would_stand_for_two_keys_is_refused(running: Platform, tenant: str) -> None:
    twice = SetAliases(aliases=[alias("geo", "C bus", "columbus_oh"), alias("geo", "c-bus", "Berlin")])
    with pytest.raises(ProblemError) as refused:
        await running.caller.ask(tenant, twice)
    assert (refused.value.problem.code, refused.value.problem.field) == (ProblemCode.INVALID, "aliases.1.alias")
    assert not (await running.caller.ask(tenant, ListAliases())).aliases


async def test_a_tenant_has_its_own_aliases_in_the_database_as_well(running: Platform, tenant: str) -> None:
    other = f"other-{uuid4().hex[:8]}"
    await running.introduce(other, "intake")
    await running.caller.ask(tenant, SetAliases(aliases=[alias("geo", "cbus", "columbus_oh")]))
    assert not (await running.caller.ask(other, ListAliases())).aliases
    assert await keys_of(running, other, {"source_id": "1", "geo": "Cbus"}) == [(None, "cbus")]
    async with running.sql("leadloop_intake") as session:
        await session.fetch("select set_config('app.tenants', $1, false)", f"{{{other}}}")
        assert await session.fetchval("select count(*) from intake.alias") == 0


@pytest.mark.parametrize("text", ["jane@example.com", "614-555-0134", "!!!", ""])
@pytest.mark.parametrize("field", ["alias", "key"])
def test_an_alias_travels_in_clear_and_so_holds_no_contact(field: str, text: str) -> None:
    with pytest.raises(ValidationError):
        Alias.model_validate({"kind": "geo", "alias": "a", "key": "b"} | {field: text})


def test_as_many_aliases_as_one_order_takes_fit_into_one_message() -> None:
    widest = [alias("source", f"{n:03}" + "😀" * 197, "b" + "語" * 199) for n in range(MOST_ALIASES)]
    assert len(SetAliases(aliases=widest).model_dump_json().encode()) < 2**20
