"""Providers in runs: how they are set, tried again, trusted, and paid for, whatever they do."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from contracts.intake.providers import (
    CsvSettings,
    DeleteProvider,
    HttpSettings,
    ListProviders,
    PatternSettings,
    ProviderSecret,
    SetPatternConfidence,
    SetProvider,
)
from contracts.message import ProblemCode, ProblemError
from intake.enrichment import contents, executing
from intake.enrichment.domain_run import LONGEST_PAUSE
from tests.intake.enrichment.scene import CRITERIA, PROVIDERS, Scene, answer
from tests.intake.enrichment.web import Answer, Asked
from tests.waiting import until

NAMED = {"fields": {"name": "n"}}


async def contacts(scene: Scene, run_id: Any) -> list[dict[str, Any]]:
    """What a run holds of people, opened with the tenant's key."""
    from chassis.keys import TenantKeys, key_service
    from chassis.unit_of_work import Database

    settings = scene.platform.settings("intake")
    database = Database("intake", settings.database_url)
    async with database.begin(scene.tenant) as uow:
        key = await TenantKeys(key_service(settings.kms_uri)).of(uow, scene.tenant)
        rows = await uow.execute(
            "select sealed from enrichment_item where tenant_id = :t and run_id = :r and sealed is not null order by item",
            t=scene.tenant, r=run_id,
        )  # fmt: skip
        found = [contents.open_(key, row.sealed, contents.contact(run_id)) for row in rows]
    await database.close()
    return found


async def test_providers_are_set_listed_and_deleted_and_show_no_secret(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADLOOP_PROVIDER_SECRET__ACME__FINDER_KEY", "s3cret")
    secret = ProviderSecret(variable="FINDER_KEY")
    await scene.set("web", HttpSettings(url="https://api.example.com/", secret=secret, **NAMED))
    await scene.set("file", CsvSettings(file="a.csv", fields={"name": "Name"}))
    await scene.set("file", CsvSettings(file="b.csv", fields={"name": "Name"}))
    await scene.set("guess", PatternSettings())
    listed = (await scene.ask(ListProviders())).providers
    assert [(view.provider, view.kind) for view in listed] == [("file", "csv"), ("guess", "pattern"), ("web", "http")]
    assert listed[0].settings["file"] == "b.csv"
    assert listed[2].settings["secret"] == {"header": "Authorization", "prefix": "", "variable": "FINDER_KEY"}
    assert "s3cret" not in str(listed)
    assert (await scene.ask(DeleteProvider(provider="file"))).deleted
    assert not (await scene.ask(DeleteProvider(provider="file"))).deleted
    assert len((await scene.ask(ListProviders())).providers) == 2


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        (HttpSettings(url="https://api.example.com/", fields={"colour": "c"}), "unknown fields: colour"),
        (HttpSettings(url="https://api.example.com/{company.x}", **NAMED), "company has no such field"),
        (HttpSettings(url="https://api.example.com/", query={"a": "{b}"}, **NAMED), "no placeholder's"),
        (HttpSettings(url="https://api.example.com/", method="POST", body={"a": [{"b": "{"}]}, **NAMED), "placeholder"),
        (CsvSettings(file="a.csv", match={"A": "{contact.shoe}"}, fields={"name": "A"}), "contact has no such field"),
    ],
)
async def test_a_provider_that_could_never_be_asked_is_refused(scene: Scene, settings: Any, wrong: str) -> None:
    with pytest.raises(ProblemError, match=wrong) as refused:
        await scene.set("wrong", settings)
    assert refused.value.problem.code is ProblemCode.INVALID


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "ftp://a.test/"}, {"url": "https://{company.domain}/"}, {"url": "https://me:secret@a.test/"},
        {"url": "https://a.test/", "body": {"a": 1}}, {"url": "https://a.test/", "headers": {"Host": "b.test"}},
        {"url": "https://a.test/", "headers": {"X": "a\r\nY: b"}}, {"url": "https://a.test/", "fields": {}},
        {"url": "https://a.test/", "secret": {"variable": "PATH", "header": "host"}}, {"url": "https://a.test/", "x": 1},
    ],
)  # fmt: skip
def test_settings_that_mean_nothing_are_refused(settings: Any) -> None:
    with pytest.raises(ValueError, match="validation error"):
        SetProvider.model_validate({"provider": "a", "http": {**NAMED, **settings}})


@pytest.mark.parametrize(
    ("providers", "wrong"),
    [
        ({"find_companies": ["guess"]}, "cannot find_companies"),
        ({"find_companies": ["people"]}, "its fields must have name, or domain"),
        ({**PROVIDERS, "find_contacts": ["directory"]}, "its fields must have full_name"),
        ({"find_companies": ["late"]}, "company, which find_companies does not know"),
        ({"find_companies": ["nobody"]}, "no provider is called nobody"),
    ],
)
async def test_a_run_is_refused_whose_providers_cannot_do_its_steps(scene: Scene, providers: Any, wrong: str) -> None:
    await scene.three_providers()
    await scene.set("guess", PatternSettings())
    await scene.set("late", HttpSettings(url="https://a.test/{company.domain}", **NAMED))
    with pytest.raises(ProblemError, match=wrong) as refused:
        await scene.start(providers=providers)
    assert refused.value.problem.field.startswith("providers.find_")


@pytest.mark.parametrize(
    "providers",
    [
        {},
        {"find_contacts": ["people"]},
        {"find_companies": ["a"], "enrich_emails": ["b"]},
        {"find_companies": ["a", "a"]},
    ],
)
async def test_steps_follow_each_other(scene: Scene, providers: Any) -> None:
    with pytest.raises(ValueError, match=r"providers"):
        await scene.start(providers=providers)


async def test_a_call_that_failed_for_a_while_is_made_again_under_the_same_key_and_each_is_paid_for_as_it_was(
    scene: Scene,
) -> None:
    await scene.three_providers()
    failures = [Answer(status=429, headers={"Retry-After": "0"}), Answer(breaks=True)]

    async def flaky(asked: Asked) -> Answer:
        return failures.pop(0) if failures else await answer(asked)

    scene.web.answering = flaky
    run = await scene.executed()
    assert run.cost == Decimal("0.60"), "the broken connection may have been charged"
    assert len({asked.headers["idempotency-key"] for asked in scene.web.asked[:3]}) == 1
    calls = (await scene.told("provider_called"))[:3]
    assert [(c["ok"], c["failure"], c["cost"]) for c in calls] == [
        (False, "too_many_requests", "0"), (False, "broken", "0.10"), (True, None, "0.10"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("bad", "asked", "word"),
    [
        (Answer(status=500), 3, "out of order"),
        (Answer(raw=b"<html>"), 1, "not what its settings say"),
        (Answer(status=429, headers={"Retry-After": str(int(LONGEST_PAUSE.total_seconds()) + 1)}), 1, "less often"),
        (Answer(status=401), 1, "refuses"),
    ],
)
async def test_a_run_fails_where_trying_again_does_not_help(scene: Scene, bad: Answer, asked: int, word: str) -> None:
    await scene.three_providers()

    async def answering(_: Asked) -> Answer:
        return bad

    scene.web.answering = answering
    run = await scene.executed("failed")
    assert run.error and word in run.error
    assert len(scene.web.asked) == asked


async def test_a_budget_holds_for_calls_that_fail_as_well(scene: Scene) -> None:
    await scene.three_providers()

    async def breaks(_: Asked) -> Answer:
        return Answer(breaks=True)

    scene.web.answering = breaks
    run = await scene.executed("budget_exhausted", budget=Decimal("0.25"))
    assert (run.cost, len(scene.web.asked)) == (Decimal("0.20"), 2)


async def test_a_provider_that_is_slow_for_one_tenant_holds_up_no_other(scene: Scene) -> None:
    await scene.three_providers()
    go_on = asyncio.Event()

    async def slow(asked: Asked) -> Answer:
        if asked.query.get("industry") == "slow":
            await go_on.wait()
        return await answer(asked)

    scene.web.answering = slow
    slow_ones = [await scene.start(criteria={"industry": "slow", "n": str(n)}) for n in range(10)]
    await until(lambda: _so_many(scene, 4), what="calls under way")
    other = Scene(scene.platform, f"other-{scene.tenant}", scene.web, scene.files)
    await scene.platform.introduce(other.tenant, "intake")
    await other.three_providers()
    scene.web.answering = slow
    await other.executed()
    assert sum(asked.query.get("industry") == "slow" for asked in scene.web.asked) == 4
    go_on.set()
    for run in slow_ones:
        await scene.standing(run.run_id, "succeeded")


async def test_tenants_whose_providers_are_slow_hold_up_none_whose_providers_are_quick(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executing, "_TURN_SECONDS", 0.0)
    answers = asyncio.Semaphore(0)

    async def slow(asked: Asked) -> Answer:
        if "slow" in asked.path:
            await answers.acquire()
            return Answer([{"name": f"Acme {number}"} for number in range(3)])
        return await answer(asked)

    await scene.three_providers()
    scene.web.answering = slow
    others = [Scene(scene.platform, f"slow-{n}-{scene.tenant}", scene.web, scene.files) for n in range(2)]
    runs = []
    for other in others:
        await scene.platform.introduce(other.tenant, "intake")
        for provider, field in (("directory", "name"), ("people", "full_name")):
            patient = HttpSettings(url=f"{scene.web.url}/slow", fields={field: "name"}, timeout_seconds=30)
            await other.set(provider, patient)
        chains = {"find_companies": ["directory"], "find_contacts": ["people"]}
        runs += [(other, await other.start(providers=chains, criteria={"n": n})) for n in range(5)]
    await until(lambda: _so_many(scene, 8), what="every lane taken")
    quick = await scene.start()
    answers.release()
    await scene.standing(quick.run_id, "succeeded")
    slow_calls = [call for other in others for call in await other.told("provider_called") if not call["cached"]]
    assert [call["ok"] for call in slow_calls] == [True], "one slow answer is all it takes"
    for _ in range(1000):
        answers.release()
    for other, run in runs:
        await other.standing(run.run_id, "succeeded")


async def _so_many(scene: Scene, count: int) -> bool:
    return len(scene.web.asked) >= count


async def test_companies_and_people_of_files_get_addresses_by_the_pattern_that_is_trusted_in_their_domain(
    scene: Scene,
) -> None:
    folder = scene.files / scene.tenant
    folder.mkdir()
    (folder / "companies.csv").write_text("Name,State,Site\nAcme,OH,www.acme.test\nBest,PA,best.test\n")
    (folder / "people.csv").write_text("Site,Who\nwww.acme.test,\nacme.test,Ada Example\nacme.test,Zoë Roe\n")
    await scene.set(
        "companies", CsvSettings(file="companies.csv", match={"State": "{criteria.state}"}, fields={"name": "Name", "domain": "Site"})
    )  # fmt: skip
    await scene.set(
        "people", CsvSettings(file="people.csv", match={"Site": "{company.domain}"}, fields={"full_name": "Who"})
    )
    await scene.set("guess", PatternSettings(patterns={"{first}.{last}": 0.5, "{f}{last}": 0.3}))
    chains = {"find_companies": ["companies"], "find_contacts": ["people"], "enrich_emails": ["guess"]}
    run = await scene.executed(criteria=CRITERIA, providers=chains, budget=Decimal(0))
    assert (run.companies, run.contacts, run.emails, run.cost) == (1, 2, 2, 0)
    found = await contacts(scene, run.run_id)
    assert [(each["email"], each["email_confidence"]) for each in found] == [
        ("ada.example@acme.test", 0.5), ("zoe.roe@acme.test", 0.5),
    ]  # fmt: skip

    async def trust(pattern: str, confidence: float, **more: Any) -> Any:
        return await scene.ask(SetPatternConfidence(domain="acme.test", pattern=pattern, confidence=confidence, **more))

    good = await trust("{f}{last}", 0.9)
    assert (good.confidence, (await trust("{first}.{last}", 0)).confidence) == (0.9, 0)
    run = await scene.executed(providers=chains)
    assert [each["email"] for each in await contacts(scene, run.run_id)] == ["aexample@acme.test", "zroe@acme.test"]
    assert (await trust("{first}.{last}", 1, observed_at="2026-01-01T00:00:00Z")).confidence == 0, "later news stays"
    await trust("{f}{last}", 0)
    run = await scene.executed(providers=chains)
    assert (run.contacts, run.emails) == (2, 0), "a pattern that bounced is used no more"
    calls = await scene.told("provider_called")
    assert {call["cost"] for call in calls} == {"0"}
    assert len(calls) == 12
