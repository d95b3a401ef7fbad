"""Who may see what is personal, for which purpose, and how often; who may erase and export. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from contracts.taxonomy import Purpose, Role

GATEWAY: Final = "gateway"
OUTREACH: Final = "outreach"
OPERATOR: Final = "operator"
"""The three that may ask at all, by the names of their credentials."""

ITSELF: Final = None
"""In a role's place: the service acts by itself, on behalf of nobody."""
_WORKERS: Final = frozenset({Role.AGENT, Role.OPERATOR, Role.ADMIN, Role.SUPERADMIN})
_DESK: Final = frozenset({Role.OPERATOR, Role.ADMIN, Role.SUPERADMIN})
_HEADS: Final = frozenset({Role.ADMIN, Role.SUPERADMIN})
_BY_HAND: Final[frozenset[Role | None]] = frozenset({ITSELF, *_HEADS})

WHO_MAY_SEE: Final[Mapping[tuple[str, Purpose], frozenset[Role] | frozenset[Role | None]]] = {
    (GATEWAY, Purpose.WORK_LEAD): _WORKERS,
    (GATEWAY, Purpose.SEND_MESSAGE): _WORKERS,
    (GATEWAY, Purpose.VERIFY_IDENTITY): _DESK,
    (GATEWAY, Purpose.SUPPORT): _DESK,
    (GATEWAY, Purpose.FRAUD_CHECK): _HEADS,
    (GATEWAY, Purpose.SUBJECT_REQUEST): _HEADS,
    (OUTREACH, Purpose.SEND_MESSAGE): frozenset({ITSELF}),
    (OPERATOR, Purpose.VERIFY_IDENTITY): _BY_HAND,
    (OPERATOR, Purpose.SUPPORT): _BY_HAND,
    (OPERATOR, Purpose.FRAUD_CHECK): _BY_HAND,
    (OPERATOR, Purpose.SUBJECT_REQUEST): _BY_HAND,
}
"""By way of which service, for which purpose, in which role. What is not here is forbidden; viewers and auditors see
nothing, the latter see who was shown what."""

WINDOW: Final = timedelta(hours=1)
"""Within which persons are counted."""


def may_see(service: str, role: Role | None, purpose: Purpose) -> bool:
    """Whether what is personal may be shown by way of a service, to a role or to the service itself (`ITSELF`)."""
    return role in WHO_MAY_SEE.get((service, purpose), frozenset())


def may_answer_for_a_person(service: str, role: Role | None) -> bool:
    """Whether a person may be erased, exported or allowed again: whoever may answer what persons ask of their own data."""
    return may_see(service, role, Purpose.SUBJECT_REQUEST)


def wait(shown_at: list[datetime], new: int, limit: int, now: datetime) -> timedelta | None:
    """How long a caller must wait until so many `new` persons are within the limit; none where no wait is needed.

    Args:
        shown_at: when each person seen within the window was last shown, in any order.
    """
    too_many = len(shown_at) + new - limit
    if new == 0 or too_many <= 0:
        return None
    if too_many > len(shown_at):
        return WINDOW  # more at once than the limit ever allows
    return max(sorted(shown_at)[too_many - 1] + WINDOW - now, timedelta(seconds=1))
