"""The books: what the services hold of a tenant once an export of his is imported, against what the file says."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from chassis.exports import mapping
from chassis.exports.rows import Row, Rows
from contracts.aggregator.win_rates import Dimension, WinRates
from contracts.catalogue import SERVICES
from contracts.intake.leads import GetImportKey, LeadAccepted
from contracts.outcomes import OutcomeRecorded, OutcomeRefused
from leadloop.generator import Shape, write
from tests.chaos.system import System
from tests.cli.expected import WinRate, expected_win_rates

_HERE = Path(__file__).parent
_MAPPINGS: dict[Shape, Path] = {
    "bank": _HERE / "contacts.yaml",
    "crm": _HERE.parents[1] / "examples" / "sample-crm.yaml",
}


@dataclass(frozen=True)
class Export:
    """A file to import, and how to read it."""

    path: Path
    mapping: Path

    @classmethod
    def generate(cls, folder: Path, shape: Shape, rows: int, seed: int) -> "Export":
        path = folder / f"{shape}-{seed}.csv"
        write(path, shape, rows, seed)
        return cls(path, _MAPPINGS[shape])

    def rows(self, stream: BinaryIO) -> Rows:
        """Its rows as an import sends them."""
        return Rows(stream, mapping.load(self.mapping))


async def assert_balanced(system: System, tenant: str, export: Export) -> None:
    """Every row had its effect, none had it twice, nothing was given up, and the win rates are the file's."""
    expected = expected_win_rates(export.path, export.mapping)
    key = bytes.fromhex((await system.caller.ask(tenant, GetImportKey(), seconds=30)).key)
    with export.path.open("rb") as stream:
        rows: list[Any] = [row for row in export.rows(stream).read(key) if isinstance(row, Row)]
    async with system.sql() as sql:

        async def column(query: str) -> list[Any]:
            return [row[0] for row in await sql.fetch(query, tenant)]

        async def in_each_service(query: str) -> list[Any]:
            return [cell for service in SERVICES for cell in await column(query.format(service))]

        assert await in_each_service("select reason from {}.dead_letter where tenant = $1") == []
        assert await in_each_service("select parked from {}.outbox where tenant = $1 and parked is not null") == []

        # Leads and the verdicts on their submissions, once each.
        leads = await column("select source_id from intake.lead where tenant_id = $1")
        assert sorted(leads) == sorted({row.lead.command.source_id for row in rows})
        submissions = await column("select submission_id from intake.submission where tenant_id = $1")
        assert set(submissions) == {row.lead.id for row in rows}

        # Outcomes and the verdicts on their orders.
        orders = await column("select command_id from outcomes.recording where tenant_id = $1")
        assert set(orders) == {row.outcomes.id for row in rows if row.outcomes}
        recorded = await column("select outcome_id from outcomes.outcome where tenant_id = $1")
        verdicts = Counter(await column(_VERDICTS))
        verdicts.pop("duplicate", None)
        assert verdicts == Counter(recorded=expected.recorded, blocked=expected.blocked)
        assert len(recorded) == expected.recorded

        # Every event was published, and stored once.
        events = await sql.fetch("select event_id, type from aggregator.event where tenant_id = $1", tenant)
        published = await in_each_service("select id from {}.outbox where tenant = $1")
        assert sorted(row["event_id"] for row in events) == sorted(published)
        types = Counter(row["type"] for row in events)
        assert types[LeadAccepted.topic.type] == expected.leads
        assert types[OutcomeRecorded.topic.type] == expected.recorded
        assert types[OutcomeRefused.topic.type] == expected.blocked
    for dimension in Dimension:
        table = await system.caller.ask(tenant, WinRates(by=dimension), seconds=30)
        rates = [WinRate(**rate.model_dump(include=set(WinRate._fields))) for rate in table.rows]
        assert rates == expected_win_rates(export.path, export.mapping, dimension.value).rates


_VERDICTS = """
    select result ->> 'verdict' from outcomes.recording, jsonb_array_elements(results) as result where tenant_id = $1
"""
