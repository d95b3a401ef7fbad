"""Whatever happened, in whatever order it is heard, what SQL counts is what a few lines of Python count."""

import random
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aggregator.win_rates import store, store_projections
from aggregator.win_rates.domain_week import Window, week_of
from chassis.unit_of_work import Database
from contracts.aggregator.win_rates import Dimension, Terms, View
from contracts.intake.leads import LeadAccepted
from contracts.message import Event
from contracts.outcomes import OutcomeRecorded, OutcomeVoided
from contracts.taxonomy import Intent, OutcomeType
from contracts.taxonomy import key as key_of
from tests.aggregator.recorded import accepted, recorded, voided
from tests.platform import Platform

TYPES = (
    OutcomeType.CONTACTED,
    OutcomeType.APPOINTMENT_SET,
    OutcomeType.CLOSED_WON,
    OutcomeType.CLOSED_LOST,
    OutcomeType.INVALID,
)
EDGES = [datetime(2026, 12, 28, tzinfo=UTC), datetime(2027, 1, 4, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)]
"""2026 has a 53rd week, which ends in 2027."""
MOMENTS = [
    edge + timedelta(**{unit: n}) for edge in EDGES for unit in ("microseconds", "days", "weeks") for n in (-1, 0, 1)
]
ZONES = [timezone(timedelta(hours=hours)) for hours in (-11, 0, 13)]
WINDOWS = [
    Window(None, None),
    Window(date(2026, 12, 28), date(2026, 12, 28)),
    Window(date(2026, 12, 21), date(2027, 1, 4)),
]


class Told(NamedTuple):
    """An event, as it is handed on."""

    tenant: str
    event: Event

    @property
    def row(self) -> tuple[str, str, str]:
        return self.tenant, self.event.topic.type, self.event.model_dump_json()


@pytest.fixture(scope="module")
async def database(platform: Platform) -> AsyncIterator[Database]:
    database = Database("aggregator", platform.database_url("leadloop_aggregator"))
    yield database
    await database.close()


def history(tenants: Sequence[str], chance: random.Random) -> list[Told]:
    """What happened to a few leads, whose ids both tenants have, and was told late, twice, or before what it follows from."""

    def some() -> dict[str, Any]:
        return {
            "source_key": chance.choice(["web", "ads", "", None]),
            "geo_key": chance.choice(["bonn", "koln_ost", None]),
            "intent": chance.choice(["buyer", "seller", None]),
        }

    def moment() -> datetime:
        return chance.choice(MOMENTS).astimezone(chance.choice(ZONES))

    leads = [uuid4() for _ in range(5)]
    told = []
    for tenant in tenants:
        arrived = [accepted(lead_id=lead, created_at=moment(), **some()) for lead in leads if chance.random() < 0.8]
        outcomes = [
            recorded(chance.choice(TYPES), lead_id=chance.choice(leads), occurred_at=moment(), **some())
            for _ in range(chance.randrange(25))
        ]
        taken_back = [voided(outcome) for outcome in outcomes if chance.random() < 0.25]
        told += [Told(tenant, event) for event in (*arrived, *outcomes, *taken_back)]
    told += chance.sample(told, len(told) // 4)
    chance.shuffle(told)
    return told


def plainly(
    told: Iterable[Told], tenant: str, terms: Terms, window: Window, *group: str
) -> dict[tuple[Any, ...], list[int]]:
    """The counts by group, from the events alone."""
    events = [one.event for one in told if one.tenant == tenant]
    gone = {event.outcome_id for event in events if isinstance(event, OutcomeVoided)}
    outcomes = [event for event in events if isinstance(event, OutcomeRecorded) and event.outcome_id not in gone]
    groups: dict[tuple[Any, ...], dict[str, set[UUID]]] = defaultdict(lambda: defaultdict(set))

    def add(event: OutcomeRecorded | LeadAccepted, at: datetime, *what: str) -> None:
        week = week_of(at.astimezone(UTC).date())
        key = getattr(event.attribution, f"{terms.by}_key") or "unknown"
        intent = event.attribution.intent or "unknown"
        outside = (window.first and week < window.first) or (window.last and week > window.last)
        if outside or (terms.intent and intent != terms.intent) or (terms.key and key_of(terms.key) not in key):
            return
        whole = {"week": week, "key": key, "intent": intent}
        for one in what:
            groups[tuple(whole[name] for name in group)][one].add(event.lead_id)

    if terms.view is View.CLOSING:
        for outcome in outcomes:
            add(outcome, outcome.occurred_at, "entered", outcome.type)
    else:
        for lead in (event for event in events if isinstance(event, LeadAccepted)):
            add(lead, lead.created_at, "entered", *(o.type for o in outcomes if o.lead_id == lead.lead_id))
    return {group: _counts(of) for group, of in groups.items()}


def _counts(of: dict[str, set[UUID]]) -> list[int]:
    won, lost = of[OutcomeType.CLOSED_WON], of[OutcomeType.CLOSED_LOST]
    return [len(leads) for leads in (of["entered"], of[OutcomeType.APPOINTMENT_SET], won, lost, won | lost)]


def as_found(rows: Iterable[Any], *group: str) -> dict[tuple[Any, ...], list[int]]:
    names = ("leads_entered", "appointments", "won", "lost", "decided")
    return {tuple(row[name] for name in group): [row[name] for name in names] for row in rows}


@given(chance=st.randoms(use_true_random=False))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_history_in_any_order_counts_as_python_counts_it(database: Database, chance: random.Random) -> None:
    tenants = [f"counted-{uuid4()}", f"counted-{uuid4()}"]
    told = history(tenants, chance)
    left = list(told)
    while left:
        size = chance.randrange(1, 20)
        batch, left = left[:size], left[size:]
        async with database.begin(*tenants) as uow:
            await uow.execute("set local time zone 'Pacific/Auckland'")
            await store_projections.project(uow, [one.row for one in batch])
        if chance.random() < 0.3:
            async with database.begin(tenants[0]) as uow:
                await store.refresh_weekly(uow, tenants[0])
    part, intent = chance.choice([None, "WE", "Oln, O", "ön"]), chance.choice([None, Intent.BUYER])
    for tenant in tenants:
        async with database.begin(tenant) as uow:
            await store.refresh_weekly(uow, tenant)
            for by in Dimension:
                for window in WINDOWS:
                    closing = Terms(by=by, intent=intent, key=part)
                    cohort = closing.model_copy(update={"view": View.COHORT})
                    for terms, group, found in (
                        (closing, ("key", "intent"), await store.win_rates(uow, tenant, closing, window)),
                        (closing, ("week", "key", "intent"), await store.weekly(uow, tenant, closing, window)),
                        (closing, ("week",), await store.trend(uow, tenant, closing, window)),
                        (cohort, ("key", "intent"), await store.win_rates(uow, tenant, cohort, window)),
                        (cohort, ("week", "key", "intent"), await store.cohorts(uow, tenant, cohort, window)),
                        (cohort, ("week",), await store.trend(uow, tenant, cohort, window)),
                    ):
                        assert as_found(found, *group) == plainly(told, tenant, terms, window, *group)
