"""Every query about providers and the patterns of e-mail addresses."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping
from uuid_utils.compat import uuid7

from chassis.unit_of_work import UnitOfWork

# What is set again as it was keeps its revision, and so what is remembered of its answers.
_SET = """
    insert into enrichment_provider (tenant_id, provider, revision, kind, settings, updated_at)
    values (:tenant, :provider, :revision, :kind, cast(:settings as jsonb), :now)
    on conflict (tenant_id, provider) do update
        set revision = case when (enrichment_provider.kind, enrichment_provider.settings) = (excluded.kind, excluded.settings)
                            then enrichment_provider.revision else excluded.revision end,
            kind = excluded.kind, settings = excluded.settings, updated_at = excluded.updated_at
    returning provider, kind, settings, updated_at
"""
_TRUST = """
    insert into pattern_confidence (tenant_id, domain, pattern, confidence, updated_at)
    values (:tenant, :domain, :pattern, :confidence, :observed_at)
    on conflict (tenant_id, domain, pattern) do update
        set confidence = excluded.confidence, updated_at = excluded.updated_at
        where pattern_confidence.updated_at <= excluded.updated_at
"""


async def set_provider(
    uow: UnitOfWork, tenant: str, provider: str, kind: str, settings: Mapping[str, Any]
) -> RowMapping:
    rows = await uow.execute(
        _SET, tenant=tenant, provider=provider, kind=kind, revision=uuid7(), settings=json.dumps(settings), now=uow.now
    )
    return rows.mappings().one()


async def providers(uow: UnitOfWork, tenant: str, names: Sequence[str] | None = None) -> Sequence[RowMapping]:
    """A tenant's providers, those of the names or all, by name."""
    rows = await uow.execute(
        """select provider, revision, kind, settings, updated_at from enrichment_provider
           where tenant_id = :tenant and (cast(:names as text[]) is null or provider = any(cast(:names as text[])))
           order by provider""",
        tenant=tenant, names=None if names is None else list(names),
    )  # fmt: skip
    return rows.mappings().all()


async def delete_provider(uow: UnitOfWork, tenant: str, provider: str) -> bool:
    deleted = await uow.execute(
        "delete from enrichment_provider where tenant_id = :tenant and provider = :provider",
        tenant=tenant, provider=provider,
    )  # fmt: skip
    return deleted.rowcount > 0


async def trust(
    uow: UnitOfWork, tenant: str, domain: str, pattern: str, confidence: float, observed_at: datetime
) -> RowMapping:
    """Keep how far a pattern is trusted, unless later news is known; returns what stands then."""
    about = {"tenant": tenant, "domain": domain, "pattern": pattern}
    await uow.execute(_TRUST, **about, confidence=confidence, observed_at=observed_at)
    rows = await uow.execute(
        """select domain, pattern, confidence, updated_at from pattern_confidence
           where tenant_id = :tenant and domain = :domain and pattern = :pattern""",
        **about,
    )
    return rows.mappings().one()


async def trusted(uow: UnitOfWork, tenant: str, domain: str) -> dict[str, float]:
    """The confidences that are known of a domain, by pattern."""
    rows = await uow.execute(
        "select pattern, confidence from pattern_confidence where tenant_id = :tenant and domain = :domain",
        tenant=tenant, domain=domain,
    )  # fmt: skip
    return {row.pattern: row.confidence for row in rows}
