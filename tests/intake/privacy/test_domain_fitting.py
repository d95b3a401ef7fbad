"""What is revealed fits into a reply, and what does not is said to be left out."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from contracts.intake.privacy import PersonalField, Revealed, RevealState
from intake.privacy.domain_fitting import fit, size_of

ROOM = 2000


def view(number: int, notes: int, metadata: int) -> Revealed:
    return Revealed(
        lead_id=UUID(int=number),
        state=RevealState.REVEALED,
        name="Ada",
        notes="n" * notes,
        metadata={"m": "x" * metadata},
    )


@given(st.lists(st.tuples(st.integers(0, 1500), st.integers(0, 3000)), max_size=8))
def test_views_fit_in_their_order_and_none_is_lost(sizes: list[tuple[int, int]]) -> None:
    asked = [view(number, *size) for number, size in enumerate(sizes)]
    fitting = fit(asked, ROOM)
    shown = [one for one in fitting if one.state is RevealState.REVEALED]
    assert [one.lead_id for one in fitting] == [one.lead_id for one in asked]
    assert sum(map(size_of, shown)) <= ROOM
    assert bool(shown) is bool(asked)
    for one in shown:
        for field in PersonalField:
            given_ = getattr(asked[one.lead_id.int], field)
            assert getattr(one, field) == (None if field in one.left_out else given_)


def test_a_value_asked_for_alone_is_shown_however_large() -> None:
    alone = Revealed(lead_id=UUID(int=1), state=RevealState.REVEALED, metadata={"m": "x" * 3 * ROOM})
    assert fit([alone], ROOM) == [alone]
