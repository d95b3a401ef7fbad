"""How healthy an account is: a number that is computed, never set, and explained term by term.

Health is 100 less what the account's last sends cost it on average: a send of which nothing bad is heard costs nothing, any other
what its trouble weighs. The window is one of sends: the last `WINDOW_SENDS` of the last `WINDOW_DAYS` days. By calendar counters
an account would be clean every midnight, and a rate by leads reacts late, as a lead stands for many sends.

A term's weight is chosen so that the rate at which a provider blocks costs 75 points by itself, five more than it takes, so that
sending stops a little before that: Gmail's 0.3 % of complaints (Email sender guidelines: warned from 0.1 %), SES's pause at 10 % of
bounces (review at 5 %). The others are set beside those: a distrusted sender weighs twice a missing recipient, a broken rule
somewhat less, what passes by itself hardly.

Small samples. Each term's rate is taken over at least a minimum of sends, as if those that are missing had gone well. So below the
minimum it is the number that counts, above it the rate, and nothing jumps where one becomes the other:

- Bounces: 100. Ten of an account's first twelve sends block it, three do not. Of a list that bounces at an acceptable 3 %, ten or
  more in a hundred sends come in one of a thousand hundreds; with a minimum of 50, five or more in fifty would in one of sixty.
- Complaints: 500. One alone never blocks, since one alone is more than 0.3 % of anything below 334 sends; two do, and from 334
  sends on 0.3 % always does.

An interval (Wilson's, or a Bayesian one) would say more of a rate and less to whoever reads the explanation, and by its lower bound
one complaint in twenty sends proves 0.9 %, so that one person's mood would block an account.

Why no trouble weighs less than 100 points a send: one that does could raise health, by counting for less than the average it joins.
With 100 it cannot, whatever else there is, so more trouble never raises health.

Hysteresis. An account is blocked below `BLOCKED_BELOW` and let go at `UNBLOCKED_FROM`; in between it stays what it was. It sends
nothing while it is blocked, so its health returns as what was bad leaves the window, or a person resumes it by hand.

A manual resume wipes nothing, and nothing is blind after it. What was known at that moment goes on counting, but costs no more than
leaves the account at the mark at which it would have been let go anyway: the same old troubles cannot block it again. What is heard
from that moment on, be it of an older send, is new to whoever resumed it: it comes on top, at full weight, as a rate of the sends
since then only, so that no old success thins it out. An account resumed at the mark has 20 points left, not 70: the first
complaint, the second bounce of reputation or the third of a recipient blocks it again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from fractions import Fraction

from contracts.taxonomy import Fault

BLOCKED_BELOW = 30
"""An account whose health is lower sends nothing (implementation tasklist, 8)."""
UNBLOCKED_FROM = 50
"""A blocked account of at least this health sends again."""
WARNED_BELOW = 80
"""Of an account whose health is lower somebody should look: 0.1 % of complaints, or 3 % of recipients that do not exist."""

WINDOW_SENDS = 1000
"""As many of an account's last sends count: 0.1 % of complaints is one."""
WINDOW_DAYS = 30
"""No send counts for longer."""

COMPLAINTS_WARN, COMPLAINTS_STOP = Fraction(1, 1000), Fraction(3, 1000)
"""Complaints by send, as Gmail and Yahoo have them."""
BOUNCES_WARN, BOUNCES_STOP = Fraction(5, 100), Fraction(10, 100)
"""Hard bounces by send, as SES has them: review, and pause."""
MINIMUM_SENDS = 100
"""A rate of bounces is taken over at least so many sends."""
MINIMUM_SENDS_OF_COMPLAINTS = 500
"""A rate of complaints is taken over at least so many sends."""

_LOST_AT_STOP = 75
"""Points that a term costs at the rate at which it alone blocks."""
_KNOWN_AT_MOST = 100 - UNBLOCKED_FROM
"""Points that all together may cost which was known at the last manual resume."""


class Trouble(StrEnum):
    """What may be heard of a send, or keep an account from making one."""

    RECIPIENT_BOUNCE = "recipient_bounce"
    REPUTATION_BOUNCE = "reputation_bounce"
    POLICY_BOUNCE = "policy_bounce"
    TRANSIENT_BOUNCE = "transient_bounce"
    COMPLAINT = "complaint"
    """The recipient called it spam."""
    FAILURE = "failure"
    """It was given up, and nobody said whose fault it was."""
    CAPTCHA = "captcha"
    """The provider wants to see a person."""
    THROTTLING = "throttling"
    """The provider says that the account sends too much."""


BOUNCE_OF: dict[Fault, Trouble] = {
    Fault.RECIPIENT: Trouble.RECIPIENT_BOUNCE,
    Fault.REPUTATION: Trouble.REPUTATION_BOUNCE,
    Fault.POLICY: Trouble.POLICY_BOUNCE,
    Fault.TRANSIENT: Trouble.TRANSIENT_BOUNCE,
}
"""What a refusal or a returned message of each fault is."""

_STOPS: dict[Trouble, Fraction] = {
    Trouble.RECIPIENT_BOUNCE: BOUNCES_STOP,
    Trouble.REPUTATION_BOUNCE: Fraction(5, 100),
    Trouble.POLICY_BOUNCE: Fraction(15, 100),
    Trouble.TRANSIENT_BOUNCE: Fraction(75, 100),
    Trouble.COMPLAINT: COMPLAINTS_STOP,
    Trouble.FAILURE: Fraction(50, 100),
    Trouble.CAPTCHA: Fraction(3, 100),
    Trouble.THROTTLING: Fraction(15, 100),
}
"""The rate at which each alone costs `_LOST_AT_STOP` points; no more than 75 %, see above."""

_IN_WORDS: dict[Trouble, str] = {
    Trouble.RECIPIENT_BOUNCE: "bounces, no such recipient",
    Trouble.REPUTATION_BOUNCE: "bounces, sender not trusted",
    Trouble.POLICY_BOUNCE: "bounces, against a rule",
    Trouble.TRANSIENT_BOUNCE: "bounces, may pass by themselves",
    Trouble.COMPLAINT: "complaints",
    Trouble.FAILURE: "failures",
    Trouble.CAPTCHA: "captchas",
    Trouble.THROTTLING: "throttlings",
}


@dataclass(frozen=True, slots=True)
class Heard:
    """A trouble, and when we heard of it, which may be long after the send."""

    trouble: Trouble
    at: datetime


@dataclass(frozen=True, slots=True)
class Send:
    """A message that was handed to a provider, whether it took it or not.

    Attributes:
        troubles: what was heard of it; the same one said twice counts once.
    """

    at: datetime
    troubles: tuple[Heard, ...] = ()


@dataclass(frozen=True, slots=True)
class Window:
    """An account's last sends, counted.

    Attributes:
        sends: how many there are.
        sends_since: how many of them since the last manual resume; all, if there was none.
        heard: by trouble, how often it was heard of since the last manual resume.
        known: by trouble, how often it had been heard of before that.
    """

    sends: int = 0
    sends_since: int = 0
    heard: Mapping[Trouble, int] = field(default_factory=dict)
    known: Mapping[Trouble, int] = field(default_factory=dict)


def window(sends: Iterable[Send], halts: Iterable[Heard], resumed_at: datetime | None, now: datetime) -> Window:
    """Count an account's last sends, given in any order.

    A trouble counts as long as its send does, however late it was heard of. `halts` are the captchas and throttlings, which kept
    a message from being sent: each counts from the window's first send on, if there are as many as the window holds, else for
    `WINDOW_DAYS` days. `resumed_at` is when a person last resumed the account while it was blocked.
    """
    first = now - timedelta(days=WINDOW_DAYS)
    inside = sorted((send for send in sends if send.at > first), key=lambda send: send.at)[-WINDOW_SENDS:]
    if len(inside) == WINDOW_SENDS:
        first = inside[0].at
    heard: dict[Trouble, int] = {}
    known: dict[Trouble, int] = {}

    def count(trouble: Trouble, at: datetime) -> None:
        counts = heard if resumed_at is None or at >= resumed_at else known
        counts[trouble] = counts.get(trouble, 0) + 1

    for send in inside:
        for trouble in {told.trouble for told in send.troubles}:
            count(trouble, min(told.at for told in send.troubles if told.trouble is trouble))
    for halt in halts:
        if halt.at > first:
            count(halt.trouble, halt.at)
    since = len(inside) if resumed_at is None else sum(send.at >= resumed_at for send in inside)
    return Window(len(inside), since, heard, known)


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether an account may send, as it was last judged. One that never was has sent nothing bad.

    Attributes:
        changed_at: when it was last blocked, or let go again; its daily limit recovers from then on
            (`domain_limits.recovered`).
        resumed_at: when a person last let it go.
    """

    blocked: bool = False
    changed_at: datetime | None = None
    resumed_at: datetime | None = None

    @property
    def recovering_since(self) -> datetime | None:
        """When it was last let go, if it was and is not blocked again."""
        return None if self.blocked else self.changed_at


def resumed(standing: Standing, now: datetime) -> Standing:
    """A blocked account, let go by a person. One that is not blocked stays as it is: it has nothing to be forgiven."""
    return Standing(blocked=False, changed_at=now, resumed_at=now) if standing.blocked else standing


@dataclass(frozen=True, slots=True)
class Term:
    """What one kind of trouble takes from an account's health.

    Attributes:
        count: how often it was heard of.
        sends: how many sends the rate is of.
        made: how many sends there were; fewer than `sends`, if below the minimum.
        rate: count by send.
        weight: points that each percent costs.
        lost: points.
        known: whether this is what was known at the last manual resume, which costs no more than 50 points together.
    """

    trouble: Trouble
    count: int
    sends: int
    made: int
    rate: float
    weight: float
    lost: float
    known: bool = False

    def explain(self) -> str:
        """The term in a line of plain words."""
        sends = f"{self.made:,} sends" if self.made >= self.sends else f"{self.made:,} sends, taken for {self.sends:,}"
        known = " (known when it was resumed; all that was costs 50 at most)" if self.known else ""
        return (
            f"{_IN_WORDS[self.trouble]}: {self.count:,} in {sends}, or {self.rate * 100:.3g} %, "
            f"at {self.weight:g} points a percent{known}: {self.lost:.3g} points lost"
        )


@dataclass(frozen=True, slots=True)
class Health:
    """An account's health, and what it consists of.

    Attributes:
        score: 0 to 100: 100 less what the terms lost, rounded down.
        terms: those that cost anything, the dearest first.
        standing: whether it may send, from now on.
    """

    score: int
    terms: tuple[Term, ...]
    standing: Standing

    @property
    def warns(self) -> bool:
        """Whether somebody should look before it is blocked."""
        return self.score < WARNED_BELOW

    def explain(self) -> list[str]:
        """Lines of plain words: the whole, then each term."""
        state = "blocked" if self.standing.blocked else "not blocked"
        rule = f"blocked below {BLOCKED_BELOW}, let go from {UNBLOCKED_FROM}"
        return [f"health {self.score} of 100, {state} ({rule})", *(term.explain() for term in self.terms)]


def judge(counted: Window, standing: Standing, now: datetime) -> Health:
    """An account's health, and whether it may send from now on, given what it was until now.

    `counted` has to be counted by the standing's own `resumed_at`.
    """
    known = _costs(counted.known, counted.sends)
    heard = _costs(counted.heard, counted.sends_since)
    known_cost = sum(known.values())
    share = Fraction(_KNOWN_AT_MOST) / known_cost if known_cost > _KNOWN_AT_MOST else Fraction(1)
    known = {trouble: cost * share for trouble, cost in known.items()}
    score = max(0, (100 - sum(known.values()) - sum(heard.values())).__floor__())
    terms = [_term(trouble, counted.heard, counted.sends_since, lost) for trouble, lost in heard.items()]
    terms += [_term(trouble, counted.known, counted.sends, lost, known=True) for trouble, lost in known.items()]
    terms.sort(key=lambda term: -term.lost)
    blocked = score < (UNBLOCKED_FROM if standing.blocked else BLOCKED_BELOW)
    if blocked != standing.blocked:
        standing = Standing(blocked, changed_at=now, resumed_at=standing.resumed_at)
    return Health(score, tuple(terms), standing)


def _costs(counts: Mapping[Trouble, int], made: int) -> dict[Trouble, Fraction]:
    return {
        trouble: Fraction(count, _sends(trouble, made)) * _LOST_AT_STOP / _STOPS[trouble]
        for trouble, count in counts.items()
        if count
    }


def _sends(trouble: Trouble, made: int) -> int:
    return max(made, MINIMUM_SENDS_OF_COMPLAINTS if trouble is Trouble.COMPLAINT else MINIMUM_SENDS)


def _term(trouble: Trouble, counts: Mapping[Trouble, int], made: int, lost: Fraction, *, known: bool = False) -> Term:
    count, sends = counts[trouble], _sends(trouble, made)
    weight = float(_LOST_AT_STOP / _STOPS[trouble] / 100)
    return Term(trouble, count, sends, made, count / sends, weight, float(lost), known=known)
