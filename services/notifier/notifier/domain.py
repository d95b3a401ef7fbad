"""When an alert is raised, kept up to date, left alone and resolved, and what it says. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Protocol

from contracts.gateway.access import AccessRefused, RefusedFor
from contracts.gateway.users import UserChanged
from contracts.intake.privacy import RevealLimitReached
from contracts.notifier import AlertView
from contracts.outcomes import MissingOutcomesView
from contracts.taxonomy import AlertCategory, Severity

OUTCOME_MISSING = "OUTCOME_MISSING"
REVEAL_LIMIT = "REVEAL_LIMIT"
ACCESS_REFUSED = "ACCESS_REFUSED"
KEYS_LEFT = "KEYS_LEFT"
_LOOK_INTO: Final = {
    RefusedFor.CREDENTIAL: "an API key was shown that opens nothing: give the program that shows it a new one, or find out who guesses",
    RefusedFor.SIGN_IN: "passwords were tried that are wrong: ask the user whether it was they, and give them a link if it was",
    RefusedFor.SCOPE: "something was asked for that the role or the key does not allow: allow it, or find out who has the credential",
}
_ELSEWHERE: Final = "addresses of other tenants were tried, and none opened: ask the user whether it was they, and suspend them if it was not"
_LEADS_NAMED = 100


@dataclass(frozen=True, slots=True)
class Notice:
    """What an alert says.

    Attributes:
        code: what kind of thing is wrong.
        condition: which of its kind; empty where a tenant can have only one.
        evidence: the numbers and ids that show it, as JSON has them.
    """

    code: str
    category: AlertCategory
    severity: Severity
    title: str
    message: str
    evidence: dict[str, Any]
    condition: str = ""


class Condition(Protocol):
    """What may be wrong with several at once."""

    @property
    def count(self) -> int:
        """With how many it is."""

    @property
    def notice(self) -> Notice:
        """What its alert says."""

    def has_besides(self, dismissed: Mapping[str, Any]) -> bool:
        """Whether something joined that was not there when an alert with this evidence was dismissed."""


class Step(StrEnum):
    """What a finding asks for."""

    ALERT = "alert"
    """The condition has an open alert that says what was found."""
    RESOLVE = "resolve"
    """The condition ended."""
    LEAVE = "leave"
    """Nothing changes."""


@dataclass(frozen=True, slots=True)
class Missing:
    """The leads of a tenant that need an outcome (missing-outcome nudges of the outcome-capture plan).

    Attributes:
        lead_ids: at most 100 of them, the longest quiet first.
        count: how many there are in all.
        oldest_activity: the last activity of the one quiet the longest; none when there are no leads.
    """

    lead_ids: tuple[str, ...]
    count: int
    oldest_activity: datetime | None

    @classmethod
    def read(cls, view: MissingOutcomesView) -> "Missing":
        return cls(
            lead_ids=tuple(str(lead.lead_id) for lead in view.leads[:_LEADS_NAMED]),
            count=view.count,
            oldest_activity=min((lead.last_activity_at for lead in view.leads), default=None),
        )

    @property
    def notice(self) -> Notice:
        one = self.count == 1
        return Notice(
            code=OUTCOME_MISSING,
            category=AlertCategory.OPS,
            severity=Severity.WARNING,
            title="1 lead needs an outcome update" if one else f"{self.count} leads need outcome updates",
            message=f"{self.count} high-value {'lead has' if one else 'leads have'} not been updated in 7+ days; "
            "record what became of them",
            evidence={
                "lead_ids": list(self.lead_ids),
                "count": self.count,
                "oldest_activity": self.oldest_activity.isoformat() if self.oldest_activity else None,
            },
        )

    def has_besides(self, dismissed: Mapping[str, Any]) -> bool:
        """Whether leads joined that were not there when an alert with this evidence was dismissed.

        Evidence that names only the first hundred cannot tell one lead from another beyond them: there, only a higher
        count shows that leads joined.
        """
        if self.count > dismissed["count"]:
            return True
        names_all = dismissed["count"] <= len(dismissed["lead_ids"])
        return names_all and not set(self.lead_ids) <= set(dismissed["lead_ids"])


def step(found: Condition, standing: list[AlertView]) -> Step:
    """What to do, given the condition's alerts that have not been resolved, newest first; at most the first is open.

    A dismissed alert speaks for its condition until that ends: the condition stays silent while it has only what
    was in it when it was dismissed, and raises a new alert as soon as something joins.
    """
    if not found.count:
        return Step.RESOLVE if standing else Step.LEAVE
    if standing and standing[0].dismissed_at and not found.has_besides(standing[0].evidence):
        return Step.LEAVE
    return Step.ALERT


def reveals_notice(reached: RevealLimitReached) -> Notice:
    """What is said of a caller who asked to see more persons within an hour than the tenant allows."""
    return Notice(
        code=REVEAL_LIMIT,
        condition=reached.caller,
        category=AlertCategory.OPS,
        severity=Severity.CRITICAL,
        title=f"{reached.caller} reached the limit of {reached.limit} persons an hour",
        message="Personal values of very many persons were asked for, and further ones refused: look into list_reveals "
        "for what this caller was shown, and take the credential away if it was not they",
        evidence={
            "caller": reached.caller,
            "service": reached.service,
            "limit": reached.limit,
            "seen": reached.seen,
            "refused": reached.refused,
            "occurred_at": reached.occurred_at.isoformat(),
        },
    )


def refusals_notice(refused: AccessRefused) -> Notice:
    """What is said of somebody who was refused again and again."""
    who = refused.actor or "somebody unknown"
    what = "elsewhere" if refused.elsewhere else refused.refused_for
    look_into = _ELSEWHERE if refused.elsewhere else _LOOK_INTO[refused.refused_for]
    return Notice(
        code=ACCESS_REFUSED,
        condition=f"{what} {refused.actor or ''}".strip(),
        category=AlertCategory.OPS,
        severity=Severity.WARNING,
        title=f"{who} was refused more than {refused.limit} times",
        message=f"Within {refused.window_seconds // 60} minutes {look_into}",
        evidence={
            "actor": refused.actor,
            "refused_for": refused.refused_for,
            "elsewhere": refused.elsewhere,
            "limit": refused.limit,
            "window_seconds": refused.window_seconds,
            "occurred_at": refused.occurred_at.isoformat(),
        },
    )


def keys_notice(changed: UserChanged) -> Notice:
    """What is said of a user who may no longer sign in, and whose keys go on opening something."""
    who, count = f"user:{changed.user_id}", len(changed.keys_left)
    return Notice(
        code=KEYS_LEFT,
        condition=who,
        category=AlertCategory.OPS,
        severity=Severity.WARNING,
        title=f"{who} was {changed.state}, and {'an API key that they made works' if count == 1 else f'{count} API keys that they made work'} on",
        message="A key is the tenant's, and programs may rest on it: revoke those whose secret the user may still have, and give "
        "their programs others",
        evidence={
            "user_id": str(changed.user_id),
            "state": changed.state,
            "changed_by": changed.changed_by,
            "keys": [f"key:{key_id}" for key_id in changed.keys_left],
            "occurred_at": changed.occurred_at.isoformat(),
        },
    )
