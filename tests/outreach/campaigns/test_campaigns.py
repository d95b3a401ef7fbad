"""A campaign reaches the leads of its audience, those that come later included, each once; it can be paused and archived."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.unit_of_work import Database
from contracts.message import ProblemCode, ProblemError, Request
from contracts.outreach.accounts import NewAccountSettings, NewHttpService, SetAccount, Transport
from contracts.outreach.campaigns import (
    ArchiveCampaign,
    Audience,
    CampaignState,
    CampaignView,
    CheckCampaign,
    CreateCampaign,
    GetCampaign,
    ListCampaigns,
    ListCampaignTitles,
    NewStep,
    NewVariant,
    PauseCampaign,
    ResumeCampaign,
)
from contracts.outreach.sending import LeadMessages, MessageView
from contracts.outreach.templates import SaveTemplate
from contracts.taxonomy import Channel, Intent, SendKind, Tier
from outreach import locks
from outreach.campaigns import store
from tests.outreach.scene import account, arrive, campaign, count, events, lead, messages, outreach
from tests.platform import Platform
from tests.waiting import until


async def enrolled(platform: Platform, tenant: str) -> set[object]:
    return {message["lead_id"] for message in await messages(platform, tenant)}


async def begun(platform: Platform, tenant: str, campaign_id: UUID) -> CampaignView | None:
    """The campaign, once its audience is enrolled."""
    async with platform.sql() as sql:
        enrolling = await sql.fetchval(
            "select enrolled_through is not null from outreach.campaign where tenant_id = $1 and campaign_id = $2",
            tenant, campaign_id,
        )  # fmt: skip
    return None if enrolling else await platform.caller.ask(tenant, GetCampaign(campaign_id=campaign_id))


async def test_every_lead_of_the_audience_that_is_there_is_enrolled_once(platform: Platform, tenant: str) -> None:
    members = [lead(source_key="web", intent="buyer", tier="A", geo_key=geo) for geo in ("dublin_oh", "columbus_oh")]
    others = [lead(source_key="web", intent="seller", tier="A"), lead(source_key="web"), lead(tier="A", intent="buyer")]
    async with outreach(platform, tenant):
        await arrive(platform, tenant, [*members, *others])
        audience = Audience(source_key="web", intent=Intent.BUYER, tier=Tier.A)
        made = await campaign(platform, tenant, audience=audience)
        view = await until(lambda: begun(platform, tenant, made.campaign_id))

        assert (view.state, view.enrolled, view.queued, view.sent) == (CampaignState.RUNNING, 2, 2, 0)
        assert view.audience.model_dump() == audience.model_dump()
        assert await enrolled(platform, tenant) == {member.lead_id for member in members}
        created = await events(platform, tenant, "campaign_created")
        assert [event["campaign_id"] for event in created] == [str(view.campaign_id)]
        for name in ("enrollment_started", "message_queued"):
            told = await events(platform, tenant, name)
            assert {event["lead_id"] for event in told} == {str(member.lead_id) for member in members}


async def test_a_large_audience_is_enrolled_batch_by_batch(platform: Platform, tenant: str) -> None:
    async with outreach(platform, tenant):
        await arrive(platform, tenant, [lead() for _ in range(1100)])
        made = await campaign(platform, tenant)
        view = await until(lambda: begun(platform, tenant, made.campaign_id), seconds=30)
        assert view.enrolled == view.queued == 1100


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        (SendKind.EMAIL, "email"),
        (SendKind.CONNECTION_REQUEST, "linkedin"),
        (SendKind.LINKEDIN_MESSAGE, "linkedin"),
        (SendKind.SMS, "phone"),
    ],
)
async def test_only_leads_with_an_address_for_the_first_step_are_enrolled(
    platform: Platform, tenant: str, kind: SendKind, address: str
) -> None:
    leads = {name: lead(**{"email": False, name: True}) for name in ("email", "linkedin", "phone")}
    async with outreach(platform, tenant):
        await arrive(platform, tenant, list(leads.values()))
        made = await campaign(platform, tenant, NewStep(kind=kind))
        await until(lambda: begun(platform, tenant, made.campaign_id))
        assert await enrolled(platform, tenant) == {leads[address].lead_id}


async def test_a_lead_that_arrives_or_joins_the_audience_later_is_enrolled_once(
    platform: Platform, tenant: str
) -> None:
    newcomer, joining, outsider = lead(tier="A"), lead(tier="C"), lead(tier="C")
    async with outreach(platform, tenant):
        await campaign(platform, tenant, audience=Audience(tier=Tier.A))
        await arrive(platform, tenant, [newcomer, joining, outsider])
        assert await enrolled(platform, tenant) == {newcomer.lead_id}

        await arrive(
            platform, tenant, [lead(joining.lead_id, version=2, tier="A"), lead(newcomer.lead_id, version=2, tier="A")]
        )
        assert await enrolled(platform, tenant) == {newcomer.lead_id, joining.lead_id}
        assert len(await events(platform, tenant, "message_queued")) == 2


async def test_an_older_version_of_a_lead_that_comes_late_changes_nothing(platform: Platform, tenant: str) -> None:
    known = lead(version=3, tier="C")
    async with outreach(platform, tenant):
        await campaign(platform, tenant, audience=Audience(tier=Tier.A))
        await arrive(platform, tenant, [known])
        await arrive(platform, tenant, [lead(known.lead_id, version=2, tier="A")])
        assert await enrolled(platform, tenant) == set()


async def test_a_lead_that_arrives_while_a_campaign_is_created_is_enrolled(
    platform: Platform, database: Database, tenant: str
) -> None:
    async def someone_waits() -> bool:
        async with platform.sql() as sql:
            waits = "select exists (select from pg_locks where locktype = 'advisory' and mode = 'ShareLock' and not granted)"
            return bool(await sql.fetchval(waits))

    newcomer = lead()
    async with outreach(platform, tenant):
        async with database.begin(tenant) as creating:
            await locks.campaign_begins(creating, tenant)
            await store.insert(creating, tenant, uuid4(), CreateCampaign(title="Hello"), [NewStep()])
            await platform.publish("intake", tenant, newcomer)
            await until(someone_waits, what="the lead waits for the campaign")
        await until(lambda: enrolled(platform, tenant), what="the lead is enrolled")


async def test_a_draft_enrolls_nobody_until_it_is_resumed(platform: Platform, tenant: str) -> None:
    async with outreach(platform, tenant):
        await arrive(platform, tenant, [lead()])
        draft = await campaign(platform, tenant, start=False)
        await arrive(platform, tenant, [lead()])
        assert (draft.state, await enrolled(platform, tenant)) == (CampaignState.DRAFT, set())
        await platform.caller.ask(tenant, ResumeCampaign(campaign_id=draft.campaign_id))
        await until(lambda: begun(platform, tenant, draft.campaign_id))
        assert len(await enrolled(platform, tenant)) == 2


async def test_pausing_and_resuming_happen_once_however_often_they_are_asked_for(
    platform: Platform, tenant: str
) -> None:
    async with outreach(platform, tenant):
        made = await campaign(platform, tenant)
        pause, resume = (
            order(campaign_id=made.campaign_id, actor="user:7") for order in (PauseCampaign, ResumeCampaign)
        )
        for _ in range(2):
            assert (await platform.caller.ask(tenant, pause)).state is CampaignState.PAUSED
        for _ in range(2):
            assert (await platform.caller.ask(tenant, resume)).state is CampaignState.RUNNING
        assert [event["actor"] for event in await events(platform, tenant, "campaign_paused")] == ["user:7"]
        assert [event["actor"] for event in await events(platform, tenant, "campaign_resumed")] == ["user:7"]


async def test_an_archived_campaign_lets_everybody_go_and_never_sends_again(platform: Platform, tenant: str) -> None:
    async with outreach(platform, tenant):
        await arrive(platform, tenant, [lead(), lead()])
        made = await campaign(platform, tenant)  # there is no account: its messages wait
        await until(lambda: begun(platform, tenant, made.campaign_id))
        view = await platform.caller.ask(tenant, ArchiveCampaign(campaign_id=made.campaign_id))
        assert view.state is CampaignState.ARCHIVED
        await until(lambda: count(platform, tenant, "skipped"), what="its messages are skipped")
        await until(lambda: _let_go(platform, tenant), what="nobody is held")
        ended = await events(platform, tenant, "enrollment_ended")
        assert [event["reason"] for event in ended] == ["archived", "archived"]
        assert len(await events(platform, tenant, "campaign_completed")) == 1

        resumed = await platform.caller.ask(tenant, ResumeCampaign(campaign_id=made.campaign_id))
        assert resumed.state is CampaignState.ARCHIVED
        other = await campaign(platform, tenant)  # whom nothing was sent can be contacted at once
        await account(platform, tenant)
        await until(lambda: _sent(platform, tenant, other.campaign_id, 2), what="another campaign has them")


async def test_a_tenant_sees_and_switches_its_own_campaigns_only(platform: Platform, tenant: str) -> None:
    other = f"other-{uuid4().hex[:8]}"
    async with outreach(platform, tenant):
        made = [
            await platform.caller.ask(tenant, CreateCampaign(title=title)) for title in ("First", "Second", "Third")
        ]
        listed = await platform.caller.ask(tenant, ListCampaigns(limit=2))
        assert [each.title for each in listed.campaigns] == ["Third", "Second"]
        rest = await platform.caller.ask(tenant, ListCampaigns(limit=2, cursor=listed.next_cursor))
        assert ([each.title for each in rest.campaigns], rest.next_cursor) == (["First"], None)
        titles = await platform.caller.ask(tenant, ListCampaignTitles(limit=2))
        more = await platform.caller.ask(tenant, ListCampaignTitles(limit=2, cursor=titles.next_cursor))
        assert [each.title for each in (*titles.campaigns, *more.campaigns)] == ["Third", "Second", "First"]
        assert (await platform.caller.ask(other, ListCampaigns())).campaigns == []
        assert (await platform.caller.ask(other, ListCampaignTitles())).campaigns == []
        with pytest.raises(ProblemError, match="no such campaign") as refused:
            await platform.caller.ask(other, PauseCampaign(campaign_id=made[0].campaign_id))
        assert refused.value.problem.code is ProblemCode.NOT_FOUND
        assert await events(platform, other, "campaign_paused") == []


async def test_a_campaign_of_a_tenant_that_does_not_exist_is_refused(platform: Platform) -> None:
    async with platform.running("gateway", "outreach"):
        with pytest.raises(ProblemError, match="no such tenant"):
            await platform.caller.ask(f"missing-{uuid4().hex[:8]}", CreateCampaign(title="Hello"))


async def test_the_messages_to_a_lead_are_listed_in_pages_each_once(platform: Platform, tenant: str) -> None:
    known = lead()
    async with outreach(platform, tenant):
        await arrive(platform, tenant, [known])
        for number in range(5):
            made = await platform.caller.ask(tenant, CreateCampaign(title=str(number)))
            await until(lambda: begun(platform, tenant, made.campaign_id))  # noqa: B023 - awaited within the round
        async with platform.sql() as sql:  # two were queued at one moment
            await sql.execute(
                """update outreach.send_queue set queued_at = (select min(queued_at) from outreach.send_queue where tenant_id = $1)
                   where tenant_id = $1 and message_id in
                       (select message_id from outreach.send_queue where tenant_id = $1 order by queued_at limit 2)""",
                tenant,
            )
        queued = [row["message_id"] for row in sorted(await messages(platform, tenant), key=last_queued_first)]
        for limit in (1, 2, 5):
            listed: list[MessageView] = []
            cursor = None
            while True:
                page = await platform.caller.ask(
                    tenant, LeadMessages(lead_id=known.lead_id, limit=limit, cursor=cursor)
                )
                listed += page.messages
                assert page.channels == [Channel.EMAIL]
                if (cursor := page.next_cursor) is None:
                    break
            assert [message.message_id for message in listed] == queued
        with pytest.raises(ProblemError) as refused:
            await platform.caller.ask(tenant, LeadMessages(lead_id=known.lead_id, cursor="x"))
        assert refused.value.problem.code is ProblemCode.INVALID


def last_queued_first(row: dict[str, Any]) -> tuple[float, UUID]:
    return -row["queued_at"].timestamp(), row["message_id"]


async def _let_go(platform: Platform, tenant: str) -> bool:
    async with platform.sql() as sql:
        return not await sql.fetchval("select exists (select from outreach.hold where tenant_id = $1)", tenant)


async def _sent(platform: Platform, tenant: str, campaign_id: UUID, wanted: int) -> bool:
    ended = [m for m in await messages(platform, tenant) if m["campaign_id"] == campaign_id and m["ended_at"]]
    return len(ended) == wanted


async def test_a_campaign_of_which_nothing_is_written_does_not_start_where_people_would_get_it(
    platform: Platform, tenant: str
) -> None:
    async with outreach(platform, tenant):
        sales = (await account(platform, tenant)).account_id
        text = SaveTemplate(name="hello", kind=SendKind.EMAIL, subject="A", body="B", actor="user:1")
        written = NewStep(variants=(NewVariant(template_id=(await platform.caller.ask(tenant, text)).template_id),))
        really = SetAccount(
            account_id=sales, transport=Transport.HTTP, http=NewHttpService(url="https://messages.example.com/")
        )
        into_the_sandbox = SetAccount(account_id=sales, transport=Transport.SANDBOX)

        async def refused(order: Request[Any]) -> tuple[ProblemCode, str | None]:
            with pytest.raises(ProblemError, match="no template") as raised:
                await platform.caller.ask(tenant, order)
            return raised.value.problem.code, raised.value.problem.field

        running = await campaign(platform, tenant)
        assert await refused(really) == (ProblemCode.CONFLICT, "transport"), "it would be skipped by what runs"
        await platform.caller.ask(tenant, PauseCampaign(campaign_id=running.campaign_id))
        await platform.caller.ask(tenant, really)
        assert await refused(ResumeCampaign(campaign_id=running.campaign_id)) == (ProblemCode.CONFLICT, "campaign_id")
        order = CreateCampaign(title="Hello", steps=(written, NewStep(kind=SendKind.SMS), NewStep()))
        assert await refused(order) == (ProblemCode.INVALID, "steps.2.variants"), "by SMS nobody is reached"
        draft = await platform.caller.ask(tenant, order.model_copy(update={"start": False}))
        assert await refused(ResumeCampaign(campaign_id=draft.campaign_id)) == (ProblemCode.CONFLICT, "campaign_id")

        await campaign(platform, tenant, written)
        await campaign(platform, tenant, settings={"rotation_set": "other"})
        moved = SetAccount(account_id=sales, settings=NewAccountSettings(rotation_set="other"))
        assert await refused(moved) == (ProblemCode.CONFLICT, "transport")
        await platform.caller.ask(tenant, SetAccount(account_id=sales, title="Sales 2"))
        await platform.caller.ask(tenant, into_the_sandbox)
        resumed = await platform.caller.ask(tenant, ResumeCampaign(campaign_id=draft.campaign_id))
        assert resumed.state is CampaignState.RUNNING


async def test_a_long_queue_is_counted_before_all_that_leaves_is_stopped(
    platform: Platform, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    one, stop = store.one, locks.stop_messages

    async def counting(*given: Any) -> Any:
        done.append("counted")
        return await one(*given)

    async def stopping(*given: Any) -> None:
        done.append("stopped")
        await stop(*given)

    async with outreach(platform, tenant):
        made = await campaign(platform, tenant)
        monkeypatch.setattr("outreach.campaigns.store.one", counting)
        monkeypatch.setattr("outreach.locks.stop_messages", stopping)
        paused = await platform.caller.ask(tenant, PauseCampaign(campaign_id=made.campaign_id))
    assert (paused.state, done) == (CampaignState.PAUSED, ["counted", "stopped"])


async def test_where_intake_is_away_a_campaign_starts_and_is_remembered_when_it_is_back(
    platform: Platform, tenant: str
) -> None:
    async with outreach(platform, tenant):
        made = await campaign(platform, tenant)
        assert (made.state, made.recall) == (CampaignState.RUNNING, None)
        assert not (await platform.caller.ask(tenant, CheckCampaign())).similar_action_found
        async with platform.running("intake"):
            await platform.introduce(tenant, "intake")

            async def remembered() -> bool:
                return (await platform.caller.ask(tenant, CheckCampaign())).similar_action_found

            await until(remembered, what="the campaign being remembered")
