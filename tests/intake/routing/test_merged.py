"""Only the lead that stands makes work, by what it says for those merged into it."""

import pytest

from contracts.intake.people import MergeLeads, UnmergeLead
from contracts.intake.routing import DryRunRouting, RouteLead
from contracts.message import ProblemError
from tests.intake.routing.desk import ACTOR, Desk, rule
from tests.platform import Platform

PHONE = "+16145550134"
OHIO, TEXAS = rule("ohio", "ohio", geo=["*_oh"]), rule("texas", "texas", geo=["*_tx"])


async def test_leads_that_are_merged_and_parted_by_hand_wait_by_what_they_say_then(desk: Desk) -> None:
    await desk.publish(OHIO, TEXAS)
    survivor, merged = await desk.submit("1"), await desk.submit("2", geo="Dublin, OH")
    assert [(await desk.status(each)).status for each in (survivor, merged)] == ["unrouted", "routed"]
    await desk.ask(MergeLeads(survivor_id=survivor, merged_id=merged, actor=ACTOR))
    assert await desk.where(survivor) == "ohio"
    assert await desk.status(merged) == await desk.status(survivor)
    assert [each.lead_id for each in await desk.queue("ohio")] == [survivor]
    with pytest.raises(ProblemError, match="merged into another one"):
        await desk.ask(RouteLead(lead_id=merged, workspace="texas", actor=ACTOR))
    await desk.ask(UnmergeLead(lead_id=merged, actor=ACTOR))
    assert (await desk.status(survivor)).status == "unrouted"
    assert [each.lead_id for each in await desk.queue("ohio")] == [merged]


@pytest.mark.parametrize("policy", ["into_oldest", "into_newest"])
async def test_of_a_person_whose_leads_are_merged_as_they_come_one_lead_waits(
    intake: Platform, tenant: str, policy: str
) -> None:
    await intake.introduce(tenant, "intake", merge=policy)
    desk = Desk(intake, tenant)
    await desk.publish(OHIO, TEXAS)
    first = await desk.submit("1", phone=PHONE)
    second = await desk.submit("2", phone=PHONE, geo="Dublin, OH")
    survivor, merged = (first, second) if policy == "into_oldest" else (second, first)
    assert [each.lead_id for each in await desk.queue("ohio")] == [survivor]
    assert await desk.queue() == []
    assert await desk.status(merged) == await desk.status(survivor)
    await desk.submit("2", phone=PHONE, geo="Austin, TX")
    assert [each.lead_id for each in await desk.queue("texas")] == [survivor], "an update of either moves it"


async def test_rules_that_are_tried_or_published_see_the_lead_that_stands_only(desk: Desk) -> None:
    survivor, merged = await desk.submit("1"), await desk.submit("2", geo="Dublin, OH")
    await desk.ask(MergeLeads(survivor_id=survivor, merged_id=merged, actor=ACTOR))
    draft = await desk.draft(OHIO)
    report = await desk.ask(DryRunRouting(version=draft.version, last=10))
    assert report.leads == 1
    await desk.publish(OHIO)
    assert [each.lead_id for each in await desk.queue("ohio")] == [survivor]
    assert await desk.status(merged) == await desk.status(survivor)
