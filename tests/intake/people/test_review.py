"""Leads that may be one person by name and place are listed for people, who merge or dismiss them; none is merged by itself."""

from collections.abc import AsyncIterator

import pytest

from contracts.intake.leads import GetLead
from contracts.intake.people import DismissReview, LeadsForReview, MergeLeads, ReviewPage, ReviewPair, UnmergeLead
from contracts.message import ProblemCode, ProblemError
from contracts.operations import JobRunView, RunJob
from contracts.taxonomy import MergePolicy
from intake.people import review
from tests.intake.people.desk import ACTOR, Desk, lead
from tests.intake.people.test_merging import PHONE, ids
from tests.platform import Platform


@pytest.fixture
async def desk(intake: Platform, tenant: str) -> AsyncIterator[Desk]:
    opened = Desk(intake, tenant)
    await opened.open(MergePolicy.INTO_OLDEST)
    yield opened
    await opened.close()


async def listed(desk: Desk, **ask: object) -> ReviewPage:
    return await desk.platform.caller.ask(desk.tenant, LeadsForReview.model_validate(ask))


async def pairs(desk: Desk) -> list[ReviewPair]:
    await desk.compare()
    return (await listed(desk)).pairs


async def test_alike_names_in_one_place_are_listed_with_reasons_and_without_names(desk: Desk) -> None:
    jon, john, _, _ = await ids(
        desk,
        lead("1", full_name="Jon Smith", geo="Dublin, OH"),
        lead("2", full_name="Smith, John", geo="dublin oh"),
        lead("3", full_name="John Smith", geo="Columbus, OH"),
        lead("4", full_name="Jane Stone", geo="Dublin, OH"),
    )
    [pair] = await pairs(desk)
    assert (pair.lead_id, pair.other_id) == (jon, john)
    assert (85 <= pair.score < 100, pair.reasons) == (True, ["similar_name", "same_place"])
    assert "smith" not in pair.model_dump_json().lower()
    assert await desk.merges() == {}, "never merged by themselves, whatever the policy"
    assert not [name for name, _ in await desk.told() if name != "lead_accepted"]


async def test_the_job_compares_what_is_new_of_every_tenant(desk: Desk) -> None:
    await ids(desk, *(lead(str(n), full_name="John Smith", geo="Dublin") for n in range(3)))
    run: JobRunView = await desk.platform.caller.ask(desk.tenant, RunJob(job="compare_names"), of="intake", seconds=60)
    assert (run.error, run.counts["compared"] >= 3) == (None, True)
    assert len((await listed(desk)).pairs) == 3
    assert await desk.compare() == (0, 0), "what was compared is not compared again"


async def test_leads_that_share_a_token_are_linked_and_not_listed(desk: Desk) -> None:
    await desk.open(MergePolicy.KEEP_BOTH)
    one, two = await ids(desk, lead("1", full_name="John Smith", geo="Dublin", phone=PHONE),
                         lead("2", full_name="John Smith", geo="Dublin"))  # fmt: skip
    assert len(await pairs(desk)) == 1
    await desk.submit(lead("2", full_name="John Smith", geo="Dublin", phone=PHONE))
    assert (await listed(desk)).pairs == []
    assert await pairs(desk) == []
    rows = await desk.rows()
    assert rows[one]["person_id"] == rows[two]["person_id"]


async def test_a_pair_is_merged_from_the_list_and_never_listed_again_once_parted(desk: Desk) -> None:
    one, two = await ids(desk, *(lead(str(n), full_name="John Smith", geo="Dublin") for n in range(2)))
    ask = desk.platform.caller.ask
    [pair] = await pairs(desk)
    await ask(desk.tenant, MergeLeads(survivor_id=pair.lead_id, merged_id=pair.other_id, actor=ACTOR))
    assert (await listed(desk)).pairs == []
    await ask(desk.tenant, UnmergeLead(lead_id=two, actor=ACTOR))
    assert await pairs(desk) == []
    assert (await ask(desk.tenant, GetLead(lead_id=one))).merged_leads == []


async def test_a_parted_lead_is_compared_with_what_came_while_it_was_merged(desk: Desk) -> None:
    one, two = await ids(desk, lead("1", full_name="Jane Roe"), lead("2", full_name="John Smith", geo="Dublin"))
    await desk.merge(one, two)
    [three] = await ids(desk, lead("3", full_name="John Smith", geo="Dublin"))
    assert await pairs(desk) == []
    await desk.unmerge(two)
    [pair] = await pairs(desk)
    assert (pair.lead_id, pair.other_id) == (two, three)


async def test_a_dismissed_pair_is_not_listed_again_and_never_merged_by_itself(desk: Desk) -> None:
    one, two = await ids(desk, *(lead(str(n), full_name="John Smith", geo="Dublin") for n in range(2)))
    ask = desk.platform.caller.ask
    assert len(await pairs(desk)) == 1
    dismissal = DismissReview(lead_id=two, other_id=one, actor=ACTOR)
    assert [(await ask(desk.tenant, dismissal)).dismissed for _ in range(2)] == [True, False]
    assert (await listed(desk)).pairs == []
    await desk.submit(*(lead(str(n), full_name="John Smith", geo="Dublin", phone=PHONE) for n in range(2)))
    assert await pairs(desk) == []
    assert await desk.merges() == {}
    third, fourth = await ids(desk, *(lead(str(n), full_name="Jane Smith", geo="Dublin") for n in (3, 4)))
    await desk.merge(third, fourth)
    with pytest.raises(ProblemError) as refused:
        await ask(desk.tenant, DismissReview(lead_id=third, other_id=fourth, actor=ACTOR))
    assert refused.value.problem.code is ProblemCode.CONFLICT


async def test_a_lead_that_gets_another_name_or_place_is_compared_anew(desk: Desk) -> None:
    await ids(desk, lead("1", full_name="John Smith", geo="Dublin"), lead("2", full_name="Jack Stone", geo="Dublin"))
    assert await pairs(desk) == []
    await desk.submit(lead("2", full_name="Jon Smith", geo="Dublin"))
    assert len(await pairs(desk)) == 1
    await desk.submit(lead("2", full_name="Jon Smith", geo="Dublin", tier="A"))
    assert await desk.compare() == (0, 0)
    await desk.submit(lead("2", full_name="Jon Smith", geo="Columbus"))
    assert await pairs(desk) == []
    await desk.submit(lead("2", full_name="Jon Smith", geo="Dublin"))
    assert len(await pairs(desk)) == 1
    await desk.submit(lead("2", full_name="Jon"))
    assert (await listed(desk)).pairs == []


async def test_the_list_comes_in_pages_the_most_alike_first(desk: Desk) -> None:
    await ids(desk, *(lead(str(n), full_name=name, geo="Dublin")
                      for n, name in enumerate(["John Smith", "John Smith", "Jon Smith", "Jonn Smith"])))  # fmt: skip
    whole = await pairs(desk)
    assert [pair.score for pair in whole] == sorted((pair.score for pair in whole), reverse=True)
    assert whole[0].reasons == ["same_name", "same_place"]
    found, cursor = [], None
    while True:
        page = await listed(desk, limit=2, cursor=cursor)
        found += page.pairs
        if (cursor := page.next_cursor) is None:
            break
    assert found == whole
    with pytest.raises(ProblemError, match="not a cursor"):
        await listed(desk, cursor="1.2")


async def test_a_lead_is_compared_with_no_more_than_the_newest_of_its_block(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(review, "MATES", 2)
    *_, last = await ids(desk, *(lead(str(n), full_name="John Smith", geo="Dublin") for n in range(5)))
    await desk.compare()
    async with desk.database.begin(desk.tenant) as uow:
        await uow.execute("delete from review_candidate where tenant_id = :tenant", tenant=desk.tenant)
        await uow.execute("update name_block set compared = lead_id <> :last", last=last)
    await desk.compare()
    assert len((await listed(desk)).pairs) == 2


async def test_what_leads_are_compared_by_is_a_hash_that_another_tenant_does_not_share(desk: Desk) -> None:
    other = Desk(desk.platform, f"other-{desk.tenant}"[:63])
    await other.open(MergePolicy.KEEP_BOTH)
    try:
        for each in (desk, other):
            await ids(each, lead("1", full_name="John Smith", geo="Dublin"))
        async with desk.platform.sql() as sql:
            blocks = await sql.fetch("select block from intake.name_block where tenant_id = any($1)",
                                     [desk.tenant, other.tenant])  # fmt: skip
        assert len({row["block"] for row in blocks}) == 2
    finally:
        await other.close()
