"""Leads that share a token are one person, however the tokens chain, and the oldest person stays."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from intake.people.domain_person import Claim, link

PERSONS = [UUID(int=number) for number in range(1, 6)]
TOKENS = "abcdef"
claims = st.lists(
    st.builds(
        Claim,
        tokens=st.lists(st.sampled_from(TOKENS), max_size=3, unique=True).map(tuple),
        person_id=st.none() | st.sampled_from(PERSONS),
    ),
    min_size=1,
    max_size=8,
)
known = st.dictionaries(st.sampled_from(TOKENS), st.sampled_from(PERSONS))


def new_persons():
    numbers = iter(range(100, 1000))
    return lambda: UUID(int=next(numbers))


@given(claims, known)
def test_whoever_shares_a_token_is_one_person(given_claims: list[Claim], tokens: dict[str, UUID]) -> None:
    linking = link(given_claims, tokens, new_persons())
    person_of = {**tokens, **linking.tokens}
    for claim, person in zip(given_claims, linking.persons, strict=True):
        for token in claim.tokens:
            assert linking.merged.get(person_of[token], person_of[token]) == person
        if claim.person_id:
            assert linking.merged.get(claim.person_id, claim.person_id) == person


@given(claims, known)
def test_the_oldest_stays_and_nobody_is_merged_without_a_reason(
    given_claims: list[Claim], tokens: dict[str, UUID]
) -> None:
    linking = link(given_claims, tokens, new_persons())
    assert all(stays < gone for gone, stays in linking.merged.items())
    assert not set(linking.merged) & set(linking.merged.values()), "who stays is not given up as well"
    mentioned = {claim.person_id for claim in given_claims} | {
        tokens[token] for claim in given_claims for token in claim.tokens if token in tokens
    }
    assert set(linking.merged) <= mentioned


def test_a_lead_without_tokens_is_a_person_of_its_own() -> None:
    linking = link([Claim(()), Claim(())], {}, new_persons())
    assert len(set(linking.persons)) == 2


def test_a_lead_with_the_phone_of_one_and_the_mail_of_another_makes_them_one() -> None:
    linking = link([Claim(("phone", "mail"))], {"phone": PERSONS[3], "mail": PERSONS[1]}, new_persons())
    assert linking.persons == [PERSONS[1]]
    assert linking.merged == {PERSONS[3]: PERSONS[1]}
