"""Rows as another system would have them, and how they are handed over."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from contracts.intake.people import PersonRef
from contracts.outreach.backfill import (
    BackfillPending,
    BackfillSent,
    ImportSuppressions,
    PendingRow,
    RowResult,
    SentRow,
    SuppressionRow,
)
from contracts.taxonomy import Channel
from tests.platform import Platform

SYSTEM = "mailer"


def days_ago(days: float) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


def person(**fields: Any) -> PersonRef:
    return PersonRef(**fields)


def sent(who: PersonRef, days: float = 10, **fields: Any) -> SentRow:
    """A message that was sent so many days ago, by LinkedIn, but for what is said."""
    given = {"source_key": uuid4().hex, "channel": Channel.LINKEDIN, "sent_at": days_ago(days), **fields}
    return SentRow(person=who, **given)


def pending(who: PersonRef, **fields: Any) -> PendingRow:
    return PendingRow(person=who, **{"source_key": uuid4().hex, **fields})


async def hand_sent(platform: Platform, tenant: str, *rows: SentRow, dry_run: bool = False) -> list[RowResult]:
    request = BackfillSent(source_system=SYSTEM, rows=list(rows), dry_run=dry_run)
    return (await platform.caller.ask(tenant, request, seconds=30)).results


async def hand_pending(platform: Platform, tenant: str, *rows: PendingRow, dry_run: bool = False) -> list[RowResult]:
    request = BackfillPending(source_system=SYSTEM, rows=list(rows), dry_run=dry_run)
    return (await platform.caller.ask(tenant, request, seconds=30)).results


async def hand_suppressions(
    platform: Platform, tenant: str, *rows: SuppressionRow, dry_run: bool = False
) -> list[RowResult]:
    request = ImportSuppressions(rows=list(rows), dry_run=dry_run, actor="user:7")
    return (await platform.caller.ask(tenant, request, seconds=30)).results


async def kept(platform: Platform, tenant: str) -> dict[str, int]:
    """How many rows outreach has of the tenant, by table."""
    tables = (
        "backfilled", "hold", "enrollment", "outreach_history", "send_queue", "message_event", "suppression",
        "suppressed_name",
    )  # fmt: skip
    async with platform.sql() as sql:
        return {
            table: await sql.fetchval(f"select count(*) from outreach.{table} where tenant_id = $1", tenant)
            for table in tables
        }


async def all_of(platform: Platform, tenant: str) -> str:
    """All that outreach's tables say of the tenant, as text."""
    async with platform.sql() as sql:
        tables = await sql.fetch(
            """select table_name from information_schema.columns
               where table_schema = 'outreach' and column_name = 'tenant_id' order by table_name"""
        )
        rows = [
            await sql.fetchval(f"select string_agg(t::text, ' ') from outreach.{table['table_name']} as t where tenant_id = $1", tenant)
            for table in tables
        ]  # fmt: skip
        told = await sql.fetchval(
            "select string_agg(convert_from(body, 'utf8'), ' ') from outreach.outbox where tenant = $1", tenant
        )
    return " ".join(text for text in (*rows, told) if text)
