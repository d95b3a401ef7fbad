"""A mapping says what it means or is refused with file, line and key before anything is read."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.exports.mapping import MappingError, load, loads
from chassis.exports.mapping_model import LeadRules, OutcomeRules
from chassis.exports.rules import template_parts
from contracts.intake.leads import SubmitLead
from contracts.outcomes import Outcome

SMALLEST = """\
source_system: crm
lead:
  source_id: { column: Id }
"""


def problems(text: str) -> list[str]:
    with pytest.raises(MappingError) as raised:
        loads(text, "m.yaml")
    return str(raised.value).splitlines()


def test_the_smallest_mapping_has_the_documented_defaults() -> None:
    mapping = loads(SMALLEST, "m.yaml").mapping
    assert (mapping.time_zone, mapping.encoding) == ("UTC", "utf-8-sig")
    assert mapping.nulls == {""}
    assert mapping.outcomes == []


def test_every_field_of_a_submission_and_an_outcome_can_be_filled() -> None:
    assert set(LeadRules.model_fields) == set(SubmitLead.model_fields) - {"source_system"}
    assert set(OutcomeRules.model_fields) == set(Outcome.model_fields) - {"override_reason"} | {"when"}


@pytest.mark.parametrize(
    ("line", "keys", "reason", "text"),
    [
        (1, "the mapping", "is empty", ""),
        (1, "the mapping", "is empty", "# nothing\n"),
        (2, "the mapping", "is not valid YAML", "a: b\n c: d: e\n"),
        (1, "the mapping", "must be a block of keys", "- a\n"),
        (2, "the mapping", "a character that YAML does not allow", "a: b\nc: \x01\n"),
        (2, "source_system", "occurs twice, first in line 1", "source_system: a\nsource_system: b\n"),
        (4, "lead.source_id", "occurs twice, first in line 3", SMALLEST + "  source_id: { column: B }\n"),
        (1, "source_system", "is missing", "lead: { source_id: { column: Id } }\n"),
        (2, "lead.source_id", "is missing", "source_system: crm\nlead:\n  geo: { column: City }\n"),
        (4, "lead.phon", 'did you mean "phone"?', SMALLEST + "  phon: { column: P }\n"),
        (5, "lead.geo.colunm", 'did you mean "column"?', SMALLEST + "  geo:\n    colunm: City\n"),
        (4, "outcome", 'did you mean "outcomes"?', SMALLEST + "outcome: []\n"),
        (4, "time_zone", "is not an IANA time zone", SMALLEST + "time_zone: Mars/Base\n"),
        (4, "encoding", "is not a text encoding", SMALLEST + "encoding: hex\n"),
        (4, "lead.geo", "must be a block of keys, such as column:", SMALLEST + "  geo: City\n"),
        (4, "lead.geo", "is empty", SMALLEST + "  geo:\n"),
        (4, "lead.geo", "exactly one of column:", SMALLEST + "  geo: { column: A, value: B }\n"),
        (4, "lead.geo", "exactly one of column:", SMALLEST + "  geo: { default: B }\n"),
        (4, "lead.geo.template", "a brace that stands alone", SMALLEST + '  geo: { template: "{A" }\n'),
        (4, "lead.geo.format", "applies to times only", SMALLEST + '  geo: { column: A, format: "%Y" }\n'),
        (4, "lead.created_at.format", "has no year", SMALLEST + '  created_at: { column: A, format: "%d %b" }\n'),
        (4, "lead.created_at.format", "is not a strptime", SMALLEST + '  created_at: { column: A, format: "%Y %Q" }\n'),
        (4, "lead.created_at.default", "is not a time", SMALLEST + "  created_at: { column: A, default: soon }\n"),
        (6, "lead.tier.map.Hot", '"Z" is not one of A, B, C, D',
         SMALLEST + "  tier:\n    column: A\n    map: { Hot: Z }\n"),
        (4, "lead.intent.default", "is not one of buyer, seller", SMALLEST + "  intent: { column: A, default: both }\n"),
        (4, "lead.timeline.value", "is not one of 0-30", SMALLEST + "  timeline: { value: soon }\n"),
        (5, "lead.geo.map.-", "never translated", SMALLEST + '  geo: { column: A,\n    map: { "-": B } }\nnull_values: ["-"]\n'),
        (4, "lead.metadata.a", "occurs under metadata: as well",
         "source_system: crm\nlead:\n  metadata: { a: { value: x } }\n  metadata.a: { value: y }\n"),
        (5, "outcomes.1.type.value", '"won" is not one of contacted', SMALLEST + "outcomes:\n  - type: won\n"),
        (6, "outcomes.2.when", "exactly one of equals:",
         SMALLEST + "outcomes:\n  - type: contacted\n  - { type: invalid, when: { column: A } }\n"),
        (5, "outcomes.1.when.eqals", 'did you mean "equals"?',
         SMALLEST + "outcomes:\n  - { type: invalid, when: { column: A, eqals: B, not_null: true } }\n"),
        (5, "outcomes.1.when", "is a null value", SMALLEST + 'outcomes:\n  - { type: invalid, when: { column: A, equals: "" } }\n'),
        (5, "outcomes.1.currency.value", "is not a currency code", SMALLEST + "outcomes:\n  - { type: invalid, currency: Euro }\n"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line_and_key(line: int, keys: str, reason: str, text: str) -> None:
    found = problems(text)
    assert any(problem.startswith(f"m.yaml:{line}: {keys}: ") and reason in problem for problem in found), found


def test_all_mistakes_are_named_at_once_in_the_order_of_their_lines() -> None:
    found = problems(SMALLEST + "  phon: { column: P }\n  geo: { colum: C }\ntime_zone: Mars\n")
    assert [problem.split(":")[1] for problem in found] == ["4", "5", "6"]


def test_an_alias_that_holds_itself_is_refused() -> None:
    assert problems("&a [*a]")[0].endswith("is nested too deeply")


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_bytes("source_system: Zürich".encode("latin-1"))
    with pytest.raises(MappingError, match="is not UTF-8"):
        load(path)


def test_scalars_are_text_as_written() -> None:
    mapping = loads(
        SMALLEST + "  geo: { column: A, map: { yes: 007, no: null } }\nnull_values: [~, 1e3]\n", "m"
    ).mapping
    assert mapping.lead.geo
    assert mapping.lead.geo.map == {"yes": "007", "no": None}
    assert mapping.nulls == {"", "1e3"}


def test_metadata_may_be_written_with_dots_or_as_a_block() -> None:
    dots = loads(SMALLEST + "  metadata.city: { column: C }\n", "m").mapping
    block = loads(SMALLEST + "  metadata:\n    city: { column: C }\n", "m").mapping
    assert dots.lead.metadata == block.lead.metadata


def test_a_missing_column_is_named_with_its_line_and_the_nearest_name() -> None:
    text = (
        SMALLEST
        + '  geo: { template: "{City}, {row}" }\noutcomes:\n  - type: contacted\n    when: { column: Won, equals: x }\n'
    )
    with pytest.raises(MappingError) as raised:
        loads(text, "m.yaml").check_header(["Id", "Ctiy"])
    assert str(raised.value).splitlines() == [
        'm.yaml:4: lead.geo.template: the file has no column "City"; did you mean "Ctiy"?',
        'm.yaml:7: outcomes.1.when.column: the file has no column "Won"; there are "Id", "Ctiy"',
    ]


def test_a_name_that_two_columns_have_is_an_error_only_where_it_is_used() -> None:
    mapping = loads(SMALLEST, "m.yaml")
    mapping.check_header(["Id", "Note", "Note", ""])
    with pytest.raises(MappingError, match=r'm\.yaml:3: lead\.source_id\.column: the file has 2 columns named "Id"'):
        mapping.check_header(["Id", "Note", "Id"])


@given(st.lists(st.tuples(st.booleans(), st.text(st.characters(exclude_characters="{}"), min_size=1).map(str.strip))))
def test_a_template_splits_into_what_it_was_written_of(parts: list[tuple[bool, str]]) -> None:
    parts = [part for part in parts if part[1]]
    written = "".join(f"{{{text}}}" if is_column else text for is_column, text in parts)
    found = template_parts(written)
    assert [text for is_column, text in found if is_column] == [text for is_column, text in parts if is_column]
    assert "".join(f"{{{text}}}" if is_column else text for is_column, text in found) == written


@pytest.mark.parametrize(
    ("rule", "text", "instant"),
    [
        ("{ column: T }", "2025-07-01", datetime(2025, 7, 1, 4, tzinfo=UTC)),
        ("{ column: T }", "2025-07-01T09:30:00.000+0000", datetime(2025, 7, 1, 9, 30, tzinfo=UTC)),
        ('{ column: T, format: "%m/%d/%Y %I:%M %p" }', "12/31/2025 11:00 PM", datetime(2026, 1, 1, 4, tzinfo=UTC)),
        ('{ column: T, format: "%d.%m.%Y %H:%M %z" }', "01.02.2025 00:00 +0100", datetime(2025, 1, 31, 23, tzinfo=UTC)),
    ],
)
def test_a_time_is_an_instant_in_utc_and_local_to_the_mapping_without_an_offset(
    rule: str, text: str, instant: datetime
) -> None:
    mapping = loads(SMALLEST + f"  created_at: {rule}\ntime_zone: America/New_York\n", "m").mapping
    (target,) = (target for target in mapping.targets() if target.name == "created_at")
    assert target.convert(text).isoformat() == instant.isoformat()
