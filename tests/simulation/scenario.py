"""What is simulated: which days, how many contacts, who they are, and what is sent to them by whom. All drawn by a seed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from contracts.intake.leads import LeadAccepted
from contracts.outreach.accounts import NewAccountSettings, NewSandbox, SetAccount
from contracts.outreach.campaigns import (
    Audience,
    CreateCampaign,
    NewBusinessHours,
    NewCampaignSettings,
    NewStep,
)
from contracts.taxonomy import Channel, Intent, SendKind, Tier
from contracts.values import Attribution
from tests.simulation.rules import Account, Campaign, Lead

ZONES = ("America/New_York", "Europe/Berlin", "Australia/Sydney")
"""Their clocks change on 14 March, 28 March and 4 April 2027, the last one back."""
GOOD_FRIDAY, EASTER_MONDAY = date(2027, 3, 26), date(2027, 3, 29)
HOLIDAYS = {
    None: frozenset({GOOD_FRIDAY, EASTER_MONDAY}),
    "DE": frozenset({GOOD_FRIDAY, EASTER_MONDAY}),
    "AU": frozenset({date(2027, 1, 26), GOOD_FRIDAY, EASTER_MONDAY}),
    "US": frozenset({date(2027, 1, 18), date(2027, 2, 15)}),
    "none": frozenset(),
}
"""From January to April 2027, by whose they are; the tenant's region is DE."""
REGION = "DE"
EARLIER, WRITTEN = "winter", "spring"
"""The sources of the leads of the campaign that went before, and of the one that is written by a template."""
_IDS = UUID("5f0d1d7e-2c3b-4e0a-9f0e-1f5f5d0a7c11")


@dataclass(frozen=True, slots=True)
class Scenario:
    """How much is simulated.

    Attributes:
        first: the first day.
        days: how many.
        earlier: the day of a campaign that went before; 60 days after it its contacts are free for the others.
        contacts: how many leads there are.
        earlier_contacts, written_contacts: how many of them are of that campaign, and of the one that is written by a template.
        at_first: the share of the leads that is there on the first day; the others come day by day.
        moves: the least and the most minutes that the clock is moved by.
        killing: the share of moves with which a process is killed.
        least: how much of everything there is, at least, or the simulation has shown nothing.
    """

    first: date
    days: int
    earlier: date
    contacts: int
    earlier_contacts: int
    written_contacts: int
    at_first: float
    moves: tuple[float, float]
    killing: float
    least: Mapping[str, int]

    @property
    def begins(self) -> datetime:
        """When the first of its zones begins the first day."""
        return datetime.combine(self.first - timedelta(days=1), datetime.min.time(), UTC) + timedelta(hours=20)

    @property
    def ends(self) -> datetime:
        return self.begins + timedelta(days=self.days)


def orders_of_accounts(scenario: Scenario) -> list[SetAccount]:
    """Ten accounts; some are slow, throttled, asked for a person, or lose messages."""
    email = {"refuses": 0.02}
    given: list[tuple[Channel, int, dict[str, Any], dict[str, Any]]] = [
        (Channel.EMAIL, 0, {}, {**email, "takes_seconds": 0.01}),
        (Channel.EMAIL, 1, {}, {**email, "throttles": 0.02}),
        (Channel.EMAIL, 2, {}, {**email, "loses": 0.02}),
        (Channel.EMAIL, 1, {"daily_limits": {"email": 30}}, {**email, "takes_seconds": 0.02}),
        (Channel.EMAIL, 0, {"warm_up_began": scenario.first}, email),
        (Channel.LINKEDIN, 1, {}, {"wants_a_person": 0.01}),
        (Channel.LINKEDIN, 0, {}, {"takes_seconds": 0.01}),
        (Channel.LINKEDIN, 2, {"daily_limits": {"connection_request": 12}}, {}),
        (Channel.SMS, 2, {}, {"loses": 0.01}),
        (Channel.SMS, 0, {"daily_limits": {"sms": 45}}, {}),
    ]
    return [
        SetAccount(
            title=f"Account {number}", channel=channel, address=f"account{number}@example.com",
            settings=NewAccountSettings.model_validate({"time_zone": ZONES[zone], **settings}),
            sandbox=NewSandbox.model_validate(sandbox),
        )
        for number, (channel, zone, settings, sandbox) in enumerate(given)
    ]  # fmt: skip


def account(order: SetAccount) -> Account:
    settings = order.settings
    assert settings
    return Account(
        settings.time_zone, {k.value: v for k, v in settings.daily_limits.items()}, settings.warm_up_began
    )  # fmt: skip


def earlier_campaign() -> CreateCampaign:
    return CreateCampaign(title="Winter", audience=Audience(source_key=EARLIER), settings=_how("none"))


def written_campaign(step: NewStep) -> CreateCampaign:
    return CreateCampaign(title="Spring", audience=Audience(source_key=WRITTEN), steps=(step,), settings=_how(None))


def orders_of_campaigns() -> list[CreateCampaign]:
    """Five campaigns; the last one's audience is of all the others' too."""
    email, sms = SendKind.EMAIL, SendKind.SMS
    linkedin = SendKind.LINKEDIN_MESSAGE
    given: list[tuple[Audience, str | None, list[tuple[SendKind, int]]]] = [
        (Audience(tier=Tier.A), None, [(email, 0), (email, 2), (email, 4)]),
        (Audience(tier=Tier.B), "US", [(email, 0), (email, 1)]),
        (Audience(tier=Tier.C), "DE", [(SendKind.CONNECTION_REQUEST, 0), (linkedin, 1), (linkedin, 3)]),
        (Audience(tier=Tier.D), "AU", [(sms, 0), (email, 2)]),
        (Audience(intent=Intent.BUYER), "none", [(email, 0), (sms, 1)]),
    ]
    return [
        CreateCampaign(
            title=f"Campaign {number}", audience=audience, settings=_how(holidays),
            steps=tuple(NewStep(kind=kind, delay_days=days) for kind, days in steps),
        )
        for number, (audience, holidays, steps) in enumerate(given)
    ]  # fmt: skip


def campaign(order: CreateCampaign) -> Campaign:
    return Campaign(tuple(step.delay_days for step in order.steps), HOLIDAYS[order.settings.hours.holidays])


def leads(scenario: Scenario, chance: Random) -> Iterator[tuple[LeadAccepted, Lead]]:
    """Leads as intake tells of them; one of twenty is of the same person as the one before it, by an address or by name."""
    before: tuple[LeadAccepted, Lead] | None = None
    for number in range(scenario.contacts - scenario.written_contacts):
        is_earlier = number < scenario.earlier_contacts
        lead_id = uuid5(_IDS, f"{number}/{chance.random()}")
        tokens: dict[str, str | None] = {
            "email_token": f"email-{number}" if is_earlier or chance.random() < 0.95 else None,
            "linkedin_token": f"linkedin-{number}" if chance.random() < 0.6 else None,
            "phone_token": f"phone-{number}" if chance.random() < 0.6 else None,
        }
        person, person_id = f"person {number}", lead_id
        if before and before[1].person == f"person {number - 1}" and chance.random() < 0.05:
            told, known = before
            person = known.person
            if told.email_token and chance.random() < 0.5:
                tokens["email_token"] = told.email_token
            else:
                person_id = told.person_id
        before = _lead(
            chance, lead_id, person, person_id, tokens, EARLIER if is_earlier else None, scenario.begins
        )  # fmt: skip
        yield before


def boundaries(day: date, zones: Sequence[str] = ZONES) -> Iterator[datetime]:
    """The moments of a day at which something opens, closes or begins anew by one of the clocks, and the last ones before."""
    for zone in zones:
        for hour in (0, 9, 18):
            moment = datetime.combine(day, datetime.min.time(), ZoneInfo(zone)).replace(hour=hour).astimezone(UTC)
            yield moment
            if hour:
                yield moment - timedelta(microseconds=1)


def is_open(at: datetime) -> bool:
    """Whether it is an hour, somewhere, in which something may leave."""
    there = [at.astimezone(ZoneInfo(zone)) for zone in ZONES]
    return any(each.isoweekday() <= 5 and 9 <= each.hour < 18 for each in there)


def _lead(
    chance: Random,
    lead_id: UUID,
    person: str,
    person_id: UUID,
    tokens: Mapping[str, str | None],
    source: str | None,
    at: datetime,
) -> tuple[LeadAccepted, Lead]:
    zone = chance.choice((*ZONES, *ZONES, None))
    told = LeadAccepted(
        lead_id=lead_id, version=1, submission_id=lead_id, source_system="crm", source_id=lead_id.hex, person_id=person_id,
        attribution=Attribution(
            source_key=source, tier=chance.choice(list(Tier)),
            intent=Intent.BUYER if chance.random() < 0.4 else Intent.SELLER,
        ),
        time_zone=zone, created_at=at, **tokens,
    )  # fmt: skip
    addresses = {name.removesuffix("_token"): token for name, token in tokens.items() if token}
    return told, Lead(person, addresses, zone)


def _how(holidays: str | None) -> NewCampaignSettings:
    return NewCampaignSettings(hours=NewBusinessHours(holidays=holidays))


SLICE = Scenario(
    first=date(2027, 3, 26), days=5, earlier=date(2027, 1, 29), contacts=600, earlier_contacts=20, written_contacts=20,
    at_first=0.7, moves=(20, 40), killing=0.05,
    least={
        "taken": 250, "kills": 5, "follow-ups": 10, "clocks": 4, "at nine sharp": 1, "on others' holidays": 20,
        "contacted again": 1, "held by another": 10, "answers": 1, "is_away": 1,
    },
)  # fmt: skip
"""From Good Friday over the weekend on which Europe's clocks change, and Easter Monday, to the Tuesday on which those contacted 60 days
earlier are free."""
WHOLE = Scenario(
    first=date(2027, 3, 8), days=30, earlier=date(2027, 1, 21), contacts=20_000, earlier_contacts=150,
    written_contacts=200, at_first=0.4, moves=(2, 6), killing=0.02,
    least={
        "taken": 5000, "kills": 100, "lost when claimed": 10, "lost when sending": 10, "unknown": 20, "send_again": 1,
        "follow-ups": 2000, "days at a limit": 20, "days at the cap": 15, "clocks": 6, "at nine sharp": 20,
        "on others' holidays": 200, "contacted again": 10, "held by another": 100, "paused": 15, "resumed": 1, "answers": 200,
        "is_away": 100, "unsubscribes": 40, "clicks": 40, "bounces": 60, "complains": 1, "is_confirmed": 100,
        "is_suppressed": 10, "is_erased": 10, "refused": 50, "merged": 50, "stopped": 5,
    },
)  # fmt: skip
"""Thirty days, over the changes of all three zones' clocks and the holidays of Easter."""
