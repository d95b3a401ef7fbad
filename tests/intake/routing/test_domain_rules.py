"""Which rule decides: held against the plainest way of doing it, and the words of the contract."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.intake.routing import (
    NewRoutingConfiguration,
    RoutingConditions,
    RoutingConfiguration,
    RoutingRule,
    WorkspaceConfiguration,
)
from contracts.taxonomy import UNKNOWN, Intent, Tier, Timeline
from intake.routing import domain_rules
from intake.routing.domain_rules import Rules, unknown_metadata

NOTHING: dict[str, Any] = {
    "product_interest": None, "source_key": None, "geo_key": None, "intent": None, "tier": None, "timeline": None,
    "metadata": {},
}  # fmt: skip
COLUMN = {"product": "product_interest", "source": "source_key", "geo": "geo_key"}

words = st.text("ab_", min_size=1, max_size=4).filter(lambda word: word.strip("_") and "__" not in word)
keys = words.map(lambda word: word.strip("_"))
patterns = st.one_of(
    keys,
    words.map(lambda w: w.lstrip("_") + "*"),
    words.map(lambda w: "*" + w.rstrip("_")),
    st.sampled_from(["*", UNKNOWN]),
)
texts = st.one_of(st.none(), st.booleans(), st.integers(0, 9), st.sampled_from(["a", "A b", " a ", "", "b1", UNKNOWN]))
conditions = st.builds(
    RoutingConditions,
    product=st.none() | st.lists(patterns, min_size=1, max_size=3),
    source=st.none() | st.lists(patterns, min_size=1, max_size=3),
    geo=st.none() | st.lists(patterns, min_size=1, max_size=3),
    intent=st.none() | st.lists(st.sampled_from([*Intent, UNKNOWN]), min_size=1, max_size=2),
    tier=st.none() | st.lists(st.sampled_from([*Tier, UNKNOWN]), min_size=1, max_size=2),
    timeline=st.none() | st.lists(st.sampled_from([*Timeline, UNKNOWN]), min_size=1, max_size=2),
    metadata=st.dictionaries(
        st.sampled_from(["x", "y"]),
        st.lists(st.sampled_from(["a", "A*", "*b", "true", "7", UNKNOWN, "*"]), min_size=1, max_size=2),
        max_size=2,
    ),
)
rules = st.lists(st.tuples(st.integers(0, 3), conditions), max_size=6).map(
    lambda given: tuple(
        RoutingRule(name=f"rule_{n}", priority=priority, when=when, workspace="there")
        for n, (priority, when) in enumerate(given)
    )
)
leads = st.fixed_dictionaries(
    {
        "product_interest": st.none() | keys,
        "source_key": st.none() | keys,
        "geo_key": st.none() | keys,
        "intent": st.none() | st.sampled_from(Intent),
        "tier": st.none() | st.sampled_from(Tier),
        "timeline": st.none() | st.sampled_from(Timeline),
        "metadata": st.dictionaries(st.sampled_from(["x", "y", "z"]), texts, max_size=2),
    }
)


def matches(pattern: str, value: str | None) -> bool:
    if value is None:
        return pattern == UNKNOWN
    if pattern == "*":
        return True
    if pattern.startswith("*") and pattern.endswith("*"):
        return pattern[1:-1] in value
    if pattern.startswith("*"):
        return value.endswith(pattern[1:])
    return value.startswith(pattern[:-1]) if pattern.endswith("*") else value == pattern


def text(value: object) -> str | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    return str(value).strip().casefold()


def mismatch(rule: RoutingRule, lead: Mapping[str, Any]) -> str | None:
    for field in ("product", "source", "geo", "intent", "tier", "timeline"):
        values = getattr(rule.when, field)
        if values is not None and not any(matches(value, lead[COLUMN.get(field, field)]) for value in values):
            return field
    for name in sorted(rule.when.metadata):
        value = text(lead["metadata"].get(name))
        if not any(matches(pattern.casefold(), value) for pattern in rule.when.metadata[name]):
            return f"metadata.{name}"
    return None


def plainly(rules: tuple[RoutingRule, ...], lead: Mapping[str, Any]) -> tuple[str | None, list[tuple[str, str | None]]]:
    """Rule after rule, field after field."""
    trace: list[tuple[str, str | None]] = []
    for _, _, rule in sorted((rule.priority, position, rule) for position, rule in enumerate(rules)):
        trace.append((rule.name, mismatch(rule, lead)))
        if trace[-1][1] is None:
            return rule.name, trace
    return None, trace


def configuration(*rules: RoutingRule) -> RoutingConfiguration:
    return RoutingConfiguration(rules=rules, workspaces={rule.workspace: WorkspaceConfiguration() for rule in rules})


def rule(name: str, workspace: str = "there", priority: int = 100, **when: Any) -> RoutingRule:
    return RoutingRule(name=name, workspace=workspace, priority=priority, when=RoutingConditions(**when))


def lead(**given: Any) -> dict[str, Any]:
    return NOTHING | given


@given(rules, st.lists(leads, max_size=8))
@settings(max_examples=300)
def test_the_first_rule_that_matches_decides_and_the_trace_says_why_no_earlier_one_did(
    rules: tuple[RoutingRule, ...], leads: list[dict[str, Any]]
) -> None:
    ready = Rules(configuration(*rules), 7)
    for each in leads:
        route = ready.route(each)
        decided, trace = plainly(rules, each)
        assert ((route.rule.name if route.rule else None), list(route.trace.items())) == (decided, trace)


@given(rules, st.lists(leads, max_size=8))
def test_a_decision_does_not_depend_on_what_is_remembered(
    rules: tuple[RoutingRule, ...], leads: list[dict[str, Any]]
) -> None:
    ready = Rules(configuration(*rules))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(domain_rules, "_REMEMBERED", 1)
        forgetful = Rules(configuration(*rules))
        for each in (*leads, *leads):
            assert forgetful.route(each) == ready.route(each)


def test_the_lowest_priority_is_looked_at_first_and_of_equal_ones_the_first() -> None:
    ready = Rules(configuration(rule("last", priority=200), rule("first", priority=5), rule("second", priority=5)))
    assert ready.route(lead()).trace == {"first": None}


def test_a_key_matches_by_its_beginning_its_end_or_as_a_whole_and_unknown_where_there_is_none() -> None:
    ready = Rules(
        configuration(
            rule("ohio", geo=["*_oh"]), rule("san", geo=["san_*", "santa_*"]), rule("all_there", geo=["*"]),
            rule("nowhere", geo=["unknown"]),
        )
    )  # fmt: skip
    keys = ("dublin_oh", "san_jose", "sandy", "unknown", None)
    decided = {key: ready.route(lead(geo_key=key)).rule for key in keys}
    assert [rule.name if rule else None for rule in decided.values()] == [
        "ohio",
        "san",
        "all_there",
        "all_there",
        "nowhere",
    ]


def test_metadata_matches_in_any_case_and_numbers_as_json_writes_them() -> None:
    ready = Rules(configuration(rule("it", metadata={"utm_source": ["Google*"], "score": ["7"], "vip": ["true"]})))
    hit = {"utm_source": " google Ads", "score": 7, "vip": True}
    assert ready.route(lead(metadata=hit)).rule
    assert ready.route(lead(metadata=hit | {"vip": False})).trace == {"it": "metadata.vip"}
    assert ready.route(lead(metadata={})).trace == {"it": "metadata.score"}


def test_rules_that_ask_for_metadata_the_tenant_does_not_allow_are_named_with_the_field() -> None:
    asking = configuration(rule("good", metadata={"utm_source": ["a"]}), rule("bad", metadata={"salary": ["a"]}))
    assert unknown_metadata(asking, ["utm_source"]) == {"bad": "salary"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"rules": [{"name": "a", "workspace": "x"}]}, "rule a sends leads to x"),
        ({"rules": [{"name": "a", "workspace": "x"}] * 2, "workspaces": {"x": {}}}, "two rules are called a"),
        ({"rules": [{"name": "a", "workspace": "x", "when": {"geo": ["Dublin, OH"]}}]}, "is no key"),
        ({"rules": [{"name": "a", "workspace": "x", "when": {"geo": ["a*b"]}}]}, "is no key"),
        ({"rules": [{"name": "a", "workspace": "x", "when": {"metadata": {"m": ["a*b"]}}}]}, "in its middle"),
        ({"rules": [{"name": "a", "workspace": "x", "when": {"metadata": {"m": ["614-555-0134"]}}}]}, "telephone"),
        ({"rules": [{"name": "a", "workspace": "x", "when": {"geo": []}}]}, "at least 1 item"),
        ({"rules": [{"name": "a", "workspace": "x", "when": {"place": ["x"]}}]}, "Extra inputs"),
        ({"rules": [{"name": "a", "workspace": "x", "when": {"tier": ["E"]}}]}, "'A', 'B', 'C' or 'D'"),
        ({"workspaces": {"Front Desk": {}}}, "String should match pattern"),
    ],
)
def test_a_configuration_that_cannot_be_meant_is_refused_saying_why(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        NewRoutingConfiguration.model_validate(wrong)
