"""Variants of a text are judged by what became of their messages, and one that annoys too many people is sent to nobody any more."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.unit_of_work import Database, UnitOfWork
from contracts.message import ProblemCode, ProblemError
from contracts.outcomes import OutcomeRecorded
from contracts.outreach.campaigns import (
    CampaignState,
    CampaignView,
    GetCampaign,
    JudgeVariants,
    NewStep,
    NewVariant,
    PauseCampaign,
    ResumeCampaign,
    StepJudgement,
)
from contracts.outreach.replies import ReportComplaint, TakeReply
from contracts.outreach.templates import SaveTemplate
from contracts.taxonomy import OutcomeType, SendKind, Stage
from contracts.values import Attribution
from outreach.accounts import store_guard
from outreach.accounts.domain_guard import Level
from outreach.app import build
from outreach.campaigns import store_variants
from outreach.sending.claiming import Claimed, claim
from outreach.upkeep import look_after_accounts
from tests.outreach.scene import Gate, Outbox, account, arrive, campaign, count, lead, messages, new_lead, outreach
from tests.platform import Platform
from tests.waiting import until


async def template(platform: Platform, tenant: str, name: str) -> UUID:
    order = SaveTemplate(name=name, kind=SendKind.EMAIL, subject=name, body=name, actor="user:1")
    return (await platform.caller.ask(tenant, order)).template_id


async def judgement(platform: Platform, tenant: str, campaign_id: UUID) -> StepJudgement:
    (step,) = (await platform.caller.ask(tenant, JudgeVariants(campaign_id=campaign_id))).steps
    return step


async def won(platform: Platform, tenant: str, lead_id: UUID, at: datetime, stage: Stage = Stage.WON) -> None:
    event = OutcomeRecorded(
        outcome_id=uuid4(), lead_id=lead_id, sequence=1, type=OutcomeType.CLOSED_WON, stage=stage, occurred_at=at,
        recorded_at=at, recorded_by="user:1", attribution=Attribution(),
    )  # fmt: skip
    await platform.publish("outcomes", tenant, event)


async def test_what_came_of_each_variant_is_counted(platform: Platform, tenant: str) -> None:
    outbox = Outbox(tenant)
    async with platform.running("intake"), build(platform.settings("outreach"), outbox).running():
        await platform.introduce(tenant, "intake", "outreach")
        one, other = [await template(platform, tenant, name) for name in ("one", "other")]
        leads = [await new_lead(platform, tenant, email=f"ada.{number}@example.com") for number in range(12)]
        await account(platform, tenant)
        # The second step has one text only, and goes to nobody yet.
        steps = NewStep(variants=tuple(NewVariant(template_id=id_) for id_ in (one, other))), NewStep(delay_days=9)
        made = await campaign(platform, tenant, *steps)
        await until(lambda: _sent(platform, tenant, len(leads)))
        by_variant: dict[UUID, list[dict[str, UUID]]] = {one: [], other: []}
        for row in await messages(platform, tenant):
            if row["state"] == "sent":
                by_variant[row["variant"]].append(row)
        wins, none = sorted(by_variant.values(), key=len, reverse=True)
        assert len(wins) >= 5, "twelve leads, of which one variant has more than the other"
        interested, complaining, leaving, bought, bought_before = wins[:5]

        await reply(platform, tenant, interested["message_id"], "Yes, I am interested. Please call me.")
        await reply(platform, tenant, leaving["message_id"], "Please unsubscribe me from this list.")
        order = ReportComplaint(message_id=complaining["message_id"], source_key="complaint")
        await platform.caller.ask(tenant, order)
        now = datetime.now(UTC)
        await won(platform, tenant, bought["lead_id"], now)
        await won(platform, tenant, bought["lead_id"], now + timedelta(days=1))
        await won(platform, tenant, bought_before["lead_id"], now - timedelta(days=1))
        await won(platform, tenant, interested["lead_id"], now, Stage.LOST)
        await until(lambda: _wins(platform, tenant, 2))

        step = await judgement(platform, tenant, made.campaign_id)
        assert (step.step, step.winner) == (1, None)
        assert step.reason == "variant 1, variant 2 have sent fewer than 200 messages"
        views = {view.template_id: view for view in step.variants}
        assert [view.template_id for view in step.variants] == [one, other]
        best = views[wins[0]["variant"]]
        assert (best.sent, best.standing, best.weight, best.version) == (len(wins), "too_early", 1, 1)
        assert [rate.count for rate in (best.positive_replies, best.wins, best.complaints, best.unsubscribes)] == [
            1
        ] * 4
        assert best.wins.low < best.wins.share == 1 / len(wins) < best.wins.high
        assert any("at least 200 are needed" in why for why in best.why)
        (rest,) = [view for id_, view in views.items() if id_ != best.template_id]
        assert (rest.sent, rest.wins.count, rest.positive_replies.count) == (len(none), 0, 0)

        with pytest.raises(ProblemError) as refused:
            await platform.caller.ask(tenant, JudgeVariants(campaign_id=uuid4()))
        assert refused.value.problem.code is ProblemCode.NOT_FOUND


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker claims anything: the test does it."""

    async def nothing(*_: object) -> Claimed:
        return Claimed(uuid4())

    monkeypatch.setattr("outreach.sending.sender.claim", nothing)


@pytest.mark.usefixtures("by_hand")
async def test_the_winner_is_named_as_a_person_knows_it(platform: Platform, tenant: str) -> None:
    async with outreach(platform, tenant, Gate(tenant)):
        text = await template(platform, tenant, "hello")
        order = SaveTemplate(name="hello", kind=SendKind.EMAIL, subject="hello", body="better", actor="user:1")
        await platform.caller.ask(tenant, order)
        step = NewStep(variants=tuple(NewVariant(template_id=text, version=version) for version in (1, 2)))
        made = (await campaign(platform, tenant, step)).campaign_id
        leads = [lead(), lead()]
        await arrive(platform, tenant, leads)
        for version, known in enumerate(leads, 1):
            await was_sent(platform, tenant, made, text, 300, lead_id=known.lead_id, version=version)
        await won(platform, tenant, leads[1].lead_id, datetime.now(UTC) + timedelta(minutes=1))
        await until(lambda: _wins(platform, tenant, 1))
        found = await judgement(platform, tenant, made)
        assert (found.winner, found.winner_version) == (text, 2)
        assert found.reason.startswith("wins of variant 2 are surely more than every other's")


@pytest.mark.usefixtures("by_hand")
async def test_a_variant_that_annoys_too_many_people_is_sent_to_nobody_any_more(
    platform: Platform, database: Database, tenant: str
) -> None:
    async with outreach(platform, tenant, Gate(tenant)):
        bad, good = [await template(platform, tenant, name) for name in ("bad", "good")]
        await account(platform, tenant)
        known = [lead() for _ in range(30)]
        await arrive(platform, tenant, known)
        step = NewStep(variants=(NewVariant(template_id=bad), NewVariant(template_id=good, weight=2)))
        made = (await campaign(platform, tenant, step)).campaign_id
        await until(lambda: _queued(platform, tenant, 30))
        before = {row["message_id"]: row["variant"] for row in await messages(platform, tenant)}
        assert set(before.values()) == {bad, good}

        # 2 % may unsubscribe; of 250, nine are not surely more.
        lead_id = known[0].lead_id
        await was_sent(platform, tenant, made, bad, 250, unsubscribed=9, lead_id=lead_id)
        await look(database)
        assert await weights(platform, tenant, made) == [1, 2]
        await was_sent(platform, tenant, made, bad, 10, unsubscribed=10, lead_id=lead_id)
        await look(database)

        assert await weights(platform, tenant, made) == [0, 2]
        assert (await view_of(platform, tenant, made)).state is CampaignState.RUNNING
        views = {view.template_id: view for view in (await judgement(platform, tenant, made)).variants}
        assert (views[bad].standing, views[bad].weight, views[good].standing) == ("stopped", 0, "too_early")
        assert any("unsubscribes 19 of 260" in why and "stopped" in why for why in views[bad].why)
        # Neither to whoever waits in the queue nor to whoever comes.
        await arrive(platform, tenant, [lead() for _ in range(10)])
        async with database.begin(tenant) as uow:
            claimed = await claim(uow, [tenant], 100, Random(1))
        assert len(claimed.messages) == 40
        assert {(row["variant"], row["variant_version"]) for row in claimed.messages} == {(good, 1)}
        rows = [row for row in await messages(platform, tenant) if row["state"] == "claimed"]
        assert {row["variant"] for row in rows} == {good}

        # Its last variant cannot be taken from a step: the campaign is paused.
        sent = await was_sent(platform, tenant, made, good, 250, complained=5, lead_id=lead_id)
        await look(database)
        view = await view_of(platform, tenant, made)
        assert (view.state, await weights(platform, tenant, made)) == (CampaignState.PAUSED, [0, 2])
        assert view.stopped
        assert view.stopped.reason == "complaints"
        assert "step 1 has no variant left" in view.stopped.why
        assert "complaints 5 of 250" in view.stopped.why
        await platform.caller.ask(tenant, ResumeCampaign(campaign_id=made))
        await look(database)
        assert (await view_of(platform, tenant, made)).state is CampaignState.RUNNING, "what was known stops nothing"

        # What is heard from now on of what was sent before counts, over all that was sent.
        await was_annoyed(platform, tenant, sent[:4], "complaint")
        await look(database)
        view = await view_of(platform, tenant, made)
        assert view.stopped
        assert "complaints 4 of 250" in view.stopped.why
        # And what is sent from now on counts by itself: all that was sent before does not hide it.
        await was_sent(platform, tenant, made, good, 5000, lead_id=lead_id)
        await platform.caller.ask(tenant, ResumeCampaign(campaign_id=made))
        await look(database)
        assert (await view_of(platform, tenant, made)).state is CampaignState.RUNNING
        await was_sent(platform, tenant, made, good, 250, complained=5, lead_id=lead_id)
        await look(database)
        view = await view_of(platform, tenant, made)
        assert view.stopped
        assert "complaints 5 of 250" in view.stopped.why


@pytest.mark.usefixtures("by_hand")
async def test_a_campaign_can_be_paused_and_resumed_while_its_variants_are_counted(
    platform: Platform, database: Database, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with outreach(platform, tenant, Gate(tenant)):
        texts = [await template(platform, tenant, name) for name in ("bad", "good")]
        known = lead()
        await arrive(platform, tenant, [known])
        step = NewStep(variants=tuple(NewVariant(template_id=id_) for id_ in texts))
        made = (await campaign(platform, tenant, step)).campaign_id
        await was_sent(platform, tenant, made, texts[0], 250, complained=5, lead_id=known.lead_id)
        count_them = store_variants.counts

        async def meanwhile(uow: UnitOfWork, *about: Any, **since: Any) -> Any:
            rows = await count_them(uow, *about, **since)
            monkeypatch.setattr(store_variants, "counts", count_them)
            await platform.caller.ask(tenant, PauseCampaign(campaign_id=made))
            async with database.begin(tenant) as other:
                await store_guard.stop(other, tenant, Level.CAMPAIGN, str(made), "bounces", "too many")
            await platform.caller.ask(tenant, ResumeCampaign(campaign_id=made))
            return rows

        monkeypatch.setattr(store_variants, "counts", meanwhile)
        await look(database)
        assert await weights(platform, tenant, made) == [1, 1], "what a person knew when they resumed it stops nothing"


async def was_sent(
    platform: Platform,
    tenant: str,
    campaign_id: UUID,
    template_id: UUID,
    number: int,
    *,
    lead_id: UUID,
    unsubscribed: int = 0,
    complained: int = 0,
    version: int = 1,
) -> list[UUID]:
    """So many messages were written by a variant and sent, and this is what some people said; returns the messages."""
    ids = [uuid4() for _ in range(number)]
    async with platform.sql() as sql:
        await sql.execute(
            """insert into outreach.send_queue (tenant_id, message_id, enrollment_id, campaign_id, lead_id, step, kind, account_id,
                   state, queued_at, due_at, spent_at, ended_at, variant, variant_version)
               select $1, message_id, message_id, $3, $5, 1, 'email', message_id, 'sent', now(), now(), now(), now(), $4, $6
               from unnest($2::uuid[]) as message_id""",
            tenant, ids, campaign_id, template_id, lead_id, version,
        )  # fmt: skip
    await was_annoyed(platform, tenant, ids[:unsubscribed], "unsubscribed")
    await was_annoyed(platform, tenant, ids[-complained:] if complained else [], "complaint")
    return ids


async def was_annoyed(platform: Platform, tenant: str, those: Sequence[UUID], reason: str) -> None:
    """Whoever was sent these messages says so now."""
    async with platform.sql() as sql:
        await sql.execute(
            """insert into outreach.suppression (tenant_id, suppression_id, lead_id, reason, created_at, message_id)
               select $1, gen_random_uuid(), gen_random_uuid(), $3, now(), message_id from unnest($2::uuid[]) as message_id""",
            tenant, those, reason,
        )  # fmt: skip


async def look(database: Database) -> None:
    """A minute passes."""
    async with database.begin() as uow:
        now = uow.now
    await look_after_accounts(database, now)


async def view_of(platform: Platform, tenant: str, campaign_id: UUID) -> CampaignView:
    return await platform.caller.ask(tenant, GetCampaign(campaign_id=campaign_id))


async def weights(platform: Platform, tenant: str, campaign_id: UUID) -> Sequence[int]:
    return [variant.weight for variant in (await view_of(platform, tenant, campaign_id)).steps[0].variants]


async def reply(platform: Platform, tenant: str, message: UUID, text: str) -> None:
    await platform.caller.ask(tenant, TakeReply(message_id=message, source_key=f"reply-{message}", text=text))


async def _sent(platform: Platform, tenant: str, number: int) -> bool:
    return await count(platform, tenant, "sent") == number


async def _queued(platform: Platform, tenant: str, number: int) -> bool:
    return await count(platform, tenant, "queued") == number


async def _wins(platform: Platform, tenant: str, number: int) -> bool:
    async with platform.sql() as sql:
        found = await sql.fetch("select won_at from outreach.win where tenant_id = $1", tenant)
    return len(found) == number
