"""Runs: companies, then contacts, then e-mail addresses; with their progress, costs, budget, end, cancellation and resumption."""

import asyncio
from decimal import Decimal
from uuid import uuid4

import pytest

from contracts.intake.enrichment import GetRun, ListCompanies, ListRuns
from contracts.intake.memory import CheckAction, ListActions
from contracts.intake.providers import DeleteProvider, HttpSettings
from contracts.message import ProblemError
from tests.intake.enrichment.scene import CRITERIA, PROVIDERS, Scene, answer
from tests.intake.enrichment.web import Answer, Asked
from tests.waiting import until


async def test_a_run_finds_companies_then_contacts_then_addresses_and_tells_its_progress_and_cost(scene: Scene) -> None:
    await scene.three_providers()
    started = await scene.start()
    assert (started.status, started.recall.similar_action_found) == ("pending", False)
    run = await scene.standing(started.run_id, "succeeded")
    assert (run.companies, run.contacts, run.emails) == (2, 3, 3)
    assert (run.cost, run.criteria) == (Decimal("0.50"), CRITERIA)
    assert [(s.step, s.status, s.done, s.total, s.found, s.calls, s.cost, s.attempts) for s in run.steps] == [
        ("find_companies", "succeeded", 1, 1, 2, 1, Decimal("0.10"), 1),
        ("find_contacts", "succeeded", 2, 2, 3, 2, Decimal("0.20"), 1),
        ("enrich_emails", "succeeded", 3, 3, 3, 2, Decimal("0.20"), 1),
    ]
    assert [(c.name, c.domain, c.city, c.contacts) for c in run.found_companies] == [
        ("Acme Roofing", "acme.test", "Dublin", 2),
        ("Best Roofs", "best.test", "Columbus", 1),
    ]
    assert scene.web.asked[0].query == CRITERIA
    calls = await scene.told("provider_called")
    assert [(c["step"], c["item"], c["provider"], c["cost"], c["ok"], c["found"]) for c in calls] == [
        ("find_companies", 1, "directory", "0.10", True, 2),
        ("find_contacts", 1, "people", "0.10", True, 2),
        ("find_contacts", 2, "people", "0.10", True, 1),
        ("enrich_emails", 1, "finder", "0.10", True, 1),
        ("enrich_emails", 2, "finder", "0.10", True, 1),
    ]
    told = [event["event"] for event in await scene.told() if event["event"] != "provider_called"]
    assert told == [
        "action_recorded", "enrichment_started", "enrichment_step_completed", "enrichment_step_completed",
        "enrichment_step_completed", "enrichment_completed", "action_updated",
    ]  # fmt: skip


async def test_a_budget_stops_a_run_before_the_call_that_would_exceed_it_and_a_larger_one_lets_it_go_on(
    scene: Scene,
) -> None:
    await scene.three_providers()
    run = await scene.executed("budget_exhausted", budget=Decimal("0.30"))
    assert (run.cost, len(scene.web.asked)) == (Decimal("0.30"), 3)
    assert run.error and "larger" in run.error
    assert [step.status for step in run.steps] == ["succeeded", "succeeded", "budget_exhausted"]
    (failed,) = await scene.told("enrichment_failed")
    assert (failed["status"], failed["step"], failed["cost"]) == ("budget_exhausted", "enrich_emails", "0.30")
    again = await scene.resume(run.run_id)
    assert again.status == "pending"
    await scene.standing(run.run_id, "budget_exhausted")
    await scene.resume(run.run_id, budget=Decimal("0.50"))
    done = await scene.standing(run.run_id, "succeeded")
    assert (done.cost, len(scene.web.asked)) == (Decimal("0.50"), 5)


async def test_a_run_is_resumed_from_the_failed_step_and_what_is_done_is_not_asked_again(scene: Scene) -> None:
    await scene.three_providers()

    async def refuse_best(asked: Asked) -> Answer:
        return Answer(status=403) if "best.test" in asked.path else await answer(asked)

    scene.web.answering = refuse_best
    run = await scene.executed("failed")
    assert [step.status for step in run.steps] == ["succeeded", "failed", "pending"]
    assert (run.steps[1].done, run.steps[1].total, run.error) == (1, 2, run.steps[1].error)
    assert run.error and "refuses" in run.error
    (failed,) = await scene.told("enrichment_failed")
    assert (failed["step"], failed["failure"]) == ("find_contacts", "refused")
    scene.web.answering = answer
    await scene.resume(run.run_id)
    done = await scene.standing(run.run_id, "succeeded")
    assert [step.attempts for step in done.steps] == [1, 2, 1]
    assert done.error is None
    assert scene.web.paths() == [
        "/companies", "/companies/acme.test/people", "/companies/best.test/people", "/companies/best.test/people",
        "/find", "/find",
    ]  # fmt: skip
    one, other = (a.headers["idempotency-key"] for a in scene.web.asked if "best.test" in a.path)
    assert one != other, "resumed by somebody, it is another call"
    resumed = [event["resumed"] for event in await scene.told("enrichment_started")]
    assert resumed == [False, True]
    with pytest.raises(ProblemError, match="only one that stands still"):
        await scene.resume(run.run_id)


async def test_an_item_that_fails_again_and_again_can_be_passed_over(scene: Scene) -> None:
    await scene.three_providers()

    async def refuse_acme(asked: Asked) -> Answer:
        return Answer(status=403) if "acme.test" in asked.path else await answer(asked)

    scene.web.answering = refuse_acme
    run = await scene.executed("failed")
    await scene.resume(run.run_id, skip_failed=True)
    done = await scene.standing(run.run_id, "succeeded")
    assert (done.contacts, done.steps[1].done) == (1, 2)


async def test_a_cancellation_takes_effect_before_the_next_call_and_the_run_can_be_resumed(scene: Scene) -> None:
    await scene.three_providers()
    go_on, asked_for_people = asyncio.Event(), asyncio.Event()

    async def wait_for_it(asked: Asked) -> Answer:
        if asked.path.endswith("people"):
            asked_for_people.set()
            await go_on.wait()
        return await answer(asked)

    scene.web.answering = wait_for_it
    run = await scene.start()
    await asked_for_people.wait()
    cancelled = await scene.cancel(run.run_id)
    assert cancelled.status == "cancelled"
    go_on.set()

    async def paid() -> bool:
        return (await scene.run(run.run_id)).cost == Decimal("0.20")

    await until(paid, what="the call under way being paid for")
    details = await scene.run(run.run_id)
    assert [step.status for step in details.steps] == ["succeeded", "cancelled", "pending"]
    assert (details.steps[1].done, len(scene.web.asked)) == (0, 2)
    assert (await scene.cancel(run.run_id)).status == "cancelled"
    (told,) = await scene.told("enrichment_cancelled")
    assert told["actor"] == "user:8"
    await scene.resume(run.run_id)
    done = await scene.standing(run.run_id, "succeeded")
    assert (len(scene.web.asked), done.steps[1].cached) == (5, 1), "what was paid for is not asked again"


async def test_what_was_answered_before_costs_nothing_within_the_time_that_is_remembered(scene: Scene) -> None:
    await scene.three_providers()
    first = await scene.executed()
    asked = len(scene.web.asked)
    second = await scene.executed(budget=Decimal(0))
    assert (len(scene.web.asked), second.cost) == (asked, Decimal(0))
    assert (second.companies, second.contacts, second.emails) == (first.companies, first.contacts, first.emails)
    assert [(step.calls, step.cached) for step in second.steps] == [(0, 1), (0, 2), (0, 2)]
    told = [(event["cached"], event["cost"]) for event in await scene.told("provider_called")]
    assert told == [(False, "0.10")] * 5 + [(True, "0")] * 5
    await scene.three_providers()
    third = await scene.executed()
    assert third.cost == 0, "set again as they were, they are the same providers"
    await scene.sql("update intake.memory set expires_at = now() where tenant_id = $1", scene.tenant)
    fourth = await scene.executed()
    assert (fourth.cost, len(scene.web.asked)) == (Decimal("0.50"), 2 * asked)
    await scene.three_providers(price="0.20")
    fifth = await scene.executed()
    assert fifth.cost == Decimal("1.00"), "set otherwise, they are others"


async def test_before_a_run_a_similar_one_is_recalled_and_its_end_is_recorded(scene: Scene) -> None:
    await scene.three_providers()
    first = await scene.executed()
    again = await scene.start(proceed_anyway=True)
    assert again.recall.similar_action_found and again.recall.allow_proceed
    assert again.recall.previous_action_status == "completed"
    await scene.standing(again.run_id, "succeeded")
    failed = await scene.executed("budget_exhausted", criteria={"industry": "dentists"}, budget=Decimal(0))
    about = {"action_type": "enrichment", "entity_type": "company"}
    assert (await scene.ask(CheckAction(request=CRITERIA, **about))).similar_action_found
    actions = (await scene.ask(ListActions(action_type="enrichment"))).actions
    assert [(action.action_id, action.status, action.proceeded_anyway) for action in actions] == [
        (failed.run_id, "no_action", False),
        (again.run_id, "completed", True),
        (first.run_id, "completed", False),
    ]
    assert actions[1].similar_to == first.run_id


async def test_a_run_that_goes_on_although_a_similar_one_is_known_is_recorded_as_such_whoever_says_so_or_not(
    scene: Scene,
) -> None:
    await scene.three_providers()
    first = await scene.executed()
    again = await scene.executed()
    (audited,) = (await scene.ask(ListActions(proceeded_anyway=True))).actions
    assert (audited.action_id, audited.similar_to) == (again.run_id, first.run_id)


async def test_a_run_that_only_finds_companies_is_a_discovery_and_repeats_what_found_them_before(scene: Scene) -> None:
    await scene.three_providers()
    only = {"find_companies": ["directory"]}
    first = await scene.executed(providers=only)
    (action,) = (await scene.ask(ListActions())).actions
    assert (action.action_id, action.action_type, action.status) == (first.run_id, "discovery", "completed")
    again = await scene.start(providers=only)
    assert again.recall.similar_action_found and again.recall.previous_action_id == first.run_id
    whole = await scene.start()
    assert not whole.recall.similar_action_found, "people in those companies were not looked for before"
    dentists = {"industry": "dentists", "state": "CA"}
    enriched = await scene.executed(criteria=dentists)
    found = await scene.start(criteria=dentists, providers=only)
    assert found.recall.previous_action_id == enriched.run_id, "an enrichment begins with the same"
    audited = {
        each.action_id: each.similar_to for each in (await scene.ask(ListActions(proceeded_anyway=True))).actions
    }
    assert audited == {again.run_id: first.run_id, found.run_id: enriched.run_id}


async def test_a_run_that_was_stopped_half_way_is_remembered_as_partial(scene: Scene) -> None:
    await scene.three_providers()
    run = await scene.executed("budget_exhausted", budget=Decimal("0.10"))
    (action,) = (await scene.ask(ListActions(action_type="enrichment"))).actions
    assert (action.action_id, action.status) == (run.run_id, "partial")


async def test_the_next_provider_is_asked_where_one_finds_nothing(scene: Scene) -> None:
    await scene.three_providers()
    nothing = HttpSettings(url=f"{scene.web.url}/nothing", results="people", fields={"full_name": "name"})
    await scene.set("poor", nothing)

    async def poor(asked: Asked) -> Answer:
        return Answer({"people": []}) if asked.path == "/nothing" else await answer(asked)

    scene.web.answering = poor
    run = await scene.executed(providers={**PROVIDERS, "find_contacts": ["poor", "people"]})
    assert (run.contacts, run.steps[1].calls, run.steps[1].cached) == (3, 3, 1)


async def test_a_step_without_providers_is_skipped_and_limits_hold(scene: Scene) -> None:
    await scene.three_providers()
    run = await scene.executed(providers={"find_companies": ["directory"]}, most_companies=1)
    assert [step.status for step in run.steps] == ["succeeded", "skipped", "skipped"]
    assert (run.companies, run.contacts) == (1, 0)
    run = await scene.executed(most_contacts=1)
    assert (run.companies, run.contacts) == (2, 2)


async def test_a_run_is_started_once_under_its_id(scene: Scene) -> None:
    await scene.three_providers()
    run_id = uuid4()
    await asyncio.gather(*(scene.start(run_id=run_id) for _ in range(8)))
    await scene.standing(run_id, "succeeded")
    assert (await scene.start(run_id=run_id)).status == "succeeded"
    assert len(await scene.told("enrichment_started")) == 1
    assert len(scene.web.asked) == 5


async def test_a_provider_that_is_gone_fails_the_run_until_it_is_set_again(scene: Scene) -> None:
    await scene.three_providers()
    go_on = asyncio.Event()

    async def wait(asked: Asked) -> Answer:
        await go_on.wait()
        return await answer(asked)

    scene.web.answering = wait
    run = await scene.start()
    await until(lambda: _first(scene), what="a call")
    assert (await scene.ask(DeleteProvider(provider="people"))).deleted
    go_on.set()
    failed = await scene.standing(run.run_id, "failed")
    assert failed.error and "set it again" in failed.error
    await scene.three_providers()
    await scene.resume(run.run_id)
    await scene.standing(run.run_id, "succeeded")


async def _first(scene: Scene) -> bool:
    return bool(scene.web.asked)


async def test_runs_and_companies_are_listed_a_page_at_a_time(scene: Scene) -> None:
    await scene.three_providers()
    runs = [await scene.executed(criteria={"industry": str(n)}) for n in range(3)]
    first = await scene.ask(ListRuns(limit=2))
    rest = await scene.ask(ListRuns(limit=2, cursor=first.next_cursor))
    assert [run.run_id for run in [*first.runs, *rest.runs]] == [run.run_id for run in runs[::-1]]
    assert rest.next_cursor is None
    assert (await scene.ask(ListRuns(status="failed"))).runs == []
    one = await scene.ask(ListCompanies(run_id=runs[0].run_id, limit=1))
    other = await scene.ask(ListCompanies(run_id=runs[0].run_id, limit=1, cursor=one.next_cursor))
    assert [c.domain for c in [*one.found_companies, *other.found_companies]] == ["acme.test", "best.test"]
    assert other.next_cursor is None
    for request in (ListRuns(cursor="x"), ListCompanies(run_id=runs[0].run_id, cursor="x")):
        with pytest.raises(ProblemError, match="not a cursor"):
            await scene.ask(request)
    with pytest.raises(ProblemError, match="no such run"):
        await scene.ask(GetRun(run_id=uuid4()))


async def test_one_tenants_runs_and_providers_are_not_anothers(scene: Scene) -> None:
    await scene.three_providers()
    run = await scene.executed()
    other = Scene(scene.platform, f"other-{scene.tenant}", scene.web, scene.files)
    await scene.platform.introduce(other.tenant, "intake")
    assert (await other.ask(ListRuns())).runs == []
    with pytest.raises(ProblemError, match="no such run"):
        await other.run(run.run_id)
    with pytest.raises(ProblemError, match="no provider is called"):
        await other.start()
