"""The rules of merging: whose values are shown, which leads are merged into which, and what a cut leaves."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from contracts.taxonomy import MergePolicy
from contracts.values import Attribution
from intake.leads.domain_combined import effective, first_given, first_personal, order_of
from intake.people.domain_merge import (
    Group,
    changed_by,
    combine,
    in_precedence,
    part,
    to_merge,
)

IDS = [UUID(int=number) for number in range(1, 9)]
EMPTY = dict.fromkeys(
    ("phone_token", "email_token", "linkedin_token", "time_zone", "last_activity_at", *Attribution.model_fields)
)
MOMENTS = [datetime(2026, 3, day, tzinfo=UTC) for day in (1, 2, 3)]
values = st.fixed_dictionaries(
    {
        "phone_token": st.none() | st.sampled_from(["p1", "p2"]),
        "geo_key": st.none() | st.sampled_from(["dublin_oh", "columbus_oh"]),
        "metadata": st.dictionaries(st.sampled_from(["utm_source", "utm_term"]), st.none() | st.sampled_from(["a", 1])),
        "last_activity_at": st.none() | st.sampled_from(MOMENTS),
    }
)
rows = st.lists(values, min_size=1, max_size=5).map(
    lambda given: [{**EMPTY, **row, "lead_id": id_, "combined": None} for id_, row in zip(IDS, given, strict=False)]
)
personal = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "name": st.sampled_from(["Jane", "Roe"]),
            "phone": st.sampled_from(["+1", "+2"]),
            "notes": st.sampled_from(["x", "y"]),
            "metadata": st.dictionaries(st.sampled_from("ab"), st.integers(0, 3), min_size=1),
        },
    ),
    min_size=1,
    max_size=5,
)
policies = st.sampled_from([MergePolicy.INTO_OLDEST, MergePolicy.INTO_NEWEST])


def told(leads: list[dict[str, Any]]) -> dict[str, Any]:
    return effective({**leads[0], "combined": combine(leads)})


@given(rows)
def test_a_lead_is_told_with_the_first_value_that_is_given_and_whose_it_is(leads: list[dict[str, Any]]) -> None:
    shown = told(leads)
    for field in ("phone_token", "geo_key"):
        owner = next((row for row in leads if row[field] is not None), leads[0])
        assert shown[field] == owner[field]
        assert shown["provenance"].get(field, leads[0]["lead_id"]) == owner["lead_id"]
    for name in ("utm_source", "utm_term"):
        owner = next((row for row in leads if row["metadata"].get(name) is not None), leads[0])
        assert shown["metadata"].get(name) == owner["metadata"].get(name)
        assert shown["provenance"].get(f"metadata.{name}", leads[0]["lead_id"]) == owner["lead_id"]
    assert shown["merged_leads"] == [row["lead_id"] for row in leads[1:]]


@given(rows)
def test_a_person_was_active_when_any_of_its_leads_was(leads: list[dict[str, Any]]) -> None:
    active = [row["last_activity_at"] for row in leads if row["last_activity_at"]]
    assert told(leads)["last_activity_at"] == (max(active) if active else None)


@given(rows)
def test_combining_leaves_every_lead_as_it_was(leads: list[dict[str, Any]]) -> None:
    before = [{**row, "metadata": dict(row["metadata"])} for row in leads]
    told(leads)
    assert leads == before
    assert told(leads[:1]) == {**leads[0], "merged_leads": [], "provenance": {}}


@given(rows)
def test_what_changes_when_a_lead_is_parted_is_what_it_had_lent(leads: list[dict[str, Any]]) -> None:
    names = {"phone_token": "phone", "geo_key": "geo"}
    changed = changed_by(combine(leads), None)
    for field, name in names.items():
        assert (name in changed) == (told(leads)[field] != leads[0][field])


@given(personal)
def test_what_a_reveal_shows_comes_from_the_leads_that_the_tokens_come_from(given_: list[dict[str, Any]]) -> None:
    leads = list(zip(IDS, given_, strict=False))
    shown, provenance = first_personal(leads)
    for field in ("name", "phone", "notes"):
        owner = next(((id_, values) for id_, values in leads if field in values), None)
        assert shown.get(field) == (owner[1][field] if owner else None)
        assert provenance.get(field) == (owner[0] if owner else None)
    tokens = first_given((id_, {"phone": values.get("phone")}) for id_, values in leads)
    assert {"phone": provenance["phone"]} if "phone" in shown else {f: lead for f, (_, lead) in tokens.items()} == {}
    for name in {name for _, values in leads for name in values.get("metadata", {})}:
        assert shown["metadata"][name] == next(v["metadata"][name] for _, v in leads if name in v.get("metadata", {}))


def test_a_number_never_gets_another_lead_s_extension() -> None:
    plain, extended = {"phone": "+1"}, {"phone": "+2", "phone_extension": "7", "name": "Jane"}
    assert first_personal([(IDS[0], plain), (IDS[1], extended)])[0] == {"phone": "+1", "name": "Jane"}
    assert first_personal([(IDS[0], {}), (IDS[1], extended)])[0] == extended


def test_leads_lend_in_the_order_of_the_policy() -> None:
    others = [IDS[2], IDS[0], IDS[3]]
    assert in_precedence(IDS[1], others, MergePolicy.KEEP_BOTH) == [IDS[1], IDS[0], IDS[2], IDS[3]]
    newest_first = in_precedence(IDS[1], others, MergePolicy.INTO_NEWEST)
    assert newest_first == [IDS[1], IDS[3], IDS[2], IDS[0]]
    combined = combine([{**EMPTY, "lead_id": id_, "metadata": {}} for id_ in newest_first])
    assert order_of(IDS[1], combined) == newest_first, "what is stored says the order for whoever opens the vault"
    assert order_of(IDS[1], None) == [IDS[1]]


@st.composite
def people(draw: st.DrawFn) -> tuple[list[Group], dict[UUID, set[UUID]]]:
    """Leads that stand, each for some others, of three persons, and pairs that are kept apart."""
    ids, standing = list(IDS), []
    while ids:
        size = draw(st.integers(1, 2))
        group, ids = ids[:size], ids[size:]
        persons = draw(st.sets(st.sampled_from([UUID(int=n) for n in (101, 102, 103)]), min_size=1, max_size=2))
        standing.append(Group(group[0], frozenset(group), frozenset(persons)))
    apart: dict[UUID, set[UUID]] = {}
    for one, other in draw(st.lists(st.tuples(st.sampled_from(IDS), st.sampled_from(IDS)), max_size=4)):
        if one != other:
            apart.setdefault(one, set()).add(other)
            apart.setdefault(other, set()).add(one)
    return standing, apart


@given(people(), policies)
def test_a_person_has_one_lead_that_stands_but_for_what_is_kept_apart(
    given_: tuple[list[Group], dict[UUID, set[UUID]]], policy: MergePolicy
) -> None:
    standing, apart = given_
    merges = dict(to_merge(standing, apart, policy))
    assert not set(merges) & set(merges.values()), "who stands is not merged as well"
    groups = {lead.lead_id: set(lead.leads) for lead in standing if lead.lead_id not in merges}
    persons = {lead.lead_id: set(lead.persons) for lead in standing if lead.lead_id not in merges}
    parts = {lead.lead_id: lead for lead in standing}
    for merged, survivor in merges.items():
        foes = {foe for each in parts[merged].leads for foe in apart.get(each, ())}
        assert not foes & groups[survivor], "what is kept apart is never merged by itself"
        groups[survivor] |= parts[merged].leads
        persons[survivor] |= parts[merged].persons
        assert (survivor < merged) == (policy is MergePolicy.INTO_OLDEST)
    for one, leads in groups.items():
        for other in groups:
            if one < other and persons[one] & persons[other]:
                assert any(foe in groups[other] for each in leads for foe in apart.get(each, ()))


def test_by_default_nothing_is_merged() -> None:
    same = [Group(id_, frozenset([id_]), frozenset([UUID(int=99)])) for id_ in IDS]
    assert to_merge(same, {}, MergePolicy.KEEP_BOTH) == []


def test_a_cut_takes_along_what_was_merged_before() -> None:
    merges = {IDS[0]: IDS[1], IDS[1]: IDS[2], IDS[3]: IDS[2]}
    assert part(IDS[1], merges) == {IDS[0], IDS[1]}
    assert part(IDS[0], merges) == {IDS[0]}
    assert part(IDS[2], merges) == set(IDS[:4])
