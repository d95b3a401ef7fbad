"""How much an agent can take: capacity, its ramp after an absence, and how fairly load is spread."""

from collections.abc import Sequence
from datetime import datetime, timedelta


def effective_capacity(
    capacity: int, held_at_return: int, returned_at: datetime | None, now: datetime, ramp: timedelta
) -> int:
    """How many leads an agent may hold now.

    After an absence it grows linearly from what they held when they returned to their capacity, over `ramp`; so neither the
    queue nor new leads flood them.
    """
    if returned_at is None or ramp <= timedelta() or held_at_return >= capacity:
        return capacity
    elapsed = min(max((now - returned_at) / ramp, 0.0), 1.0)
    return held_at_return + int((capacity - held_at_return) * elapsed)


def capacity_score(active: int, effective: int) -> float:
    """How free an agent is, 0 (full, or more) to 1 (holds nothing)."""
    return min(max(1 - active / effective, 0.0), 1.0) if effective > 0 else 0.0


def fairness(loads: Sequence[float]) -> float:
    """Jain's index of loads: 1 where all are equal, 1/n where one has everything; 1 where there is none.

    Jain, Chiu, Hawe: A Quantitative Measure of Fairness (DEC-TR-301, 1984).
    """
    squares = sum(load * load for load in loads)
    return sum(loads) ** 2 / (len(loads) * squares) if squares else 1.0
