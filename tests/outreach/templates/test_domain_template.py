"""A template has no gaps, tells people what is wrong with it, and costs a bounded time whatever is written into it."""

import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.outreach.templates import MOST_TEMPLATE_CHARACTERS, TemplateFlaw, TemplatePart
from contracts.outreach.templates import TemplateFlawCode as Code
from contracts.taxonomy import SendKind
from outreach.templates.domain_filters import FILTERS
from outreach.templates.domain_flaws import LackingError, TemplateError
from outreach.templates.domain_liquid import liquid
from outreach.templates.domain_template import MOST_SUBJECT, MOST_VALUE, check, render, variables
from outreach.templates.domain_values import ATTRIBUTES, NAMES

ADA = {"first_name": "Ada", "full_name": "Ada Example", "company": "Example Ltd", "intent": "buyer", "geo": "dublin_oh"}


def sms(body: str, values: dict[str, str] | None = None) -> str:
    return render(SendKind.SMS, None, body, values or {}).body


def flaws(body: str, kind: SendKind = SendKind.SMS, subject: str | None = None) -> list[TemplateFlaw]:
    return check(kind, subject, body)


def told(body: str) -> list[tuple[Code, int | None, str | None]]:
    return [(flaw.code, flaw.line, flaw.variable) for flaw in flaws(body)]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("Hello {{ first_name }}!", "Hello Ada!"),
        ("Hello {{ last_name | default: 'there' }}!", "Hello there!"),
        ("Hello {{ last_name | capitalize | default: first_name }}!", "Hello Ada!"),
        ("{% if company %}How is {{ company }}?{% else %}Hello.{% endif %}", "How is Example Ltd?"),
        ("{% if tier == 'A' %}Now.{% elsif intent == 'buyer' %}Soon.{% else %}Some day.{% endif %}", "Soon."),
        ("{% unless tier %}Hello.{% endunless %}", "Hello."),
        ("{% if company contains 'Ltd' and intent != 'seller' %}Hello.{% endif %}", "Hello."),
        ("Hello\n  {%- if company -%} , {% endif %}Ada", "Hello, Ada"),
        ("{{ geo | words | upcase | append: '.' | prepend: 'In ' }}", "In DUBLIN OH."),
        ("{{ full_name | replace: 'Example', 'Muster' | remove: 'Ada ' | downcase | strip }}", "muster"),
        ("{{ full_name | truncate: 5 }} {{ full_name | truncatewords: 1 }}", "Ada… Ada…"),
        ("{{ full_name | url_encode }}", "Ada+Example"),
        ("{{ 'a' }} {{ 5 }} {{ true }} &amp; <b>", "a 5 true &amp; <b>"),
    ],
)
def test_a_message_says_what_its_template_says(body: str, text: str) -> None:
    assert sms(body, ADA) == text


def test_metadata_is_named_with_a_dot_or_in_brackets() -> None:
    values = {"metadata.utm_source": "newsletter", "metadata.pets at home": "two"}
    assert sms("{{ metadata.utm_source }}, {{ metadata['pets at home'] }}", values) == "newsletter, two"


@pytest.mark.parametrize("name", ["size", "first", "last"])
def test_what_liquid_adds_to_values_is_no_value(name: str) -> None:
    with pytest.raises(LackingError) as lacking:
        sms(f"{{{{ metadata.{name} }}}}", {"metadata.other": "x"})
    assert lacking.value.variables == (f"metadata.{name}",)


@pytest.mark.parametrize(
    ("body", "lacks"),
    [
        ("Hello {{ last_name }}!", ("last_name",)),
        ("Hello {{ last_name | upcase | append: '!' }}", ("last_name",)),
        ("Hello {{ first_name | append: last_name }}", ("last_name",)),
        ("Hello {{ last_name | default: timeline }}", ("last_name", "timeline")),
        ("Hello {{ first_name | remove: 'Ada' }}!", ("first_name",)),
        ("{% if first_name %}Hello {{ tier }}{% endif %}", ("tier",)),
    ],
)
def test_a_value_that_is_lacking_is_an_error_that_names_it_and_never_a_gap(body: str, lacks: tuple[str, ...]) -> None:
    with pytest.raises(LackingError) as lacking:
        sms(body, ADA)
    assert lacking.value.variables == lacks
    assert {flaw.variable for flaw in lacking.value.flaws} == set(lacks)
    assert {flaw.code for flaw in lacking.value.flaws} == {Code.LACKING}


@pytest.mark.parametrize("value", ["", " ", "\t\n"])
def test_a_blank_value_is_lacking(value: str) -> None:
    assert (
        sms("Hello {{ first_name | default: 'there' }}{% if first_name %}!{% endif %}", {"first_name": value})
        == "Hello there"
    )


def test_no_error_quotes_a_lead() -> None:
    for body, values in (
        ("{{ first_name | replace: 'S', 'x' }}{{ last_name }}", {"first_name": "Secret"}),
        ("{{ first_name }}", {"first_name": "Secret" * 1000}),
        ("{{ first_name }}", {"first_name": "Secret\x07"}),
        ("{{ first_name | remove: first_name }}", {"first_name": "Secret"}),
    ):
        with pytest.raises(TemplateError) as error:
            sms(body, values)
        assert "ecret" not in str(error.value)


def test_a_value_is_written_as_one_line_and_never_read_as_a_template() -> None:
    values = {"first_name": "Ada\r\nBcc: eve@example.com", "company": "{{ full_name }} {% if %}"}
    made = render(SendKind.EMAIL, "For {{ first_name }}", "{{ company }}", values)
    assert made.subject == "For Ada Bcc: eve@example.com"
    assert made.body == "{{ full_name }} {% if %}"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("Hello {{ first_name }}", (Code.NO_DEFAULT, 1, "first_name")),
        ("\n\nHello {{ first_name | capitalize }}", (Code.NO_DEFAULT, 3, "first_name")),
        ("{{ first_name | default: company }}", (Code.NO_DEFAULT, 1, "company")),
        ("{{ first_name | default: '' }}", (Code.NO_DEFAULT, 1, None)),
        ("{% if company %}a{% else %}{{ company }}{% endif %}", (Code.NO_DEFAULT, 1, "company")),
        ("{% if company or geo %}{{ company }}{% endif %}", (Code.NO_DEFAULT, 1, "company")),
        ("{% unless company %}{{ company }}{% endunless %}", (Code.NO_DEFAULT, 1, "company")),
        ("{% if company != 'x' %}{{ company }}{% endif %}", (Code.NO_DEFAULT, 1, "company")),
        ("a\n{{ frist_name }}", (Code.UNKNOWN_VARIABLE, 2, "frist_name")),
        ("{% if company.name %}a{% endif %}", (Code.UNKNOWN_VARIABLE, 1, "company.name")),
        ("{{ metadata }}", (Code.UNKNOWN_VARIABLE, 1, "metadata")),
        ("{{ now }}", (Code.UNKNOWN_VARIABLE, 1, "now")),
        ("{{ unsubscribe_url }}", (Code.UNKNOWN_VARIABLE, 1, "unsubscribe_url")),
        ("{{ geo['614-555-0142'] }}", (Code.UNKNOWN_VARIABLE, 1, None)),
        ("{{ metadata['ada@example.com'] }}", (Code.UNKNOWN_VARIABLE, 1, None)),
        ("a\n{{ geo | shout | default: 'x' }}", (Code.UNKNOWN_FILTER, 2, None)),
        ("{{ geo | date: '%Y' | default: 'x' }}", (Code.UNKNOWN_FILTER, 1, None)),
        ("{{ geo | upcase: 'x' | default: 'x' }}", (Code.SYNTAX, 1, None)),
        ("{{ geo | default }}", (Code.SYNTAX, 1, None)),
        ("{{ geo | default: allow_false: 'x' }}", (Code.SYNTAX, 1, None)),
        ("{{ geo | default: 5 }}", (Code.SYNTAX, 1, None)),
        ("{{ geo | truncate: 'x' | default: 'x' }}", (Code.SYNTAX, 1, None)),
        ("{{ geo | truncate: 0 | default: 'x' }}", (Code.SYNTAX, 1, None)),
        ("a\n{{ geo", (Code.SYNTAX, 2, None)),
        ("a\ngeo }} b", (Code.SYNTAX, 2, None)),
        ("a\n{{ }}", (Code.SYNTAX, 2, None)),
        ("{{ first_name last_name }}", (Code.SYNTAX, 1, None)),
        ("{{ metadata[geo] | default: 'x' }}", (Code.SYNTAX, 1, None)),
        ("a\n{% if company %}", (Code.SYNTAX, 2, None)),
        ("a{% endif %}", (Code.SYNTAX, 1, None)),
        ("{% if company %}a{% endunless %}", (Code.SYNTAX, 1, None)),
        ("{% if company %}a{% else %}b{% else %}c{% endif %}", (Code.SYNTAX, 1, None)),
        ("{% if company %}a{% else %}b{% elsif geo %}c{% endif %}", (Code.SYNTAX, 1, None)),
        ("{% if company %}a{% else geo %}b{% endif %}", (Code.SYNTAX, 1, None)),
        ("{% if %}a{% endif %}", (Code.SYNTAX, 1, None)),
        ("{% if tier > 3 %}a{% endif %}", (Code.SYNTAX, 1, None)),
        ("{% if company == blank %}a{% endif %}", (Code.SYNTAX, 1, None)),
        ("a\x07", (Code.CONTROL_CHARACTER, 1, None)),
        ("a\n\u2028b", (Code.CONTROL_CHARACTER, 2, None)),
        (" \n", (Code.EMPTY, None, None)),
        ("{% if company %} {% endif %}", (Code.EMPTY, None, None)),
    ],
)  # fmt: skip
def test_people_are_told_what_is_wrong_and_where(body: str, expected: tuple[Code, int | None, str | None]) -> None:
    assert told(body)[:1] == [expected]


@pytest.mark.parametrize(
    "tag",
    [
        "include 'x'", "render 'x'", "raw", "comment", "doc", "for i in (1..9)", "tablerow i in (1..9)", "assign a = 'b'",
        "capture a", "case geo", "cycle 'a'", "increment a", "liquid echo geo", "echo geo", "ifchanged", "#", "", "IF geo",
    ],
)  # fmt: skip
def test_there_are_no_other_tags(tag: str) -> None:
    first = flaws(f"a\n{{% {tag} %}}")[0]
    assert (first.code, first.line) == (Code.SYNTAX, 2)


@pytest.mark.parametrize(
    "body",
    [
        "Hello {{ first_name | default: 'there' }}",
        "{{ first_name | capitalize | default: company | default: 'there' }}",
        "{% if company %}{{ company }}{% endif %}a",
        "{% if company and geo %}{{ company }} {{ geo }}{% endif %}a",
        "{% if company or geo %}a{% else %}b{% endif %}",
        "{% if company == 'elsif' %}{{ company }}{% endif %}a",
        "{% if geo %}a{% elsif company %}{{ company }}{% endif %}a",
        "{% unless company %}a{% else %}{{ company }}{% endunless %}",
        "{% if company == nil %}a{% else %}{{ company }}{% endif %}",
        "{% if company != nil %}{{ company }}{% endif %}a",
        "{% if intent == 'buyer' %}You are a {{ intent }}{% endif %}.",
        "{% if company contains 'Ltd' %}{{ company }}{% endif %}a",
        "{% if company %}{% if geo %}{{ company }} in {{ geo }}{% endif %}{% endif %}a",
        "{% if geo == nil %}a{% elsif company == nil %}b{% else %}{{ company }} {{ geo }}{% endif %}",
        "{% if company %}{{ last_name | default: company }}{% endif %}a",
        "{{ first_name | remove: 'x' | default: 'there' }}",
        "{{ metadata.utm_source | default: 'us' }}",
        "Yours, {{ sender.name }}",
        "a\n\tb",
    ],
)
def test_a_variable_that_leads_may_lack_is_well_with_a_default_or_in_a_condition_that_asks_for_it(body: str) -> None:
    assert flaws(body) == []


def test_every_flaw_is_told_at_once_and_no_more_than_twenty() -> None:
    assert [line for _, line, _ in told("{{ a }}\n{{ b }}\n{{ geo | c }}")] == [1, 2, 3]
    assert len(flaws("{{ a }}" * 100)) == 20


def test_variables_are_those_of_conditions_filters_and_placeholders() -> None:
    body = "{% if geo and metadata.a %}{{ first_name | default: company }}{% elsif tier == 'A' %}b{% endif %}"
    assert variables(body) == {"geo", "metadata.a", "first_name", "company", "tier"}
    with pytest.raises(TemplateError):
        variables("{{ a")


def test_an_email_has_a_subject_of_one_line_and_no_other_kind_has_one() -> None:
    email = SendKind.EMAIL
    assert check(email, "Hello {{ first_name | default: 'there' }}", "a {{ unsubscribe_url }}") == []
    for subject, code in ((None, Code.SUBJECT), (" ", Code.SUBJECT), ("a\nb", Code.CONTROL_CHARACTER), ("a\rb", Code.CONTROL_CHARACTER),
                          ("a\tb", Code.CONTROL_CHARACTER), ("a\x85b", Code.CONTROL_CHARACTER)):  # fmt: skip
        (flaw,) = check(email, subject, "a")
        assert (flaw.part, flaw.code) == (TemplatePart.SUBJECT, code), repr(subject)
    for kind in set(SendKind) - {email}:
        assert [flaw.code for flaw in check(kind, "a", "a")] == [Code.SUBJECT]
        assert check(kind, None, "a") == []


@pytest.mark.parametrize(
    ("kind", "most"),
    [(SendKind.CONNECTION_REQUEST, 300), (SendKind.SMS, 1600), (SendKind.LINKEDIN_MESSAGE, 8000)],
)
def test_a_rendered_text_of_the_longest_length_passes_and_one_character_more_does_not(
    kind: SendKind, most: int
) -> None:
    body, values = "{{ first_name }}" + "x" * (most - 5), {"first_name": "Adele"}
    assert len(render(kind, None, body, values).body) == most
    with pytest.raises(TemplateError) as error:
        render(kind, None, body, {"first_name": "Adelea"})
    assert [flaw.code for flaw in error.value.flaws] == [Code.TOO_LONG]
    assert [flaw.code for flaw in check(kind, None, "x" * (most + 1))] == [Code.TOO_LONG]


def test_an_emoji_counts_as_two_characters() -> None:
    assert render(SendKind.CONNECTION_REQUEST, None, "🙂" * 150, {}).body
    with pytest.raises(TemplateError):
        render(SendKind.CONNECTION_REQUEST, None, "🙂" * 151, {})


def test_a_subject_and_a_value_have_their_longest_length() -> None:
    subject = "{{ company }}"
    assert render(SendKind.EMAIL, subject, "a", {"company": "x" * MOST_SUBJECT}).subject
    with pytest.raises(TemplateError):
        render(SendKind.EMAIL, subject, "a", {"company": "x" * (MOST_SUBJECT + 1)})
    assert sms("{{ company }}", {"company": "x" * MOST_VALUE})
    with pytest.raises(TemplateError):
        sms("{{ company }}", {"company": "x" * (MOST_VALUE + 1)})


def test_every_limit_of_liquid_is_set() -> None:
    limited = liquid()
    limits = (limited.loop_iteration_limit, limited.local_namespace_limit, limited.output_stream_limit)
    assert all(limits)
    assert not limited.autoescape
    assert set(limited.filters) == set(FILTERS)


HOSTILE = {
    "openings": "{{" * 10_000,
    "tags that are open": "{%" * 10_000,
    "raw blocks": "{% raw %}" * 2_000,
    "spaces in placeholders": ("{{" + " " * 490 + "'a'}}") * 40,
    "spaces in tags": ("{% if" + " " * 480 + "geo %}{% endif %}") * 30,
    "conditions in each other": "{% if geo %}" * 600 + "a" + "{% endif %}" * 600,
    "a long condition": "{% if geo" + " and geo" * 55 + " %}x{% endif %}",
    "a condition of thousands": "{% if geo" + " and geo" * 2400 + " %}x{% endif %}",
    "a placeholder of spaces": "{{" + " " * 19_000 + "}}",
    "a tag of spaces": "{% if" + " " * 19_000 + "%}",
    "placeholders of spaces": ("{{" + " " * 490 + "}}") * 40,
    "parentheses": "{{ " + "(" * 19_000 + " }}",
    "brackets in brackets": "{{ metadata" + "[a" * 200 + " }}",
    "quotes": "{{ '" + "\"'" * 230 + " }}",
    "a text that grows eightfold fifteen times": "{{ 'a'" + "| replace: 'a', 'aaaaaaaa'" * 15 + " }}",
    "a text that grows by values": "{{ company" + "| replace: 'b', company" * 10 + " }}",
    "many that grow to the most": ("{{ company" + "| append: company" * 18 + " }}") * 50,
    "a number of many digits": "{{ " + "9" * 450 + " }}",
    "a fraction of many digits": "{{ geo | truncate: " + "9" * 400 + ".0 }}",
    "case in case": "{% case 'a' %}{% when 'a', 'a' %}" * 30 + "{% endcase %}" * 30,
    "loops": "{% for a in (1..999999999) %}{% for b in (1..999999999) %}a{% endfor %}{% endfor %}",
    "a long text": "é" * MOST_TEMPLATE_CHARACTERS,
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_template_costs_a_bounded_time_and_raises_nothing_but_the_domains_error(body: str) -> None:
    began = time.process_time()
    check(SendKind.EMAIL, "a", body)
    try:
        made = render(SendKind.EMAIL, "a", body, {"company": "b" * MOST_VALUE, "geo": "g"})
        assert len(made.body) <= MOST_TEMPLATE_CHARACTERS
    except TemplateError as error:
        assert error.flaws
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    "inside", ["metadata" + "[a" * 200, "metadata" + "[a" * 160 + "]" * 160, "company" + " and company" * 38]
)
def test_a_template_needs_little_of_the_stack(inside: str) -> None:
    def deep(frames: int) -> list[TemplateFlaw]:
        return deep(frames - 1) if frames else flaws(f"{{% if {inside} %}}a{{% endif %}}b")

    assert [flaw.message for flaw in deep(sys.getrecursionlimit() - 450)] == [flaw.message for flaw in deep(0)]


def test_a_text_longer_than_a_template_may_be_is_not_even_read() -> None:
    began = time.process_time()
    assert [flaw.code for flaw in flaws("{{" * 5_000_000)] == [Code.TOO_LONG]
    assert time.process_time() - began < 0.5


WORDS = st.sampled_from(
    ["{{", "}}", "{%", "%}", "{%-", "-%}", " ", "\n", "if", "elsif", "else", "endif", "unless", "endunless", "raw", "case", "when",
     "and", "or", "contains", "==", "!=", "<", "|", ":", ",", ".", "..", "(", ")", "[", "]", "'", '"', "'x'", "nil", "blank", "empty",
     "true", "5", "-1", "2.5", "first_name", "company", "metadata", "metadata.a", "sender.name", "not", "\x00", "\ud800", "é", "🙂",
     *FILTERS]
)  # fmt: skip
TEXTS = st.text(max_size=60) | st.lists(WORDS, max_size=40).map(" ".join) | st.lists(WORDS, max_size=25).map("".join)
EXPRESSIONS = st.sampled_from(
    ["first_name", "company", "metadata.a", "'x'", "first_name | default: 'x'", "company | default: metadata.a", "company | remove: 'A'",
     "metadata.a | append: company", "first_name | upcase | default: 'y'", "sender.name", "company | replace: 'A', '' | default: first_name"]
)  # fmt: skip
CONDITIONS = st.recursive(
    st.sampled_from(["first_name", "company", "metadata.a", "company == nil", "company != nil", "company == 'A'", "company != 'A'",
                     "first_name == company", "company contains 'A'", "true", "false"]),
    lambda inner: st.tuples(inner, st.sampled_from([" and ", " or "]), inner).map("".join),
    max_leaves=4,
)  # fmt: skip
BODIES = st.recursive(
    st.just("a") | EXPRESSIONS.map(lambda inside: "{{ " + inside + " }}"),
    lambda inner: (
        st.lists(inner, max_size=3).map(" ".join)
        | st.tuples(st.sampled_from(["if", "unless"]), CONDITIONS, inner, CONDITIONS, inner, inner).map(
            lambda p: f"{{% {p[0]} {p[1]} %}}{p[2]}{{% elsif {p[3]} %}}{p[4]}{{% else %}}{p[5]}{{% end{p[0]} %}}"
        )
    ),
    max_leaves=6,
).map(lambda text: f"start {text}")
VALUES = st.dictionaries(
    st.sampled_from(["first_name", "company", "metadata.a"]), st.sampled_from(["A", "B", "", " "]) | st.text(max_size=5)
)


@settings(max_examples=400)
@given(st.sampled_from(SendKind), st.none() | TEXTS, TEXTS, VALUES)
def test_no_text_raises_anything_but_the_domains_own_error(
    kind: SendKind, subject: str | None, body: str, values: dict[str, str]
) -> None:
    found = check(kind, subject, body)
    try:
        made = render(kind, subject, body, values)
    except TemplateError as error:
        assert error.flaws
    else:
        assert made.body.strip()
        assert {flaw.code for flaw in found} <= {Code.NO_DEFAULT, Code.TOO_LONG, Code.LACKING, Code.EMPTY}


@settings(max_examples=400)
@given(BODIES, VALUES)
def test_a_template_without_flaws_makes_a_message_of_whatever_a_lead_lacks(body: str, values: dict[str, str]) -> None:
    """Only a filter that leaves nothing of a value can still make a gap, and the error names the variable."""
    if check(SendKind.EMAIL, "a", body):
        return
    try:
        made = render(SendKind.EMAIL, "a", body, {**values, "sender.name": "Bo"})
    except LackingError as lacking:
        assert "remove" in body or "replace" in body
        assert set(lacking.variables) <= variables(body)
    except TemplateError as error:
        assert {flaw.code for flaw in error.flaws} == {Code.CONTROL_CHARACTER}
    else:
        assert made.body.startswith("start")


def test_every_variable_that_is_known_can_be_used() -> None:
    for name in (*NAMES, *ATTRIBUTES, "company", "sender.name", "metadata.x"):
        assert flaws(f"{{% if {name} %}}{{{{ {name} }}}}{{% endif %}}a") == []
        assert sms(f"{{{{ {name} }}}}", {name: "x"}) == "x"
