"""The pages of a tenant that the menu leads to, in its order, and what each needs."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from contracts.gateway.access import Scope


@dataclass(frozen=True, slots=True)
class Place:
    """A page in the menu.

    Attributes:
        path: below ``/t/{tenant}``.
        needs: whom it is shown to: those whom its route lets in, too.
    """

    text: str
    path: str
    needs: Scope


MENU: Final[tuple[tuple[str, tuple[Place, ...]], ...]] = (
    ("", (Place("Overview", "", Scope.NUMBERS_READ),)),
    (
        "Work",
        (
            Place("Leads", "/leads", Scope.LEADS_READ),
            Place("Missing outcomes", "/outcomes/missing", Scope.OUTCOMES_READ),
            Place("Record outcomes", "/outcomes/bulk", Scope.OUTCOMES_WRITE),
            Place("Inbox", "/inbox", Scope.OUTREACH_READ),
            Place("Tasks", "/tasks", Scope.OUTREACH_READ),
        ),
    ),
    (
        "Outreach",
        (
            Place("Campaigns", "/campaigns", Scope.OUTREACH_READ),
            Place("Templates", "/templates", Scope.OUTREACH_READ),
            Place("Accounts", "/accounts", Scope.OUTREACH_READ),
            Place("Queue", "/queue", Scope.OUTREACH_READ),
            Place("Activity", "/outreach/activity", Scope.OUTREACH_READ),
            Place("Suppressions", "/suppressions", Scope.OUTREACH_READ),
        ),
    ),
    (
        "Distribution",
        (
            Place("Distribution", "/distribution", Scope.ROUTING_READ),
            Place("Routing", "/routing", Scope.ROUTING_READ),
        ),
    ),
    ("Numbers", (Place("Win rates", "/win-rates", Scope.NUMBERS_READ),)),
    ("Data", (Place("Imports", "/imports", Scope.IMPORTS_READ),)),
    (
        "System",
        (
            Place("Alerts", "/alerts", Scope.ALERTS_READ),
            Place("Operations", "/operations", Scope.OPERATIONS_READ),
            Place("Audit", "/audit", Scope.AUDIT_READ),
            Place("Reference", "/reference", Scope.SELF),
        ),
    ),
    (
        "Settings",
        (
            Place("Limits", "/settings/limits", Scope.SETTINGS_READ),
            Place("Users", "/settings/users", Scope.USERS_READ),
            Place("API keys", "/settings/keys", Scope.USERS_READ),
            Place("Webhooks", "/settings/webhooks", Scope.OUTREACH_READ),
            Place("Your account", "/account", Scope.SELF),
        ),
    ),
)
"""Groups by what people come for; a group is shown to whom at least one of its pages is."""


def menu(allowed: Collection[str]) -> Iterator[tuple[str, list[Place]]]:
    """The groups of the menu, with the pages that somebody may see."""
    for group, places in MENU:
        if seen := [place for place in places if place.needs in allowed]:
            yield group, seen


def leads_to(allowed: Collection[str], path: str) -> bool:
    """Whether somebody is shown the page with this path in the menu, and so may be sent there by another."""
    return any(place.path == path and place.needs in allowed for _, places in MENU for place in places)
