"""Whatever happens, in whatever order it is told and however often: the queries count what a fold of the events comes to."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from aggregator.events.archiving import Archiving
from aggregator.events.parquet import Archive
from aggregator.kpis import store
from aggregator.replay.store import replay
from aggregator.replay.validating import validate
from aggregator.win_rates.store import refresh_weekly
from chassis.unit_of_work import Database
from contracts.aggregator.kpis import Kpi
from contracts.outcomes import OutcomeRecorded
from tests.aggregator.history import MAKERS, Told, arrived, recorded_outcome, store_told, voided, withdrawn
from tests.platform import Platform

MIDNIGHTS = (
    datetime(2026, 3, 29, tzinfo=ZoneInfo("Europe/Berlin")),
    datetime(2026, 10, 25, tzinfo=ZoneInfo("Europe/Berlin")),
    datetime(2026, 3, 8, 1, tzinfo=ZoneInfo("America/Havana")),  # there is no midnight
    datetime(2026, 11, 1, tzinfo=ZoneInfo("America/Havana")),  # there are two
    datetime(2027, 1, 1, tzinfo=ZoneInfo("Pacific/Kiritimati")),
    datetime(2027, 1, 1, tzinfo=UTC),
    datetime(2026, 7, 15, tzinfo=ZoneInfo("America/New_York")),
)
"""About which everything happens."""
RUNS, STEPS = 25, 14
hours = st.one_of(
    st.integers(-3, 3), st.integers(-30, 30), st.integers(-9 * 24, 30), st.sampled_from([-30 * 24, -31 * 24])
)
"""Before or after midnight: windows of a day, of seven and of thirty end on the hour, as events do."""
ticks = st.sampled_from([0, 0, 0, 0, -1, 1])
"""Microseconds beside that."""
moments = st.tuples(hours, st.sampled_from([0, 0, 0, 30]), ticks)
happenings = st.tuples(
    st.integers(0, 1),
    st.sampled_from([*MAKERS, "sent", "reply", "scheduled", "outcome", "outcome", "came", "gone"]),
    moments,
    st.integers(0, 23),
)
seeds = st.integers(0, 2**32)


class History(RuleBasedStateMachine):
    """Two tenants' events, told late, twice and in any order."""

    runner: asyncio.Runner
    database: Database
    seen: Counter[str]
    """How often each number counted anything, in all runs."""

    @initialize(midnight=st.sampled_from(MIDNIGHTS), seed=seeds)
    def begins(self, midnight: datetime, seed: int) -> None:
        self.midnight, self.chance = midnight.astimezone(UTC), Random(seed)
        self.tenants = [f"numbers-{uuid4().hex[:12]}", f"numbers-{uuid4().hex[:12]}"]
        self.numbers = count()
        self.versions: Counter[tuple[int, int]] = Counter()
        self.waiting: list[Told] = []
        self.stored: list[Told] = []
        self.outcomes: list[tuple[str, OutcomeRecorded]] = []

    @rule(what=st.lists(happenings, min_size=4, max_size=20))
    def things_happen(self, what: list[tuple[int, str, tuple[int, int, int], int]]) -> None:
        for tenant, name, moment, n in what:
            at = self.at(*moment)
            if name == "outcome":
                outcome = recorded_outcome(at, next(self.numbers))
                self.outcomes.append((self.tenants[tenant], outcome))
                self.tell(self.tenants[tenant], outcome, at)
            elif name == "came":
                self.versions[tenant, n % 4] += 1
                came = arrived(at - timedelta(days=7 * (n % 3)), n % 4, self.versions[tenant, n % 4])
                self.tell(self.tenants[tenant], came, at)
            elif name != "gone":
                self.tell(self.tenants[tenant], MAKERS[name](at, n), at)
            elif self.versions[tenant, n % 4]:
                self.versions[tenant, n % 4] += 1
                self.tell(self.tenants[tenant], withdrawn(at, n % 4, self.versions[tenant, n % 4]), at)

    @precondition(lambda self: self.outcomes)
    @rule(n=st.integers(0, 1000))
    def an_outcome_is_voided(self, n: int) -> None:
        tenant, outcome = self.outcomes.pop(n % len(self.outcomes))
        self.tell(tenant, voided(outcome, self.midnight), outcome.occurred_at)

    @precondition(lambda self: self.waiting)
    @rule(share=st.sampled_from([0.3, 1.0]), again=st.integers(0, 5))
    def some_of_it_is_told(self, share: float, again: int) -> None:
        self.deliver(round(share * len(self.waiting)) or 1, again)

    @precondition(lambda self: self.stored)
    @rule(moment=moments)
    def somebody_asks(self, moment: tuple[int, int, int]) -> None:
        for tenant in self.tenants:
            self.run(self._check(tenant, self.at(*moment)))

    @precondition(lambda self: self.stored)
    @rule()
    def it_is_replayed(self) -> None:
        self.run(self._replay(self.tenants[0]))

    def teardown(self) -> None:
        if hasattr(self, "waiting"):
            self.deliver(len(self.waiting), 5)
            for hour in (-1, 0, 23):
                for tenant in self.tenants:
                    self.run(self._check(tenant, self.at(hour, 0, 0)))
            self.run(self._replay(self.tenants[1]))

    def at(self, hour: int, minute: int, tick: int) -> datetime:
        return self.midnight + timedelta(hours=hour, minutes=minute, microseconds=tick)

    def tell(self, tenant: str, event: Any, at: datetime) -> None:
        late = timedelta(hours=self.chance.choice([0, 0, 0, 50, 800]))
        self.waiting.append(Told(tenant, UUID(int=self.chance.getrandbits(128), version=4), event, at, at + late))

    def deliver(self, most: int, again: int) -> None:
        self.chance.shuffle(self.waiting)
        batch, self.waiting = self.waiting[:most], self.waiting[most:]
        batch += self.chance.sample(self.stored, min(again, len(self.stored)))
        self.chance.shuffle(batch)
        if batch:
            self.run(self._store(batch))
            self.stored += batch

    async def _store(self, batch: list[Told]) -> None:
        async with self.database.begin(*self.tenants) as uow:
            await store_told(uow, batch)

    async def _check(self, tenant: str, as_of: datetime) -> None:
        async with self.database.begin(tenant) as uow:
            await refresh_weekly(uow, tenant)
        async with self.database.begin(tenant, snapshot=True) as uow:
            found = await validate(uow, tenant, as_of, Archiving(Archive("")))
            assert found.differences == []
            numbers = await store.numbers(uow, tenant, as_of)
            for kpi in Kpi:
                parts = {part.part: counted.count for part, counted in numbers.items() if part.kpi is kpi}
                opened = await store.counted_events(uow, tenant, kpi, None, as_of, None, 1000)
                assert len(opened) == sum(parts.values()), kpi
                assert len({row["event_id"] for row in opened}) == len(opened), kpi
                self.seen[kpi] += len(opened)

    async def _replay(self, tenant: str) -> None:
        async with self.database.begin(tenant) as uow:
            assert (await replay(uow, tenant)).differences == []

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        self.runner.run(work)


@pytest.mark.timeout(300)
def test_the_queries_count_what_a_fold_of_the_events_comes_to(platform: Platform) -> None:
    seen: Counter[str] = Counter()
    with asyncio.Runner() as runner:
        database = Database("aggregator", platform.settings("aggregator").database_url)

        class Machine(History):
            pass

        Machine.runner, Machine.database, Machine.seen = runner, database, seen
        try:
            run_state_machine_as_test(
                Machine,
                settings=settings(
                    max_examples=RUNS, stateful_step_count=STEPS, phases=[Phase.generate],
                    suppress_health_check=list(HealthCheck),
                ),
            )  # fmt: skip
        finally:
            runner.run(database.close())
    assert len([kpi for kpi in Kpi if not seen[kpi]]) <= 2, f"too little happened: {seen}"
