"""A chart of win rates: every week has its place, and says its numbers."""

from hypothesis import given
from hypothesis import strategies as st

from contracts.aggregator.win_rates import WeekCounted
from gateway.domain_chart import HEIGHT, WIDTH, chart, height

WEEKS = [f"2026-W{week}" for week in range(45, 54)] + ["2027-W01", "2027-W02"]


def point(week: str, won: int, decided: int, maturity: float | None = None) -> WeekCounted:
    rate = won / decided if decided else None
    return WeekCounted(
        week=week, age=2, leads_entered=decided + 1, appointments=0, won=won, lost=decided - won, decided=decided,
        win_rate=rate, low=rate and rate * 0.5, high=rate and (1 + rate) / 2, maturity=maturity,
    )  # fmt: skip


@given(st.sets(st.sampled_from(WEEKS)), st.floats(0, 1))
def test_every_week_has_its_own_place_within_the_chart(there: set[str], maturity: float) -> None:
    drawn = chart([point(week, 1, 3, maturity) for week in sorted(there)], WEEKS[0], WEEKS[-1])
    places = [mark.x for mark in drawn.marks]
    assert len(set(places)) == len(WEEKS) and places == sorted(places)
    assert all(0 < mark.x < WIDTH for mark in drawn.marks)
    assert [mark.says[:8] for mark in drawn.marks if mark.rate is not None] == sorted(there)
    assert all(height(1) <= (mark.mature or height(0)) <= height(0) < HEIGHT for mark in drawn.marks)


def test_a_line_breaks_off_where_nothing_was_decided() -> None:
    decided = [point(WEEKS[n], n + 1, 9) for n in (0, 1, 3, 4, 6)]
    drawn = chart([*decided, point(WEEKS[5], 0, 0)], WEEKS[0], WEEKS[6])
    assert [len(line.split()) for line in drawn.lines] == [2, 2]
    assert drawn.marks[5].says == "2026-W50: 1 leads, none decided"
    assert drawn.marks[2].says == "2026-W47: no leads"


def test_whoever_cannot_see_it_is_told_what_it_shows() -> None:
    drawn = chart([point("2026-W52", 1, 4, 0.8), point("2026-W53", 3, 4, 0.8)], "2026-W52", "2027-W01")
    assert drawn.says == (
        "2 weeks with decided leads, from 2026-W52 (25.0%) to 2026-W53 (75.0%); "
        "the highest rate is 75.0% in 2026-W53, the lowest 25.0% in 2026-W52."
    )
    assert drawn.marks[0].says == (
        "2026-W52: 5 leads, 80% of them decided after 2 weeks, 25.0% of 4 decided were won, 95 % interval 12% to 62%"
    )
    assert chart([], "2026-W52", "2026-W52").says == "No lead is decided in these weeks."
