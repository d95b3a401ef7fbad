"""The board: the leads of a tenant by where they stand."""

from typing import Final, Literal

from chassis import paging
from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts.outcomes import BoardColumn, BoardLead, LeadBoard, LeadBoardView
from contracts.taxonomy import Stage
from outcomes import store_board

MOST_COUNTED: Final = 10_000
"""As far as a column is counted: to count all would take the longer the more there are."""
_COLUMNS: Final[tuple[Stage | Literal["none"], ...]] = ("none", *Stage)


async def lead_board(uow: UnitOfWork, request: Received[LeadBoard]) -> LeadBoardView:
    ask = request.body
    wanted = _COLUMNS if ask.column is None else (ask.column,)
    return LeadBoardView(
        columns=[await _column(uow, request.tenant, None if name == "none" else Stage(name), ask) for name in wanted]
    )


async def _column(uow: UnitOfWork, tenant: str, stage: Stage | None, ask: LeadBoard) -> BoardColumn:
    after = paging.after(ask.cursor, store_board.Place.read)
    rows = await store_board.column(uow, tenant, stage, after, ask.limit + 1)
    page, cursor = paging.cut(rows, ask.limit, store_board.place)
    count = await store_board.count(uow, tenant, stage, MOST_COUNTED + 1)
    return BoardColumn(
        stage=stage,
        leads=[BoardLead(lead_id=row["lead_id"], since=row["staged_at"]) for row in page],
        count=min(count, MOST_COUNTED),
        more=count > MOST_COUNTED,
        next_cursor=cursor,
    )
