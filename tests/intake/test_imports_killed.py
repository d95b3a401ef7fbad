"""An import whose replica is killed goes on in another, and no row is lost or imported twice."""

import asyncio
import os
import signal
import sys

from contracts.intake.imports import GetImport, ImportState, StartImport
from tests.intake.imports.scene import ACTOR, Scene, file_of, row
from tests.platform import Platform
from tests.waiting import until

ROWS = 4000


async def test_a_killed_replicas_import_goes_on_elsewhere(platform: Platform, tenant: str) -> None:
    scene = Scene(platform, tenant)
    settings = platform.settings("intake")
    assert settings.nats_seed
    environment = {
        "LEADLOOP_DATABASE_URL": settings.database_url,
        "LEADLOOP_NATS_URL": settings.nats_url,
        "LEADLOOP_NATS_SEED": settings.nats_seed.get_secret_value(),
        "LEADLOOP_KMS_URI": settings.kms_uri,
        "LEADLOOP_HTTP_PORT": "0",
    }
    async with platform.running("outcomes"):
        replica = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "intake", env=os.environ | environment, stdout=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        try:
            await platform.introduce(tenant, "intake", "outcomes")
            content = file_of([row(n, outcome="contacted" if n % 10 == 0 else "") for n in range(ROWS)])
            run_id = await scene.uploaded(content)
            await scene.ask(StartImport(run_id=run_id, actor=ACTOR))

            async def begun() -> bool:
                return (await scene.ask(GetImport(run_id=run_id))).counts.accepted > 0

            await until(begun, what="the first leads")
        finally:
            os.killpg(replica.pid, signal.SIGKILL)
            await replica.wait()
        before = len(await scene.leads())
        assert 0 < before < ROWS
        # As when its lease had run out.
        await scene.rows("update intake.import_run set due_at = now() where tenant_id = $1")
        async with platform.running("intake"):
            view = await scene.stands(run_id, ImportState.COMPLETED, seconds=120)
            assert (view.counts.rows, view.counts.accepted, view.counts.errors) == (ROWS, ROWS, 0)
            assert view.counts.outcomes_recorded == len(await scene.outcomes()) == ROWS // 10
            assert len(await scene.leads()) == len(await scene.told("lead_accepted")) == ROWS
