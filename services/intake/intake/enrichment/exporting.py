"""What runs hold of a person, for an export of all that is known of them."""

from collections.abc import Sequence
from typing import Any

from chassis.keys import TenantKey
from chassis.unit_of_work import UnitOfWork
from intake.enrichment import contents, store_contacts


async def contacts_of(uow: UnitOfWork, key: TenantKey, tokens: Sequence[str]) -> list[dict[str, Any]]:
    """The contacts with any of these tokens, the oldest run first; of one that became a lead, the vault holds what is personal."""
    return [
        {
            "run_id": row["run_id"],
            "run_started_at": row["run_started_at"],
            "company": row["company"],
            "became_a_lead": row["status"] == "submitted",
            "personal": contents.open_(key, row["sealed"], contents.contact(row["run_id"])) if row["sealed"] else None,
        }
        for row in await store_contacts.of_person(uow, key.tenant, tokens)
    ]
