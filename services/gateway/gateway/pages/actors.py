"""Who acted, as a page names them: users by name to those who may see users, everybody else by the end of their id."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from contracts.gateway.access import Scope
from contracts.gateway.users import ListUsers
from gateway.gate import Principal
from gateway.pages.panel import panel

_USER: Final = "user:"
_MOST: Final = 200
"""How many users can be asked for at once."""


@dataclass(frozen=True, slots=True)
class Actors:
    """Names for those who acted."""

    own: str
    names: Mapping[str, str]

    def __call__(self, actor: str) -> str:
        if actor == self.own:
            return "you"
        if actor in self.names:
            return self.names[actor]
        kind, _, id_ = actor.partition(":")
        return f"{kind} {id_[-6:]}" if len(id_) > 8 else actor


async def actors(principal: Principal, found: Iterable[str | None]) -> Actors:
    """The names of those found, as far as whoever looks may see users; a page is none the worse without them."""
    ids = [user_id for actor in dict.fromkeys(found) if actor and (user_id := user_id_of(actor))]
    if not ids or Scope.USERS_READ not in principal.allowed:
        return Actors(principal.actor, {})
    known = await panel(principal, ListUsers(only=ids[:_MOST], limit=_MOST))
    users = known.reply.users if known.reply else []
    return Actors(
        principal.actor,
        {f"{_USER}{user.user_id}": called for user in users if (called := user.name or user.email)},
    )


def user_id_of(actor: str) -> UUID | None:
    """The user's id in an actor; none where it is no user of the gateway's."""
    try:
        return UUID(actor.removeprefix(_USER)) if actor.startswith(_USER) else None
    except ValueError:
        return None
