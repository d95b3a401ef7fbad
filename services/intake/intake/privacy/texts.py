"""Texts that services received of leads' persons: kept, and shown as what is personal about leads is."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.keys import TenantKey
from chassis.unit_of_work import UnitOfWork
from contracts.intake.privacy import RevealState
from contracts.intake.texts import KeepText, RevealedText
from contracts.message import Envelope, Problem
from contracts.taxonomy import Purpose
from intake import locks
from intake.leads import store as leads
from intake.leads.problems import no_such_lead
from intake.privacy import revealing, store_texts
from intake.privacy.asking import Asker
from intake.privacy.domain_fitting import fit_texts
from intake.vault import sealing
from intake.vault import store as vault

_AUDITED_AS: Final = ["text"]
"""In the place of the fields that are shown of a lead."""


async def keep(uow: UnitOfWork, key: TenantKey, text: KeepText) -> bool:
    """Keep a text with its lead; false where the lead's person was erased.

    Raises:
        ProblemError: `not_found`, the tenant has no such lead.
    """
    await locks.linking(uow, key.tenant)  # before the lead is looked at, or it may be erased before the text is there
    lead = await leads.lead(uow, key.tenant, text.lead_id)
    if lead is None:
        raise no_such_lead()
    if lead["erased_at"] is not None:
        return False
    key_id = await vault.key_of(uow, key.tenant, text.lead_id)
    if key_id is None:
        return False
    person_key = (await sealing.person_keys(uow, key, [key_id]))[key_id]
    sealed = sealing.seal_text(text.text, text.text_id, key.tenant, person_key)
    row = {"text_id": text.text_id, "lead_id": text.lead_id, "key_id": key_id, "sealed": sealed}
    await store_texts.keep(uow, key.tenant, row)
    return True


async def reveal(
    uow: UnitOfWork, key: TenantKey, who: Asker, purpose: Purpose, text_ids: Sequence[UUID], cause: Envelope
) -> list[RevealedText] | Problem:
    """The texts of one tenant, each id once; a problem, which is to be the answer, where they are of too many persons."""
    found = await store_texts.sealed(uow, key.tenant, text_ids)
    if problem := await revealing.too_many(uow, key.tenant, who, {row["person_id"] for row in found.values()}, cause):
        return problem
    views = fit_texts([_view(text_id, found.get(text_id), key) for text_id in text_ids])
    seen = [found[view.text_id] for view in views if view.state is RevealState.REVEALED]
    shown = [(row["lead_id"], row["person_id"], _AUDITED_AS) for row in seen]
    await revealing.record(uow, key.tenant, who, purpose, shown, cause)
    return views


def exported(row: RowMapping, key: TenantKey) -> dict[str, Any]:
    """What an export shows of a text, from its row."""
    return {
        "text_id": row["text_id"],
        "created_at": row["created_at"],
        "personal_text": sealing.open_text(row, key),
    }


def _view(text_id: UUID, row: RowMapping | None, key: TenantKey) -> RevealedText:
    if row is None:
        return RevealedText(text_id=text_id, state=RevealState.NOT_FOUND)
    text = sealing.open_text(row, key)
    return RevealedText(text_id=text_id, state=RevealState.REVEALED, lead_id=row["lead_id"], text=text)
