"""Which promising leads should have an outcome by now, and what counts as activity."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts.outcomes import MissingOutcomes, RebuildLeadStates, VoidOutcome
from contracts.taxonomy import Channel
from tests.outcomes.desk import Desk, accepted, of_source, order, updated
from tests.outcomes.test_merged import merge
from tests.outreach.told import message_sent, reply_received
from tests.platform import Platform

DAY = timedelta(days=1)


def stale(source_id: str = "1", days: float = 8, **fields: Any) -> Any:
    """A lead of tier A, due this month, to which nothing has happened for so many days."""
    at = datetime.now(UTC) - days * DAY
    return accepted(
        source_id, **{"tier": "A", "timeline": "0-30", "created_at": at - DAY, "last_activity_at": at, **fields}
    )


async def missing(desk: Desk) -> list[str]:
    """The source keys of the leads found missing, in their order."""
    found = await desk.ask(MissingOutcomes())
    assert found.count == len(found.leads)
    return [lead.source_key for lead in found.leads]


async def test_the_promising_and_quiet_are_listed_the_stalest_first(desk: Desk) -> None:
    leads = {
        "a week and an hour": stale(days=7 + 1 / 24, timeline="31-90", tier="B", geo_key="dublin_oh"),
        "almost a week": stale(days=7 - 1 / 24),
        "long ago": stale(days=90),
        "tier C": stale(tier="C"),
        "no tier": stale(tier=None),
        "not before half a year": stale(timeline="91-180"),
        "no timeline": stale(timeline=None),
        "imported without activity": stale(last_activity_at=None, created_at=datetime.now(UTC) - 30 * DAY),
        "new": stale(last_activity_at=None, created_at=datetime.now(UTC)),
    }
    await desk.arrive(
        *(
            lead.model_copy(
                update={"source_id": name, "attribution": lead.attribution.model_copy(update={"source_key": name})}
            )
            for name, lead in leads.items()
        )
    )
    assert await missing(desk) == ["long ago", "imported without activity", "a week and an hour"]
    last = (await desk.ask(MissingOutcomes())).leads[-1]
    lead = leads["a week and an hour"]
    assert (last.lead_id, last.tier, last.timeline, last.geo_key, last.days_stale) == (
        lead.lead_id, "B", "31-90", "dublin_oh", 7,
    )  # fmt: skip
    assert last.last_activity_at == lead.last_activity_at


@pytest.mark.parametrize(
    ("type_", "days_ago", "still"),
    [("contacted", 8, True), ("contacted", 1, False), ("appointment_set", 30, False), ("invalid", 30, False)],
)
async def test_an_outcome_is_activity_when_it_happened_and_one_beyond_contacted_settles(
    desk: Desk, type_: str, days_ago: int, still: bool
) -> None:
    await desk.arrive(stale(days=20, source_key="web"))
    happened = datetime.now(UTC) - days_ago * DAY
    await desk.verdicts(*await desk.give(order(of_source(), type_, occurred_at=happened)))
    assert await missing(desk) == (["web"] if still else [])


async def test_a_message_sent_a_reply_and_an_update_are_activity(desk: Desk) -> None:
    sent, changed, quiet = stale("sent"), stale("changed"), stale("quiet", source_key="quiet")
    answered, long_ago = stale("answered"), stale("long ago", source_key="long ago", days=9)
    await desk.arrive(sent, changed, quiet, answered, long_ago)
    assert len(await missing(desk)) == 5
    now = datetime.now(UTC)
    await desk.hear(
        message_sent(sent.lead_id, now), reply_received(answered.lead_id, now),
        reply_received(long_ago.lead_id, now - 8 * DAY, heard_at=now), sender="outreach",
    )  # fmt: skip
    await desk.hear(updated(changed, tier="A", timeline="0-30", last_activity_at=changed.last_activity_at))
    await desk.arrive(accepted("last"))
    found = await desk.ask(MissingOutcomes())
    assert [lead.source_key for lead in found.leads] == ["quiet", "long ago"]
    assert abs(found.leads[1].last_activity_at - (now - 8 * DAY)) < DAY, "when they answered, not when that was read"


async def test_an_sms_that_is_a_week_old_misses_an_outcome_whatever_was_sent_since(desk: Desk) -> None:
    """Last activity more than 7 days ago, *or* last SMS reply (outcome-capture plan, "Missing Outcome Nudges")."""
    by_sms, by_mail, again = (stale(key, source_key=key) for key in ("by sms", "by mail", "again"))
    await desk.arrive(by_sms, by_mail, again)
    now = datetime.now(UTC)
    week_ago, then = now - 7 * DAY, now - 9 * DAY
    await desk.hear(
        message_sent(by_sms.lead_id, now), reply_received(by_sms.lead_id, then, heard_at=now),
        reply_received(by_mail.lead_id, then).model_copy(update={"channel": Channel.EMAIL}), message_sent(by_mail.lead_id, now),
        reply_received(again.lead_id, then), reply_received(again.lead_id, week_ago + timedelta(minutes=1)),
        sender="outreach",
    )  # fmt: skip
    await desk.arrive(accepted("last"))
    (found,) = (await desk.ask(MissingOutcomes())).leads
    assert (found.source_key, found.days_stale) == ("by sms", 9)
    assert (found.last_sms_reply_at, found.last_activity_at) == (then, now)
    gone, stands = merge(by_sms, again, source_key="by sms", tier="A", timeline="0-30")
    await desk.hear(gone, stands)
    await desk.arrive(accepted("merged"))
    assert await missing(desk) == [], "they sent one since, as the lead that is merged"
    await desk.verdicts(*await desk.give(order(of_source("by mail"), "contacted")))
    assert (await desk.ask(RebuildLeadStates())).different == 0


async def test_an_outcome_that_was_voided_does_not_count_nor_does_when_it_happened(desk: Desk) -> None:
    lead = stale(days=20, source_key="web")
    await desk.arrive(lead)
    happened = [datetime.now(UTC) - days * DAY for days in (1, 9)]
    given = [order(of_source(), "appointment_set", occurred_at=at) for at in happened]
    results = await desk.results(*await desk.give(*given, order(of_source(), "contacted", occurred_at=happened[1])))
    assert await missing(desk) == []
    for [result] in results[:2]:
        assert await missing(desk) == []
        await desk.ask(VoidOutcome(lead_id=lead.lead_id, outcome_id=result.outcome_id))
    (found,) = (await desk.ask(MissingOutcomes())).leads
    assert (found.last_activity_at, found.days_stale) == (happened[1], 9), "the contact stands"
    await desk.hear(message_sent(lead.lead_id, datetime.now(UTC)), sender="outreach")
    await desk.arrive(accepted("last"))
    assert await missing(desk) == []


async def test_what_is_kept_of_leads_states_is_rebuilt_from_their_outcomes_and_the_differences_told(desk: Desk) -> None:
    leads = [stale(str(number), days=20) for number in range(4)]
    await desk.arrive(*leads)
    recorded = [
        order(of_source(str(number)), type_) for number, type_ in enumerate(("contacted", "invalid", "invalid"))
    ]
    results = await desk.results(*await desk.give(*recorded))
    await desk.ask(VoidOutcome(lead_id=leads[2].lead_id, outcome_id=results[2][0].outcome_id))
    right = await desk.ask(RebuildLeadStates())
    assert (right.compared, right.different, right.lead_ids) == (4, 0, [])
    states = [await desk.state(lead.lead_id) for lead in leads]
    assert [state.last_outcome for state in states] == ["contacted", "invalid", None, None]

    async with desk.platform.sql() as sql:
        await sql.execute(
            "update outcomes.lead set beyond_contacted = not beyond_contacted where tenant_id = $1 and source_id <> '3'",
            desk.tenant,
        )
    assert [await desk.state(lead.lead_id) for lead in leads] == states, "derived from the outcomes, and nothing else"
    found = await desk.ask(RebuildLeadStates())
    assert (found.compared, found.different) == (4, 3)
    assert found.lead_ids == sorted(lead.lead_id for lead in leads[:3])
    assert (await desk.ask(RebuildLeadStates())).different == 0

    async with desk.platform.sql() as sql:
        activity = "update outcomes.lead set last_activity_at = now() where tenant_id = $1 and source_id = '0'"
        await sql.execute(activity, desk.tenant)
    assert (await desk.ask(RebuildLeadStates())).lead_ids == [leads[0].lead_id], "when something happened is kept too"
    assert {lead.lead_id for lead in (await desk.ask(MissingOutcomes())).leads} == {leads[n].lead_id for n in (0, 2, 3)}


async def test_an_older_version_that_comes_late_changes_nothing(desk: Desk, running: Platform) -> None:
    first = stale(source_key="web")
    await desk.arrive(updated(first, tier="D", timeline="0-30"))
    await desk.hear(first)
    await desk.arrive(accepted("last"))
    async with running.sql() as sql:
        query = "update outcomes.lead set last_activity_at = $1 where tenant_id = $2"
        await sql.execute(query, first.last_activity_at, desk.tenant)
    assert await missing(desk) == []


async def test_a_hundred_are_listed_and_all_are_counted(desk: Desk) -> None:
    await desk.hear(*(stale(str(number), days=8 + number) for number in range(103)))
    await desk.arrive(accepted("last"))
    found = await desk.ask(MissingOutcomes())
    assert (len(found.leads), found.count, found.leads[0].days_stale, found.leads[-1].days_stale) == (100, 103, 110, 11)
