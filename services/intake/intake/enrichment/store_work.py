"""Every query about what a worker does to a run that it holds: its steps, items and calls."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from uuid_utils.compat import uuid7

from chassis.unit_of_work import UnitOfWork
from contracts.taxonomy import EnrichmentStep
from intake.enrichment.store_claims import Claim

_COLUMNS = "step, status, providers, total, done, found, cost, attempts"
_STEP = f"""
    select {_COLUMNS} from enrichment_step
    where tenant_id = :tenant and run_id = :run_id and status in ('pending', 'running') order by position limit 1
"""
_ITEM = """
    select item, company_item, company, sealed, evidence, asked, failures, call_id, call_provider, call_kind, call_cost
    from enrichment_item
    where tenant_id = :tenant and run_id = :run_id and step = :step and status = 'pending' order by item limit 1
"""
_ADD = """
    with given as (
        select * from unnest(cast(:companies as jsonb[]), cast(:sealed as bytea[]), cast(:identities as text[]),
                             cast(:tokens as jsonb[]), cast(:with_email as boolean[]))
                      with ordinality as of (company, sealed, identity, tokens, with_email, place)
    ), new as (
        select distinct on (identity) * from given
        where not exists (select from enrichment_item where tenant_id = :tenant and run_id = :run_id and step = :step
                                                        and enrichment_item.identity = given.identity)
        order by identity, place
    ), numbered as (
        select *, row_number() over (order by place) as number from new order by place limit :most
    ), added as (
        insert into enrichment_item (tenant_id, run_id, step, item, status, company_item, company, sealed, identity, tokens,
                                     has_email, evidence)
        select :tenant, :run_id, :step,
               number + (select coalesce(max(item), 0) from enrichment_item
                         where tenant_id = :tenant and run_id = :run_id and step = :step),
               case when with_email then 'done' else 'pending' end, :company_item, company, sealed, identity,
               array(select jsonb_array_elements_text(numbered.tokens)), with_email, cast(:evidence as text[])
        from numbered
        returning item, has_email, tokens
    ), known as (
        insert into enrichment_token (tenant_id, token, run_id, item)
        select :tenant, token, :run_id, item from added cross join lateral unnest(tokens) as of (token)
    )
    select has_email from added
"""


@dataclass(frozen=True, slots=True)
class NewItem:
    """Something found, as an item of the next step."""

    identity: str
    company: dict[str, str] | None = None
    sealed: bytes | None = None
    tokens: Sequence[str] = ()
    with_email: bool = False


async def current_step(uow: UnitOfWork, claim: Claim) -> RowMapping | None:
    """The first step that has not come to its end."""
    return (await uow.execute(_STEP, tenant=claim.tenant, run_id=claim.run_id)).mappings().first()


async def begin_step(uow: UnitOfWork, claim: Claim, step: str) -> RowMapping:
    """Begin a step, or begin it again; returns it as it is then."""
    rows = await uow.execute(
        f"""update enrichment_step
            set status = 'running', attempts = attempts + 1, started_at = coalesce(started_at, :now)
            where tenant_id = :tenant and run_id = :run_id and step = :step returning {_COLUMNS}""",
        tenant=claim.tenant, run_id=claim.run_id, step=step, now=uow.now,
    )  # fmt: skip
    return rows.mappings().one()


async def end_step(uow: UnitOfWork, claim: Claim, step: str, status: str) -> None:
    await uow.execute(
        """update enrichment_step set status = :status, ended_at = :now
           where tenant_id = :tenant and run_id = :run_id and step = :step""",
        tenant=claim.tenant, run_id=claim.run_id, step=step, status=status, now=uow.now,
    )  # fmt: skip


async def next_item(uow: UnitOfWork, claim: Claim, step: str) -> RowMapping | None:
    """The first item that is to be done."""
    return (await uow.execute(_ITEM, tenant=claim.tenant, run_id=claim.run_id, step=step)).mappings().first()


async def company(uow: UnitOfWork, claim: Claim, item: int) -> tuple[dict[str, str], list[str]]:
    """A company's fields, and the keys of the answers it came from."""
    rows = await uow.execute(
        """select company, evidence from enrichment_item
           where tenant_id = :tenant and run_id = :run_id and step = 'find_contacts' and item = :item""",
        tenant=claim.tenant, run_id=claim.run_id, item=item,
    )  # fmt: skip
    row = rows.one()
    return row.company, row.evidence


async def begin_call(
    uow: UnitOfWork, claim: Claim, step: str, item: int, provider: str, kind: str, most: Decimal
) -> UUID:
    """Note that a provider is being asked, and what that may cost: whoever finds the note knows that its writer died."""
    call_id = uuid7()
    await uow.execute(
        """update enrichment_item
           set call_id = :call_id, call_provider = :provider, call_kind = :kind, call_cost = :most
           where tenant_id = :tenant and run_id = :run_id and step = :step and item = :item""",
        tenant=claim.tenant, run_id=claim.run_id, step=step, item=item, call_id=call_id, provider=provider, kind=kind,
        most=most,
    )  # fmt: skip
    return call_id


async def end_call(
    uow: UnitOfWork, claim: Claim, step: str, item: int, call_id: UUID, cost: Decimal, *, known: bool
) -> bool:
    """Count a call and its cost, once; false where it has been counted. `known`: whether it is known what came of it."""
    ended = await uow.execute(
        """update enrichment_item set call_id = null, call_provider = null, call_kind = null, call_cost = null
           where tenant_id = :tenant and run_id = :run_id and step = :step and item = :item and call_id = :call_id""",
        tenant=claim.tenant, run_id=claim.run_id, step=step, item=item, call_id=call_id,
    )  # fmt: skip
    if not ended.rowcount:
        return False
    about = {"tenant": claim.tenant, "run_id": claim.run_id, "cost": cost}
    await uow.execute(
        """update enrichment_step set calls = calls + 1, cost = cost + :cost
           where tenant_id = :tenant and run_id = :run_id and step = :step""",
        step=step, **about,
    )  # fmt: skip
    await uow.execute(
        """update enrichment_run set cost = cost + :cost, claims = case when :known then 0 else claims end
           where tenant_id = :tenant and run_id = :run_id""",
        known=known, **about,
    )  # fmt: skip
    return True


async def count_cached(uow: UnitOfWork, claim: Claim, step: str) -> None:
    await uow.execute(
        """update enrichment_step set cached = cached + 1
           where tenant_id = :tenant and run_id = :run_id and step = :step""",
        tenant=claim.tenant, run_id=claim.run_id, step=step,
    )  # fmt: skip


async def ask_next(uow: UnitOfWork, claim: Claim, step: str, item: int) -> None:
    """The item's next provider is to be asked."""
    await uow.execute(
        """update enrichment_item set asked = asked + 1, failures = 0
           where tenant_id = :tenant and run_id = :run_id and step = :step and item = :item""",
        tenant=claim.tenant, run_id=claim.run_id, step=step, item=item,
    )  # fmt: skip


async def finish_item(uow: UnitOfWork, claim: Claim, step: str, item: int, found: int) -> None:
    """An item is done, and so much came of it."""
    about = {"tenant": claim.tenant, "run_id": claim.run_id, "step": step}
    await uow.execute(
        """update enrichment_item set status = 'done'
           where tenant_id = :tenant and run_id = :run_id and step = :step and item = :item""",
        item=item, **about,
    )  # fmt: skip
    await uow.execute(
        """update enrichment_step set done = done + 1, found = found + :found
           where tenant_id = :tenant and run_id = :run_id and step = :step""",
        found=found, **about,
    )  # fmt: skip


async def add_items(
    uow: UnitOfWork, claim: Claim, step: EnrichmentStep, items: Sequence[NewItem], most: int,
    company_item: int | None = None, evidence: Sequence[str] = (),
) -> int:  # fmt: skip
    """Add what was found as items of a step, not more than `most` and nothing that is there; returns how many are new.

    A contact with an e-mail address is done with.
    """
    rows = await uow.execute(
        _ADD, tenant=claim.tenant, run_id=claim.run_id, step=step, most=most, company_item=company_item,
        companies=[json.dumps(item.company) if item.company is not None else None for item in items],
        sealed=[item.sealed for item in items], identities=[item.identity for item in items],
        tokens=[json.dumps(list(item.tokens)) for item in items], with_email=[item.with_email for item in items],
        evidence=list(evidence),
    )  # fmt: skip
    added = rows.scalars().all()
    await uow.execute(
        """update enrichment_step set total = total + :added, done = done + :done, found = found + :done
           where tenant_id = :tenant and run_id = :run_id and step = :step""",
        tenant=claim.tenant, run_id=claim.run_id, step=step, added=len(added), done=sum(added),
    )  # fmt: skip
    of_run = {EnrichmentStep.FIND_CONTACTS: "companies", EnrichmentStep.ENRICH_EMAILS: "contacts"}[step]
    await uow.execute(
        f"""update enrichment_run set {of_run} = {of_run} + :added, emails = emails + :with_email
            where tenant_id = :tenant and run_id = :run_id""",
        tenant=claim.tenant, run_id=claim.run_id, added=len(added), with_email=sum(added),
    )  # fmt: skip
    return len(added)


async def keep_address(
    uow: UnitOfWork, claim: Claim, item: int, sealed: bytes, tokens: Sequence[str], evidence: Sequence[str]
) -> None:
    """A contact, now with an e-mail address."""
    about: dict[str, Any] = {"tenant": claim.tenant, "run_id": claim.run_id}
    await uow.execute(
        """update enrichment_item set sealed = :sealed, tokens = :tokens, has_email = true, evidence = :evidence
           where tenant_id = :tenant and run_id = :run_id and step = 'enrich_emails' and item = :item""",
        item=item, sealed=sealed, tokens=list(tokens), evidence=list(evidence), **about,
    )  # fmt: skip
    await uow.execute(
        """insert into enrichment_token (tenant_id, token, run_id, item)
           select :tenant, token, :run_id, :item from unnest(cast(:tokens as text[])) as of (token)
           on conflict do nothing""",
        item=item, tokens=list(tokens), **about,
    )  # fmt: skip
    await uow.execute(
        "update enrichment_run set emails = emails + 1 where tenant_id = :tenant and run_id = :run_id", **about
    )


async def count_failure(uow: UnitOfWork, claim: Claim, step: str, item: int) -> None:
    """The item's call failed for a while; it is made again when the run goes on."""
    await uow.execute(
        """update enrichment_item set failures = failures + 1
           where tenant_id = :tenant and run_id = :run_id and step = :step and item = :item""",
        tenant=claim.tenant, run_id=claim.run_id, step=step, item=item,
    )  # fmt: skip


async def is_forgotten(uow: UnitOfWork, claim: Claim, item: int) -> bool:
    """Whether a contact is not held any more: its person was erased, or it became a lead."""
    rows = await uow.execute(
        """select sealed is null from enrichment_item
           where tenant_id = :tenant and run_id = :run_id and step = 'enrich_emails' and item = :item""",
        tenant=claim.tenant, run_id=claim.run_id, item=item,
    )  # fmt: skip
    return bool(rows.scalar_one())
