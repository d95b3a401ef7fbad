"""Any export becomes commands with ids of their content; a bad row is named and harms no other."""

import csv
import io
import json
import tracemalloc
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.exports.csv_records import ExportError
from chassis.exports.mapping import MappingError, MappingFile, loads
from chassis.exports.rows import BadRow, Row, Rows
from contracts.intake.leads import SubmitLead
from contracts.message import id_from_content, keyed_id
from contracts.outcomes import RecordOutcomes

MAPPING = """\
source_system: crm
null_values: [Select]
lead:
  source_id: { column: Id }
  full_name: { column: Name }
"""
RULES = """\
  phone: { column: Phone }
  intent: { column: Intent, map: { Invest: buyer } }
  tier: { column: Tier, map: { Hot: A, Junk: null }, default: C }
  price: { column: Price }
  created_at: { column: Created, format: "%d.%m.%Y" }
  metadata.note: { column: Note }
outcomes:
  - type: contacted
  - type: { column: Stage, map: { Won: closed_won, Open: null } }
    when: { column: Stage, not_null: true }
    occurred_at: { column: Closed }
    value: { column: Price }
    currency: usd
    reason_code: { column: Reason }
    notes: { column: Note }
"""
COLUMNS = ["Id", "Name", "Phone", "Intent", "Tier", "Price", "Created", "Note", "Stage", "Closed", "Reason"]
GOOD = {"Id": "7", "Name": "Ann", "Intent": "Buyer", "Created": "31.01.2025"}


def rows_in(data: bytes | str, mapping: str | MappingFile = MAPPING) -> Rows:
    stream = io.BytesIO(data.encode() if isinstance(data, str) else data)
    return Rows(stream, mapping if isinstance(mapping, MappingFile) else loads(mapping, "m.yaml"))


def rows_of(
    data: bytes | str, mapping: str | MappingFile = MAPPING, key: bytes = b"the tenant's"
) -> Iterator[Row | BadRow]:
    return rows_in(data, mapping).read(key)


def export(*records: dict[str, str]) -> str:
    file = io.StringIO()
    writer = csv.DictWriter(file, COLUMNS, restval="")
    writer.writeheader()
    writer.writerows(records)
    return file.getvalue()


def one(record: dict[str, str], rules: str = RULES) -> Row | BadRow:
    (row,) = rows_of(export(record), MAPPING + rules)
    return row


def lead(row: Row | BadRow) -> SubmitLead:
    assert isinstance(row, Row), row
    assert isinstance(row.lead.command, SubmitLead)
    return row.lead.command


def outcomes(row: Row | BadRow) -> RecordOutcomes:
    assert isinstance(row, Row), row
    assert row.outcomes
    assert isinstance(row.outcomes.command, RecordOutcomes)
    return row.outcomes.command


def bad(row: Row | BadRow) -> tuple[str, str]:
    assert isinstance(row, BadRow), row
    return row.field, row.reason


def ids(rows: Iterable[Row | BadRow]) -> list[str]:
    return [lead(row).source_id if isinstance(row, Row) else f"bad {row.line}" for row in rows]


class TestRules:
    def test_a_row_becomes_the_lead_its_mapping_says(self) -> None:
        row = one(GOOD | {"Id": " 7 ", "Phone": "Select", "Intent": "Invest", "Tier": "Hot", "Price": "$350k"})
        assert lead(row) == SubmitLead(
            source_system="crm",
            source_id="7",
            full_name="Ann",
            intent="buyer",
            tier="A",
            price="$350k",
            created_at=datetime(2025, 1, 31, tzinfo=UTC),
        )

    def test_the_person_s_country_and_time_zone_go_as_they_are(self) -> None:
        rules = "  country: { column: Stage }\n  time_zone: { value: America/New_York }\n"
        row = lead(one(GOOD | {"Stage": "Germany"}, rules))
        assert (row.country, row.time_zone) == ("Germany", "America/New_York")

    def test_a_word_of_the_taxonomy_is_known_in_any_case(self) -> None:
        assert lead(one(GOOD | {"Intent": "SELLER"})).intent == "seller"

    def test_an_unknown_word_is_an_error_that_names_it(self) -> None:
        field, reason = bad(one(GOOD | {"Intent": "Both"}))
        assert (field, reason) == (
            "intent",
            '"Both" is not one of buyer, seller: translate it with map: or give a default:',
        )

    def test_a_default_stands_in_for_an_unknown_word_and_for_null_but_not_for_what_the_map_empties(self) -> None:
        assert [lead(one(GOOD | {"Tier": text})).tier for text in ("Platinum", "Select", "", "Junk", "b")] == [
            "C", "C", "C", None, "B",
        ]  # fmt: skip

    def test_an_empty_default_leaves_an_unknown_word_out(self) -> None:
        row = one(GOOD | {"Intent": "Both"}, "  intent: { column: Intent, default: null }\n")
        assert lead(row).intent is None

    def test_a_template_with_a_null_column_is_null(self) -> None:
        rules = '  geo: { template: "{{{Name}}} of {Stage}", default: nowhere }\n'
        assert lead(one(GOOD | {"Stage": "Ohio"}, rules)).geo == "{Ann} of Ohio"
        assert lead(one(GOOD | {"Stage": "Select"}, rules)).geo == "nowhere"

    def test_a_template_can_hold_the_number_of_the_row(self) -> None:
        mapping = 'source_system: crm\nlead: { source_id: { template: "c-{row}" } }\n'
        assert ids(rows_of("a\nx\n\ny\n", mapping)) == ["c-1", "c-2"]

    def test_a_row_without_source_id_is_an_error(self) -> None:
        assert bad(one(GOOD | {"Id": "Select"}))[0] == "source_id"

    def test_a_time_that_is_none_is_an_error(self) -> None:
        field, reason = bad(one(GOOD | {"Created": "2025-01-31"}))
        assert field == "created_at"
        assert reason == '"2025-01-31" is not a time in the format %d.%m.%Y'

    @pytest.mark.parametrize(
        ("changed", "field"),
        [
            ({"Name": "N" * 501}, "full_name"),
            ({"Phone": "5" * 501}, "phone"),
            ({"Note": "N" * 20_001, "Stage": "Won"}, "outcomes.2.notes"),
            ({"Price": "much", "Stage": "Won"}, "outcomes.2.value"),
            ({"Reason": "???", "Stage": "Won"}, "outcomes.2.reason_code"),
            ({"Stage": "Signed"}, "outcomes.2.type"),
            ({"Closed": "soon", "Stage": "Won"}, "outcomes.2.occurred_at"),
        ],
    )
    def test_a_value_that_its_field_cannot_hold_is_an_error_naming_the_field(
        self, changed: dict[str, str], field: str
    ) -> None:
        assert bad(one(GOOD | changed))[0] == field

    def test_no_reason_quotes_a_column_of_personal_data(self) -> None:
        secret = "+1 212 555 0143"
        rules = (
            "  phone: { column: Phone }\n  tier: { column: Phone }\n",
            "  metadata.x: { column: Phone }\n  created_at: { column: Phone }\n",
            "outcomes:\n  - type: contacted\n    notes: { column: Phone }\n    value: { column: Phone }\n",
            '  email: { column: Phone }\n  intent: { template: "of {Phone}" }\n',
        )
        for rule in rules:
            field, reason = bad(one(GOOD | {"Phone": secret}, rule))
            assert secret not in reason, field
            assert reason.startswith("the value is not ")

    @pytest.mark.parametrize(
        ("typed", "amount"),
        [("1234.5", "1234.50"), ("$1,234.505", "1234.50"), ("1.234,50 €", "1234.50"), ("1234,5", "1234.50"), ("0", "0.00"),
         ("12'000", "12000.00"), ("1.234", "1.23")],
    )  # fmt: skip
    def test_an_amount_is_read_as_people_type_it(self, typed: str, amount: str) -> None:
        (_, closed) = outcomes(one(GOOD | {"Stage": "Won", "Price": typed})).outcomes
        assert str(closed.value) == amount

    @pytest.mark.parametrize("typed", ["-1", "1e5", "12,34,56", "1 million", "(5)", "9" * 16, "٣x"])
    def test_what_is_no_amount_is_an_error(self, typed: str) -> None:
        assert bad(one(GOOD | {"Stage": "Won", "Price": typed}))[0] == "outcomes.2.value"


class TestOutcomes:
    def test_outcomes_come_in_the_order_of_the_mapping_with_their_values(self) -> None:
        row = one(GOOD | {"Stage": "Won", "Closed": "2025-02-03", "Price": "9", "Reason": "Good price!", "Note": "n"})
        contacted, closed = outcomes(row).outcomes
        assert (contacted.type, contacted.occurred_at) == ("contacted", None)
        assert (closed.type, closed.occurred_at) == ("closed_won", datetime(2025, 2, 3, tzinfo=UTC))
        assert (str(closed.value), closed.currency, closed.reason_code, closed.notes) == (
            "9.00",
            "USD",
            "good_price",
            "n",
        )

    @pytest.mark.parametrize("created", ["", "31.01.2025", "01.01.0001", "01.01.2999"])
    def test_an_outcome_without_a_time_is_left_to_what_intake_makes_of_created_at(self, created: str) -> None:
        (contacted,) = outcomes(one(GOOD | {"Created": created})).outcomes
        assert contacted.occurred_at is None

    def test_a_type_that_the_map_empties_is_no_outcome(self) -> None:
        assert [outcome.type for outcome in outcomes(one(GOOD | {"Stage": "Open"})).outcomes] == ["contacted"]

    @pytest.mark.parametrize(
        ("condition", "stages"),
        [
            ("equals: Won", ["Won"]),
            ("in: [Won, Lost]", ["Won", "Lost"]),
            ("not_null: true", ["Won", "Lost", "Open"]),
            ("not_null: false", ["", "Select"]),
        ],
    )
    def test_an_outcome_is_there_when_its_condition_holds(self, condition: str, stages: list[str]) -> None:
        rules = f"outcomes:\n  - {{ type: invalid, when: {{ column: Stage, {condition} }} }}\n"
        rows = {stage: one(GOOD | {"Stage": stage}, rules) for stage in ("Won", "Lost", "Open", "", "Select")}
        assert [stage for stage, row in rows.items() if isinstance(row, Row) and row.outcomes] == stages

    def test_a_flaw_of_an_outcome_names_its_place_in_the_mapping(self) -> None:
        rules = "outcomes:\n  - { type: contacted, when: { column: Stage, equals: Won } }\n  - type: invalid\n"
        row = one(GOOD, rules)
        assert isinstance(row, Row)
        assert row.flaw(0, "occurred_at", "why") == BadRow(1, 2, "outcomes.2.occurred_at", "why")

    def test_a_row_without_outcomes_has_no_second_command(self) -> None:
        row = one(GOOD, "")
        assert isinstance(row, Row)
        assert row.outcomes is None

    def test_one_type_twice_at_one_time_in_a_row_means_two(self) -> None:
        rules = "outcomes: [{type: contacted}, {type: invalid}, {type: contacted}, {type: contacted}]\n"
        assert [o.idempotency_key for o in outcomes(one(GOOD, rules)).outcomes] == ["", "", ":2", ":3"]

    def test_a_time_that_is_the_leads_own_is_the_same_stated_or_not(self) -> None:
        rules = RULES.partition("outcomes:")[0] + (
            "outcomes:\n  - type: contacted\n  - { type: contacted, occurred_at: { column: Closed } }\n"
        )
        row = one(GOOD | {"Closed": "2025-01-31T01:00+01:00"}, rules)
        assert [o.idempotency_key for o in outcomes(row).outcomes] == ["", ":2"]

    def test_a_key_of_the_export_tells_facts_apart(self) -> None:
        rules = "outcomes:\n" + "  - { type: contacted, idempotency_key: { column: Stage } }\n" * 2
        assert [o.idempotency_key for o in outcomes(one(GOOD | {"Stage": "O1"}, rules)).outcomes] == ["O1", "O1:2"]


class TestIdentity:
    def test_ids_are_made_of_kind_and_content_under_the_key(self) -> None:
        row = one(GOOD)
        assert isinstance(row, Row)
        assert row.outcomes
        assert row.lead.id == keyed_id(b"the tenant's", "submit_lead", row.lead.body)
        assert row.outcomes.id == keyed_id(b"the tenant's", "record_outcomes", row.outcomes.body)
        assert outcomes(row).lead.submission_id == row.lead.id

    def test_an_id_never_changes_from_one_version_to_the_next(self) -> None:
        row = one(GOOD | {"Stage": "Won", "Closed": "2025-02-03", "Price": "9"})
        assert isinstance(row, Row)
        assert row.outcomes
        assert str(row.lead.id) == "fa2b2171-6f31-8d87-89e2-65b9d82bd32d"
        assert str(row.outcomes.id) == "71efe7dd-7a7b-8ac7-bdec-86d3e6507f11"

    def test_a_body_is_the_command_and_the_contract_accepts_it(self) -> None:
        row = one(GOOD | {"Stage": "Won", "Price": "1", "Note": "ü"})
        assert isinstance(row, Row)
        assert row.outcomes
        assert SubmitLead.model_validate_json(row.lead.body) == row.lead.command
        assert RecordOutcomes.model_validate_json(row.outcomes.body) == row.outcomes.command
        assert json.loads(row.outcomes.body)["recorded_by"] == "import"

    def test_reading_again_gives_the_same_ids_and_another_key_others(self) -> None:
        data, mapping = export(GOOD, GOOD | {"Id": "8"}), MAPPING + RULES

        def made(key: bytes) -> set[UUID]:
            rows = [row for row in rows_of(data, mapping, key) if isinstance(row, Row)]
            return {id_ for row in rows for id_ in (row.lead.id, outcomes(row).lead.submission_id) if id_}

        assert made(b"one") == made(b"one")
        assert len(made(b"one")) == 2
        assert not made(b"one") & made(b"another")

    def test_an_id_does_not_tell_which_of_a_hundred_numbers_is_in_the_row(self) -> None:
        """All else of the row is known, and every way to make an id that needs no secret."""
        body = one(GOOD | {"Phone": "(614) 555-0142"})
        assert isinstance(body, Row)
        bodies = [body.lead.body.replace(b"0142", b"01%02d" % ending) for ending in range(100)]
        assert body.lead.body in bodies
        guesses = {
            id_from_content(*known, guess) for known in ((), ("acme", "submit_lead", "crm", "7")) for guess in bodies
        }
        guesses |= {keyed_id(key, "submit_lead", guess) for key in (b"", b"acme", bytes(32)) for guess in bodies}
        assert body.lead.id not in guesses

    def test_the_order_of_rules_and_columns_does_not_change_an_id(self) -> None:
        one_way = "  geo: { column: A }\n  metadata.x: { column: A }\n  metadata.y: { column: B }\n"
        other_way = "  metadata.y: { column: B }\n  metadata.x: { column: A }\n  geo: { column: A }\n"
        (first,) = rows_of("Id,Name,A,B\n1,n,2,3\n", MAPPING + one_way)
        (second,) = rows_of("B,A,Name,Id\n3,2,n,1\n", MAPPING + other_way)
        assert first == second

    def test_any_other_content_is_another_message(self) -> None:
        first, second = one(GOOD), one(GOOD | {"Note": "new"})
        assert isinstance(first, Row)
        assert isinstance(second, Row)
        assert first.lead.id != second.lead.id


class TestFiles:
    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    @pytest.mark.parametrize("delimiter", [",", ";", "\t"])
    @pytest.mark.parametrize("mark", ["", "\ufeff"])
    def test_every_usual_dialect_is_read(self, end: str, delimiter: str, mark: str) -> None:
        data = mark + end.join([f'Id{delimiter}"Na""me"{delimiter} Name ', f"1{delimiter}x{delimiter}Zoë", ""])
        (row,) = rows_of(data)
        assert lead(row).full_name == "Zoë"

    def test_the_separator_is_the_one_that_gives_the_columns_of_the_mapping(self) -> None:
        assert ids(rows_of('Id;Name;"a, b, c, d"\n1;n;x\n')) == ["1"]

    def test_a_quoted_cell_may_go_over_lines_and_lines_are_counted(self) -> None:
        rows = list(rows_of('Id,Name\n1,"a\nb\r\nc"\n\n2,x,y\n3,z\n'))
        assert [(row.number, row.line) for row in rows] == [(1, 2), (2, 6), (3, 7)]
        assert lead(rows[0]).full_name == "a\nb\r\nc"

    def test_a_header_may_go_over_lines(self) -> None:
        assert ids(rows_of('"Full\nname",Id,Name\nx,1,y\n')) == ["1"]

    @pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-16-le", "utf-8"])
    def test_another_encoding_can_be_named(self, encoding: str) -> None:
        (row,) = rows_of("Id,Name\n1,Zoë\n".encode(encoding), MAPPING + f"encoding: {encoding}\n")
        assert lead(row).full_name == "Zoë"

    def test_a_row_in_the_wrong_encoding_is_an_error_and_the_rows_around_it_are_not(self) -> None:
        rows = list(rows_of(b"Id,Name\n1,Zo\xeb\n2,x\n3,Zo\xc3\xab\n"))
        assert ids(rows) == ["bad 2", "2", "3"]
        field, reason = bad(rows[0])
        assert field == "Name"
        assert "not utf-8" in reason
        assert "set encoding:" in reason

    def test_a_nul_is_an_error_of_its_row(self) -> None:
        assert ids(rows_of("Id,Name\n1,a\0b\n2,x\n")) == ["bad 2", "2"]

    def test_a_ragged_row_is_an_error_and_an_empty_one_is_skipped(self) -> None:
        assert ids(rows_of("Id,Name\n1\n2,x,y\n\n,\n3,z\n")) == ["bad 2", "bad 3", "3"]

    def test_a_quote_mark_that_is_not_closed_costs_its_own_row_only(self) -> None:
        rows = list(rows_of('Id,Name\n1,"open\n2,x\n3,"y"\n4,"a" b\n5,5" pipe\n6,"end\n'))
        assert ids(rows) == ["bad 2", "2", "3", "bad 5", "5", "bad 7"]
        assert "quote marks are wrong" in bad(rows[0])[1]

    def test_a_quote_mark_that_would_swallow_the_file_costs_its_own_row_only(self) -> None:
        data = 'Id,Name\n0,"open\n' + "".join(f"{at},{'n' * 400}\n" for at in range(1, 1000))
        assert ids(rows_of(data)) == ["bad 2", *(str(at) for at in range(1, 1000))]

    def test_a_cell_that_is_too_long_is_an_error_of_its_row(self) -> None:
        rows = list(rows_of(f"Id,Name\n1,{'x' * 200_000}\n2,y\n"))
        assert ids(rows) == ["bad 2", "2"]
        assert "131,072" in bad(rows[0])[1]

    def test_a_row_that_makes_too_large_a_message_is_an_error(self) -> None:
        names = [f"c{at}" for at in range(100)]
        mapping = MAPPING + "".join(f"  metadata.{name}: {{ column: {name} }}\n" for name in names)
        (row,) = rows_of(f"Id,Name,{','.join(names)}\n1,n,{','.join(['x' * 11_000] * 100)}\n", mapping)
        assert "a message has 1,000,000 at most" in bad(row)[1]

    def test_ten_thousand_columns_are_read(self) -> None:
        header = ",".join(["Id", *(f"c{at}" for at in range(10_000)), "Name"])
        assert ids(rows_of(f"{header}\n1,{',' * 10_000}n\n")) == ["1"]

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (b"", "the file is empty"),
            (b"\xef\xbb\xbf\n\n", "the file is empty"),
            ("Id,Name\n1,x\n".encode("utf-16"), "not utf-8-sig: save the file as UTF-8, or set encoding:"),
            (b"Id,Name,Stra\xdfe\n1,x,y\n", "not utf-8-sig"),
            (b"Id,Na\0me\n", "a NUL"),
            (b'"Id,Name\n1,x\n', "quote marks of the header"),
            (b"x" * (16 * 1024 * 1024 + 1), "this is no CSV file"),
        ],
        ids=["empty", "blank", "utf-16", "latin-1", "nul", "quotes", "one line"],
    )
    def test_a_file_that_is_no_csv_is_refused_before_any_row(self, data: bytes, message: str) -> None:
        with pytest.raises(ExportError, match=message):
            rows_of(data)

    def test_broken_utf16_stops_the_import_with_the_line(self) -> None:
        data = "Id,Name\n1,x\n".encode("utf-16") + b"\x00"
        with pytest.raises(ExportError, match="the file is not utf-16"):
            list(rows_of(data, MAPPING + "encoding: utf-16\n"))

    def test_a_missing_column_is_refused_before_any_row(self) -> None:
        with pytest.raises(MappingError, match=r'm\.yaml:5: .* no column "Name"; did you mean "Names"'):
            rows_of("Id,Names\n1,x\n")

    def test_the_stream_stays_open(self) -> None:
        stream = io.BytesIO(b"Id,Name\n1,x\n")
        assert ids(Rows(stream, loads(MAPPING, "m.yaml")).read(b"")) == ["1"]
        assert not stream.closed

    def test_a_file_with_only_a_header_has_no_rows(self) -> None:
        assert list(rows_of("Id,Name\n")) == []

    def test_progress_ends_at_the_size_of_the_file(self) -> None:
        data = "Id,Name\n" + "1,x\n" * 20_000
        rows = rows_in(data)
        seen = [rows.bytes_read for _ in rows.read(b"")]
        assert rows.size == len(data)
        assert seen == sorted(seen)
        assert seen[0] < len(data) // 2
        assert rows.bytes_read == len(data)

    def test_memory_does_not_grow_with_the_file(self, tmp_path: Path) -> None:
        path = tmp_path / "large.csv"
        with path.open("w") as file:
            file.write("Id,Name\n")
            file.writelines(f"{at},{'n' * 400}\n" for at in range(5_000))
        mapping = loads(MAPPING, "m.yaml")
        tracemalloc.start()
        with path.open("rb") as stream:
            assert sum(1 for _ in Rows(stream, mapping).read(b"")) == 5_000
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < path.stat().st_size // 2

    @given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20), max_size=8))
    def test_what_csv_writes_is_read_as_it_was(self, names: list[str]) -> None:
        file = io.StringIO()
        writer = csv.writer(file)
        writer.writerow(["Id", "Name"])
        writer.writerows([at, name] for at, name in enumerate(names))
        mapping = MAPPING.replace("[Select]", "[]")
        assert [lead(row).full_name or "" for row in rows_of(file.getvalue(), mapping)] == [
            name.strip() for name in names
        ]

    @given(st.binary(max_size=300))
    def test_no_bytes_break_the_reader(self, data: bytes) -> None:
        for row in rows_of(b"Id,Name\n1,x\n" + data):
            assert isinstance(row, Row | BadRow)
