"""What stops sending before a provider does: the bounce guard of senders' domains and campaigns, and a provider's circuit breaker.

Of a single account its health is the guard, by the same rates (`domain_health`).
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Final

from outreach.accounts.domain_health import (
    BOUNCES_STOP,
    BOUNCES_WARN,
    COMPLAINTS_STOP,
    COMPLAINTS_WARN,
    MINIMUM_SENDS,
    MINIMUM_SENDS_OF_COMPLAINTS,
)


class Level(StrEnum):
    """What the bounce guard looks at."""

    SENDER_DOMAIN = "sender_domain"
    """All accounts of one domain, which share its reputation; where it is a single one, the account's health is the guard."""
    CAMPAIGN = "campaign"


MINIMUM: dict[Level, int] = {
    Level.SENDER_DOMAIN: MINIMUM_SENDS,
    Level.CAMPAIGN: 50,
}
"""A rate of bounces is taken over at least so many sends, as an account's health does it (`domain_health`). Of a campaign over
fewer: its list is bad for each of its accounts, and spread over them none would show it in time."""


class Decision(StrEnum):
    """What the bounce guard says."""

    OK = "ok"
    WARN = "warn"
    STOP = "stop"


class Reason(StrEnum):
    """Which rate was too high."""

    BOUNCES = "bounces"
    COMPLAINTS = "complaints"


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of a window of sends.

    Attributes:
        bounces: hard ones, refusals among them: the recipient's fault, of reputation and of policy, not the transient.
    """

    sends: int = 0
    bounces: int = 0
    complaints: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the bounce guard says of a domain or a campaign.

    Attributes:
        reason: which rate it is by, unless all is well.
        heard, sends: the count of it, and of the sends, since a person last let it go on, if one ever did.
        over: by how many sends the rate is taken.
        heard_before, sends_before: what was known by then.
        limit: the rate from which it says so.
    """

    decision: Decision
    reason: Reason | None = None
    heard: int = 0
    sends: int = 0
    over: int = 0
    heard_before: int = 0
    sends_before: int = 0
    limit: float = 0.0

    def explain(self) -> str:
        """The verdict in a line of plain words."""
        if self.reason is None:
            return "bounces and complaints are as rare as they should be"
        resumed = " since it was resumed" if self.sends_before else ""
        taken = f", taken over {self.over:,}" if self.over > self.sends else ""
        known = f", besides {self.heard_before:,} of {self.sends_before:,} before" if self.heard_before else ""
        return (
            f"{self.decision}: {self.reason}, {self.heard:,} of {self.sends:,} sends{resumed}{taken}{known}; "
            f"the limit is {self.limit * 100:g} %"
        )


def guard(level: Level, since: Tally, known: Tally | None = None) -> Verdict:
    """Whether to go on sending. It holds no memory: who stopped on its word goes on only when a person says so.

    `since` is what was sent and heard since a person last did, or in the whole window; `known` what had been sent and heard
    before. As with an account's health the known counts on, but for no more than a warning, so that it cannot stop twice, and what is
    new counts at once, as a rate of the sends since. Below the minimum it is the number that counts.
    """
    known = known or Tally()
    sends = since.sends + known.sends
    found = []
    for reason, heard, before, minimum, warn, stop in (
        (Reason.COMPLAINTS, since.complaints, known.complaints, MINIMUM_SENDS_OF_COMPLAINTS, COMPLAINTS_WARN, COMPLAINTS_STOP),
        (Reason.BOUNCES, since.bounces, known.bounces, MINIMUM[level], BOUNCES_WARN, BOUNCES_STOP),
    ):  # fmt: skip
        over = max(since.sends, minimum)
        rate = Fraction(heard, over) + min(warn, Fraction(before, max(sends, minimum)))
        counts = (reason, heard, since.sends, over, before, known.sends)
        if rate >= stop:
            return Verdict(Decision.STOP, *counts, float(stop))
        if rate >= warn:
            found.append(Verdict(Decision.WARN, *counts, float(warn)))
    return found[0] if found else Verdict(Decision.OK)


class Circuit(StrEnum):
    """Whether a provider is asked."""

    CLOSED = "closed"
    """It is."""
    OPEN = "open"
    """It is not, until the pause is over."""
    HALF_OPEN = "half_open"
    """One message is on its way to see whether it works again."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a breaker puts up with.

    Attributes:
        failures: so many within `window` open it.
        pause: how long it stays open at first; each time that the probe fails, `growth` times as long as before, up to `longest`.
        patience: after so long a probe of which nothing was heard is taken for lost, with its worker, and another is sent.
    """

    failures: int = 5
    window: timedelta = timedelta(minutes=1)
    pause: timedelta = timedelta(seconds=30)
    growth: int = 2
    longest: timedelta = timedelta(minutes=15)
    patience: timedelta = timedelta(minutes=2)


TOLERANCE: Final = Tolerance()
"""The usual."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """A provider's circuit breaker (Nygard, Release It!, 5.2): an immutable state; each method gives what follows from it.

    Only what says that the provider is down counts as a failure: away, busy, no answer. A refusal is an answer.

    Attributes:
        failed_at: of the closed, when it last failed, within the tolerance's window.
        until: of the open, when the pause is over.
        openings: how often it opened in a row, without a probe that came through.
        probed_at: of the half-open, when the probe was sent.
    """

    circuit: Circuit = Circuit.CLOSED
    failed_at: tuple[datetime, ...] = ()
    until: datetime | None = None
    openings: int = 0
    probed_at: datetime | None = None

    def ask(self, now: datetime, tolerance: Tolerance) -> "tuple[Breaker, bool]":
        """Whether a message may be handed over now. Whoever is told so says what came of it, with this `now` as `asked_at`."""
        if self.circuit is Circuit.CLOSED:
            return self, True
        earliest = self.earliest(tolerance)
        if earliest is not None and now < earliest:
            return self, False
        return replace(self, circuit=Circuit.HALF_OPEN, until=None, probed_at=now), True

    def earliest(self, tolerance: Tolerance) -> datetime | None:
        """When a message may be handed over at the earliest, as things stand; none means at once."""
        if self.circuit is Circuit.HALF_OPEN and self.probed_at is not None:
            return self.probed_at + tolerance.patience
        return self.until

    def is_probe(self, asked_at: datetime | None) -> bool:
        """Whether what was allowed at this moment is the message that is to show whether the provider works again."""
        return self.circuit is Circuit.HALF_OPEN and asked_at == self.probed_at

    def succeeded(self, asked_at: datetime) -> "Breaker":
        """The provider answered a message that was handed over at `asked_at`. Only the probe's answer closes the circuit."""
        return Breaker() if self.is_probe(asked_at) else self

    def failed(self, asked_at: datetime, now: datetime, tolerance: Tolerance) -> "Breaker":
        """It did not. What was handed over before the circuit opened says nothing that opening it did not."""
        if self.is_probe(asked_at):
            return self._opened(now, tolerance)
        if self.circuit is not Circuit.CLOSED:
            return self
        recent = (*(at for at in self.failed_at if now - at < tolerance.window), now)
        return self._opened(now, tolerance) if len(recent) >= tolerance.failures else replace(self, failed_at=recent)

    def _opened(self, now: datetime, tolerance: Tolerance) -> "Breaker":
        pause = tolerance.pause
        for _ in range(self.openings):
            if pause >= tolerance.longest:
                break
            pause *= tolerance.growth
        return Breaker(Circuit.OPEN, until=now + min(pause, tolerance.longest), openings=self.openings + 1)
