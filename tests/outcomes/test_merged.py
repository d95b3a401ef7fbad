"""After leads are merged, outcomes go to the one that stands; after they are parted, to each again."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from contracts.intake.leads import LeadAccepted, LeadUpdated
from contracts.intake.people import LeadMerged, LeadUnmerged
from contracts.outcomes import MissingOutcomes, RecordOutcomesNow
from contracts.values import LeadRef
from tests.outcomes.desk import Desk, accepted, of_source, order, outcomes, updated
from tests.waiting import until


def merge(survivor: LeadAccepted, merged: LeadAccepted, **fields: Any) -> tuple[LeadUpdated, LeadMerged]:
    """What intake tells when it merges two leads: of the one that is merged, and of the one that stands."""
    own = merged.attribution.model_dump(exclude_none=True)
    gone = updated(merged, merged_into=survivor.lead_id, submission_id=merged.submission_id, **own)
    told = {**updated(survivor, submission_id=survivor.submission_id, **fields).__dict__, "merged_by": "user:7"}
    del told["changed"]
    return gone.model_copy(update={"changed": ["merged_into"]}), LeadMerged(merged_lead_ids=[merged.lead_id], **told)


def part(survivor: LeadMerged, merged: LeadUpdated) -> tuple[LeadUnmerged, LeadUpdated]:
    told = {**updated(merged).__dict__, "survivor_id": survivor.lead_id, "unmerged_by": "user:7"}
    del told["changed"]
    return LeadUnmerged(**told), updated(survivor).model_copy(update={"changed": ["merged_leads"]})


async def test_an_outcome_that_names_a_merged_lead_is_recorded_for_the_one_that_stands(desk: Desk) -> None:
    first, second = accepted("1", geo_key="dublin_oh"), accepted("2", geo_key="columbus_oh")
    await desk.arrive(first, second)
    [before] = await desk.give(order(of_source("2"), "contacted"))
    await desk.verdicts(before)
    gone, merged = merge(first, second, tier="A", geo_key="dublin_oh")
    await desk.hear(gone, merged)
    await _standing(desk, second.lead_id, first.lead_id)
    given = await desk.give(
        order(of_source("2"), "appointment_set"),
        order(LeadRef(lead_id=second.lead_id), "listing_signed"),
        order(of_source("1"), "closed_won"),
    )
    assert await desk.verdicts(*given) == [["recorded"]] * 3
    now = await desk.ask(RecordOutcomesNow(lead=of_source("2"), outcomes=outcomes("closed_lost")))
    assert [result.verdict for result in now.results] == ["blocked"], "it is judged by what the lead that stands has"
    assert [view.type for view in await desk.history(second.lead_id)] == ["contacted"], "what was recorded stays"
    history = await desk.history(first.lead_id)
    assert [view.type for view in history] == ["appointment_set", "listing_signed", "closed_won"]
    assert {(view.attribution.tier, view.attribution.geo_key) for view in history} == {("A", "dublin_oh")}

    await desk.hear(*part(merged, gone))
    await _standing(desk, second.lead_id, None)
    [after] = await desk.give(order(of_source("2"), "appointment_set"))
    assert await desk.verdicts(after) == [["recorded"]]
    assert [view.type for view in await desk.history(second.lead_id)] == ["contacted", "appointment_set"]


async def test_an_outcome_that_names_a_merged_lead_s_submission_credits_what_that_said(desk: Desk) -> None:
    first, second = accepted("1", geo_key="dublin_oh"), accepted("2", geo_key="columbus_oh")
    await desk.arrive(first, second)
    await desk.hear(*merge(first, second, geo_key="dublin_oh"))
    await _standing(desk, second.lead_id, first.lead_id)
    [given] = await desk.give(order(of_source("2", second.submission_id), "closed_won"))
    assert await desk.verdicts(given) == [["recorded"]]
    [won] = await desk.history(first.lead_id)
    assert won.attribution.geo_key == "columbus_oh"


async def test_what_waited_for_a_lead_that_arrives_merged_is_recorded_for_the_one_that_stands(desk: Desk) -> None:
    first = accepted("1")
    await desk.arrive(first)
    [waiting] = await desk.give(order(of_source("2"), "contacted"))
    assert await desk.verdicts(waiting, waiting=True) == [["waiting"]]
    await desk.hear(accepted("2", merged_into=first.lead_id))
    assert await desk.verdicts(waiting) == [["recorded"]]
    assert [view.type for view in await desk.history(first.lead_id)] == ["contacted"]


async def test_a_lead_told_as_merged_into_one_that_is_not_known_yet_stands_for_itself_until_then(desk: Desk) -> None:
    survivor = accepted("1")
    merged = accepted("2", merged_into=survivor.lead_id)
    await desk.arrive(merged)
    [before] = await desk.give(order(of_source("2"), "contacted"))
    assert await desk.verdicts(before) == [["recorded"]]
    await desk.arrive(survivor)
    [after] = await desk.give(order(of_source("2"), "appointment_set"))
    assert await desk.verdicts(after) == [["recorded"]]
    assert [view.type for view in await desk.history(survivor.lead_id)] == ["appointment_set"]


async def test_only_the_lead_that_stands_is_missed_and_not_while_a_merged_one_stirs_or_has_an_outcome(
    desk: Desk,
) -> None:
    promising = {"tier": "A", "timeline": "0-30", "created_at": datetime.now(UTC) - timedelta(days=9)}
    quiet, other, busy, stirring = (accepted(str(n), **promising) for n in range(4))
    lively = stirring.model_copy(update={"last_activity_at": datetime.now(UTC)})
    won, third = accepted("5", **promising), accepted("6", **promising)
    await desk.arrive(quiet, other, busy, lively, won, third)
    await desk.verdicts(*await desk.give(order(of_source("5"), "appointment_set", occurred_at=won.created_at)))
    assert await _missed(desk) == {quiet.lead_id, other.lead_id, busy.lead_id, third.lead_id}
    for survivor, merged in ((quiet, other), (busy, lively), (third, won)):
        await desk.hear(*merge(survivor, merged, **promising))
        await _standing(desk, merged.lead_id, survivor.lead_id)
    assert await _missed(desk) == {quiet.lead_id}, "merging is no act of anybody"


async def _missed(desk: Desk) -> set[UUID]:
    return {lead.lead_id for lead in (await desk.ask(MissingOutcomes())).leads}


async def _standing(desk: Desk, lead_id: UUID, survivor: UUID | None) -> None:
    """Wait until outcomes knows what a lead is merged into, and the news told with it."""
    after = accepted(f"after-{uuid4()}")
    await desk.arrive(after)

    async def known() -> bool:
        async with desk.platform.sql() as sql:
            into = await sql.fetchval("select merged_into from outcomes.lead where lead_id = $1", lead_id)
            return bool(into == survivor)

    await until(known, what="outcomes knowing what the lead is merged into")
