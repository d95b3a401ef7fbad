"""Where the marks of a chart of weekly win rates stand, and what it says to whoever cannot see it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from contracts.aggregator.win_rates import WeekCounted

WIDTH: Final = 640
HEIGHT: Final = 200
LEFT, RIGHT, TOP, BOTTOM = 36, 8, 8, 20
"""The room around the plot, for what is written along its axes."""
_MOST_NAMES: Final = 7
"""So many weeks are named along the axis, that the names do not touch."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A week's place: its middle, and the heights of its rate, its interval and its maturity.

    Attributes:
        says: the week's numbers in words.
    """

    x: float
    says: str
    rate: float | None = None
    low: float | None = None
    high: float | None = None
    mature: float | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """A height that is named along the axis."""

    y: float
    name: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart, in the units of its view box.

    Attributes:
        step: how wide a week is.
        lines: stretches of weeks with a rate, as the points of a line each; one breaks off where nothing was decided.
        names: which weeks are named, and where.
        says: the whole of it in words.
    """

    marks: Sequence[Mark]
    step: float
    lines: Sequence[str]
    names: Sequence[tuple[float, str]]
    says: str

    @property
    def grid(self) -> Sequence[Share]:
        """The shares that are named along the axis."""
        return [Share(height(percent / 100), f"{percent} %") for percent in (0, 25, 50, 75, 100)]

    @property
    def floor(self) -> float:
        """Where nothing stands."""
        return height(0)


def height(share: float) -> float:
    """Where a share from 0 to 1 stands."""
    return round(TOP + (1 - share) * (HEIGHT - TOP - BOTTOM), 1)


def chart(points: Sequence[WeekCounted], first_week: str, last_week: str) -> Chart:
    """The chart of a window's weeks; one of which there is no point has an empty place."""
    weeks = _weeks(first_week, last_week)
    step = (WIDTH - LEFT - RIGHT) / len(weeks)
    there = {point.week: point for point in points}
    marks = [_mark(there.get(week), week, round(LEFT + (place + 0.5) * step, 1)) for place, week in enumerate(weeks)]
    every = -(-len(weeks) // _MOST_NAMES)
    names = [
        (mark.x, week[5:]) for place, (mark, week) in enumerate(zip(marks, weeks, strict=True)) if place % every == 0
    ]
    return Chart(marks, round(step, 1), _lines(marks), names, _says(points))


def _weeks(first: str, last: str) -> list[str]:
    monday, end = (date.fromisocalendar(int(name[:4]), int(name[-2:]), 1) for name in (first, last))
    names = []
    while monday <= end:
        year, week, _ = monday.isocalendar()
        names.append(f"{year}-W{week:02d}")
        monday += timedelta(weeks=1)
    return names


def _mark(point: WeekCounted | None, week: str, x: float) -> Mark:
    if point is None:
        return Mark(x, f"{week}: no leads")
    mature = None if point.maturity is None else height(point.maturity)
    says = f"{week}: {point.leads_entered:,} leads"
    if point.maturity is not None:
        says += f", {point.maturity:.0%} of them decided after {point.age} weeks"
    if point.win_rate is None or point.low is None or point.high is None:
        return Mark(x, f"{says}, none decided", mature=mature)
    says += f", {point.win_rate:.1%} of {point.decided:,} decided were won, 95 % interval {point.low:.0%} to {point.high:.0%}"
    return Mark(x, says, height(point.win_rate), height(point.low), height(point.high), mature)


def _lines(marks: Sequence[Mark]) -> list[str]:
    lines: list[list[str]] = [[]]
    for mark in marks:
        if mark.rate is None:
            lines.append([])
        else:
            lines[-1].append(f"{mark.x},{mark.rate}")
    return [" ".join(line) for line in lines if len(line) > 1]


def _says(points: Sequence[WeekCounted]) -> str:
    decided = [point for point in points if point.win_rate is not None]
    if not decided:
        return "No lead is decided in these weeks."
    best, worst = max(decided, key=_rate), min(decided, key=_rate)
    return (
        f"{len(decided)} weeks with decided leads, from {decided[0].week} ({_rate(decided[0]):.1%}) to {decided[-1].week} "
        f"({_rate(decided[-1]):.1%}); the highest rate is {_rate(best):.1%} in {best.week}, the lowest {_rate(worst):.1%} in {worst.week}."
    )


def _rate(point: WeekCounted) -> float:
    return point.win_rate or 0.0
