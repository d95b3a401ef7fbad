"""A run whose replica is killed goes on in another: every call is counted, what was found counts once."""

import asyncio
import os
import signal
import sys
from collections import Counter
from decimal import Decimal

import pytest

from contracts.intake.enrichment import StartRun
from tests.intake.enrichment.scene import CRITERIA, PROVIDERS, Scene, answer
from tests.intake.enrichment.web import Answer, Asked, Web
from tests.platform import Platform
from tests.waiting import until


@pytest.mark.parametrize("path", ["/companies", "/companies/best.test/people", "/find"])
async def test_a_killed_replicas_run_goes_on_elsewhere_from_the_call_it_died_in(
    platform: Platform, tenant: str, web: Web, tmp_path: object, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setenv("LEADLOOP_PROVIDER_HOSTS", f"127.0.0.1:{web.port}")
    scene = Scene(platform, tenant, web, None)  # type: ignore[arg-type]
    reached, never = asyncio.Event(), asyncio.Event()

    async def hang_once(asked: Asked) -> Answer:
        if asked.path == path and not reached.is_set():
            reached.set()
            await never.wait()
        return await answer(asked)

    settings = platform.settings("intake")
    assert settings.nats_seed
    environment = {
        "LEADLOOP_DATABASE_URL": settings.database_url,
        "LEADLOOP_NATS_URL": settings.nats_url,
        "LEADLOOP_NATS_SEED": settings.nats_seed.get_secret_value(),
        "LEADLOOP_KMS_URI": settings.kms_uri,
    }
    async with platform.every_name_a_tenants():
        replica = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "intake", env=os.environ | environment, stdout=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        try:
            await platform.introduce(tenant, "intake")
            await scene.three_providers()
            web.answering = hang_once
            order = StartRun(
                criteria=CRITERIA, providers=PROVIDERS, budget=Decimal(10), currency="USD", actor="user:7"
            )  # fmt: skip
            run = await scene.ask(order)
            await asyncio.wait_for(reached.wait(), 20)
        finally:
            os.killpg(replica.pid, signal.SIGKILL)
            await replica.wait()
            never.set()
    before = len(web.asked)
    async with platform.running("intake"):

        async def answers() -> bool:
            return (await scene.run(run.run_id)).status == "running"

        await until(answers, what="the other replica")
        assert len(web.asked) == before, "as long as the lease holds, the run is the dead one's"
        await scene.sql("update intake.enrichment_run set due_at = now() where tenant_id = $1", tenant)
        done = await scene.standing(run.run_id, "succeeded")
    assert (done.companies, done.contacts, done.emails) == (2, 3, 3)
    asked = Counter((each.path, each.headers["idempotency-key"]) for each in web.asked)
    assert sorted(asked.values()) == [1, 1, 1, 1, 2], "only the call it died in is made again, under the same key"
    assert {where for (where, _), times in asked.items() if times == 2} == {path}
    calls = await scene.told("provider_called")
    assert (len(calls), [call["failure"] for call in calls if not call["ok"]]) == (6, ["unknown"])
    assert done.cost == sum(Decimal(call["cost"]) for call in calls) == Decimal("0.60")


async def test_a_run_that_takes_worker_after_worker_down_is_stopped(scene: Scene) -> None:
    await scene.three_providers()
    reached, never = asyncio.Event(), asyncio.Event()

    async def hang(_: Asked) -> Answer:
        reached.set()
        await never.wait()
        return Answer(status=404)

    scene.web.answering = hang
    run = await scene.start()
    await reached.wait()
    await scene.sql(
        "update intake.enrichment_run set claims = 4, claimed_by = gen_random_uuid(), due_at = now() where tenant_id = $1",
        scene.tenant,
    )
    stopped = await scene.standing(run.run_id, "failed")
    never.set()
    assert stopped.error and "skip_failed" in stopped.error
    await scene.resume(run.run_id, skip_failed=True)
    assert (await scene.standing(run.run_id, "succeeded")).companies == 0


async def test_a_run_that_has_only_to_end_does_however_many_workers_died_of_it(scene: Scene) -> None:
    await scene.three_providers()
    run = await scene.executed()
    await scene.sql(
        """update intake.enrichment_run set status = 'running', ended_at = null, claims = 4, claimed_by = gen_random_uuid(), due_at = now()
           where tenant_id = $1""",
        scene.tenant,
    )
    assert (await scene.standing(run.run_id, "succeeded")).contacts == run.contacts


async def test_a_contact_forgotten_while_the_run_is_under_way_is_passed_over(scene: Scene) -> None:
    await scene.three_providers()
    run = await scene.executed("budget_exhausted", budget=Decimal("0.30"))
    await scene.sql(
        "update intake.enrichment_item set sealed = null where tenant_id = $1 and step = 'enrich_emails' and item = 1",
        scene.tenant,
    )
    await scene.resume(run.run_id, budget=Decimal(1))
    done = await scene.standing(run.run_id, "succeeded")
    assert (done.steps[2].done, done.emails) == (3, 2)
