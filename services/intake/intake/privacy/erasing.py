"""A person is erased: what identifies them is destroyed with its key, the leads stay as numbers."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping
from uuid_utils.compat import uuid7

from chassis import inbox
from chassis.keys import TenantKey
from chassis.unit_of_work import UnitOfWork
from contracts.catalogue import by_type
from contracts.intake.distribution import EndReason
from contracts.intake.erasure import Confirmation, EraseLead, ErasureCertificate, ErasureResult, LeadErased, Remainder
from contracts.message import Envelope
from intake import locks
from intake.distribution import progress
from intake.enrichment.forgetting import forget_person
from intake.memory import store_actions
from intake.people import merging
from intake.people import store as people
from intake.privacy import store_erasure as store
from intake.privacy import store_export, store_texts
from intake.privacy.asking import Asker
from intake.vault import suppression

OTHERS: Final = tuple(name for name in by_type()[LeadErased.topic.type].readers if name != LeadErased.topic.owner)
"""The services that hold something of a lead, and are to confirm that they dropped it."""

EMPTIED: Final = frozenset(
    {
        "digest",
        "field_digests",
        "phone_token",
        "email_token",
        "linkedin_token",
        "time_zone",
        "warnings",
        "metadata",
        "merged_into",
        "combined",
    }
)
"""The columns of `lead` that an erasure empties."""
KEPT: Final = frozenset(
    {
        "tenant_id", "lead_id", "person_id", "version", "updated_at", "erased_at", "submission_id", "source_system",
        "source_id", "suppressed", "key_generation", "source_key", "geo_key", "intent", "timeline", "price_band", "budget_band", "tier",
        "product_interest", "partner", "created_at", "last_activity_at",
    }
)  # fmt: skip
"""The columns of `lead` that stay: references, attribution and times."""
TABLES: Final[Mapping[str, str]] = {
    "lead": "emptied of what is made of the person",
    "vault": "deleted",
    "person_key": "deleted",
    "text": "deleted",
    "person_token": "deleted, but for the keyed entries in suppression",
    "submission": "stays: verdicts, and flaws that name fields and no values; what the inbox holds of their contents is deleted",
    "merge": "stays, ended: which leads were merged, by ids",
    "kept_apart": "stays: which leads are not to be merged, by ids",
    "name_block": "deleted",
    "review_candidate": "deleted",
    "work": "closed",
    "assignment": "ended; who owned the lead stays, by user ids",
    "progress": "stays, until the lead comes again: when it was contacted and closed",
    "ending": "stays, until the lead comes again: what closed it, by the ids of outcomes and assignments",
    "decision": "stays: why a lead went where it did, by keys and user ids",
    "action": "stays, emptied of the hashes (those in action_part are deleted) and of whom it was about: who did what, and when",
    "import_kept": "stays: which leads of a reverted import were not withdrawn, by ids",
    "reveal_audit": "stays: who was shown the person's values",
    "erasure": "stays: the certificate",
    "erasure_confirmation": "stays: the certificate",
}
"""What becomes of each table of intake that has a lead or a person in it. A test finds those that are not here."""

_REMAINS: Final = [
    Remainder(
        what="the leads' ids, their sources' ids (the keyed token of one that was a contact), times and attribution, their outcomes without free text, and the counts",
        why="statistics: they tell of sources and places, and lead back to no person",
        until="always",
    ),
    Remainder(
        what="keyed entries (HMAC) made of the former tokens, and a mark on each lead",
        why="so that the person is refused when submitted again, by what identified them or as the same record",
        until="the suppression is lifted",
    ),
    Remainder(
        what="audit rows: who was shown the person's values, when and why, by ids",
        why="the audit is append-only",
        until="always",
    ),
    Remainder(
        what="in events that the broker and the services' outboxes keep for republishing: keyed tokens, the metadata that the tenant "
        "allows in events, and the time zone",
        why="they are left to age out; nothing is left that a token could be linked to",
        until="7 days in the broker, 14 days in outboxes",
    ),
    Remainder(
        what="messages that could not be handled (dead letters) and commands that wait, if any are of this person",
        why="they are sealed and cannot be searched by person; whatever would become a lead of this person is refused",
        until="90 days for dead letters; a command that waits, until it is handled",
    ),
    Remainder(
        what="files of imports that were uploaded and not imported to their end yet, if any are of this person",
        why="they are sealed and cannot be searched by person; whatever would become a lead of this person is refused",
        until="the import's end, or 24 hours after the last of it",
    ),
    Remainder(
        what="what enrichment found before and nothing tells apart from others: contacts without e-mail, telephone or profile, and "
        "providers' answers of which only such contacts were kept, or none, if any are of this person",
        why="they are sealed and cannot be searched by person; who is found to be this person, by an answer that names what "
        "identified them or when submitted as a lead, is dropped then",
        until="as long as the tenant remembers (memory_ttl_hours)",
    ),
    Remainder(
        what="in the memory of actions: keyed hashes (HMAC) of what was asked for by actions that were recorded without an id of a lead, of "
        "its submission or of the person, or under a former id of the person, if any are of this person",
        why="hashes cannot be searched by person; they are compared with those of what is about to be asked, and tell nothing else",
        until="as long as the tenant remembers (memory_ttl_hours)",
    ),
    Remainder(
        what="backups of the database made before",
        why="they hold the person's key, wrapped by the tenant's",
        until="the operator's backups are overwritten",
    ),
]  # fmt: skip


async def erase(uow: UnitOfWork, key: TenantKey, order: EraseLead, who: Asker, cause: Envelope) -> ErasureResult | None:
    """Erase a person with all its leads, and whoever's leads are merged with them; none where there is no such person.

    One that was erased stays as it is.
    """
    tenant = key.tenant
    await locks.merges(uow, tenant)
    await locks.erasing(uow, tenant)  # before the lead's person is looked up: it may be found to be another
    await locks.published_routing(uow, tenant)
    person_id = await store.person_of(uow, tenant, order.lead_id) if order.lead_id else order.person_id
    persons = await people.persons_with(uow, tenant, person_id) if person_id else set()
    leads = await store.leads_of(uow, tenant, persons) if persons else []
    if not leads:
        before = await store.last_erasure_of(uow, tenant, person_id) if person_id else None
        return ErasureResult(**_reference(before), already=True) if before else None
    erasure_id, ids = uuid7(), list(leads)
    tokens = await store.drop_tokens(uow, tenant, persons)
    await suppression.suppress(uow, key, erasure_id, tokens)
    found = await forget_person(uow, tenant, tokens)
    actions = await store_actions.forget_entities(uow, tenant, persons | await store_export.ids_of(uow, tenant, ids))
    seals, keys = await store.shred(uow, tenant, persons, ids)
    texts = await store_texts.drop(uow, tenant, ids)
    counts = {
        "leads": len(ids),
        "sealed_records": seals,
        "keys": keys,
        "texts": texts,
        "tokens": len(tokens),
        "enrichment_contacts": found,
        "actions": actions,
    }
    await inbox.drop(uow, tenant, await store.submissions_of(uow, tenant, ids))
    await locks.distribution(uow, tenant)
    ended = await progress.close(uow, tenant, ids, EndReason.WITHDRAWN, who.actor)
    counts["assignments_ended"] = len(ended)
    erasure: dict[str, Any] = {"erasure_id": erasure_id, "person_id": person_id, "lead_ids": ids}
    by = {"service": who.service, "actor": who.actor, "role": who.role, "reason": order.reason}
    await store.keep_erasure(uow, tenant, {**erasure, **by}, counts)
    await merging.end_for_good(uow, tenant, ids, f"service:{who.service}")
    for row in await store.empty_leads(uow, tenant, ids):
        uow.publish(tenant, LeadErased(erasure_id=erasure_id, occurred_at=uow.now, **row), cause)
    return ErasureResult(**erasure, erased_at=uow.now, already=False)


async def certificate(uow: UnitOfWork, tenant: str, erasure_id: UUID) -> ErasureCertificate | None:
    """What is known of an erasure by now; none where there is no such one."""
    row = await store.erasure(uow, tenant, erasure_id)
    if row is None:
        return None
    rows = await store.confirmations(uow, tenant, erasure_id)
    confirmed = [_confirmation(name, set(row["lead_ids"]), rows) for name in OTHERS]
    columns = {name: row[name] for name in ErasureCertificate.model_fields if name in row}
    return ErasureCertificate(
        **columns, erased=row["counts"], confirmations=confirmed, remains=_REMAINS,
        complete=all(confirmation.confirmed_at for confirmation in confirmed),
    )  # fmt: skip


def _confirmation(service: str, leads: set[UUID], rows: Sequence[RowMapping]) -> Confirmation:
    own = [row for row in rows if row["service"] == service]
    dropped: dict[str, int] = {}
    for row in own:
        for kind, count in row["dropped"].items():
            dropped[kind] = dropped.get(kind, 0) + count
    done = leads <= {row["lead_id"] for row in own}
    return Confirmation(
        service=service, confirmed_at=max(row["confirmed_at"] for row in own) if done else None, dropped=dropped
    )


def _reference(row: RowMapping) -> dict[str, Any]:
    return {name: row[name] for name in ("erasure_id", "person_id", "lead_ids", "erased_at")}
