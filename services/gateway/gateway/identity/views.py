"""Saved views: what somebody asks of a list, kept under a name for themselves, or shared with all of the tenant.

They are a person's own settings and no business of any service: what a list shows is asked of its owner each time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from chassis.unit_of_work import UnitOfWork
from contracts.message import Envelope, ProblemCode, ProblemError
from contracts.personal import looks_like_pii
from gateway.identity import audit, store_views

MOST_VIEWS: Final = 50
"""Of one list, of one user."""


@dataclass(frozen=True, slots=True)
class SavedView:
    """A view of a list.

    Attributes:
        terms: what is asked of the list, as its address has it.
        own: whether it belongs to whoever looks.
    """

    view_id: UUID
    name: str
    terms: Mapping[str, str]
    shared: bool
    own: bool


async def of(uow: UnitOfWork, tenant: str, actor: str, list_: str) -> list[SavedView]:
    """The views that somebody has of a list: their own, and those that are shared."""
    rows = await store_views.views(uow, tenant, actor, list_)
    return [SavedView(row["view_id"], row["name"], row["terms"], row["shared"], row["owner"] == actor) for row in rows]


async def save(
    uow: UnitOfWork, cause: Envelope, actor: str, list_: str, name: str, terms: Mapping[str, Any], *, shared: bool
) -> None:
    """Keep a view under a name, in the place of one's other view of that name.

    Raises:
        ProblemError: `invalid`, the name seems to be somebody's contact, and names are kept in clear; `conflict`, there are as many
            as there may be.
    """
    if looks_like_pii(name):
        text = "seems to hold a telephone number or an e-mail address: name the view after what it shows"
        raise ProblemError(ProblemCode.INVALID, text, "name")
    if await store_views.count(uow, cause.tenant, actor, list_) >= MOST_VIEWS:
        raise ProblemError(
            ProblemCode.CONFLICT, f"you have {MOST_VIEWS} views already: forget one that you do not need"
        )
    view_id = await store_views.save(uow, cause.tenant, actor, list_, name, terms, shared=shared)
    await audit.record(uow, cause, actor, "view_saved", f"view:{view_id}", {"list": list_, "shared": shared})


async def forget(uow: UnitOfWork, cause: Envelope, actor: str, view_id: UUID, *, anybodys: bool) -> None:
    """Drop one of one's views, or whoever's it is where it is shared and one may.

    Raises:
        ProblemError: `not_found`.
    """
    forgotten = await store_views.forget(uow, cause.tenant, view_id, actor)
    if not forgotten and anybodys:
        forgotten = await store_views.forget(uow, cause.tenant, view_id, None)
    if not forgotten:
        raise ProblemError(ProblemCode.NOT_FOUND, "there is no such view of yours", "view_id")
    await audit.record(uow, cause, actor, "view_forgotten", f"view:{view_id}")
