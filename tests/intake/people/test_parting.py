"""Two leads that somebody says are two persons: what they shared links them no more, and each is forgotten alone."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.intake.erasure import EraseLead
from contracts.message import ProblemError
from contracts.taxonomy import MergePolicy
from intake.people.domain_person import link
from intake.privacy import erasing
from intake.privacy.asking import Asker
from intake.vault import sealing
from intake.vault import store as vault
from tests.intake.people.desk import Desk, lead
from tests.intake.people.test_domain_person import PERSONS, claims, known, new_persons
from tests.platform import Platform

PHONE, ANN, BOB = "+16145550134", "ann@example.com", "bob@example.com"


@pytest.fixture
async def desk(platform: Platform, tenant: str) -> AsyncIterator[Desk]:
    opened = Desk(platform, tenant)
    await opened.open(MergePolicy.KEEP_BOTH)
    yield opened
    await opened.close()


async def two(desk: Desk) -> tuple[UUID, UUID]:
    """Leads of Ann and Bob, whose source once gave Ann's number for his."""
    ann, bob = await desk.submit(lead("1", phone=PHONE, email=ANN), lead("2", phone=PHONE, email=BOB))
    assert ann.lead_id and bob.lead_id
    return ann.lead_id, bob.lead_id


async def persons(desk: Desk) -> list[UUID]:
    return [row["person_id"] for _, row in sorted((await desk.rows()).items())]


async def erase(desk: Desk, lead_id: UUID) -> list[UUID]:
    order = desk.received(EraseLead(lead_id=lead_id))
    async with desk.unit() as uow:
        erased = await erasing.erase(uow, desk.key, order.body, Asker("operator", None, None), order.envelope)
    assert erased
    return erased.lead_ids


async def test_two_leads_of_one_person_become_two_persons_and_stay_so(desk: Desk) -> None:
    ann, bob = await two(desk)
    assert len(set(await persons(desk))) == 1
    await desk.dismiss(ann, bob)
    first, second = await persons(desk)
    assert first != second
    name, body = (await desk.told())[-1]
    assert (name, body["lead_id"], body["changed"], body["person_id"]) == (
        "lead_updated", str(bob), ["person_id"], str(second),
    )  # fmt: skip
    await desk.submit(lead("2", phone=PHONE, email=BOB, geo="Dublin"))
    assert await persons(desk) == [first, second], "the number that both gave links them no more"
    await desk.submit(lead("3", email=BOB), lead("4", phone=PHONE))
    assert await persons(desk) == [first, second, second, first], "whoever comes is of the one whose token it is"
    await desk.submit(lead("5", phone=PHONE, email=BOB))
    assert (await persons(desk))[:4] == [first, second, second, first], (
        "and whoever comes with both makes them one no more"
    )


async def test_each_of_two_persons_is_erased_alone_and_what_is_left_can_still_be_read(desk: Desk) -> None:
    ann, bob = await two(desk)
    await desk.dismiss(ann, bob)
    assert await erase(desk, ann) == [ann]
    async with desk.unit() as uow:
        (sealed,) = await vault.sealed(uow, desk.tenant, [ann, bob])
        assert sealing.open_wrapped(sealed, desk.key)["email"] == BOB
        kept = await uow.execute("select key_id from person_key where tenant_id = :tenant", tenant=desk.tenant)
        assert list(kept.scalars()) == [sealed["key_id"]] == [(await persons(desk))[1]], "under a key of his own"


async def test_a_key_that_seals_nothing_any_more_is_destroyed(desk: Desk) -> None:
    """Two persons are found to be one, and the lead of the second is sealed under the first one's key."""
    await desk.submit(lead("1", phone=PHONE), lead("2", email=BOB))
    await desk.submit(lead("2", email=BOB, phone=PHONE))
    async with desk.unit() as uow:
        kept = await uow.execute("select key_id from person_key where tenant_id = :tenant", tenant=desk.tenant)
        assert list(kept.scalars()) == [(await persons(desk))[0]]


async def test_leads_that_are_merged_or_erased_cannot_be_told_apart(desk: Desk) -> None:
    ann, bob = await two(desk)
    await desk.merge(ann, bob)
    with pytest.raises(ProblemError, match="unmerge_lead"):
        await desk.dismiss(ann, bob)
    await desk.unmerge(bob)
    assert len(set(await persons(desk))) == 1, "parting leads parts no persons"
    with pytest.raises(ProblemError, match="no such lead"):
        await desk.dismiss(ann, uuid4())
    await erase(desk, ann)
    with pytest.raises(ProblemError, match="erased"):
        await desk.dismiss(ann, bob)


@given(claims, known, st.sets(st.frozensets(st.sampled_from(PERSONS), min_size=2, max_size=2)))
def test_two_persons_are_never_found_to_be_one_whom_somebody_told_apart(given_claims, tokens, apart) -> None:
    linking = link(given_claims, tokens, new_persons(), apart)

    def now(person: UUID) -> UUID:
        return linking.merged.get(person, person)

    for one, other in apart:
        assert now(one) != now(other)
    for claim, person in zip(given_claims, linking.persons, strict=True):
        assert claim.person_id is None or now(claim.person_id) == person
    assert not set(linking.merged) & set(linking.merged.values())
