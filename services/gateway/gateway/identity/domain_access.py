"""What each role allows, and what may be passed on to whom. Pure."""

from collections.abc import Iterable, Mapping
from typing import Final

from contracts.gateway.access import Scope
from contracts.taxonomy import Role

_READ: Final = frozenset(
    {
        Scope.SELF, Scope.LEADS_READ, Scope.OUTCOMES_READ, Scope.OUTREACH_READ, Scope.ROUTING_READ, Scope.IMPORTS_READ,
        Scope.NUMBERS_READ, Scope.ALERTS_READ, Scope.SETTINGS_READ,
    }
)  # fmt: skip
_WORK: Final = _READ | {
    Scope.LEADS_WRITE, Scope.OUTCOMES_WRITE, Scope.WORK_WRITE, Scope.ALERTS_WRITE, Scope.PERSONAL_READ,
}  # fmt: skip
_RUN: Final = _WORK | {
    Scope.OUTREACH_WRITE, Scope.ROUTING_WRITE, Scope.IMPORTS_WRITE, Scope.OPERATIONS_READ,
}  # fmt: skip

OF_ROLE: Final[Mapping[Role, frozenset[Scope]]] = {
    Role.VIEWER: _READ,
    Role.AGENT: _WORK,
    Role.OPERATOR: _RUN | {Scope.OPERATIONS_WRITE},
    Role.AUDITOR: _READ | {Scope.USERS_READ, Scope.AUDIT_READ, Scope.OPERATIONS_READ},
    Role.ADMIN: frozenset(Scope),
    Role.SUPERADMIN: frozenset(Scope),
}
"""What users may do. An auditor changes nothing and sees no person, but sees who was shown what and who changed what."""

OF_PROGRAMS: Final = _RUN - {Scope.SELF, Scope.PERSONAL_READ}
"""What an API key allows for which nobody said what: what the API did before keys had scopes."""


def of_key(scopes: Iterable[str] | None) -> frozenset[Scope]:
    """What a key allows; one from before keys had scopes has none, and allows what programs need."""
    return OF_PROGRAMS if scopes is None else frozenset(map(Scope, scopes))


def refused_role(role: Role, *, of_platform: bool) -> str:
    """Why a user cannot have a role; empty where they can: superadmins belong to the installation, all others to a tenant."""
    if (role is Role.SUPERADMIN) == of_platform:
        return ""
    return "a superadmin is no user of a tenant: ask on the platform's subject" if not of_platform else (
        "users of the installation are superadmins: ask on the subject of the tenant for any other role"
    )  # fmt: skip


def is_admin(allowed: frozenset[Scope]) -> bool:
    """Whether somebody may do all that an admin may: a user who is one, a superadmin, a key that was made with every scope."""
    return allowed >= OF_ROLE[Role.ADMIN]


def beyond(given: frozenset[Scope], own: frozenset[Scope]) -> list[Scope]:
    """What somebody would pass on without having it."""
    return sorted(given - own)
