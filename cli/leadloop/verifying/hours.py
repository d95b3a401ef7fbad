"""Business hours: 9 to 18, Monday to Friday, by the recipient's clock, whatever day it is and whenever that clock is changed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from contracts.taxonomy import Channel
from leadloop.verifying.check import Check, Waiting, conclude, moment, told
from leadloop.verifying.stage import LEAST, UNLIMITED, Stage

_OF_THE_ACCOUNT = "Asia/Tokyo"
"""The account's zone: that of the recipients whose own is not known, and of nobody else's."""
_BOUNDARIES, _DAYS_OFF, _CHANGES, _ZONES = (
    "business_hours_boundaries", "business_hours_days_off", "business_hours_clock_changes", "recipients_time_zone",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """A message, by the clock of its recipient.

    Attributes:
        check: what it shows.
        zone: the recipient's; none where it is not known.
        queued: when it is put into the queue.
        leaves: when it must leave; at once, if that is the same.
    """

    check: str
    zone: str | None
    queued: datetime
    leaves: datetime

    @property
    def clock(self) -> str:
        return self.zone or _OF_THE_ACCOUNT


def _case(check: str, zone: str | None, queued: str, leaves: str = "") -> Case:
    clock = zone or _OF_THE_ACCOUNT
    return Case(check, zone, moment(queued, clock), moment(leaves or queued, clock))


_EVERYWHERE = ("America/New_York", "America/Los_Angeles", "Europe/Berlin")
CASES: Sequence[Case] = (
    *(
        _case(check, zone, *moments)
        for zone in _EVERYWHERE
        for check, *moments in (
            (_BOUNDARIES, "2027-04-07 08:59:59.999999", "2027-04-07 09:00"),
            (_BOUNDARIES, "2027-04-08 09:00"),
            (_BOUNDARIES, "2027-04-08 17:59:59.999999"),
            (_BOUNDARIES, "2027-04-08 18:00", "2027-04-09 09:00"),
            (_DAYS_OFF, "2027-04-09 18:00", "2027-04-12 09:00"),  # Friday evening
            (_DAYS_OFF, "2027-04-17 12:00", "2027-04-19 09:00"),  # Saturday
            (_DAYS_OFF, "2027-04-25 12:00", "2027-04-26 09:00"),  # Sunday
            (_DAYS_OFF, "2027-05-31 12:00", "2027-06-01 09:00"),  # Memorial Day, a Monday: the tenant is of the USA
        )
    ),
    *(
        _case(_CHANGES, zone, *moments)
        for zone, moments in (
            ("Europe/Berlin", ("2027-10-29 18:00", "2027-11-01 09:00")),  # an hour more
            ("America/New_York", ("2027-11-05 18:00", "2027-11-08 09:00")),
            ("America/Los_Angeles", ("2027-11-05 18:00", "2027-11-08 09:00")),
            ("America/New_York", ("2028-03-10 18:00", "2028-03-13 09:00")),  # an hour less
            ("America/Los_Angeles", ("2028-03-10 18:00", "2028-03-13 09:00")),
            ("Europe/Berlin", ("2028-03-24 18:00", "2028-03-27 09:00")),
        )
    ),
    # 13:00 UTC for all of them.
    _case(_ZONES, "America/New_York", "2027-06-08 09:00"),
    _case(_ZONES, "Europe/Berlin", "2027-06-08 15:00"),
    _case(_ZONES, "America/Los_Angeles", "2027-06-08 06:00", "2027-06-08 09:00"),
    _case(_ZONES, None, "2027-06-08 22:00", "2027-06-09 09:00"),
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a message.

    Attributes:
        at_first: what kept it when it was put into the queue; none, if it left.
        at_last: what kept it right before it must leave, if it was to wait; none, if it had left.
        left: when it left, by the log.
    """

    case: Case
    at_first: Waiting | None
    at_last: Waiting | None
    left: datetime | None


async def play(stage: Stage) -> list[Check]:
    await stage.account(
        Channel.EMAIL, "hours", time_zone=_OF_THE_ACCOUNT, unlimited=True, least_gap_minutes=0, most_gap_minutes=0
    )
    campaign = await stage.campaign("hours", accounts="hours", daily_cap=UNLIMITED)
    leads = {}
    first: dict[Case, Waiting] = {}
    last: dict[Case, Waiting] = {}
    for now in sorted({each for case in CASES for each in _moments(case)}):
        await stage.move(now)
        for case in (case for case in CASES if case.queued == now):
            leads[case] = await stage.lead("hours", zone=case.zone)
            message = await stage.until_decided(leads[case], campaign)
            if message and message.ended_at is None:
                (first[case],) = await stage.waiting([leads[case]], campaign)
        if any(case.queued < case.leaves == now + LEAST for case in CASES):
            await stage.pulse()
        for case in (case for case in CASES if case.queued < case.leaves == now + LEAST):
            left = {each.lead_id for each in await stage.log(campaign)}
            if leads[case] not in left:
                (last[case],) = await stage.waiting([leads[case]], campaign)
        await stage.until_left(sum(case.leaves <= now for case in CASES), campaign)
    left_at = {each.lead_id: each.at for each in await stage.log(campaign)}
    return judge([Seen(case, first.get(case), last.get(case), left_at.get(leads[case])) for case in CASES])


def judge(seen: Sequence[Seen]) -> list[Check]:
    """Every message left at the moment it must; those that were to wait were looked at right before, and kept by their hours."""
    return [
        _judge(name, [each for each in seen if each.case.check == name])
        for name in (_BOUNDARIES, _DAYS_OFF, _CHANGES, _ZONES)
    ]


def _judge(name: str, seen: Sequence[Seen]) -> Check:
    waited = [each for each in seen if each.case.leaves > each.case.queued]
    flaws = [flaw for each in seen for flaw in _flaws(each)]
    if not waited:
        flaws.append("nothing was to wait, so nothing is shown")
    if name in (_BOUNDARIES, _ZONES) and len(waited) == len(seen):
        flaws.append("nothing was to leave at once, so nothing is shown")
    if name == _CHANGES and not all(_changes(each.case) for each in seen):
        flaws.append("no clock was changed meanwhile, so nothing is shown")
    examples = ", ".join(
        f"{told(each.case.queued, each.case.clock)} → {told(each.left, each.case.clock)}" for each in waited[-2:]
    )
    return conclude(
        name,
        f"{len(seen) - len(waited)} left at once, {len(waited)} waited for business_hours: {examples}",
        flaws,
    )


def _flaws(seen: Seen) -> Iterable[str]:
    case = seen.case
    what = f"what was queued {told(case.queued, case.clock)}"
    if seen.left != case.leaves:
        yield f"{what} left {told(seen.left, case.clock)}, and must {told(case.leaves, case.clock)}"
    if case.queued == case.leaves:
        return
    for waiting in (seen.at_first, seen.at_last):
        if waiting is None or waiting.gate != "business_hours" or waiting.earliest != case.leaves:
            yield f"{what} was not kept by business_hours until {told(case.leaves, case.clock)}"
            return


def _moments(case: Case) -> Sequence[datetime]:
    """When something is to be seen."""
    return (case.queued, case.leaves - LEAST, case.leaves) if case.leaves > case.queued else (case.queued,)


def _changes(case: Case) -> bool:
    clock = ZoneInfo(case.clock)
    return case.queued.astimezone(clock).utcoffset() != case.leaves.astimezone(clock).utcoffset()
