"""The rules of identity, pure."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.gateway.access import Scope
from contracts.gateway.users import SignInMethod
from contracts.taxonomy import Role
from gateway.identity.domain_access import OF_PROGRAMS, OF_ROLE, beyond, refused_role
from gateway.identity.domain_oidc import Round, Word
from gateway.identity.domain_password import LONGEST, SHORTEST, flaw
from gateway.identity.domain_session import FRESH, is_use, may_set_password

NOW = datetime(2026, 1, 5, tzinfo=UTC)
texts = st.text(alphabet="abcXYZ019-_. ", min_size=1, max_size=40)


def test_roles_allow_more_from_viewer_to_admin_and_an_auditor_changes_nothing() -> None:
    in_order = [OF_ROLE[role] for role in (Role.VIEWER, Role.AGENT, Role.OPERATOR, Role.ADMIN)]
    assert all(less < more for less, more in pairwise(in_order))
    assert OF_ROLE[Role.SUPERADMIN] == OF_ROLE[Role.ADMIN] == frozenset(Scope)
    assert not [scope for role in (Role.VIEWER, Role.AUDITOR) for scope in OF_ROLE[role] if scope.endswith(":write")]
    sees_persons = {role for role, allowed in OF_ROLE.items() if Scope.PERSONAL_READ in allowed}
    assert sees_persons == {Role.AGENT, Role.OPERATOR, Role.ADMIN, Role.SUPERADMIN}


def test_a_key_of_which_nobody_said_what_it_allows_looks_after_no_users_and_sees_no_persons() -> None:
    assert not OF_PROGRAMS & {
        Scope.USERS_WRITE,
        Scope.USERS_READ,
        Scope.PERSONAL_READ,
        Scope.SETTINGS_WRITE,
        Scope.SELF,
    }


def test_superadmins_belong_to_the_installation_and_all_others_to_a_tenant() -> None:
    for role in Role:
        assert bool(refused_role(role, of_platform=False)) is (role is Role.SUPERADMIN)
        assert bool(refused_role(role, of_platform=True)) is (role is not Role.SUPERADMIN)


@given(st.frozensets(st.sampled_from(Scope)), st.frozensets(st.sampled_from(Scope)))
def test_nobody_gives_what_they_do_not_have(given_: frozenset[Scope], own: frozenset[Scope]) -> None:
    assert set(beyond(given_, own)) == given_ - own


@pytest.mark.parametrize(
    ("method", "headers", "use"),
    [
        ("GET", {}, True),
        ("GET", {"sec-fetch-mode": "navigate"}, True),
        ("GET", {"sec-fetch-mode": "cors"}, False),
        ("GET", {"sec-fetch-mode": "cors", "hx-boosted": "true"}, True),
        ("POST", {"sec-fetch-mode": "cors"}, True),
    ],
)
def test_what_a_page_reads_by_itself_keeps_no_session_alive(method: str, headers: dict[str, str], use: bool) -> None:
    assert is_use(method, headers) is use


@pytest.mark.parametrize(
    ("has", "right", "method", "age", "may"),
    [
        (False, False, SignInMethod.PASSWORD, timedelta(hours=1), True),
        (True, True, SignInMethod.PASSWORD, timedelta(hours=1), True),
        (True, False, SignInMethod.PASSWORD, timedelta(), False),
        (True, False, SignInMethod.LINK, FRESH - timedelta(seconds=1), True),
        (True, False, SignInMethod.LINK, FRESH, False),
    ],
)
def test_a_password_is_set_by_who_knows_it_has_none_or_came_without_a_moment_ago(
    has: bool, right: bool, method: SignInMethod, age: timedelta, may: bool
) -> None:
    assert may_set_password(has, right, method, NOW - age, NOW) is may


@pytest.mark.parametrize(
    ("password", "good"),
    [
        ("correct horse battery", True),
        ("short pass1", False),
        ("aaaaaaaaaaaaaaa", False),
        ("abcabcabcabcabc", False),
        ("grace.example1", False),
        ("x" * 100 + "qwertz" * 20, False),
    ],
)
def test_a_password_is_long_and_not_made_of_the_address(password: str, good: bool) -> None:
    assert (flaw(password, "grace.example@example.com") == "") is good
    assert SHORTEST <= len(password) <= LONGEST or not good


@given(texts, texts, texts, texts)
def test_a_round_is_its_browsers_tenants_and_providers_alone(one: str, two: str, tenant: str, provider: str) -> None:
    round_ = Round.of(one, tenant, provider)
    assert round_ == Round.of(one, tenant, provider)
    assert len({round_.state, round_.nonce, round_.verifier}) == 3
    assert 43 <= len(round_.verifier) <= 128  # RFC 7636, 4.1
    if one != two:
        assert Round.of(two, tenant, provider).state != round_.state
    assert Round.of(one, tenant + "x", provider).state != round_.state
    assert Round.of(one, tenant, provider + "x").nonce != round_.nonce


@pytest.mark.parametrize(
    ("claims", "email"),
    [
        ({"email": "Grace@Example.com", "email_verified": True}, "grace@example.com"),
        ({"email": "grace@example.com", "email_verified": False}, None),
        ({"email": "grace@example.com", "email_verified": "true"}, None),
        ({"email": "grace@example.com"}, None),
        ({"email": ["grace@example.com"], "email_verified": True}, None),
        ({}, None),
    ],
)
def test_an_address_that_a_provider_has_not_confirmed_says_nothing(
    claims: dict[str, object], email: str | None
) -> None:
    assert Word.read({"sub": "1", **claims}).email == email


@pytest.mark.parametrize("subject", [None, "", 7, "x" * 256])
def test_a_word_that_does_not_say_about_whom_it_is_is_none(subject: object) -> None:
    with pytest.raises(ValueError, match="subject"):
        Word.read({"sub": subject})
