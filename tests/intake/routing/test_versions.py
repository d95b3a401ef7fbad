"""Versions of the rules: drafts that are never changed, one published at most, all brought back at will."""

import asyncio
from uuid import uuid4

import pytest

from chassis.jobs import Counts
from contracts.intake import routing as messages
from contracts.message import ProblemCode, ProblemError
from contracts.operations import ListJobs, RunJob
from intake.distribution import catching_up
from intake.distribution.catching_up import JOB
from tests.intake.routing.desk import ACTOR, Desk, rule
from tests.waiting import until

OHIO = rule("ohio", "ohio", geo=["*_oh"])
REST = rule("rest", "rest")


async def test_versions_count_up_and_a_deleted_draft_s_number_is_not_used_again(desk: Desk) -> None:
    first, second = await desk.draft(OHIO), await desk.draft(REST)
    assert (first.version, second.version, first.status) == (1, 2, "draft")
    await desk.ask(messages.DeleteRoutingDraft(version=2))
    assert (await desk.draft(OHIO, REST)).version == 3
    page = await desk.ask(messages.ListRoutingVersions(limit=1))
    rest = await desk.ask(messages.ListRoutingVersions(cursor=page.next_cursor))
    assert [each.version for each in (*page.versions, *rest.versions)] == [3, 1]
    with pytest.raises(ProblemError, match="there is no version 2"):
        await desk.ask(messages.GetRouting(version=2))
    with pytest.raises(ProblemError, match="there is no version 2"):
        await desk.ask(messages.DeleteRoutingDraft(version=2))


async def test_drafts_saved_at_once_have_numbers_of_their_own(desk: Desk) -> None:
    drafts = await asyncio.gather(*(desk.draft(rule(f"rule_{n}", "there")) for n in range(12)))
    assert sorted(draft.version for draft in drafts) == list(range(1, 13))
    for draft in drafts:
        assert (await desk.ask(messages.GetRouting(version=draft.version))).configuration == draft.configuration


async def test_a_draft_that_asks_for_sealed_metadata_is_refused_naming_rule_and_field(desk: Desk) -> None:
    with pytest.raises(ProblemError, match=r"rule rich asks for metadata\.salary") as refused:
        await desk.draft(OHIO, rule("rich", "rich", metadata={"salary": ["high"]}))
    assert refused.value.problem.code is ProblemCode.INVALID


async def test_a_publication_is_told_and_what_was_published_is_superseded(desk: Desk) -> None:
    await desk.publish(OHIO)
    await desk.publish(REST)
    assert (await desk.ask(messages.GetRouting())).version == 2
    old = await desk.ask(messages.GetRouting(version=1))
    assert (old.status, old.published_by) == ("superseded", ACTOR)
    events = await desk.told("routing_published", 2)
    assert [(event["version"], event["previous"], event["published_by"]) for event in events] == [
        (1, None, ACTOR),
        (2, 1, ACTOR),
    ]


async def test_of_two_who_publish_at_once_one_is_told_that_the_other_did(desk: Desk) -> None:
    await desk.publish(OHIO)
    drafts = [await desk.draft(rule(f"rule_{n}", "there")) for n in range(4)]
    results = await asyncio.gather(
        *(desk.ask(messages.PublishRouting(version=d.version, expected=1, actor=ACTOR)) for d in drafts),
        return_exceptions=True,
    )
    refused = [result.problem.code for result in results if isinstance(result, ProblemError)]
    assert refused == [ProblemCode.CONFLICT] * 3
    async with desk.platform.sql() as sql:
        live = "select count(*) from intake.routing_version where tenant_id = $1 and status = 'published'"
        assert await sql.fetchval(live, desk.tenant) == 1
        with pytest.raises(Exception, match="routing_version_live"):
            await sql.execute(
                "update intake.routing_version set status = 'published' where tenant_id = $1", desk.tenant
            )


@pytest.mark.parametrize(("held", "waits"), [("_shared", "publish"), ("", "submit")])
async def test_who_routes_and_who_publishes_wait_for_each_other_so_that_no_lead_is_seen_by_neither(
    desk: Desk, held: str, waits: str
) -> None:
    await desk.publish(OHIO)
    draft = await desk.draft(REST)
    publication = messages.PublishRouting(version=draft.version, expected=1, actor=ACTOR)
    async with desk.platform.sql() as sql:
        other = sql.transaction()
        await other.start()
        key = f"routing/published/{desk.tenant}"
        await sql.execute(f"select pg_advisory_xact_lock{held}(hashtextextended($1, 0))", key)
        waiting = asyncio.create_task(desk.ask(publication) if waits == "publish" else desk.submit("1", geo="Rome"))

        async def waits_for_us() -> bool:
            return await sql.fetchval(
                """select exists (select from pg_locks as theirs join pg_locks as ours
                                  using (locktype, database, classid, objid, objsubid)
                   where not theirs.granted and ours.granted and ours.pid = pg_backend_pid()
                     and locktype = 'advisory')"""
            )

        await until(waits_for_us)
        assert not waiting.done()
        await other.rollback()
        await waiting


async def test_a_version_is_brought_back_as_a_new_one_and_leads_follow(desk: Desk) -> None:
    await desk.publish(OHIO)
    lead = await desk.submit("1", geo="Dublin, OH")
    await desk.publish(REST)
    assert await desk.where(lead) == "rest"
    back = await desk.ask(messages.RollBackRouting(version=1, actor=ACTOR))
    await desk.caught_up()
    assert (back.version, back.restores, back.status) == (3, 1, "published")
    assert back.configuration == (await desk.ask(messages.GetRouting(version=1))).configuration
    assert await desk.where(lead) == "ohio"
    assert (await desk.told("routing_published", 3))[-1]["restores"] == 1


async def test_only_a_draft_is_published_or_deleted_and_only_what_was_published_is_brought_back(desk: Desk) -> None:
    with pytest.raises(ProblemError, match="no version is published"):
        await desk.ask(messages.GetRouting())
    await desk.publish(OHIO)
    draft = await desk.draft(REST)
    for request in (
        messages.PublishRouting(version=1, expected=1, actor=ACTOR),
        messages.DeleteRoutingDraft(version=1),
        messages.RollBackRouting(version=1, actor=ACTOR),
        messages.RollBackRouting(version=draft.version, actor=ACTOR),
        messages.PublishRouting(version=draft.version, expected=None, actor=ACTOR),
    ):
        with pytest.raises(ProblemError) as refused:
            await desk.ask(request)
        assert refused.value.problem.code is ProblemCode.CONFLICT
    assert (await desk.ask(messages.GetRouting())).version == 1


async def test_a_dry_run_says_what_would_move_and_why_and_changes_nothing(desk: Desk) -> None:
    await desk.publish(OHIO)
    ohio = [await desk.submit(f"o{n}", geo="Dublin, OH") for n in range(3)]
    rome = [await desk.submit(f"r{n}", geo="Rome") for n in range(2)]
    await desk.set_status(ohio[0], "assigned")
    draft = await desk.draft(rule("dublin", "dublin", geo=["dublin_*"]))
    run = await desk.ask(messages.DryRunRouting(version=draft.version, sample=10))
    assert (run.leads, run.matched, run.unrouted, run.moving, run.moving_now) == (5, 3, 2, 3, 2)
    assert [(move.source, move.target, move.leads) for move in run.moves] == [("ohio", "dublin", 3), (None, None, 2)]
    assert [each.lead_id for each in run.sample] == ohio[::-1]
    assert (run.sample[0].rule, run.sample[0].trace) == ("dublin", {"dublin": None})
    other = messages.NewRoutingConfiguration.model_validate({"rules": [REST], "workspaces": {"rest": {}}})
    last = await desk.ask(messages.DryRunRouting(configuration=other, last=2))
    assert [(move.source, move.target, move.leads) for move in last.moves] == [(None, "rest", 2)]
    assert [each.lead_id for each in last.sample] == rome[::-1]
    assert {await desk.where(lead) for lead in ohio} == {"ohio"}
    assert (await desk.ask(messages.GetRouting())).version == 1


async def test_a_publication_is_applied_in_batches_that_commit_and_list_jobs_shows_how_far_it_is(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intake.distribution.catching_up._BATCH", 3)
    go_on, report = asyncio.Event(), catching_up.report

    async def report_and_wait(counts: Counts) -> None:
        await report(counts)
        if counts["leads"] == 6:
            await go_on.wait()

    monkeypatch.setattr(catching_up, "report", report_and_wait)
    for number in range(10):
        await desk.submit(str(number), geo="Dublin, OH")
    draft = await desk.draft(OHIO)

    async def under_way() -> dict[str, int] | None:
        listed = await desk.ask_intake(ListJobs())
        running = [run.counts for run in listed.runs if (run.job, run.state) == (JOB, "running")]
        return next((counts for counts in running if counts.get("leads") == 6), None)

    await desk.ask(messages.PublishRouting(version=draft.version, expected=None, actor=ACTOR))
    assert (await until(under_way))["placed"] == 6
    now = await desk.ask(messages.GetRouting())
    assert (now.catching_up, now.caught_up, len(await desk.queue("ohio"))) == (True, 6, 6)
    assert await desk.where(await desk.submit("new", geo="Dublin, OH")) == "ohio", "who comes meanwhile does not wait"
    go_on.set()
    await desk.caught_up()
    assert (await desk.ask(messages.GetRouting())).caught_up == 11
    assert len(await desk.queue("ohio")) == 11


async def test_what_one_replica_left_half_applied_another_finishes(desk: Desk) -> None:
    leads = [await desk.submit(str(number), geo="Dublin, OH") for number in range(4)]
    await desk.publish(OHIO)
    async with desk.platform.sql() as sql:
        await sql.execute("delete from intake.work where tenant_id = $1 and lead_id > $2", desk.tenant, leads[1])
        await sql.execute(
            "update intake.routing_version set catching_up = 'all', caught_up_to = $2 where tenant_id = $1",
            desk.tenant, leads[1],
        )  # fmt: skip
    await desk.ask_intake(RunJob(job=JOB))
    assert [waiting.lead_id for waiting in await desk.queue("ohio")] == leads


async def test_another_tenant_sees_nothing_of_it(desk: Desk) -> None:
    await desk.publish(OHIO)
    lead = await desk.submit("1", geo="Dublin, OH")
    other = Desk(desk.platform, f"other-{uuid4().hex[:8]}")
    await desk.platform.introduce(other.tenant, "intake")
    for request in (messages.GetRouting(), messages.GetRouting(version=1), messages.GetLeadStatus(lead_id=lead)):
        with pytest.raises(ProblemError) as refused:
            await other.ask(request)
        assert refused.value.problem.code is ProblemCode.NOT_FOUND
