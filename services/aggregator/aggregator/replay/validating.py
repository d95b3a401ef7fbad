"""The numbers that are shown, compared with those that a fold of the events makes."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import orjson

from aggregator.events.archiving import Archiving
from aggregator.kpis import store as kpis
from aggregator.kpis.domain_fold import Fold, Happened, RateKey, WinRateCounts, win_rates_of
from aggregator.kpis.domain_numbers import Counted, Numbers
from aggregator.replay import store
from aggregator.win_rates import store as win_rates
from aggregator.win_rates.domain_week import Window, week_name
from chassis.unit_of_work import UnitOfWork
from contracts.aggregator.replay import Difference, Validation
from contracts.aggregator.win_rates import Dimension, View, WinRates

_SHOWN: Final = 100
_NOTHING: Final = "nothing"


async def validate(uow: UnitOfWork, tenant: str, as_of: datetime, archiving: Archiving) -> Validation:
    """Compare every KPI and win rate with what all events say, those that are archived too; the unit of work must see one state of the
    database throughout.

    Raises:
        ArchiveError: a file of the archive is gone, or not what was written.
    """
    fold = Fold(as_of)
    async for event in store.happened(uow, tenant, Fold.TYPES):
        fold.add(event)
    async for rows in archiving.away(uow, tenant):
        for row in rows:
            if row["type"] in Fold.TYPES:
                event_id, body = UUID(row["event_id"]), orjson.loads(row["body"])
                fold.add(Happened(event_id, row["type"], row["occurred_at"], body))
    numbers = await kpis.numbers(uow, tenant, as_of)
    rates = await _shown_win_rates(uow, tenant)
    stale = await store.stale_weeks(uow, tenant)
    # To count what was folded takes as long as there is much of it: in a thread it takes turns with the loop, which answers others.
    return await asyncio.to_thread(_compared, fold, numbers, rates, stale, as_of)


_Tables = Sequence[tuple[str, Sequence[Mapping[Any, Any]]]]


async def _shown_win_rates(uow: UnitOfWork, tenant: str) -> _Tables:
    """Week by week, over all weeks, and by the week that leads came in, as they are shown."""
    found = []
    for by in Dimension:
        closing, cohort = WinRates(by=by), WinRates(by=by, view=View.COHORT)
        found += [
            (f"win_rate by {by}", await win_rates.weekly(uow, tenant, closing, Window(None, None))),
            (f"win_rate by {by}, all weeks", await win_rates.win_rates(uow, tenant, closing, Window(None, None))),
            (f"win_rate by {by}, cohorts", await win_rates.cohorts(uow, tenant, cohort, Window(None, None))),
        ]
    return found


def _compared(fold: Fold, numbers: Numbers, rates: _Tables, stale: Collection[date], as_of: datetime) -> Validation:
    shown: dict[tuple[str, str], str] = {}
    folded: dict[tuple[str, str], str] = {}
    for made, counted in ((shown, numbers), (folded, fold.numbers())):
        made.update({(part.kpi.value, part.part): _counted(each) for part, each in counted.items()})
    shown_rates = {
        RateKey(name, row.get("week"), row["key"], row["intent"]): _counts(row) for name, rows in rates for row in rows
    }
    for made, of in ((shown, shown_rates), (folded, win_rates_of(fold))):
        made.update(
            {
                (key.number, _part(key)): _rates(counts)
                for key, counts in of.items()
                if key.week not in stale or "cohorts" in key.number
            }
        )
    names = sorted(shown.keys() | folded.keys())
    differences = [
        Difference(number=number, part=part, shown=one, folded=other)
        for number, part in names
        if (one := shown.get((number, part), _NOTHING)) != (other := folded.get((number, part), _NOTHING))
    ]
    return Validation(
        drift=len(differences), compared=len(names), differences=differences[:_SHOWN], as_of=as_of, events=fold.events
    )


def _counts(row: Mapping[Any, Any]) -> WinRateCounts:
    return WinRateCounts(*(row[name] for name in WinRateCounts._fields))


def _counted(counted: Counted) -> str:
    amount = "" if counted.amount is None else f", {counted.amount:.2f}"
    return f"{counted.count}{amount}, last at {counted.latest.isoformat()}"


def _rates(counts: WinRateCounts) -> str:
    return ", ".join(f"{name} {value}" for name, value in counts._asdict().items())


def _part(key: RateKey) -> str:
    return ", ".join((*([week_name(key.week)] if key.week else []), key.key, key.intent))
