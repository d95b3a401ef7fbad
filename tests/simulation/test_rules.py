"""Each rule of the simulation tells a log that breaks it from one that keeps it, at the boundary."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.simulation import rules
from tests.simulation.rules import Account, Campaign, Delivery, Lead, Silence, World, broken, told_otherwise

MONDAY = datetime(2027, 3, 22, 9, tzinfo=UTC)
ACCOUNT, IN_SYDNEY, WARMING = (UUID(int=n) for n in (1, 2, 3))
CAMPAIGN, OTHER = UUID(int=11), UUID(int=12)
ADA, ADA_AGAIN, BOB, EVE = (UUID(int=n) for n in (21, 22, 23, 24))
MOMENT = timedelta(microseconds=1)
WORLD = World(
    accounts={
        ACCOUNT: Account("UTC", {"sms": 2}),
        IN_SYDNEY: Account("Australia/Sydney", {"sms": 2}),
        WARMING: Account("UTC", {"sms": 61}, warm_up_began=MONDAY.date()),
    },
    campaigns={CAMPAIGN: Campaign((0, 2, 1), frozenset({date(2027, 3, 26)})), OTHER: Campaign((0,), frozenset())},
    leads={
        ADA: Lead("ada", {"email": "a", "phone": "1"}, "UTC"),
        ADA_AGAIN: Lead("ada", {"email": "a"}, "UTC"),
        BOB: Lead("bob", {"email": "b"}, "Europe/Berlin"),
        EVE: Lead("eve", {"email": "e"}, None),
    },
)


def sent(at: datetime = MONDAY, **about: Any) -> Delivery:
    given = {"account_id": ACCOUNT, "campaign_id": CAMPAIGN, "lead_id": ADA, "kind": "email", "step": 1, **about}
    return Delivery(uuid4(), at=at, **given)


def somebody(number: int) -> tuple[UUID, Lead]:
    return UUID(int=1000 + number), Lead(f"somebody {number}", {}, "UTC")


CROWD = World(WORLD.accounts, WORLD.campaigns, {**WORLD.leads, **dict(somebody(n) for n in range(50))})


def many(number: int, **about: Any) -> list[Delivery]:
    """Messages to as many people, six minutes apart."""
    return [sent(MONDAY + n * timedelta(minutes=6), lead_id=somebody(n)[0], **about) for n in range(number)]


def silent(silence: Silence) -> World:
    return replace(WORLD, silences=[silence])


@pytest.mark.parametrize(
    ("kept", "spoilt", "rule", "world"),
    [
        ([sent()], [replace(sent(), deliveries=2)], rules.sent_twice, WORLD),
        ([sent(), sent(step=2)], [sent(), sent(lead_id=ADA_AGAIN)], rules.sent_twice, WORLD),
        (many(2, kind="sms"), many(3, kind="sms"), rules.over_a_limit, CROWD),
        (many(5, kind="sms", account_id=WARMING), many(6, kind="sms", account_id=WARMING), rules.over_a_limit, CROWD),
        (many(38), many(39), rules.over_the_cap, CROWD),
        (
            [sent(), sent(MONDAY + timedelta(minutes=6))],
            [sent(), sent(MONDAY + timedelta(minutes=6) - MOMENT)],
            rules.too_close,
            WORLD,
        ),
        ([sent(), sent(account_id=WARMING)], [sent(), sent(campaign_id=OTHER)], rules.too_close, WORLD),
        ([sent(MONDAY)], [sent(MONDAY - MOMENT)], rules.outside_hours, WORLD),
        ([sent(MONDAY.replace(hour=18) - MOMENT)], [sent(MONDAY.replace(hour=18))], rules.outside_hours, WORLD),
        ([sent(MONDAY + timedelta(days=3))], [sent(MONDAY + timedelta(days=4))], rules.outside_hours, WORLD),
        (
            [sent(MONDAY + timedelta(days=4), campaign_id=OTHER)],
            [sent(MONDAY + timedelta(days=5), campaign_id=OTHER)],
            rules.outside_hours,
            WORLD,
        ),
        # In Berlin it is nine at eight, and on the day after the clocks were changed at seven.
        (
            [sent(MONDAY.replace(hour=8), lead_id=BOB)],
            [sent(MONDAY.replace(hour=8) - MOMENT, lead_id=BOB)],
            rules.outside_hours,
            WORLD,
        ),
        (
            [sent(datetime(2027, 3, 29, 7, tzinfo=UTC), lead_id=BOB)],
            [sent(datetime(2027, 3, 29, 16, tzinfo=UTC), lead_id=BOB)],
            rules.outside_hours,
            WORLD,
        ),
        (
            [sent(MONDAY.replace(hour=1), lead_id=EVE, account_id=IN_SYDNEY)],
            [sent(MONDAY.replace(hour=1), lead_id=EVE)],
            rules.outside_hours,
            WORLD,
        ),
        (
            [sent(), sent(MONDAY + timedelta(days=60), campaign_id=OTHER)],
            [sent(), sent(MONDAY + timedelta(days=60) - MOMENT, campaign_id=OTHER)],
            rules.within_sixty_days,
            WORLD,
        ),
        (
            [sent(), sent(MONDAY + timedelta(days=1), step=2)],
            [sent(), sent(MONDAY + timedelta(days=90), step=2, lead_id=ADA_AGAIN)],
            rules.within_sixty_days,
            WORLD,
        ),
        (
            [sent(), sent(MONDAY + timedelta(days=2), step=2)],
            [sent(), sent(MONDAY + timedelta(days=2) - MOMENT, step=2)],
            rules.out_of_step,
            WORLD,
        ),
        (
            [sent(), sent(MONDAY + timedelta(days=3), step=3)],
            [sent(), sent(MONDAY + timedelta(days=3) - MOMENT, step=3)],
            rules.out_of_step,
            WORLD,
        ),
        (
            [sent(), sent(MONDAY + timedelta(days=3), step=2)],
            [sent(step=2), sent(MONDAY + timedelta(days=3))],
            rules.out_of_step,
            WORLD,
        ),
        (
            [sent(MONDAY), sent(MONDAY + MOMENT, lead_id=BOB)],
            [sent(MONDAY + MOMENT, lead_id=ADA_AGAIN)],
            rules.in_spite_of,
            silent(Silence("they complained", MONDAY, person="ada")),
        ),
        (
            [sent(MONDAY + MOMENT, campaign_id=OTHER)],
            [sent(MONDAY + MOMENT)],
            rules.in_spite_of,
            silent(Silence("they answered", MONDAY, person="ada", campaign_id=CAMPAIGN)),
        ),
        (
            [sent(MONDAY + MOMENT, kind="sms")],
            [sent(MONDAY + MOMENT, lead_id=ADA_AGAIN)],
            rules.in_spite_of,
            silent(Silence("it bounced", MONDAY, address="a")),
        ),
        (
            [sent(MONDAY + MOMENT, lead_id=ADA_AGAIN)],
            [sent(MONDAY + MOMENT)],
            rules.in_spite_of,
            silent(Silence("another lead stands for it", MONDAY, lead_id=ADA)),
        ),
        (
            [sent(MONDAY), sent(MONDAY + timedelta(hours=1)), sent(MONDAY + MOMENT, account_id=WARMING)],
            [sent(MONDAY + timedelta(hours=1) - MOMENT)],
            rules.in_spite_of,
            silent(Silence("it is paused", MONDAY, MONDAY + timedelta(hours=1), account_id=ACCOUNT)),
        ),
    ],
)
def test_a_rule_passes_what_keeps_it_and_names_what_breaks_it(
    kept: list[Delivery], spoilt: list[Delivery], rule: Callable[..., list[str]], world: World
) -> None:
    assert rule(kept, world) == []
    assert len(rule(spoilt, world)) == 1
    assert f"{rule.__name__}: {rule(spoilt, world)[0]}" in broken(spoilt, world)


def test_a_limit_is_of_the_account_s_own_day() -> None:
    midnight = datetime(2027, 3, 22, 13, tzinfo=UTC)  # in Sydney
    minutes = (-12, -6, 0, 6)
    log = [
        sent(midnight + timedelta(minutes=m), lead_id=somebody(n)[0], kind="sms", account_id=IN_SYDNEY)
        for n, m in enumerate(minutes)
    ]
    assert rules.over_a_limit(log, CROWD) == []
    assert len(rules.over_a_limit([replace(each, account_id=ACCOUNT) for each in log], CROWD)) == 1


def test_a_ramp_ends_after_four_weeks() -> None:
    account = WORLD.accounts[WARMING]
    assert [account.limit("sms", MONDAY.date() + timedelta(days=days)) for days in (-40, 0, 1, 14, 27, 28, 90)] == [
        5, 5, 7, 33, 59, 61, 61,
    ]  # fmt: skip


def test_what_is_said_of_messages_is_held_against_what_was_taken() -> None:
    taken, lost = sent(), uuid4()
    assert told_otherwise([taken], {taken.message_id: "sent", lost: "unknown"}) == []
    assert told_otherwise([taken], {taken.message_id: "unknown", lost: "skipped"}) == []
    assert len(told_otherwise([taken], {taken.message_id: "failed", lost: "sent"})) == 2


def test_what_outreach_tells_to_have_stopped_is_silent_until_it_goes_on() -> None:
    def told(name: str, minutes: int, **about: Any) -> tuple[str, dict[str, Any]]:
        return name, {**about, "occurred_at": (MONDAY + timedelta(minutes=minutes)).isoformat()}

    account, campaign = {"account_id": str(ACCOUNT)}, {"campaign_id": str(CAMPAIGN)}
    found = rules.stopped(
        [
            told("automation_throttled", 0, **account, reason="health_too_low"),
            told("campaign_paused", 5, **campaign, reason="bounces"),
            told("campaign_paused", 6, campaign_id=str(OTHER)),
            told("automation_resumed", 20, **account),
            told("automation_throttled", 30, **account, reason="domain_bounces"),
            told("automation_throttled", 40, **account, reason="busy", until=(MONDAY + timedelta(hours=2)).isoformat()),
        ]
    )
    minutes = [
        (
            int((each.since - MONDAY).total_seconds() / 60),
            each.until and int((each.until - MONDAY).total_seconds() / 60),
        )
        for each in found
    ]
    assert minutes == [(0, 20), (5, None), (30, 120), (40, 120)]
    assert {each.account_id or each.campaign_id for each in found} == {ACCOUNT, CAMPAIGN}
