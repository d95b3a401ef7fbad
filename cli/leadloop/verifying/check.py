"""What a check found. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

_TOLD = 3


@dataclass(frozen=True, slots=True)
class Check:
    """Whether a rule was kept, and what shows it: what is wrong, if anything, and the numbers and moments that were seen."""

    name: str
    passed: bool
    evidence: str

    def as_data(self) -> dict[str, object]:
        return {"name": self.name, "pass": self.passed, "evidence": self.evidence}


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message as the sandbox has it in its log."""

    message_id: UUID
    account_id: UUID
    lead_id: UUID
    kind: str
    deliveries: int
    """How often it was handed it."""
    at: datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that had not left, as `explain_message` had it."""

    message_id: UUID
    state: str
    gate: str | None
    """The binding one."""
    earliest: datetime | None


def conclude(name: str, seen: str, flaws: Iterable[str]) -> Check:
    """The check passes if there is no flaw; of many flaws the first few are told."""
    found = list(flaws)
    more = [f"and {len(found) - _TOLD} flaws more"] if len(found) > _TOLD else []
    return Check(name, not found, "; ".join([*found[:_TOLD], *more, seen]))


def twice(deliveries: Sequence[Delivery]) -> Iterable[str]:
    """The flaw that a message was handed over more than once."""
    if again := [each for each in deliveries if each.deliveries != 1]:
        yield f"{len(again)} messages were handed over more than once"


def not_kept_by(gate: str, waiting: Sequence[Waiting]) -> Iterable[str]:
    """The flaws that nothing waited, or not for the gate."""
    if not waiting:
        yield "nothing had to wait, so nothing is shown"
    for each in waiting:
        if each.state != "queued" or each.gate != gate:
            yield f"a message that was to wait for {gate} is {each.state}, its binding gate is {each.gate}"
            return


def moment(text: str, zone: str) -> datetime:
    """The moment at which a zone's clock shows it.

    >>> moment("2027-01-04 09:00", "America/New_York").isoformat()
    '2027-01-04T14:00:00+00:00'
    """
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def told(at: datetime | None, zone: str = "UTC") -> str:
    """A moment by a zone's clock, as precise as it is.

    >>> told(datetime(2027, 1, 4, 14, tzinfo=UTC), "America/New_York")
    'Mon 2027-01-04 09:00:00 EST'
    """
    if at is None:
        return "never"
    local = at.astimezone(ZoneInfo(zone))
    fraction = f".{local:%f}" if local.microsecond else ""
    return f"{local:%a %Y-%m-%d %H:%M:%S}{fraction} {local:%Z}"
