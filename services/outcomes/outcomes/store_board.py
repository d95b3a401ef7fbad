"""Every query about the board of leads, answered from the index `lead_board`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork
from contracts.taxonomy import Stage

_NEVER: Final = "never"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a lead stands in its column: by when its last outcome happened, if it has one, then by its id."""

    staged_at: datetime | None
    lead_id: UUID

    def __str__(self) -> str:
        return f"{self.staged_at.isoformat() if self.staged_at else _NEVER}~{self.lead_id}"

    @classmethod
    def read(cls, text: str) -> "Place":
        """Raises ValueError where the text is none."""
        at, _, lead_id = text.partition("~")
        moment = None if at == _NEVER else datetime.fromisoformat(at)
        if moment and (moment.tzinfo is None or not 1 < moment.year < 9999):
            raise ValueError("no moment of ours")
        return cls(moment, UUID(lead_id))


def place(row: RowMapping) -> Place:
    return Place(row["staged_at"], row["lead_id"])


async def column(
    uow: UnitOfWork, tenant: str, stage: Stage | None, after: Place | None, limit: int
) -> Sequence[RowMapping]:
    """Leads that stand at a stage, or have no outcome, from behind one: `lead_id` and `staged_at`."""
    if after is None:
        behind = ""
    elif stage is None:
        behind = "and lead_id < :lead_id"
    else:
        behind = "and (staged_at, lead_id) < (:staged_at, :lead_id)"
    place: dict[str, Any] = {"lead_id": after.lead_id} if after else {}
    if after and stage:
        place["staged_at"] = after.staged_at
    rows = await uow.execute(
        f"""select lead_id, staged_at from lead where tenant_id = :tenant and merged_into is null and {_at(stage)} {behind}
            order by stage desc, staged_at desc, lead_id desc limit :limit""",
        tenant=tenant, limit=limit, **place,
    )  # fmt: skip
    return rows.mappings().all()


async def count(uow: UnitOfWork, tenant: str, stage: Stage | None, most: int) -> int:
    """How many leads stand at a stage, or have no outcome; counted no further than `most`."""
    rows = await uow.execute(
        f"""select count(*) from (select from lead where tenant_id = :tenant and merged_into is null and {_at(stage)}
                                  limit :most) as counted""",
        tenant=tenant, most=most,
    )  # fmt: skip
    return int(rows.scalar_one())


def _at(stage: Stage | None) -> str:
    return f"stage = '{stage}'" if stage else "stage is null and staged_at is null"
