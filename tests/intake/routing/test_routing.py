"""Leads are routed as they come, when they change, and when the rules do."""

import asyncio
from uuid import uuid4

import asyncpg
import pytest

from contracts.intake import routing as messages
from contracts.intake.leads import SubmitLead
from contracts.message import ProblemError
from tests.intake.routing.desk import ACTOR, Desk, rule
from tests.waiting import until

OHIO = rule("ohio", "ohio", geo=["*_oh"], sub_vertical="residential")
TEXAS = rule("texas", "texas", geo=["*_tx"])
LOANS = rule("loans", "loans", priority=5, product=["home_loan"])


async def test_a_lead_goes_where_the_first_rule_that_matches_says_and_that_is_told_and_kept_with_its_reasons(
    desk: Desk,
) -> None:
    version = await desk.publish(TEXAS, OHIO, LOANS)
    loan = await desk.submit("1", product_interest="Home loan", geo="Dublin, OH")
    ohio = await desk.submit("2", geo="Dublin, OH")
    status = await desk.status(ohio)
    assert (status.status, status.workspace, status.sub_vertical, status.rule, status.routing_version) == (
        "routed", "ohio", "residential", "ohio", version,
    )  # fmt: skip
    assert await desk.where(loan) == "loans"
    first, second = await desk.told("lead_routed", 2)
    assert (first["lead_id"], first["workspace"], first["rule"]) == (str(loan), "loans", "loans")
    assert (second["lead_id"], second["sub_vertical"], second["routing_version"]) == (str(ohio), "residential", version)
    (decision,) = await desk.decisions(ohio)
    assert decision.kind == "routed"
    assert decision.trace["rules"] == {"loans": "product", "texas": "geo", "ohio": None}


async def test_a_lead_that_no_rule_matches_waits_in_the_manual_queue_with_the_reasons(desk: Desk) -> None:
    await desk.publish(TEXAS, rule("google", "web", metadata={"utm_source": ["google"]}))
    lead = await desk.submit("1", geo="Dublin, OH", metadata={"utm_source": "bing"})
    assert (await desk.status(lead)).status == "unrouted"
    (told,) = await desk.told("lead_unrouted", 1)
    assert told["reasons"] == {"texas": "geo", "google": "metadata.utm_source"}
    (waiting,) = await desk.queue()
    assert (waiting.lead_id, waiting.reason) == (lead, "no_rule_matched")
    assert waiting.decision
    assert waiting.decision.trace["rules"] == told["reasons"]


async def test_a_batch_is_routed_at_once_each_lead_as_its_last_submission_left_it(desk: Desk) -> None:
    await desk.publish(OHIO, TEXAS)
    async with desk.platform.connect("operator") as client:
        for number in range(40):
            geo = "Austin, TX" if number >= 36 else "Dublin, OH"
            message = SubmitLead(
                source_system="web", source_id=str(number % 4), full_name="Jane Roe", geo=geo, partner=f"p{number}"
            )
            await client.jetstream().publish(message.topic.subject(desk.tenant), message.model_dump_json().encode())

    async def all_in_texas() -> bool:
        return len(await desk.queue("texas")) == 4

    await until(all_in_texas)
    assert await desk.queue("ohio") == []


async def test_a_tenant_without_published_rules_has_no_work_and_no_decisions(desk: Desk) -> None:
    await desk.draft(OHIO)
    lead = await desk.submit("1", geo="Dublin, OH")
    assert (await desk.status(lead)).status == "received"
    assert await desk.decisions(lead) == []
    async with desk.platform.sql() as sql:
        assert await sql.fetchval("select count(*) from intake.work where tenant_id = $1", desk.tenant) == 0
    assert await desk.told("lead_routed") == await desk.told("lead_unrouted") == []


async def test_a_lead_that_changes_is_routed_again_while_it_waits_and_keeps_its_place_in_the_queue(desk: Desk) -> None:
    await desk.publish(OHIO, TEXAS)
    moving = await desk.submit("1", geo="Dublin, OH")
    since = (await desk.status(moving)).waiting_since
    await desk.submit("2", geo="Austin, TX")
    await desk.submit("1", geo="Austin, TX")
    assert (await desk.status(moving)).waiting_since == since
    assert (await desk.queue("texas"))[0].lead_id == moving
    assert [decision.trace["workspace"] for decision in await desk.decisions(moving)] == ["texas", "ohio"]


@pytest.mark.parametrize("status", ["assigned", "worked", "closed"])
async def test_a_lead_that_somebody_has_taken_stays_when_it_changes_and_when_the_rules_do(
    desk: Desk, status: str
) -> None:
    await desk.publish(OHIO, TEXAS)
    lead = await desk.submit("1", geo="Dublin, OH")
    await desk.set_status(lead, status)
    await desk.submit("1", geo="Austin, TX")
    await desk.publish(rule("all", "elsewhere"))
    after = await desk.status(lead)
    assert (after.status, after.workspace) == (status, "ohio")
    assert len(await desk.decisions(lead)) == 1


async def test_the_first_publication_routes_the_leads_that_came_before_the_oldest_first(desk: Desk) -> None:
    leads = [await desk.submit(str(number), geo="Dublin, OH" if number % 2 else "Rome") for number in range(6)]
    await desk.publish(OHIO)
    assert [waiting.lead_id for waiting in await desk.queue("ohio")] == leads[1::2]
    assert [waiting.lead_id for waiting in await desk.queue()] == leads[::2]
    assert [event["lead_id"] for event in await desk.told("lead_routed", 3)] == [str(lead) for lead in leads[1::2]]
    waiting_since = [(await desk.status(lead)).waiting_since for lead in leads]
    assert waiting_since == sorted(waiting_since), "they have waited since they came"


async def test_other_rules_drain_the_manual_queue_and_move_what_waits_elsewhere(desk: Desk) -> None:
    await desk.publish(OHIO)
    unrouted = [await desk.submit(str(number), geo="Rome") for number in range(3)]
    ohio = await desk.submit("ohio", geo="Dublin, OH")
    version = await desk.publish(rule("rome", "italy", geo=["rome"]), rule("rest", "rest"))
    assert [waiting.lead_id for waiting in await desk.queue("italy")] == unrouted
    assert await desk.queue() == await desk.queue("ohio") == []
    assert await desk.where(ohio) == "rest"
    assert [decision.trace["routing_version"] for decision in await desk.decisions(ohio)] == [version, 1]


async def test_rules_that_change_nothing_for_a_waiting_lead_leave_no_trace_and_no_event(desk: Desk) -> None:
    await desk.publish(OHIO)
    lead = await desk.submit("1", geo="Dublin, OH")
    await desk.publish(OHIO, TEXAS)
    assert len(await desk.decisions(lead)) == len(await desk.told("lead_routed", 1)) == 1


async def test_who_goes_on_unrouted_under_other_rules_has_the_new_reasons(desk: Desk) -> None:
    await desk.publish(OHIO)
    lead = await desk.submit("1", geo="Rome")
    await desk.publish(OHIO, TEXAS)
    assert [decision.trace["rules"] for decision in await desk.decisions(lead)] == [
        {"ohio": "geo", "texas": "geo"},
        {"ohio": "geo"},
    ]


async def test_a_lead_that_changes_and_goes_on_unrouted_has_the_new_reasons(desk: Desk) -> None:
    await desk.publish(rule("ohio_buyers", "ohio", intent=["buyer"], geo=["*_oh"]))
    lead = await desk.submit("1", geo="Rome", intent="buyer")
    await desk.submit("1", geo="Dublin, OH", intent="seller")
    traces = [decision.trace["rules"] for decision in await desk.decisions(lead)]
    assert traces == [{"ohio_buyers": "intent"}, {"ohio_buyers": "geo"}]


async def test_a_lead_is_routed_by_hand_with_the_actor_and_rules_leave_it_there(desk: Desk) -> None:
    await desk.publish(OHIO, workspaces=("desk",))
    lead = await desk.submit("1", geo="Rome")
    status = await desk.ask(messages.RouteLead(lead_id=lead, workspace="desk", sub_vertical="vip", actor=ACTOR))
    assert (status.status, status.workspace, status.sub_vertical, status.rule) == ("routed", "desk", "vip", None)
    assert await desk.queue() == []
    await desk.submit("1", geo="Dublin, OH")
    await desk.publish(OHIO, rule("rest", "rest"), workspaces=("desk",))
    assert await desk.where(lead) == "desk"
    decision = (await desk.decisions(lead))[0]
    assert (decision.kind, decision.trace["by"]) == ("routed_by_hand", ACTOR)
    (told,) = await desk.told("lead_routed", 1)
    assert (told["routed_by"], told["rule"]) == (ACTOR, None)


async def test_a_lead_routed_by_hand_to_a_workspace_that_is_gone_is_routed_by_the_rules(desk: Desk) -> None:
    await desk.publish(OHIO, workspaces=("desk",))
    lead = await desk.submit("1", geo="Rome")
    await desk.ask(messages.RouteLead(lead_id=lead, workspace="desk", actor=ACTOR))
    await desk.publish(rule("rest", "rest"))
    assert await desk.where(lead) == "rest"


async def test_a_lead_is_not_routed_by_hand_to_nowhere_nor_away_from_its_owner(desk: Desk) -> None:
    await desk.publish(OHIO, TEXAS)
    lead = await desk.submit("1", geo="Dublin, OH")
    with pytest.raises(ProblemError, match="it has: ohio, texas"):
        await desk.ask(messages.RouteLead(lead_id=lead, workspace="rome", actor=ACTOR))
    with pytest.raises(ProblemError, match="no such lead"):
        await desk.ask(messages.RouteLead(lead_id=uuid4(), workspace="ohio", actor=ACTOR))
    await desk.set_status(lead, "assigned")
    with pytest.raises(ProblemError, match="is assigned"):
        await desk.ask(messages.RouteLead(lead_id=lead, workspace="texas", actor=ACTOR))
    assert await desk.where(lead) == "ohio"


async def test_the_manual_queue_is_paged_oldest_first_with_how_long_each_waits(desk: Desk) -> None:
    await desk.publish(OHIO)
    leads = [await desk.submit(str(number), geo="Rome") for number in range(5)]
    found, cursor = [], None
    while True:
        page = await desk.ask(messages.ListWorkQueue(limit=2, cursor=cursor))
        found += page.leads
        if (cursor := page.next_cursor) is None:
            break
    assert [waiting.lead_id for waiting in found] == leads
    assert all(0 <= waiting.waiting_seconds < 60 for waiting in found)


@pytest.mark.parametrize(
    "change",
    [
        "update intake.decision set kind = 'routed' where tenant_id = $1",
        "delete from intake.decision where tenant_id = $1",
        "update intake.grounds set content = '{}' where tenant_id = $1",
        "delete from intake.grounds where tenant_id = $1",
        "truncate intake.decision",
        "truncate intake.grounds",
    ],
)
async def test_no_decision_about_a_lead_nor_its_grounds_can_be_changed_or_deleted(desk: Desk, change: str) -> None:
    await desk.publish(OHIO)
    lead = await desk.submit("1", geo="Rome")
    before = await desk.decisions(lead)
    assert before[0].trace["rules"]
    async with desk.platform.sql() as sql:
        with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
            await sql.execute(change, *[desk.tenant] * change.count("$1"))
    assert await desk.decisions(lead) == before


async def test_decisions_are_paged_newest_first(desk: Desk) -> None:
    await desk.publish(OHIO, TEXAS)
    lead = await desk.submit("1", geo="Dublin, OH")
    for geo in ("Austin, TX", "Dublin, OH"):
        await desk.submit("1", geo=geo)
    page = await desk.ask(messages.GetLeadDecisions(lead_id=lead, limit=2))
    rest = await desk.ask(messages.GetLeadDecisions(lead_id=lead, limit=2, cursor=page.next_cursor))
    assert [each.trace["workspace"] for each in (*page.decisions, *rest.decisions)] == ["ohio", "texas", "ohio"]
    with pytest.raises(ProblemError, match="no such lead"):
        await desk.ask(messages.GetLeadDecisions(lead_id=uuid4()))


async def test_what_is_submitted_while_rules_are_published_is_never_left_without_a_place(desk: Desk) -> None:
    async def submitting(writer: int) -> None:
        for number in range(12):
            await desk.submit(f"{writer}-{number}", geo="Dublin, OH")

    async def publishing() -> None:
        for number in range(4):
            await desk.publish(rule(f"rule_{number}", f"workspace_{number}"))

    await asyncio.gather(*(submitting(writer) for writer in range(4)), publishing())
    await desk.caught_up()
    async with desk.platform.sql() as sql:
        rows = await sql.fetch(
            """select work.workspace, count(*) as leads from intake.lead left join intake.work using (tenant_id, lead_id)
               where tenant_id = $1 group by 1""",
            desk.tenant,
        )
    assert [(row["workspace"], row["leads"]) for row in rows] == [("workspace_3", 48)]
