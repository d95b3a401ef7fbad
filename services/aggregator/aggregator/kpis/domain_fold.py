"""The same numbers made from the events alone, in plain Python: what the queries are checked against.

Nothing here is shared with them but the words. A fold is given a tenant's events one by one, in any order, each once, and keeps what
the numbers need of them; what lies outside every window is dropped at once.
"""

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from aggregator.kpis.domain_numbers import Counted, Part
from contracts.aggregator.kpis import FUNNEL_DAYS, REPLY_RATE_DAYS, Kpi
from contracts.gateway import TenantChanged
from contracts.intake.imports import LeadWithdrawn
from contracts.intake.leads import LeadAccepted, LeadUpdated
from contracts.outcomes import OutcomeRecorded, OutcomeVoided
from contracts.outreach import accounts, campaigns, replies, sending
from contracts.taxonomy import UNKNOWN, OutcomeType

_DAY: Final = timedelta(hours=24)
_NEAR: Final = 3 * _DAY
"""No moment of today is further away than this, in whatever time zone."""
_NOWHERE: Final = "UTC"


class Happened(NamedTuple):
    """An event, as far as a fold looks at it."""

    event_id: UUID
    type: str
    occurred_at: datetime
    body: Mapping[str, Any]


class _Mark(NamedTuple):
    """When something happened, and by which event; events of one moment are in the order of their ids."""

    at: datetime
    id: UUID


class Outcome(NamedTuple):
    """An outcome with what it was credited to."""

    lead: str
    type: str
    stage: str
    at: datetime
    source_key: str
    geo_key: str
    intent: str
    value: Decimal | None
    currency: str


class Arrival(NamedTuple):
    """When a lead came, or came again, with which version of it, and by what."""

    version: int
    at: datetime
    source_key: str
    geo_key: str
    intent: str


class Fold:
    """The numbers of one tenant as of one moment, as its events come in."""

    TYPES: Final = frozenset(
        message.topic.type
        for message in (
            TenantChanged, LeadAccepted, LeadUpdated, LeadWithdrawn, OutcomeRecorded, OutcomeVoided,
            accounts.SendingLimitSet, accounts.AutomationThrottled, accounts.AutomationResumed, accounts.CaptchaDetected,
            campaigns.CampaignCreated, campaigns.CampaignPaused, campaigns.CampaignResumed, campaigns.CampaignCompleted,
            campaigns.EnrollmentStarted, campaigns.EnrollmentEnded,
            sending.MessageSent, sending.MessageFailed, sending.MessageSkipped, sending.MessageUnknown,
            sending.FollowupScheduled, sending.FollowupPostponed, sending.FollowupSent,
            replies.ReplyReceived, replies.ReplyClassified, replies.ReplyHandled,
        )
    )  # fmt: skip
    """What it looks at; other events change none of its numbers."""

    def __init__(self, as_of: datetime) -> None:
        self._as_of = as_of
        self.events = 0
        self.outcomes: dict[str, Outcome] = {}
        """Every outcome recorded, whenever it occurred, by its id."""
        self.voided: set[str] = set()
        self._came: dict[str, Arrival] = {}
        self._changed: dict[str, list[Arrival]] = defaultdict(list)
        self._withdrawn: dict[str, int] = {}
        self._settings: dict[_Mark, str] = {}
        self._limits: dict[str, tuple[_Mark, int, str]] = {}
        self._automation: dict[str, tuple[_Mark, bool]] = {}
        self._campaigns: dict[str, tuple[_Mark, str]] = {}
        self._near_sends: list[tuple[datetime, str]] = []
        self._near_replies: list[tuple[_Mark, str, str]] = []
        self._first_sends: dict[str, datetime] = {}
        self._replies_of: dict[str, list[datetime]] = defaultdict(list)
        self._captchas: list[tuple[datetime, str]] = []
        self._errors: list[tuple[datetime, str]] = []
        self._last_sent: datetime | None = None
        self._first_lead: datetime | None = None
        self._opened: dict[Kpi, dict[str, tuple[_Mark, str, str]]] = defaultdict(dict)
        self._closed: dict[Kpi, set[str]] = defaultdict(set)

    def add(self, event: Happened) -> None:
        """Take an event in; one that had not occurred yet changes no KPI; outcomes and arrivals are kept for win rates all the same."""
        self.events += 1
        kind = event.type
        if kind == OutcomeRecorded.topic.type:
            self._record(event)
        elif kind == OutcomeVoided.topic.type:
            self.voided.add(event.body["outcome_id"])
        elif kind == LeadAccepted.topic.type:
            self._came[event.body["lead_id"]] = _arrival(event.body)
        elif kind == LeadUpdated.topic.type:
            self._changed[event.body["lead_id"]].append(_arrival(event.body))
        elif kind == LeadWithdrawn.topic.type:
            lead, version = event.body["lead_id"], event.body["version"]
            self._withdrawn[lead] = max(version, self._withdrawn.get(lead, version))
        if event.occurred_at <= self._as_of:
            self._happened(event)

    def _happened(self, event: Happened) -> None:
        body, at = event.body, event.occurred_at
        mark = _Mark(at, event.event_id)
        match event.type.split(".")[2]:
            case "message_sent":
                self._sent(mark, body)
            case "reply_received":
                self._replied(mark, body)
            case "reply_classified" | "reply_handled":
                self._close(Kpi.REPLIES_REQUIRING_ACTION, body["reply_id"])
            case "enrollment_started":
                self._open(Kpi.QUEUE_REMAINING, body["enrollment_id"], mark, body)
            case "enrollment_ended":
                self._close(Kpi.QUEUE_REMAINING, body["enrollment_id"])
            case "followup_scheduled":
                self._open(Kpi.FOLLOWUPS_DUE, _followup(body), mark, body)
            case "message_failed":
                self._close(Kpi.FOLLOWUPS_DUE, _followup(body))
                if at >= self._as_of - _DAY:
                    self._errors.append((at, body.get("account_id") or ""))
            case "followup_sent" | "followup_postponed" | "message_skipped" | "message_unknown":
                self._close(Kpi.FOLLOWUPS_DUE, _followup(body))
            case "captcha_detected" if at >= self._as_of - _DAY:
                self._captchas.append((at, body["account_id"]))
                self._errors.append((at, body["account_id"]))
            case "automation_throttled" | "automation_resumed" as what:
                _keep_last(self._automation, body["account_id"], (mark, what == "automation_throttled"))
            case "sending_limit_set":
                limit = mark, sum(body["daily_limits"].values()), body.get("transport") or UNKNOWN
                _keep_last(self._limits, body["account_id"], limit)
            case "campaign_created":
                _keep_last(self._campaigns, body["campaign_id"], (mark, "draft" if body.get("draft") else "running"))
            case "campaign_paused" | "campaign_resumed" | "campaign_completed" as what:
                state = {"campaign_paused": "paused", "campaign_resumed": "running"}.get(what, "completed")
                _keep_last(self._campaigns, body["campaign_id"], (mark, state))
            case "tenant_changed":
                self._settings[mark] = body["settings"]["time_zone"]
            case "lead_accepted":
                self._first_lead = min(at, self._first_lead or at)

    def _sent(self, mark: _Mark, body: Mapping[str, Any]) -> None:
        self._last_sent = max(mark.at, self._last_sent or mark.at)
        if mark.at >= self._as_of - timedelta(hours=24 * REPLY_RATE_DAYS):
            lead = body["lead_id"]
            self._first_sends[lead] = min(mark.at, self._first_sends.get(lead, mark.at))
        if mark.at >= self._as_of - _NEAR:
            self._near_sends.append((mark.at, body["campaign_id"]))

    def _replied(self, mark: _Mark, body: Mapping[str, Any]) -> None:
        self._open(Kpi.REPLIES_REQUIRING_ACTION, body["reply_id"], mark, body)
        if mark.at >= self._as_of - timedelta(hours=24 * REPLY_RATE_DAYS):
            self._replies_of[body["lead_id"]].append(mark.at)
        if mark.at >= self._as_of - _NEAR:
            self._near_replies.append((mark, body["campaign_id"], body["lead_id"]))

    def _open(self, kpi: Kpi, key: str, mark: _Mark, body: Mapping[str, Any]) -> None:
        opened = self._opened[kpi]
        if key not in self._closed[kpi] and (key not in opened or mark < opened[key][0]):
            opened[key] = mark, sys.intern(body["campaign_id"]), body.get("due_at") or ""

    def _close(self, kpi: Kpi, key: str) -> None:
        """Whenever it was, or will be heard to have been, opened: closed once is closed."""
        self._closed[kpi].add(key)
        self._opened[kpi].pop(key, None)

    def _record(self, event: Happened) -> None:
        body = event.body
        value = body.get("value")
        self.outcomes[body["outcome_id"]] = Outcome(
            body["lead_id"], body["type"], body["stage"], event.occurred_at,
            *_credit(body), None if value is None else Decimal(value), body.get("currency") or "",
        )  # fmt: skip

    def arrivals(self) -> Iterator[tuple[str, Arrival]]:
        """Each lead with how it came: one that was withdrawn as it came again, if it did."""
        for lead in self._came.keys() | self._withdrawn.keys():
            came = [self._came[lead]] if lead in self._came else []
            if lead in self._withdrawn:
                since = (each for each in (*came, *self._changed[lead]) if each.version > self._withdrawn[lead])
                came = sorted(since)[:1]
            yield from ((lead, each) for each in came)

    def numbers(self) -> dict[Part, Counted]:
        """Every number, by its parts."""
        found: dict[Part, list[tuple[datetime, Decimal | None]]] = defaultdict(list)
        for kpi, part, at, amount in self._counted():
            found[Part(kpi, part)].append((at, amount))
        return {part: _counted(rows) for part, rows in found.items()}

    def _counted(self) -> Iterator[tuple[Kpi, str, datetime, Decimal | None]]:
        yield from self._of_today()
        yield from self._of_the_week()
        yield from self._of_accounts()
        for at, account in self._captchas:
            yield Kpi.CAPTCHAS, account, at, None
        for at, account in self._errors:
            yield Kpi.ERRORS, account, at, None
        if self._last_sent:
            yield Kpi.LAST_ACTION, "", self._last_sent, None
        if self._first_lead:
            yield Kpi.FIRST_LEAD, "", self._first_lead, None
        for kpi in (Kpi.REPLIES_REQUIRING_ACTION, Kpi.QUEUE_REMAINING):
            for mark, campaign, _ in self._opened[kpi].values():
                yield kpi, campaign, mark.at, None
        yield from self._of_outcomes()

    def _of_today(self) -> Iterator[tuple[Kpi, str, datetime, Decimal | None]]:
        today = self._local_date(self._as_of)
        for at, campaign in self._near_sends:
            if self._local_date(at) == today:
                yield Kpi.TODAYS_SENDS, campaign, at, None
        first: dict[tuple[str, str], _Mark] = {}
        for mark, campaign, lead in self._near_replies:
            if self._local_date(mark.at) == today:
                first[campaign, lead] = min(mark, first.get((campaign, lead), mark))
        for (campaign, _), mark in first.items():
            yield Kpi.REPLIES_TODAY, campaign, mark.at, None
        for campaign, (mark, state) in self._campaigns.items():
            if state == "running":
                yield Kpi.CAMPAIGNS_RUNNING, campaign, mark.at, None
            elif state == "paused":
                yield Kpi.CAMPAIGNS_PAUSED, campaign, mark.at, None
            elif state == "completed" and self._local_date(mark.at) == today:
                yield Kpi.CAMPAIGNS_COMPLETED, campaign, mark.at, None
        zone = ZoneInfo(self._zone_at(self._as_of))
        for mark, campaign, due_at in self._opened[Kpi.FOLLOWUPS_DUE].values():
            if datetime.fromisoformat(due_at).astimezone(zone).date() == today:
                yield Kpi.FOLLOWUPS_DUE, campaign, mark.at, None

    def _of_the_week(self) -> Iterator[tuple[Kpi, str, datetime, Decimal | None]]:
        for lead, first in self._first_sends.items():
            after = [at for at in self._replies_of.get(lead, ()) if at >= first]
            yield Kpi.REPLY_RATE, "replied" if after else "silent", max(after, default=first), None

    def _of_accounts(self) -> Iterator[tuple[Kpi, str, datetime, Decimal | None]]:
        for account, (mark, limit, transport) in self._limits.items():
            yield Kpi.DAILY_LIMIT, account, mark.at, Decimal(limit)
            if limit > 0:
                yield Kpi.AUTOMATION_METHOD, transport, mark.at, None
        for account, (mark, throttled) in self._automation.items():
            if throttled and (account not in self._limits or self._limits[account][1] > 0):
                yield Kpi.THROTTLED, account, mark.at, None
                if mark.at >= self._as_of - _DAY:
                    yield Kpi.COOLDOWN, account, mark.at, None

    def _of_outcomes(self) -> Iterator[tuple[Kpi, str, datetime, Decimal | None]]:
        first: dict[tuple[str, str], datetime] = {}
        for id_, outcome in self.outcomes.items():
            if id_ in self.voided or not self._as_of - _DAY * FUNNEL_DAYS <= outcome.at <= self._as_of:
                continue
            reached = outcome.stage, outcome.lead
            first[reached] = min(outcome.at, first.get(reached, outcome.at))
            if outcome.type == OutcomeType.CLOSED_WON:
                yield Kpi.CONVERSIONS, outcome.currency, outcome.at, outcome.value
        for (stage, _), at in first.items():
            yield Kpi.FUNNEL, stage, at, None

    def _zone_at(self, moment: datetime) -> str:
        """The last settings' by then; before the first, theirs."""
        before = [mark for mark in self._settings if mark.at <= moment]
        mark = max(before) if before else min(self._settings, default=None)
        return self._settings[mark] if mark else _NOWHERE

    def _local_date(self, moment: datetime) -> date:
        return moment.astimezone(ZoneInfo(self._zone_at(moment))).date()


class RateKey(NamedTuple):
    """Whose win rate: of which table, in which week (its Monday; none over all weeks), and of which group."""

    number: str
    week: date | None
    key: str
    intent: str


class WinRateCounts(NamedTuple):
    """Distinct leads of a group."""

    leads_entered: int
    appointments: int
    won: int
    lost: int
    decided: int


def win_rates_of(fold: Fold) -> dict[RateKey, WinRateCounts]:
    """Win rates by ISO week (UTC) of the outcomes, over all weeks, and by the week in which leads came."""
    groups: dict[RateKey, list[tuple[str, str]]] = defaultdict(list)
    became: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for id_, outcome in fold.outcomes.items():
        if id_ in fold.voided:
            continue
        became[outcome.lead].append((outcome.lead, outcome.type))
        for by, key in (("source", outcome.source_key), ("geo", outcome.geo_key)):
            for name, week in ((f"win_rate by {by}", _monday(outcome.at)), (f"win_rate by {by}, all weeks", None)):
                groups[RateKey(name, week, key, outcome.intent)].append((outcome.lead, outcome.type))
    for lead, came in fold.arrivals():
        for by, key in (("source", came.source_key), ("geo", came.geo_key)):
            cohort = groups[RateKey(f"win_rate by {by}, cohorts", _monday(came.at), key, came.intent)]
            cohort += [(lead, "came"), *became.get(lead, ())]
    return {group: _win_rate_counts(rows) for group, rows in groups.items()}


def _monday(moment: datetime) -> date:
    day = moment.astimezone(UTC).date()
    return day - timedelta(days=day.weekday())


def _win_rate_counts(rows: Iterable[tuple[str, str]]) -> WinRateCounts:
    of: dict[str, set[str]] = defaultdict(set)
    for lead, type_ in rows:
        of[type_].add(lead)
        of["any"].add(lead)
    won, lost = of[OutcomeType.CLOSED_WON], of[OutcomeType.CLOSED_LOST]
    return WinRateCounts(len(of["any"]), len(of[OutcomeType.APPOINTMENT_SET]), len(won), len(lost), len(won | lost))


def _counted(rows: list[tuple[datetime, Decimal | None]]) -> Counted:
    amounts = [amount for _, amount in rows if amount is not None]
    return Counted(len(rows), sum(amounts, Decimal()) if amounts else None, max(at for at, _ in rows))


def _credit(body: Mapping[str, Any]) -> tuple[str, str, str]:
    """What a lead or an outcome is credited to: source, place and intent."""
    credit = body.get("attribution") or {}
    source, geo, intent = (sys.intern(credit.get(name) or UNKNOWN) for name in ("source_key", "geo_key", "intent"))
    return source, geo, intent


def _arrival(body: Mapping[str, Any]) -> Arrival:
    return Arrival(body["version"], datetime.fromisoformat(body["created_at"]), *_credit(body))


def _followup(body: Mapping[str, Any]) -> str:
    """What a follow-up is known by."""
    known: str = body.get("followup_id") or body["message_id"]
    return known


def _keep_last(of: dict[str, Any], key: str, new: tuple[Any, ...]) -> None:
    if key not in of or of[key][0] < new[0]:
        of[key] = new
