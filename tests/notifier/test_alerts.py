"""A condition has one open alert while it lasts; people list alerts and dismiss them."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

import asyncpg
import pytest

from contracts.intake.leads import LeadAccepted
from contracts.message import ProblemCode, ProblemError
from contracts.notifier import AcknowledgeAlert, DismissAlert, ListAlerts
from contracts.operations import ListJobs
from contracts.outcomes import MissingOutcomes
from contracts.taxonomy import AlertCategory, Severity, Tier, Timeline
from contracts.values import Attribution
from tests.notifier.scene import QUIET_SINCE, Scene, notifier
from tests.platform import Platform
from tests.waiting import until


async def names_of_events(scene: Scene, tenant: str) -> list[str]:
    return [name for name, _ in await scene.events(tenant)]


async def job_is_running(platform: Platform) -> bool:
    async with platform.sql() as sql:
        return bool(
            await sql.fetchval(
                "select exists (select from notifier.job_run where job = 'missing_outcomes' and state = 'running')"
            )
        )


async def test_leads_that_need_an_outcome_raise_one_alert(platform: Platform, tenant: str) -> None:
    leads = [uuid4(), uuid4()]
    async with notifier(platform, tenant) as scene:
        scene.missing(tenant, *leads)
        run = await scene.look()
        assert run.state == "succeeded"
        assert run.counts["raised"] == 1

        (alert,) = await scene.alerts(tenant)
        assert (alert.category, alert.code, alert.severity) == (AlertCategory.OPS, "OUTCOME_MISSING", Severity.WARNING)
        assert alert.title == "2 leads need outcome updates"
        assert alert.evidence == {
            "lead_ids": [str(lead) for lead in leads],
            "count": 2,
            "oldest_activity": QUIET_SINCE.isoformat(),
        }
        ((name, event),) = await scene.events(tenant)
        assert (name, event["alert_id"], event["code"]) == ("alert_raised", str(alert.alert_id), "OUTCOME_MISSING")


async def test_outcomes_itself_names_the_leads_that_have_been_quiet(platform: Platform, tenant: str) -> None:
    quiet_since = datetime.now(UTC) - timedelta(days=8)
    lead = LeadAccepted(
        lead_id=uuid4(), version=1, submission_id=uuid4(), source_system="crm", source_id="L-1042", person_id=uuid4(),
        attribution=Attribution(tier=Tier.A, timeline=Timeline.DAYS_0_30), created_at=quiet_since,
        last_activity_at=quiet_since,
    )  # fmt: skip
    async with platform.running("outcomes"), notifier(platform, tenant, answering=False) as scene:
        await platform.publish("intake", tenant, lead)

        async def outcomes_misses_it() -> bool:
            return (await platform.caller.ask(tenant, MissingOutcomes())).count == 1

        await until(outcomes_misses_it)
        await scene.look()
        (alert,) = await scene.alerts(tenant)
        assert alert.evidence["lead_ids"] == [str(lead.lead_id)]


async def test_the_job_runs_daily_at_six(platform: Platform, tenant: str) -> None:
    async with notifier(platform, tenant):
        listed = await platform.caller.ask(tenant, ListJobs(), of="notifier")
        assert listed.jobs["missing_outcomes"] == "0 6 * * *"


async def test_another_run_updates_the_alert_and_says_nothing(platform: Platform, tenant: str) -> None:
    first, second = uuid4(), uuid4()
    async with notifier(platform, tenant) as scene:
        scene.missing(tenant, first, second)
        await scene.look()
        (before,) = await scene.alerts(tenant)
        scene.missing(tenant, second)
        await scene.look()
        (after,) = await scene.alerts(tenant)
        assert (after.alert_id, after.raised_at) == (before.alert_id, before.raised_at)
        assert (after.title, after.evidence["lead_ids"]) == ("1 lead needs an outcome update", [str(second)])
        assert await names_of_events(scene, tenant) == ["alert_raised"]


async def test_an_alert_resolves_when_nothing_is_missing_any_more(platform: Platform, tenant: str) -> None:
    async with notifier(platform, tenant) as scene:
        scene.missing(tenant, uuid4())
        await scene.look()
        scene.missing(tenant)
        for _ in range(2):
            await scene.look()
        assert await scene.alerts(tenant) == []
        (alert,) = await scene.alerts(tenant, every=True)
        assert alert.resolved_at is not None
        assert await names_of_events(scene, tenant) == ["alert_raised", "alert_resolved"]

        scene.missing(tenant, uuid4())
        await scene.look()
        assert len(await scene.alerts(tenant)) == 1


async def test_a_dismissed_alert_comes_back_only_for_leads_that_were_not_there(platform: Platform, tenant: str) -> None:
    known = uuid4()
    async with notifier(platform, tenant) as scene:
        scene.missing(tenant, known)
        await scene.look()
        (alert,) = await scene.alerts(tenant)
        dismiss = DismissAlert(alert_id=alert.alert_id, dismissed_by="user:7")
        for _ in range(2):
            dismissed = await platform.caller.ask(tenant, dismiss)
            assert (dismissed.dismissed_by, dismissed.resolved_at) == ("user:7", None)

        await scene.look()
        assert await scene.alerts(tenant) == []
        assert await names_of_events(scene, tenant) == ["alert_raised", "alert_dismissed"]

        scene.missing(tenant, known, uuid4())
        await scene.look()
        (again,) = await scene.alerts(tenant)
        assert again.alert_id != alert.alert_id
        assert await names_of_events(scene, tenant) == ["alert_raised", "alert_dismissed", "alert_raised"]


async def test_a_dismissed_condition_that_ended_raises_an_alert_when_it_begins_anew(
    platform: Platform, tenant: str
) -> None:
    known = uuid4()
    async with notifier(platform, tenant) as scene:
        scene.missing(tenant, known)
        await scene.look()
        (alert,) = await scene.alerts(tenant)
        await platform.caller.ask(tenant, DismissAlert(alert_id=alert.alert_id, dismissed_by="user:7"))
        for leads in ([], [known]):
            scene.missing(tenant, *leads)
            await scene.look()
        assert len(await scene.alerts(tenant)) == 1
        assert await names_of_events(scene, tenant) == ["alert_raised", "alert_dismissed", "alert_raised"]


async def test_one_tenants_failure_does_not_stop_the_others_and_fails_the_job(platform: Platform, tenant: str) -> None:
    before, after = f"a-{tenant}"[:63], f"z-{tenant}"[:63]
    async with notifier(platform, tenant) as scene:
        for other in (before, after):
            await scene.know(other)
            scene.missing(other, uuid4())
        scene.failing(tenant)
        run = await scene.look()
        assert (run.state, run.error) == ("failed", "SomeTenantsFailedError")
        assert [len(await scene.alerts(name)) for name in (before, tenant, after)] == [1, 0, 1]

        scene.missing(tenant, uuid4())
        assert (await scene.look()).state == "succeeded"
        assert len(await scene.alerts(tenant)) == 1


async def test_the_job_waits_for_outcomes_to_come_up(platform: Platform, tenant: str) -> None:
    async with notifier(platform, tenant, answering=False) as scene:
        scene.missing(tenant, uuid4())
        async with asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(scene.look())
            await until(partial(job_is_running, platform), what="the job runs")
            await scene.answer_requests()
        assert looking.result().state == "succeeded"
        assert len(await scene.alerts(tenant)) == 1


async def test_alerts_come_newest_first_a_page_at_a_time(platform: Platform, tenant: str) -> None:
    async with notifier(platform, tenant) as scene:
        for leads in ([uuid4()], [], [uuid4()], [], [uuid4()]):
            scene.missing(tenant, *leads)
            await scene.look()
        pages, cursor = [], None
        while not pages or cursor:
            page = await platform.caller.ask(tenant, ListAlerts(all=True, limit=2, cursor=cursor))
            pages.append(page.alerts)
            cursor = page.next_cursor
        assert [len(page) for page in pages] == [2, 1]
        raised = [alert.raised_at for page in pages for alert in page]
        assert raised == sorted(raised, reverse=True)


async def test_a_cursor_that_is_none_is_refused(platform: Platform, tenant: str) -> None:
    async with notifier(platform, tenant):
        with pytest.raises(ProblemError, match="not a cursor") as refused:
            await platform.caller.ask(tenant, ListAlerts(cursor="yesterday"))
        assert (refused.value.problem.code, refused.value.problem.field) == (ProblemCode.INVALID, "cursor")


async def test_an_alert_that_is_not_the_tenants_own_cannot_be_dismissed(platform: Platform, tenant: str) -> None:
    async with notifier(platform, tenant) as scene:
        scene.missing(tenant, uuid4())
        await scene.look()
        (alert,) = await scene.alerts(tenant)
        for asking, alert_id in ((tenant, UUID(int=1)), ("somebody-else", alert.alert_id)):
            with pytest.raises(ProblemError, match="no such alert") as refused:
                await platform.caller.ask(asking, DismissAlert(alert_id=alert_id, dismissed_by="user:7"))
            assert refused.value.problem.code is ProblemCode.NOT_FOUND
        assert len(await scene.alerts(tenant)) == 1


async def test_the_database_refuses_a_second_open_alert_for_a_condition(platform: Platform, tenant: str) -> None:
    async with notifier(platform, tenant) as scene:
        scene.missing(tenant, uuid4())
        await scene.look()
        async with platform.sql() as sql:
            with pytest.raises(asyncpg.UniqueViolationError, match="alert_open"):
                await sql.execute(
                    """insert into notifier.alert (tenant_id, alert_id, code, condition, category, severity, title,
                                                   message, evidence, raised_at)
                       select tenant_id, gen_random_uuid(), code, condition, category, severity, title, message,
                              evidence, now() from notifier.alert where tenant_id = $1""",
                    tenant,
                )


async def test_somebody_sees_to_an_alert_which_stays_open(platform: Platform, tenant: str) -> None:
    async with notifier(platform, tenant) as scene:
        scene.missing(tenant, uuid4())
        await scene.look()
        (alert,) = await scene.alerts(tenant)
        for who in ("user:7", "user:8"):
            seen = await platform.caller.ask(tenant, AcknowledgeAlert(alert_id=alert.alert_id, acknowledged_by=who))
            assert (seen.acknowledged_by, seen.dismissed_at) == ("user:7", None), "who said so first"
        assert await names_of_events(scene, tenant) == ["alert_raised", "alert_acknowledged"]
        for wanted, found in [
            (ListAlerts(acknowledged=True), 1),
            (ListAlerts(acknowledged=False), 0),
            (ListAlerts(severity=Severity.WARNING, category=AlertCategory.OPS, code="OUTCOME_MISSING"), 1),
            (ListAlerts(severity=Severity.CRITICAL), 0),
            (ListAlerts(category=AlertCategory.PERFORMANCE), 0),
            (ListAlerts(code="CAPTCHA"), 0),
        ]:
            assert len((await platform.caller.ask(tenant, wanted)).alerts) == found, wanted
        await platform.caller.ask(tenant, DismissAlert(alert_id=alert.alert_id, dismissed_by="user:7"))
        with pytest.raises(ProblemError, match="no such alert"):
            await platform.caller.ask(tenant, AcknowledgeAlert(alert_id=uuid4(), acknowledged_by="user:7"))


async def test_nobody_sees_to_an_alert_that_is_closed(platform: Platform, tenant: str) -> None:
    async with notifier(platform, tenant) as scene:
        scene.missing(tenant, uuid4())
        await scene.look()
        (alert,) = await scene.alerts(tenant)
        await platform.caller.ask(tenant, DismissAlert(alert_id=alert.alert_id, dismissed_by="user:7"))
        closed = await platform.caller.ask(tenant, AcknowledgeAlert(alert_id=alert.alert_id, acknowledged_by="user:8"))
        assert closed.acknowledged_by is None
        assert await names_of_events(scene, tenant) == ["alert_raised", "alert_dismissed"]
