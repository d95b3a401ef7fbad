"""The reasons of each choice of a round, put together from what is its own and what is kept once for all."""

import orjson
from hypothesis import given
from hypothesis import strategies as st

from contracts.intake.distribution import Standing
from contracts.intake.workspaces import ChainStep, StepKind
from intake.distribution.domain_choice import Candidate, Distributor
from intake.routing.domain_round import Round, explain

USERS = "abcdef"
CHAINS = [
    (ChainStep(kind=StepKind.ROUND_ROBIN),),
    (ChainStep(kind=StepKind.LOAD_BALANCED),),
    (ChainStep(kind=StepKind.REGION), ChainStep(kind=StepKind.LOAD_BALANCED)),
    (ChainStep(kind=StepKind.ROLE, role="senior"), ChainStep(kind=StepKind.ROUND_ROBIN)),
]
AGENTS = st.fixed_dictionaries(
    {},
    optional={
        user: st.builds(
            Candidate,
            user_id=st.just(user),
            standing=st.sampled_from([Standing.AVAILABLE, Standing.AVAILABLE, Standing.AWAY]),
            capacity=st.integers(1, 4),
            share=st.integers(1, 3),
            roles=st.sampled_from([frozenset(), frozenset({"senior"})]),
            regions=st.sampled_from([(), ("*_oh",)]),
        )
        for user in USERS
    },
)
LEADS = st.lists(
    st.tuples(
        st.booleans(), st.sampled_from(["dublin_oh", "paris", None]), st.sets(st.sampled_from(USERS), max_size=2)
    ),
    max_size=20,
)


@given(
    AGENTS,
    AGENTS,
    st.sampled_from(CHAINS),
    st.sampled_from(CHAINS),
    st.dictionaries(st.sampled_from(USERS), st.integers(0, 2)),
    LEADS,
)
def test_the_reasons_of_every_choice_name_what_each_agent_held_at_its_turn(
    desk: dict[str, Candidate],
    field: dict[str, Candidate],
    desk_chain: tuple[ChainStep, ...],
    field_chain: tuple[ChainStep, ...],
    held: dict[str, int],
    leads: list[tuple[bool, str | None, set[str]]],
) -> None:
    """Two workspaces share agents, and so their loads."""
    round_ = Round(held)
    staff = {"desk": desk, "field": field}
    chains = {"desk": desk_chain, "field": field_chain}
    distributors = {name: Distributor(chains[name], list(staff[name].values()), round_, {}) for name in staff}
    holds = dict(held)
    made = []
    for at_desk, place, passed_over in leads:
        workspace = "desk" if at_desk else "field"
        there = {c.user_id: c for c in staff[workspace].values() if c.standing is Standing.AVAILABLE}
        room = {u: c for u, c in there.items() if holds.get(u, 0) < c.capacity and u not in passed_over}
        if choice := distributors[workspace].choose(place, passed_over):
            decisive = chains[workspace][len(choice.trace["steps"]) - 1]
            able = {
                user for user, c in room.items()
                if (decisive.kind is not StepKind.REGION or (place == "dublin_oh" and c.regions))
                and (decisive.kind is not StepKind.ROLE or c.roles)
            }  # fmt: skip
            expected = {
                "eligible": {user: f"{holds.get(user, 0)}/{there[user].capacity}" for user in able},
                "full": {u for u, c in there.items() if holds.get(u, 0) >= c.capacity and u not in passed_over},
                "passed_over": passed_over & there.keys(),
                "away": staff[workspace].keys() - there.keys(),
            }
            made.append(({"workspace": workspace, **choice.trace}, expected))
            assert choice.user_id in able
            holds[choice.user_id] = holds.get(choice.user_id, 0) + 1
        else:
            assert not room or chains[workspace][-1].kind in (StepKind.REGION, StepKind.ROLE)
            if not passed_over:
                expected = {
                    "eligible": {},
                    "full": {u for u, c in there.items() if holds.get(u, 0) >= c.capacity},
                    "passed_over": set(),
                    "away": staff[workspace].keys() - there.keys(),
                }
                refusal = {"workspace": workspace, **distributors[workspace].refusal(place)}
                made.append((refusal, expected))
                assert all(room.keys() <= set(step.get(f"other_{step['kind']}", ())) for step in refusal["steps"]), (
                    "whoever has room is considered by no step"
                )
    grounds = orjson.loads(orjson.dumps(round_.grounds({name: d.grounds() for name, d in distributors.items()})))
    for trace, expected in made:
        reasons = explain(grounds, orjson.loads(orjson.dumps(trace)))
        assert reasons["eligible"] == expected["eligible"]
        for verdict in ("full", "passed_over", "away"):
            assert set(reasons["verdicts"].get(verdict, ())) == expected[verdict]
        assert {"turn", "passed_over"}.isdisjoint(reasons)
