"""What calls itself by ever new names gets no more for it, and holds up nobody."""

from collections import Counter
from uuid import UUID, uuid4

import pytest

from chassis.limits.counters import LocalCounters
from intake.limits import limiter as limits
from intake.limits import releasing
from intake.limits.limiter import Limiter
from tests.chassis.limits.clock import Clock


async def test_beyond_so_many_sources_of_a_tenant_new_ones_share_one_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_SOURCES", 3)
    clock = Clock()
    limiter = Limiter(LocalCounters(clock), clock)

    async def submit(tenant: str, source: str) -> int:
        ids: list[UUID] = [uuid4()]
        return (await limiter.take(tenant, limiter.counted_as(tenant, source), ids, 10))[0]

    assert [await submit("acme", f"crm-{number}") for number in range(3)] == [1, 1, 1]
    assert sum([await submit("acme", f"id-{number}") for number in range(100)]) == 10
    assert await submit("acme", "crm-0") == 1, "whoever was there before is counted as before"
    assert await submit("other", "id-0") == 1
    clock.now += 600
    assert await submit("acme", "id-0") == 1, "names that are not used any more are forgotten"


def test_a_tenant_with_many_parked_sources_does_not_hold_up_another() -> None:
    due = [("acme", f"id-{number}") for number in range(500)] + [("other", "crm")]
    assert Counter(tenant for tenant, _ in releasing._in_turns(due)) == {"acme": 20, "other": 1}
