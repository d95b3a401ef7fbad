"""The rows of a file come to outreach, each once; what cannot be used is listed with its row and the reason."""

import csv
from collections.abc import AsyncIterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from chassis.caller import Caller
from chassis.exports.mapping import MappingError, load_as, loads_as
from chassis.exports.rows import BadRow, Table
from contracts.intake.people import PersonRef
from contracts.message import Request
from contracts.outreach.backfill import (
    BackfillSent,
    PendingRow,
    RowResult,
    RowResults,
    RowVerdict,
    SentRow,
    SuppressionRow,
)
from contracts.taxonomy import Channel
from leadloop import handing_over
from leadloop.backfill_model import (
    PendingMapping,
    PendingRules,
    PersonRules,
    SentMapping,
    SentRules,
    SuppressionMapping,
    SuppressionRules,
)
from leadloop.errors_file import ErrorsFile
from leadloop.handing_over import HandedRow, HandingOver, Report, pending_rows, sent_rows, suppression_rows
from tests.platform import Platform

EXAMPLES = Path(__file__).parents[2] / "examples"
MAPPING = """\
source_system: mailer
person:
  email: { column: Email }
  source_system: crm
  source_id: { column: CRM id }
message:
  source_key: { column: Id }
  channel: email
  sent_at: { column: Sent }
"""
HEADER = "Id,Email,CRM id,Sent"


def read(rows: Sequence[str]) -> tuple[Table[Any], Any]:
    file = loads_as(MAPPING, "m.yaml", SentMapping)
    table: Table[Any] = Table(BytesIO("\n".join([HEADER, *rows, ""]).encode()), file)
    return table, sent_rows(table, file)


def ask(rows: Sequence[Any]) -> BackfillSent:
    return BackfillSent(source_system="mailer", rows=list(rows))


async def run(platform: Platform, tenant: str, folder: Path, rows: Sequence[str], caller: Any = None) -> Report:
    with ErrorsFile(folder / "sent.csv") as errors:
        return await HandingOver(caller or platform.caller, tenant, errors).run(*read(rows), ask)


def errors_in(folder: Path) -> list[dict[str, str]]:
    path = folder / "sent.errors.csv"
    return list(csv.DictReader(path.read_text().splitlines())) if path.exists() else []


@pytest.fixture
async def known(platform: Platform, tenant: str) -> AsyncIterator[str]:
    async with platform.running("intake", "outreach"):
        await platform.introduce(tenant, "intake", "outreach")
        yield tenant


async def history(platform: Platform, tenant: str) -> int:
    async with platform.sql() as sql:
        count: int = await sql.fetchval("select count(*) from outreach.outreach_history where tenant_id = $1", tenant)
    return count


async def test_every_row_is_counted_and_what_cannot_be_used_is_listed(
    platform: Platform, known: str, tmp_path: Path
) -> None:
    rows = [
        "1,ada@example.com,,2026-01-05",
        "2,,,2026-01-05",  # nobody
        "3,bob@example.com,,soon",
        "4,cy@example.com,L-9,2026-01-05T10:00",
        "5,di@example.com,,2999-01-05",
        "1,ada@example.com,,2026-01-05",  # repeats
        "6,no address,,2026-01-05",
    ]
    report = await run(platform, known, tmp_path, rows)
    assert (report.rows, report.bad_rows, report.taken, report.known, report.refused) == (7, 2, 2, 1, 2)
    found = errors_in(tmp_path)
    assert [(error["row"], error["line"], error["field"]) for error in found] == [
        ("2", "3", "person"), ("3", "4", "sent_at"), ("5", "6", "sent_at"), ("7", "8", "person.email"),
    ]  # fmt: skip
    assert "give lead_id, source_id, phone, email or linkedin_url" in found[0]["reason"]
    assert "is not a time" in found[1]["reason"]
    assert "no address" not in (tmp_path / "sent.errors.csv").read_text()
    again = await run(platform, known, tmp_path, rows)
    assert (again.taken, again.known, again.refused, again.bad_rows) == (0, 3, 2, 2)
    assert await history(platform, known) == 2


async def test_a_run_that_was_killed_goes_on_when_it_is_run_again(
    platform: Platform, known: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handing_over, "MOST_ROWS", 10)
    rows = [f"{number},p{number}@example.com,,2026-01-05" for number in range(45)]

    class Killed(Exception):
        pass

    class Dying:
        """Asks twice, and is killed when the second order is carried out, before it heard so."""

        def __init__(self, caller: Caller) -> None:
            self._caller = caller
            self._asked = 0

        async def ask(self, tenant: str, request: Request[Any], **how: Any) -> Any:
            answer = await self._caller.ask(tenant, request, **how)
            self._asked += 1
            if self._asked == 2:
                raise Killed
            return answer

    with pytest.raises(Killed):
        await run(platform, known, tmp_path, rows, Dying(platform.caller))
    assert await history(platform, known) == 20
    report = await run(platform, known, tmp_path, rows)
    assert (report.rows, report.taken, report.known) == (45, 25, 20)
    assert await history(platform, known) == 45


async def test_a_request_holds_no_more_than_the_broker_takes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(handing_over, "_MOST_BYTES", 1_000)
    sizes: list[int] = []

    class Counting:
        async def ask(self, _tenant: str, request: BackfillSent, **_how: Any) -> RowResults:
            sizes.append(len(request.model_dump_json()))
            return RowResults(results=[RowResult(verdict=RowVerdict.TAKEN)] * len(request.rows))

    rows = [f"{number},p{number}@example.com,,2026-01-05" for number in range(45)]
    with ErrorsFile(tmp_path / "x.csv") as errors:
        report = await HandingOver(Counting(), "acme", errors).run(*read(rows), ask)  # type: ignore[arg-type]
    assert report.taken == 45
    assert len(sizes) > 5
    assert max(sizes) < 1_200


def test_every_field_of_a_row_can_be_filled() -> None:
    for rules, row in ((SentRules, SentRow), (PendingRules, PendingRow), (SuppressionRules, SuppressionRow)):
        assert set(rules.model_fields) == set(row.model_fields) - {"person"}  # type: ignore[attr-defined]
    assert set(PersonRules.model_fields) == set(PersonRef.model_fields)


@pytest.mark.parametrize(("mapping", "said"), [
    ("source_system: m\nperson: {}\nmessage:\n  source_key: { column: Id }\n  channel: sms\n  sent_at: { column: S }\n",
     "m.yaml:2: person: says of nobody who they are"),
    (MAPPING.replace("sent_at:", "sent:"), 'message.sent: is not a key of a mapping; did you mean "sent_at"?'),
    (MAPPING.replace("email: {", "mail: {"), 'person.mail: is not a key of a mapping; did you mean "email"?'),
    (MAPPING.replace("channel: email", "channel: fax"), 'message.channel.value: "fax" is not one of'),
    (MAPPING.replace("message:", "messages:"), 'messages: is not a key of a mapping; did you mean "message"?'),
])  # fmt: skip
def test_a_mapping_that_is_wrong_is_refused_with_file_line_and_key(mapping: str, said: str) -> None:
    with pytest.raises(MappingError) as refused:
        loads_as(mapping, "m.yaml", SentMapping)
    assert said in str(refused.value)


def test_the_examples_read_what_they_are_for() -> None:
    sent_file = load_as(EXAMPLES / "backfill-sent.yaml", SentMapping)
    data = b"Message id,Email,LinkedIn,Channel,Sent at\nm-1,ada@example.com,,InMail,01/31/2026 09:30\n"
    (row,) = sent_rows(table := Table(BytesIO(data), sent_file), sent_file)
    assert isinstance(row, HandedRow)
    assert (row.row.channel, row.row.sent_at.isoformat()) == (Channel.LINKEDIN, "2026-01-31T14:30:00+00:00")
    assert table.bytes_read == len(data)

    pending_file = load_as(EXAMPLES / "backfill-pending.yaml", PendingMapping)
    data = b'Message id,Email,Campaign,Step,Send at,Subject,Text\nm-2,ada@example.com,Spring,2,,Hi,"Hello,\n\nAda"\n'
    (pending_row,) = pending_rows(Table(BytesIO(data), pending_file), pending_file)
    assert isinstance(pending_row, HandedRow)
    assert (pending_row.row.step, pending_row.row.due_at, pending_row.row.body) == (2, None, "Hello,\n\nAda")

    unwanted_file = load_as(EXAMPLES / "suppressions.yaml", SuppressionMapping)
    data = b"Email,Phone,Why,Only by,Until,Remark\nada@example.com,,Opted out,sms,,\n,,Other,,,\n"
    good, bad = suppression_rows(Table(BytesIO(data), unwanted_file), unwanted_file)
    assert isinstance(good, HandedRow)
    assert (good.row.reason, good.row.channel) == ("unsubscribed", "sms")
    assert isinstance(bad, BadRow)
    assert bad.field == "person"
