"""Who may see what is personal, and how often."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.catalogue import OPERATOR, SERVICES
from contracts.taxonomy import Purpose, Role
from intake.privacy.domain_policy import WHO_MAY_SEE, WINDOW, may_answer_for_a_person, may_see, wait

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_whoever_is_not_in_the_table_sees_nothing() -> None:
    everybody = product((*SERVICES, OPERATOR, ""), (None, *Role), Purpose)
    allowed = {(service, role, purpose) for service, role, purpose in everybody if may_see(service, role, purpose)}
    assert allowed == {(service, role, purpose) for (service, purpose), roles in WHO_MAY_SEE.items() for role in roles}
    assert {service for service, _, _ in allowed} == {"gateway", "outreach", OPERATOR}
    assert not [role for _, role, _ in allowed if role in (Role.VIEWER, Role.AUDITOR)]


def test_the_gateway_sees_nothing_by_itself_and_outreach_only_what_it_sends_to() -> None:
    assert not [purpose for purpose in Purpose if may_see("gateway", None, purpose)]
    assert [purpose for purpose in Purpose for role in (None, *Role) if may_see("outreach", role, purpose)] == [
        Purpose.SEND_MESSAGE
    ]


@pytest.mark.parametrize("role", [*Role, None])
def test_only_heads_and_the_operator_decide_about_a_person_s_data(role: Role | None) -> None:
    assert may_answer_for_a_person("gateway", role) is (role in (Role.ADMIN, Role.SUPERADMIN))
    assert may_answer_for_a_person(OPERATOR, role) is (role in (Role.ADMIN, Role.SUPERADMIN, None))
    assert not may_answer_for_a_person("outreach", role)


@given(st.lists(st.integers(0, 3599), max_size=20), st.integers(0, 25), st.integers(1, 20))
def test_after_the_wait_there_is_room_for_those_asked_for(seconds: list[int], new: int, limit: int) -> None:
    shown = [NOW - timedelta(seconds=ago) for ago in seconds]
    pause = wait(shown, new, limit, NOW)
    fits = new == 0 or len(shown) + new <= limit
    assert (pause is None) is fits
    if pause and new <= limit:
        assert timedelta() < pause <= WINDOW
        assert sum(at + WINDOW > NOW + pause for at in shown) + new <= limit
