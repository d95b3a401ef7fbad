"""Which version of a lead counts, how it can be reached, and what the sandbox refuses."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.taxonomy import Channel
from outreach.domain import channels, newest
from outreach.sandbox import refusal
from tests.outreach.scene import lead

IDS = [UUID(int=n) for n in range(3)]


@given(st.lists(st.tuples(st.sampled_from(["acme", "globex"]), st.sampled_from(IDS), st.integers(1, 5))))
def test_of_each_tenants_lead_the_highest_version_counts(arrivals: list[tuple[str, UUID, int]]) -> None:
    found = newest((tenant, lead(id_, version=version), n) for n, (tenant, id_, version) in enumerate(arrivals))
    highest = {(t, i): max(v for t2, i2, v in arrivals if (t2, i2) == (t, i)) for t, i, _ in arrivals}
    assert {(tenant, each.lead_id): each.version for tenant, each, _ in found} == highest
    assert all(arrivals[n] == (tenant, each.lead_id, each.version) for tenant, each, n in found)


@pytest.mark.parametrize(
    ("given", "reached"),
    [
        ({"email": False}, []),
        ({"email": True}, [Channel.EMAIL]),
        ({"email": False, "linkedin": True}, [Channel.LINKEDIN]),
        ({"email": False, "phone": True}, [Channel.SMS, Channel.PHONE]),
    ],
)
def test_a_lead_is_reached_by_the_channels_it_has_an_address_for(
    given: dict[str, bool], reached: list[Channel]
) -> None:
    assert channels(lead(**given)) == reached


@given(st.uuids())
def test_the_sandbox_judges_a_message_the_same_every_time(message_id: UUID) -> None:
    assert refusal(message_id) == refusal(message_id)


def test_the_sandbox_refuses_a_small_share() -> None:
    assert sum(refusal(UUID(int=n)) is not None for n in range(1000)) == 50
