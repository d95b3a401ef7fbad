"""What an upstream sends beyond its limit is parked, and comes through later, in order, once, without anybody's harm."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

import pytest

from chassis.caller import Caller
from contracts.gateway import TenantChanged, TenantSettings
from contracts.intake.leads import CountSubmissions, GetSubmissions, SubmitLeadNow
from contracts.intake.limits import ListParked
from contracts.message import ProblemCode, ProblemError
from contracts.operations import ListDeadLetters, RedriveDeadLetters
from intake.limits import releasing
from intake.limits.releasing import Releaser
from intake.submissions import submitting
from leadloop import embedded
from tests.intake.limits.scene import Scene, lead, numbers, send
from tests.platform import Platform
from tests.waiting import until


@pytest.fixture
async def scene(platform: Platform, tenant: str) -> AsyncIterator[Scene]:
    """A tenant whose sources may submit 10 leads a minute."""
    async with Scene(platform, tenant).running(leads_per_minute=10) as running:
        yield running


async def test_the_excess_is_parked_and_released_oldest_first_as_the_limit_allows(scene: Scene) -> None:
    async with scene.platform.upstream(scene.tenant) as upstream:
        await send(upstream, scene.tenant, map(lead, range(25)))
        await scene.until_parked(web=15)
        assert numbers(await scene.settled(10)) == list(range(10))
        scene.clock.now += 120
        await scene.until_parked(web=5)
        assert numbers(await scene.settled(20)) == list(range(20))
        scene.clock.now += 120
        assert numbers(await scene.settled(25)) == list(range(25))
        assert await scene.parked() == {}


async def test_what_is_parked_is_acknowledged_and_not_delivered_again(scene: Scene) -> None:
    async with scene.platform.upstream(scene.tenant) as upstream, scene.nobody_releases("web"):
        await send(upstream, scene.tenant, map(lead, range(25)))
        await scene.until_parked(web=15)

        async def acknowledged() -> bool:
            info = await scene.platform.operator.jetstream().consumer_info("COMMANDS", "intake")
            return (info.num_pending, info.num_ack_pending, info.num_redelivered) == (0, 0, 0)

        await until(acknowledged, what="nothing waiting for an acknowledgement")
        assert await scene.parked() == {"web": 15}


async def test_what_comes_while_some_are_parked_waits_behind_them(scene: Scene) -> None:
    async with scene.platform.upstream(scene.tenant) as upstream:
        await send(upstream, scene.tenant, map(lead, range(12)))
        await scene.until_parked(web=2)
        async with scene.nobody_releases("web"):  # though the limit would allow it
            scene.clock.now += 120
            await send(upstream, scene.tenant, [lead(12), lead(13), lead(11, geo="Dublin, OH")])
            await scene.until_parked(web=5)
        events = await scene.settled(15)
    assert numbers(events) == [*range(14), 11]
    assert [name for name, _, _ in events] == ["lead_accepted"] * 14 + ["lead_updated"]


async def test_each_source_has_a_limit_of_its_own_and_a_raised_one_where_the_tenant_says_so(
    platform: Platform, tenant: str
) -> None:
    settings = {"leads_per_minute": 5, "leads_per_minute_by_source": {"portal": 40}}
    async with Scene(platform, tenant).running(**settings) as scene, platform.upstream(tenant) as upstream:
        mixed = [lead(number, source) for number in range(40) for source in ("web", "portal", "mail")]
        await send(upstream, tenant, mixed)
        await scene.until_parked(web=35, mail=35)
        by_source: dict[str, list[int]] = {}
        for event in await scene.settled(50):
            by_source.setdefault(event[1]["source_system"], []).extend(numbers([event]))
        assert by_source == {"web": [*range(5)], "mail": [*range(5)], "portal": [*range(40)]}


async def test_the_operators_leads_are_not_counted_and_not_parked_even_behind_a_source_s(scene: Scene) -> None:
    async with scene.platform.upstream(scene.tenant) as upstream, scene.platform.connect("operator") as operator:
        await send(operator, scene.tenant, map(lead, range(30)))
        assert len(await scene.settled(30)) == 30
        await send(upstream, scene.tenant, map(lead, range(100, 112)))
        await scene.until_parked(web=2)
        await send(operator, scene.tenant, map(lead, range(30, 60)))
        assert len(await scene.settled(70)) == 70
        for number in range(60, 75):
            await scene.platform.caller.ask(scene.tenant, SubmitLeadNow(**lead(number).model_dump()))
        assert await scene.parked() == {"web": 2}


async def test_a_limit_that_is_raised_lets_parked_ones_through_at_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_alone, release = asyncio.Event(), Releaser._release

    async def watched(*arguments: Any) -> float | None:
        pause = await release(*arguments)
        if pause:
            left_alone.set()
        return pause

    monkeypatch.setattr(Releaser, "_release", watched)
    async with scene.platform.upstream(scene.tenant) as upstream:
        await send(upstream, scene.tenant, map(lead, range(40)))
        await scene.until_parked(web=30)
        await asyncio.wait_for(left_alone.wait(), 30)
        raised = TenantSettings(leads_per_minute=1000)
        changed = TenantChanged(version=2, settings=raised, created_at="2026-01-05T00:00:00Z")
        await scene.platform.publish("gateway", scene.tenant, changed)
        assert numbers(await scene.settled(40)) == list(range(40))


async def test_a_parked_submission_keeps_its_envelope_and_time_and_is_counted_when_it_is_handled(scene: Scene) -> None:
    run, cause, trace = uuid4(), uuid4(), "00-" + "1" * 32 + "-" + "2" * 16 + "-01"
    headers = {"correlationid": str(run), "causationid": str(cause), "traceparent": trace}
    async with scene.platform.upstream(scene.tenant) as upstream:
        ids = await send(upstream, scene.tenant, map(lead, range(12)), headers)
        await scene.until_parked(web=2)
        ask = scene.platform.caller.ask
        assert (await ask(scene.tenant, CountSubmissions(correlation_id=run))).counts == {"accepted": 10}
        assert len((await ask(scene.tenant, GetSubmissions(submission_ids=ids))).submissions) == 10
        (waiting,) = (await ask(scene.tenant, ListParked())).sources
        scene.clock.now += 120
        events = await scene.settled(12)
        assert (await ask(scene.tenant, CountSubmissions(correlation_id=run))).counts == {"accepted": 12}
        found = (await ask(scene.tenant, GetSubmissions(submission_ids=ids))).submissions
        assert {view.submission_id for view in found} == set(ids)
    for id_, (_, body, about) in zip(ids, events, strict=True):
        assert (body["submission_id"], about["causation_id"]) == (str(id_), id_)
        assert (about["correlation_id"], about["traceparent"]) == (run, trace)
    created = [body["created_at"] for _, body, _ in events]
    assert created == sorted(created)
    assert waiting.oldest_received_at.isoformat() == created[10].replace("Z", "+00:00")


async def test_a_parked_submission_is_sealed(scene: Scene) -> None:
    async with scene.platform.upstream(scene.tenant) as upstream:
        secret = [lead(number, phone="(614) 555-0177", notes="Canary") for number in range(11)]
        await send(upstream, scene.tenant, secret, {"x-note": "Canary"})
        await scene.until_parked(web=1)
    async with scene.platform.sql() as sql:
        (row,) = await sql.fetch(
            "select sealed, p::text as shown from intake.parked p where tenant_id = $1", scene.tenant
        )
    for word in ("Canary", "555-0177", "Ada"):
        assert word.encode() not in row["sealed"]
        assert word not in row["shown"]


async def test_a_parked_submission_that_cannot_be_handled_becomes_a_dead_letter_and_the_others_go_on(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    normalise = submitting.normalise

    def stumble(submission: object, *given: object, **more: object) -> object:
        if submission.source_id == "L-11":  # type: ignore[attr-defined]
            raise ZeroDivisionError
        return normalise(submission, *given, **more)  # type: ignore[arg-type]

    async with scene.platform.upstream(scene.tenant) as upstream:
        await send(upstream, scene.tenant, map(lead, range(14)))
        await scene.until_parked(web=4)
        async with scene.platform.sql() as sql:
            await sql.execute(
                """update intake.parked set sealed = '\\x00' where tenant_id = $1
                   and seq = (select min(seq) from intake.parked where tenant_id = $1)""",
                scene.tenant,
            )
        monkeypatch.setattr(submitting, "normalise", stumble)
        scene.clock.now += 120
        events = [event for event in await scene.settled(14) if event[0] == "lead_accepted"]
        assert numbers(events) == [*range(10), 12, 13]
        letters = (await scene.platform.caller.ask(scene.tenant, ListDeadLetters(), of="intake")).dead_letters
        own = {letter.reason: letter.dead_letter_id for letter in letters if letter.tenant == scene.tenant}
        assert len(own) == 2
        monkeypatch.undo()
        redrive = RedriveDeadLetters(dead_letter_ids=[own["failed 3 times: ZeroDivisionError"]])
        await scene.platform.caller.ask(scene.tenant, redrive, of="intake")
        assert 11 in numbers(event for event in await scene.settled(15) if event[0] == "lead_accepted")


async def test_without_a_key_nothing_is_parked_and_nothing_is_lost(scene: Scene) -> None:
    hidden = scene.platform.key_file.with_suffix(".away")
    scene.platform.key_file.rename(hidden)
    try:
        async with scene.platform.upstream(scene.tenant) as upstream:
            await send(upstream, scene.tenant, map(lead, range(12)))

        async def tried_again() -> bool:
            info = await scene.platform.operator.jetstream().consumer_info("COMMANDS", "intake")
            return info.num_redelivered == 12

        await until(tried_again, what="a batch that was put back")
        assert await scene.parked() == {}
    finally:
        hidden.rename(scene.platform.key_file)
    assert numbers(await scene.settled(10)) == list(range(10)), "what was tried and undone counts once"
    await scene.until_parked(web=2)


async def test_replicas_release_each_submission_once_and_in_order(scene: Scene) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(scene.service().running())
        upstream = await stack.enter_async_context(scene.platform.upstream(scene.tenant))
        total = 60
        await send(upstream, scene.tenant, map(lead, range(total)))

        async def all_through() -> bool:
            scene.clock.now += 30
            return len(await scene.events()) >= total

        await until(all_through, seconds=60, what="every lead")
    assert numbers(await scene.events()) == list(range(total))
    assert await scene.parked() == {}


async def test_over_http_more_is_refused_with_what_is_left_and_never_overtakes_what_is_parked(scene: Scene) -> None:
    async with scene.platform.connect("gateway") as client, scene.platform.upstream(scene.tenant) as upstream:

        async def post(number: int, source: str = "web") -> int:
            submitted = await Caller(client).ask(scene.tenant, SubmitLeadNow(**lead(number, source).model_dump()))
            assert submitted.allowance
            return submitted.allowance.remaining

        assert [await post(number) for number in range(10)] == list(range(9, -1, -1))
        with pytest.raises(ProblemError) as refused:
            await post(10)
        problem = refused.value.problem
        assert (problem.code, problem.field) == (ProblemCode.UNAVAILABLE, "source_system")
        assert problem.allowance
        assert (problem.allowance.limit, problem.allowance.window_seconds, problem.allowance.remaining) == (10, 60, 0)
        scene.clock.now += problem.allowance.reset_seconds
        assert await post(10) == 0
        assert await post(0, "mail") == 9, "another source is another limit"
        await send(upstream, scene.tenant, [lead(number, "crm") for number in range(12)])
        await scene.until_parked(crm=2)
        async with scene.nobody_releases("crm"):
            scene.clock.now += 120
            with pytest.raises(ProblemError) as refused:
                await post(12, "crm")
            assert refused.value.problem.allowance
            assert refused.value.problem.allowance.reset_seconds == 12, "as long as two take at ten a minute"
            assert "2 that came before wait for that" in refused.value.problem.message
        await scene.until_parked()
        assert await post(13, "crm") >= 0


async def test_replicas_that_share_a_valkey_share_the_limit_and_go_on_without_it(
    platform: Platform, tenant: str, memory_path: Path
) -> None:
    scene = Scene(platform, tenant)
    async with AsyncExitStack() as stack:
        valkey = await stack.enter_async_context(embedded.valkey(memory_path))
        await stack.enter_async_context(platform.every_name_a_tenants())
        for _ in range(2):
            await stack.enter_async_context(scene.service(valkey.url).running())
        await platform.introduce(tenant, "intake", leads_per_minute=10)
        client = await stack.enter_async_context(platform.connect("gateway"))

        async def post(number: int) -> bool:
            try:
                await Caller(client).ask(tenant, SubmitLeadNow(**lead(number).model_dump()))
            except ProblemError as error:
                assert error.problem.allowance
                return False
            return True

        began = monotonic()
        admitted = sum(await asyncio.gather(*map(post, range(40))))
        assert (
            10 <= admitted <= 10 + (monotonic() - began) / 6
        )  # one more every six seconds, while a loaded machine takes its time
        await valkey.kill()
        assert await post(40)


async def test_five_thousand_at_once_are_all_accepted_in_order_later(
    platform: Platform, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(releasing, "_POLL_SECONDS", 0.01)
    total = 5000
    async with Scene(platform, tenant).running() as scene, platform.upstream(tenant) as upstream:
        await send(upstream, tenant, map(lead, range(total)))
        await scene.until_parked(web=total - 100)
        for left in range(total - 200, -1, -100):
            scene.clock.now += 120  # so much later nothing is held against the source any more

            async def released(left: int = left) -> bool:
                return (await scene.parked()).get("web", 0) <= left

            await until(released, seconds=30, what=f"no more than {left} parked")
            assert (await scene.parked()).get("web", 0) == left, "no more than the limit at once"
        events = await scene.settled(total)
    assert numbers(events) == list(range(total))
    assert {name for name, _, _ in events} == {"lead_accepted"}


@pytest.mark.parametrize("by", ["bus", "api"])
async def test_a_thousand_a_minute_from_one_source_with_a_raised_limit_are_taken_without_failure(
    platform: Platform, tenant: str, by: str
) -> None:
    total = 1000
    async with Scene(platform, tenant).running(leads_per_minute_by_source={"web": total}) as scene:
        if by == "bus":
            async with platform.upstream(tenant) as upstream:
                await send(upstream, tenant, map(lead, range(total)))
        else:
            async with platform.connect("gateway") as client:
                for start in range(0, total, 20):
                    asked = (SubmitLeadNow(**lead(number).model_dump()) for number in range(start, start + 20))
                    await asyncio.gather(*(Caller(client).ask(tenant, ask, seconds=30) for ask in asked))
        events = await scene.settled(total)
        assert sorted(numbers(events)) == list(range(total))
        assert by == "api" or numbers(events) == list(range(total))
        assert await scene.parked() == {}
