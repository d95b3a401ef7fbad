"""Which leads a bulk would record outcomes of, page by page, and what there is to choose them by."""

import pytest

from contracts.message import ProblemCode, ProblemError
from contracts.outcomes import ChooseLeads, ChosenLeads, LeadFilter, ListLeadKeys
from contracts.taxonomy import Tier
from outcomes import choosing
from tests.outcomes.desk import Desk, accepted, of_source, order, updated
from tests.outcomes.test_merged import merge


async def choose(desk: Desk, **fields: object) -> ChosenLeads:
    return await desk.ask(ChooseLeads(**fields))  # type: ignore[arg-type]


async def test_leads_are_shown_as_they_are_now_with_where_they_stand(desk: Desk) -> None:
    a, b, c = (accepted(name, source_key="web", tier=tier) for name, tier in (("a", "A"), ("b", "B"), ("c", "C")))
    await desk.arrive(a, b, c, accepted("d", source_key="mail", tier="A"))
    await desk.arrive(updated(b, source_key="web", geo_key="dublin_oh", tier="B"))
    await desk.verdicts(*await desk.give(order(of_source("a"), "contacted", "appointment_set")))
    found = await choose(desk, leads=LeadFilter(source_key="web", tiers=[Tier.A, Tier.B]), count=True)
    assert (found.count, found.next_cursor) == (2, None)
    by_id = {lead.lead_id: lead for lead in found.leads}
    assert by_id.keys() == {a.lead_id, b.lead_id}
    assert by_id[a.lead_id].stage == "mid_funnel"
    assert (by_id[b.lead_id].stage, by_id[b.lead_id].attribution.geo_key) == (None, "dublin_oh")


@pytest.mark.parametrize("most", [3, 5_000])
async def test_pages_hold_each_lead_once_the_newest_first_however_few_are_looked_through(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(choosing, "_MOST_LOOKED_THROUGH", most)
    leads = [accepted(str(number), tier="A") for number in range(5)]
    await desk.arrive(*leads)
    gone, stands = merge(leads[0], accepted("other", tier="A"), tier="A")
    await desk.hear(gone, stands)
    await desk.arrive(accepted("last"))
    ids, cursor = [], None
    while True:
        page = await choose(desk, leads=LeadFilter(tier=Tier.A), limit=2, cursor=cursor)
        ids += [lead.lead_id for lead in page.leads]
        if not (cursor := page.next_cursor):
            break
    expected = {lead.lead_id for lead in leads[1:]} | {stands.lead_id}
    assert ids == sorted(expected, reverse=True)
    assert page.count is None
    assert (await choose(desk, leads=LeadFilter(tier=Tier.A), count=True, limit=1)).count == len(expected)
    monkeypatch.setattr(choosing, "_MOST_COUNTED", 3)
    counted = await choose(desk, leads=LeadFilter(tier=Tier.A), count=True)
    assert counted.count == 3, "no further than a bulk reaches"
    with pytest.raises(ProblemError) as wrong:
        await choose(desk, leads=LeadFilter(tier=Tier.A), cursor="x")
    assert wrong.value.problem.code is ProblemCode.INVALID


async def test_what_leads_are_chosen_by_is_known_of_leads_that_came_or_changed_and_of_no_other_tenants(
    desk: Desk, other_desk: Desk
) -> None:
    lead = accepted("a", source_key="web", partner="north")
    await desk.arrive(lead, accepted("b", source_key="mail", geo_key="dublin_oh"))
    await desk.arrive(updated(lead, source_key="web", geo_key="austin_tx"), accepted("last"))
    keys = await desk.ask(ListLeadKeys())
    assert (keys.sources, keys.places, keys.partners) == (["mail", "web"], ["austin_tx", "dublin_oh"], ["north"])
    assert (await other_desk.ask(ListLeadKeys())).sources == []
    assert (await choose(other_desk, leads=LeadFilter(source_key="web"))).leads == []
