"""The 60-day rule: whoever was sent something is sent nothing else for 60 days, across campaigns, accounts and channels."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from contracts.outreach.people import ContactView, GetContact
from contracts.taxonomy import Channel, SendKind
from leadloop.verifying.check import Check, Delivery, Waiting, conclude, moment, not_kept_by, told, twice
from leadloop.verifying.stage import AT_ANY_TIME, LEAST, Stage

REST = timedelta(days=60)
_BEGINS = moment("2027-01-25 10:00", "UTC")
_STEPS, _EVERY_DAYS = 2, 3
_LAST = _BEGINS + timedelta(days=_EVERY_DAYS * (_STEPS - 1))
"""When the first sequence's last message leaves."""


@dataclass(frozen=True, slots=True)
class Other:
    """A campaign that wants somebody whom the first one has contacted.

    Attributes:
        check: what it shows.
        accounts: whose it leaves from; ``first`` are the first campaign's.
        tier: its person's, and nobody else's.
    """

    check: str
    accounts: str
    kind: SendKind
    tier: str


OTHERS: Sequence[Other] = (
    Other("sixty_days_across_campaigns", "first", SendKind.EMAIL, "A"),
    Other("sixty_days_across_accounts", "second", SendKind.EMAIL, "B"),
    Other("sixty_days_across_channels", "third", SendKind.LINKEDIN_MESSAGE, "C"),
)
_NOBODYS = "D"
"""The tier of the person whom no other campaign wants."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a person whom another campaign wants.

    Attributes:
        first: what left to the person of the first campaign.
        of_other: what left of the other one.
        meanwhile: what kept the other's message while the first sequence went on.
        at_last: what kept it 1 µs before 60 days were over.
    """

    other: Other
    first: Sequence[Delivery]
    of_other: Sequence[Delivery]
    meanwhile: Sequence[Waiting]
    at_last: Sequence[Waiting]


async def play(stage: Stage) -> list[Check]:
    await stage.move(_BEGINS)
    accounts = {
        name: await stage.account(channel, name, least_gap_minutes=0, most_gap_minutes=0)
        for name, channel in (("first", Channel.EMAIL), ("second", Channel.EMAIL), ("third", Channel.LINKEDIN))
    }
    first = await stage.campaign(
        "rest", accounts="first", kinds=[SendKind.EMAIL] * _STEPS, every_days=_EVERY_DAYS, hours=AT_ANY_TIME
    )
    leads: dict[str, UUID] = {}
    for tier in (*(other.tier for other in OTHERS), _NOBODYS):
        profile = f"https://www.linkedin.com/in/rest-{tier.lower()}"
        leads[tier] = await stage.lead("rest", tier=tier, linkedin_url=profile)
    await stage.until_left(len(leads), first)
    await stage.move(_BEGINS + timedelta(days=1))
    campaigns = {
        other: await stage.campaign(
            "rest", accounts=other.accounts, kinds=[other.kind], tier=other.tier, hours=AT_ANY_TIME
        )
        for other in OTHERS
    }
    for other, campaign in campaigns.items():
        await stage.until_decided(leads[other.tier], campaign)
    meanwhile = {other: await stage.waiting([leads[other.tier]], campaign) for other, campaign in campaigns.items()}
    await stage.move(_LAST)
    await stage.until_left(_STEPS * len(leads), first)
    await stage.move(_LAST + REST - LEAST)
    await stage.pulse()
    at_last = {other: await stage.waiting([leads[other.tier]], campaign) for other, campaign in campaigns.items()}
    before = await stage.ask(GetContact(lead_id=leads[_NOBODYS]))
    await stage.move(_LAST + REST)
    of_others = {other: await stage.until_left(1, campaign) for other, campaign in campaigns.items()}
    after = await stage.ask(GetContact(lead_id=leads[_NOBODYS]))
    log = await stage.log(first)
    checks = []
    for other in OTHERS:
        of_person = [each for each in log if each.lead_id == leads[other.tier]]
        seen = Seen(other, of_person, of_others[other], meanwhile[other], at_last[other])
        checks.append(judge(seen, accounts["first"]))
    return [*checks, judge_contact(before, after)]


def judge(seen: Seen, first_account: UUID) -> Check:
    """The first sequence had its own steps; the other message waited through it, and left exactly 60 days after its last."""
    flaws = [
        *twice([*seen.first, *seen.of_other]),
        *not_kept_by("sixty_days", seen.meanwhile),
        *not_kept_by("sixty_days", seen.at_last),
    ]
    if [each.at for each in seen.first] != [_BEGINS, _LAST]:
        flaws.append(f"the first sequence's {_STEPS} messages left {', '.join(told(each.at) for each in seen.first)}")
    if any(each.earliest != _LAST + REST for each in seen.at_last):
        flaws.append(f"what waits is to leave {told(_LAST + REST)}")
    if [each.at for each in seen.of_other] != [_LAST + REST]:
        left = [told(each.at) for each in seen.of_other] or ["never"]
        flaws.append(f"what waited left {', '.join(left)}, and must {told(_LAST + REST)}")
    if (seen.other.accounts != "first") != any(each.account_id != first_account for each in seen.of_other):
        flaws.append("it left from an account that shows something else")
    if any(each.kind != seen.other.kind for each in seen.of_other):
        flaws.append("it was of a kind that shows something else")
    return conclude(
        seen.other.check,
        f"{len(seen.first)} of one campaign left, the last {told(_LAST)}; {len(seen.at_last)} of another waited for sixty_days "
        f"59 d 23:59:59.999999 later, and left {told(seen.of_other[0].at if seen.of_other else None)}",
        flaws,
    )


def judge_contact(before: ContactView, after: ContactView) -> Check:
    """`get_contact` shows until when somebody rests, and that they may be contacted from that moment on."""
    flaws = []
    if before.eligible_for_outreach or before.eligible_from != _LAST + REST:
        flaws.append(f"before, they are eligible: {before.eligible_for_outreach}, from {told(before.eligible_from)}")
    if not after.eligible_for_outreach:
        flaws.append("when 60 days are over, they are not eligible")
    if {before.last_contacted, after.last_contacted} != {_LAST}:
        flaws.append(f"they were contacted last {told(_LAST)}, and shown is {told(before.last_contacted)}")
    return conclude(
        "eligible_for_outreach",
        f"contacted last {told(before.last_contacted)}; 59 d 23:59:59.999999 later {before.status}, "
        f"{_eligible(before)}; after 60 d {after.status}, {_eligible(after)}",
        flaws,
    )


def _eligible(contact: ContactView) -> str:
    return "eligible_for_outreach" if contact.eligible_for_outreach else "not eligible_for_outreach"
