"""Turns, loads, regions, roles and chains: who gets a lead, and what is written down about it."""

from collections import Counter

import orjson
from hypothesis import given
from hypothesis import strategies as st

from contracts.intake.distribution import Standing
from contracts.intake.workspaces import ChainStep, Pick, StepKind
from intake.distribution.domain_capacity import fairness
from intake.distribution.domain_choice import Candidate, Choice, Distributor
from intake.distribution.domain_rotation import turn
from intake.routing.domain_round import Round, explain

ROUND_ROBIN = ChainStep(kind=StepKind.ROUND_ROBIN)
LOAD_BALANCED = ChainStep(kind=StepKind.LOAD_BALANCED)
REGION = ChainStep(kind=StepKind.REGION)
SENIOR = ChainStep(kind=StepKind.ROLE, role="senior")
MANUAL = ChainStep(kind=StepKind.MANUAL)


def agent(user: str, capacity: int = 100, **fields: object) -> Candidate:
    given_ = {"standing": Standing.AVAILABLE, "share": capacity, **fields}
    return Candidate(user_id=user, capacity=capacity, **given_)  # type: ignore[arg-type]


def distributor(*agents: Candidate, chain: tuple[ChainStep, ...] = (), **held: int) -> Distributor:
    return Distributor(chain, agents, Round(held), {})


def reasons(giving: Distributor, choice: Choice) -> dict[str, object]:
    """What is kept of a choice and its round, put together."""
    grounds = orjson.loads(orjson.dumps(giving.round.grounds({"desk": giving.grounds()})))
    trace = explain(grounds, {"workspace": "desk", **choice.trace})
    assert trace.pop("workspace") == "desk"
    return trace


def owners(giving: Distributor, leads: int, place: str | None = None) -> Counter[str | None]:
    choices = [giving.choose(place) for _ in range(leads)]
    return Counter(choice.user_id if choice else None for choice in choices)


def test_ten_leads_to_five_agents_in_turns_are_two_each() -> None:
    giving = distributor(*(agent(user) for user in "abcde"), chain=(ROUND_ROBIN,))
    assert set(owners(giving, 10).values()) == {2}


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 9), min_size=1), st.integers(1, 3))
def test_turns_are_exactly_in_proportion_and_begin_anew_afterwards(shares: dict[str, int], rounds: int) -> None:
    standing: dict[str, int] = {}
    taken = Counter(turn(standing, shares) for _ in range(rounds * sum(shares.values())))
    assert taken == {user: rounds * share for user, share in shares.items()}
    assert set(standing.values()) == {0}


@given(st.lists(st.sets(st.sampled_from("abcd"), min_size=1), min_size=1, max_size=60))
def test_whoever_can_take_a_turn_at_times_only_is_owed_nothing_for_the_others(pools: list[set[str]]) -> None:
    standing: dict[str, int] = {}
    for pool in pools:
        assert turn(standing, dict.fromkeys(sorted(pool), 1)) in pool
        assert sum(standing.values()) == 0
        assert all(abs(place) < len("abcd") for place in standing.values())


@given(st.lists(st.integers(10, 50), min_size=2, max_size=50), st.floats(0.5, 1.0))
def test_balanced_load_is_fair_whatever_the_capacities(capacities: list[int], filled: float) -> None:
    agents = [agent(f"u{number}", capacity) for number, capacity in enumerate(capacities)]
    giving = distributor(*agents, chain=(LOAD_BALANCED,))
    held = owners(giving, int(sum(capacities) * filled))
    assert all(held[a.user_id] <= a.capacity for a in agents)
    assert fairness([held[a.user_id] / a.capacity for a in agents]) > 0.9


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 8), st.sampled_from(Standing)), min_size=1, max_size=8),
    st.sampled_from([(ROUND_ROBIN,), (LOAD_BALANCED,), (REGION, ROUND_ROBIN), (SENIOR, LOAD_BALANCED), ()]),
    st.integers(0, 60),
)
def test_nobody_who_is_away_or_full_is_ever_given_work(
    drawn: list[tuple[int, int, Standing]], chain: tuple[ChainStep, ...], leads: int
) -> None:
    agents = [
        agent(f"u{number}", capacity, standing=standing, roles=frozenset({"senior"} if number % 2 else ()))
        for number, (capacity, _, standing) in enumerate(drawn)
    ]
    before = {f"u{number}": held for number, (_, held, _) in enumerate(drawn)}
    giving = Distributor(chain, agents, Round(before), {})
    given_ = owners(giving, leads)
    room = 0
    for candidate in agents:
        there = candidate.standing is Standing.AVAILABLE
        free = max(candidate.capacity - before[candidate.user_id], 0) if there else 0
        room += free
        assert given_[candidate.user_id] <= free
    assert leads - given_[None] == min(leads, room)


def test_a_lead_goes_to_an_agent_of_its_region() -> None:
    agents = agent("ohio", regions=("dublin_oh", "*_columbus_oh")), agent("dubai", regions=("dubai*",))
    giving = distributor(*agents, chain=(REGION,))
    assert owners(giving, 4, "dubai_marina") == {"dubai": 4}
    assert owners(giving, 4, "dublin_oh") == {"ohio": 4}
    assert owners(giving, 1, "north_columbus_oh") == {"ohio": 1}
    assert owners(giving, 2, "paris") == {None: 2}
    assert owners(giving, 1, None) == {None: 1}


def test_a_step_without_anybody_available_leaves_the_decision_to_the_next() -> None:
    agents = [
        agent("senior", 1, roles=frozenset({"senior"})),
        agent("asleep", standing=Standing.OFF_HOURS, roles=frozenset({"senior"})),
        agent("junior", 2),
    ]
    giving = distributor(*agents, chain=(SENIOR, ROUND_ROBIN, MANUAL))
    first, second, third, fourth = (giving.choose("paris") for _ in range(4))
    assert first and second and third
    assert [choice.user_id for choice in (first, second, third)] == ["senior", "junior", "junior"]
    assert fourth is None, "the last waits for a person"
    assert reasons(giving, second) == {
        "user_id": "junior",
        "steps": [{"kind": "role", "role": "senior", "other_role": ["junior"]}, {"kind": "round_robin"}],
        "verdicts": {"full": ["senior"], "off_hours": ["asleep"]},
        "eligible": {"junior": "0/2"},
    }


def test_a_step_by_role_may_go_in_turns() -> None:
    step = ChainStep(kind=StepKind.ROLE, role="senior", pick=Pick.ROUND_ROBIN)
    agents = [agent(user, roles=frozenset({"senior"})) for user in ("busy", "free")]
    assert owners(distributor(*agents, chain=(step,), busy=50), 4) == {"busy": 2, "free": 2}
    assert owners(distributor(*agents, chain=(SENIOR,), busy=50), 4) == {"free": 4}


def test_who_is_passed_over_does_not_get_the_lead() -> None:
    giving = distributor(agent("a"), agent("b"))
    choice = giving.choose(None, {"a"})
    assert choice and choice.user_id == "b"
    assert reasons(giving, choice)["verdicts"] == {"passed_over": ["a"]}
    assert giving.choose(None, {"a", "b"}) is None


def test_it_is_known_beforehand_from_where_leads_can_be_given_out() -> None:
    ohio, full = agent("ohio", 1, regions=("*_oh",)), agent("full", 0, regions=("paris",))
    giving = distributor(ohio, full, chain=(REGION,))
    assert (giving.open_to_every_place(), giving.open_regions()) == (False, {"*_oh"})
    giving.choose("dublin_oh")
    assert (giving.open_to_every_place(), giving.open_regions()) == (False, set())
    assert distributor(ohio, full, chain=(REGION, LOAD_BALANCED)).open_to_every_place()
    assert not distributor(ohio, chain=(MANUAL,)).open_to_every_place()
