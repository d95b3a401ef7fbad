"""What is personal goes in by every path, good and bad, and is found nowhere but sealed."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import httpx
import nats
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from contracts.catalogue import SERVICES
from contracts.gateway.access import Scope
from contracts.intake.leads import ListLeads
from contracts.intake.people import FindLeads
from contracts.intake.privacy import RevealPii
from contracts.message import ProblemError
from contracts.taxonomy import Purpose
from leadloop import nkey, running
from tests.journeys.operating import Operator
from tests.waiting import until

NAME = "Zebediah Quillfeather"
PHONE = "(614) 555-0187"
EMAIL = "Canary.Bird@quillfeather.example"
NOTE = "The xylophonist asks to be called at 614.555.0187"
NEEDLES = ["zebediah", "quillfeather", "xylophonist", "canary.bird", "6145550187", "555-0187", "555.0187"]
"""What would give the person away, in lower case; as text, and as the hexadecimal digits in which bytes are shown."""

PERSON = {
    "full_name": NAME,
    "phone": PHONE,
    "email": EMAIL,
    "linkedin_url": "https://www.linkedin.com/in/zebediah-quillfeather",
    "notes": NOTE,
    "metadata": {"contact": EMAIL, "utm_source": "newsletter", "deep": {"who": [NAME]}},
}
LEAD = {"source_system": "canary", "source_id": "good", "source": "Open house", **PERSON}
SUBMIT, RECORD = "intake.command.submit_lead.v1", "outcomes.command.record_outcome.v1"
MAPPING = """\
source_system: canary
lead:
  source_id: { column: Id }
  full_name: { column: Name }
  phone: { column: Phone }
  email: { column: Email }
  notes: { column: Note }
  created_at: { column: Created }
  metadata.contact: { column: Email }
outcomes:
  - type: contacted
    notes: { column: Note }
"""


def outcome(source_id: str, **more: object) -> dict[str, object]:
    what = {"type": "contacted", "occurred_at": "2026-03-01T12:00:00Z", "notes": NOTE, **more}
    return {"lead": {"source_system": "canary", "source_id": source_id}, "outcome": what}


GOOD = [
    (SUBMIT, LEAD),
    (SUBMIT, {**LEAD, "phone": "+1 614 555 0187 x 9", "full_name": f"{NAME} Jr."}),
    (SUBMIT, {**LEAD, "source_id": "lenient", "phone": f"call {PHONE} at noon", "email": "canary.bird@"}),
    (SUBMIT, {"source_system": "canary", "source_id": "rejected", "phone": "555-0187", "notes": NOTE}),
    (
        SUBMIT,
        {**LEAD, "source_id": "words", "source": f"ads {PHONE}", "partner": EMAIL, "metadata": {"utm_source": PHONE}},
    ),
    (SUBMIT, {**LEAD, "source_id": "places", "geo": f"near {EMAIL}", "product_interest": NOTE}),
    (SUBMIT, {**LEAD, "source_id": EMAIL}),
    (SUBMIT, {**LEAD, "source_id": "6145550187"}),
    (SUBMIT, {"source_system": "canary", "source_id": "614-555-0187", "notes": NOTE}),
    (RECORD, outcome("good")),
    (RECORD, outcome(EMAIL)),
    (RECORD, outcome("6145550187")),
    (RECORD, outcome("614.555.0187 nobody's")),
    (RECORD, outcome("unheard-of")),
    (RECORD, outcome("good", occurred_at="2999-01-01T00:00:00Z")),
]
"""Commands that get a verdict, whatever it is."""

POISON: list[tuple[str, object, dict[str, str]]] = [
    (SUBMIT, json.dumps(LEAD)[:-2], {}),
    (SUBMIT, {**LEAD, "phoen": PHONE}, {}),
    (SUBMIT, {**LEAD, f"{NAME} {PHONE}": EMAIL}, {}),
    (SUBMIT, {**LEAD, EMAIL: 1}, {}),
    (SUBMIT, {**LEAD, "zebediah_6145550187": 1}, {}),
    (SUBMIT, {**LEAD, "source_system": PHONE}, {}),
    (SUBMIT, {**LEAD, "full_name": [NAME]}, {}),
    (SUBMIT, {**LEAD, "email": EMAIL * 100}, {}),
    (SUBMIT, {**LEAD, "source_id": f"{NAME}\0"}, {}),
    (SUBMIT, {**LEAD, "created_at": NAME}, {}),
    (SUBMIT, LEAD, {"ce-tenantid": "another"}),
    (SUBMIT, LEAD, {"ce-id": PHONE}),
    (SUBMIT, LEAD, {"correlationid": EMAIL}),
    (SUBMIT, LEAD, {"ce-time": NAME}),
    (SUBMIT, LEAD, {"ce-type": NAME}),
    (RECORD, outcome("good", type=NAME), {}),
    (RECORD, outcome("good", value=NAME), {}),
    (RECORD, outcome("good", reason_code="called_614_555_0187"), {}),
    (RECORD, outcome("good", reason_code=NAME), {}),
    (RECORD, {**outcome("good"), "recorded_by": EMAIL}, {}),
    (RECORD, {**outcome("good"), "recorded_by": "zebediah.quillfeather"}, {}),
    (RECORD, {**outcome("good"), "recorded_by": "user:6145550187"}, {}),
]
"""Commands that can only become dead letters: body, and headers that a careless upstream may fill."""


@asynccontextmanager
async def witness(operator: Operator) -> AsyncIterator[list[str]]:
    """What the broker itself tells about its streams and clients, heard by somebody who may hear everything."""
    seed = nkey.new_seed()
    installation = operator.installation
    everything = f'    {{ nkey: {nkey.public_key(seed)}, permissions: {{ publish: ">", subscribe: ">" }} }}'
    installation.broker.configure(re.sub(r"\n    \]\n", f"\n{everything}\n    ]\n", installation.authorization()))
    (broker,) = (process for process in running.status(installation.home) if process.name == "nats")
    await installation.broker.reload(broker.pid)
    client = await nats.connect(installation.broker.url, nkeys_seed_str=seed)
    heard: list[str] = []

    async def note(message: Msg) -> None:
        heard.append(text_of(message))

    await client.subscribe("$JS.EVENT.>", cb=note)
    await client.flush()
    try:
        yield heard
    finally:
        await client.close()


def text_of(message: Msg) -> str:
    return f"{message.subject} {message.headers} {message.data.decode(errors='replace')}"


async def send(client: Client, tenant: str, commands: list[tuple[str, object, dict[str, str]]]) -> None:
    for subject, body, headers in commands:
        data = body if isinstance(body, str) else json.dumps(body)
        await client.publish(f"{subject}.{tenant}", data.encode(), headers=headers or None)
    await client.flush()


async def use_api(api: httpx.AsyncClient, tenant: str) -> list[str]:
    """Everything a caller of the HTTP API may do with a person; returns what is not answered with the person's own data."""
    root = f"/api/t/{tenant}"
    created = await api.post(f"{root}/leads", json={**LEAD, "source_id": "http"})
    assert created.status_code == 201, created.text
    lead_id = created.json()["lead_id"]
    deeds = [
        {"type": "closed_lost", "notes": NOTE, "occurred_at": "2026-03-01T12:00:00Z"},
        {"type": "closed_won", "notes": NOTE, "occurred_at": "2026-03-02T12:00:00Z", "override_reason": NOTE},
    ]
    recorded = await api.post(f"{root}/outcomes", json={"lead": {"lead_id": lead_id}, "outcomes": deeds})
    assert recorded.status_code == 201, recorded.text
    answers = [created, recorded]
    history = await api.get(f"{root}/leads/{lead_id}/outcomes")
    assert NOTE in history.text, "the notes can be read by whoever may"

    for source_id in (EMAIL, "6145550187"):
        again = await api.post(f"{root}/leads", json={**LEAD, "source_id": source_id})
        assert again.status_code in (200, 201), again.text
        lead = {"source_system": "canary", "source_id": source_id}
        by_id = await api.post(f"{root}/outcomes", json={"lead": lead, "outcomes": deeds[:1]})
        assert by_id.status_code == 201, by_id.text
        answers += [again, by_id]

    bad = [
        api.post(f"{root}/leads", json={**LEAD, "source_id": "bad", "phone": f"{PHONE} or so"}),
        api.post(f"{root}/leads", json={**LEAD, "source_id": "bad", "email": "canary.bird@"}),
        api.post(f"{root}/leads", json={**LEAD, "source_id": "bad", "intent": NAME}),
        api.post(f"{root}/leads", json={**LEAD, "phoen": PHONE}),
        api.post(f"{root}/leads", json={**LEAD, "zebediah_6145550187": 1}),
        api.get(f"{root}/leads", params={"zebediah_6145550187": 1}),
        api.post(f"{root}/leads", content=json.dumps(LEAD)[:-2], headers={"Content-Type": "application/json"}),
        api.post(f"{root}/leads", json=LEAD, headers={"Authorization": f"Bearer {EMAIL}"}),
        api.post(f"{root}/outcomes", json={"lead": {"lead_id": lead_id}, "outcomes": [{"type": NAME, "notes": NOTE}]}),
        api.get(f"{root}/leads", params={"tier": NAME, "cursor": EMAIL}),
        api.get(f"{root}/leads/{NAME}"),
        api.get(f"/{NAME}", headers={"X-Request-Id": EMAIL, "User-Agent": NAME}),
    ]
    refused = await asyncio.gather(*bad)
    assert [answer.status_code for answer in refused] == [400] * 7 + [401, 400, 400, 400, 404]
    good = await asyncio.gather(*(api.get(f"{root}/{what}") for what in ("leads", "events", "alerts", "win-rates")))
    return [answer.text for answer in (*answers, *refused, *good)]


async def import_file(operator: Operator, tenant: str, folder: Path) -> None:
    export, mapping = folder / "people.csv", folder / "mapping.yaml"
    mapping.write_text(MAPPING)
    rows = [
        f'imported,{NAME},{PHONE},{EMAIL},"{NOTE}",2026-01-05',
        f'lenient-import,{NAME},call {PHONE},canary.bird@,"{NOTE}",2026-01-05',
        f'error-row,{NAME},{PHONE},{EMAIL},"{NOTE}",{NAME}',
        f'{EMAIL},{NAME},{PHONE},{EMAIL},"{NOTE}",2026-01-05',
        f'6145550187,{NAME},{PHONE},{EMAIL},"{NOTE}",2026-01-05',
        f'ragged,{NAME},{PHONE},{EMAIL},"{NOTE}",2026-01-05,{EMAIL}',
    ]
    export.write_text("\n".join(["Id,Name,Phone,Email,Note,Created", *rows, ""]))
    ran = await operator.run("import", export, "--map", mapping, "--tenant", tenant, "--json")
    report = json.loads(ran.out)
    assert (report["accepted"], report["updated"], report["bad_rows"]) == (2, 2, 2)


async def test_nobody_is_found_in_what_is_told_logged_measured_or_stored(
    operator: Operator, known: str, tmp_path: Path
) -> None:
    # A new credential is a new configuration of the broker, in which the witness is not admitted.
    async with operator.upstream(known) as upstream, witness(operator) as advisories:
        await send(upstream, known, [(*command, {"traceparent": f"{NAME} {PHONE}"}) for command in GOOD])
        await send(upstream, known, POISON)
        twice = str(uuid4())
        await send(upstream, known, [(SUBMIT, {**LEAD, "source_id": "twice"}, {"ce-id": twice})])
        await send(upstream, known, [(SUBMIT, {**LEAD, "source_id": "thrice"}, {"ce-id": twice})])
        async with operator.http(known, Scope) as api:
            answers = await use_api(api, known)
        await import_file(operator, known, tmp_path)
        dead = len(POISON) + 1
        letters = await until(dead_letters(operator, known, dead), seconds=60, what="the dead letters")
        await operator.run("dead", "redrive", "intake", str(letters[0]["dead_letter_id"]))
        await until(drained(operator), seconds=60, what="the streams having been read")
        certificate = await reveal_export_and_erase(operator, known)
        await send(upstream, known, [(SUBMIT, {**LEAD, "source_id": "again"}, {})])
        await until(drained(operator), seconds=60, what="the streams having been read")

    places = {
        "the certificate": certificate,
        "the audit": await operator.say("audit", "export", "--tenant", known),
        "an answer of the API": "\n".join(answers),
        "an advisory": "\n".join(advisories),
        "an event": await every_event(operator),
        "the list of dead letters": await operator.say("dead", "list"),
        "a dead letter": await operator.say("dead", "show", "intake", str(letters[0]["dead_letter_id"])),
        "a metric": await every_metric(operator),
        **logs(operator.home / "logs"),
        **await every_table(operator),
    }
    assert not [(place, needle) for place, text in places.items() for needle in found_in(text)]
    assert not files_with_a_needle(operator.installation.home.data)
    # The search does find what is there.
    assert "open_house" in places["an event"]
    assert "consumer" in places["an advisory"]
    assert "leadloop_" in places["a metric"]
    assert "rejected" in places["the table intake.submission"]
    assert "erased" in places["the table intake.submission"]
    assert "subject_request" in places["the audit"]
    async with operator.sql() as sql:
        for table in ("vault", "person_key", "person_token"):
            assert await sql.fetchval(f"select count(*) from intake.{table} where tenant_id = $1", known) == 0, table
    assert {"intake.log", "gateway.log", "postgres.log", "nats.log"} <= {place.split("/")[-1] for place in places}


async def reveal_export_and_erase(operator: Operator, tenant: str) -> str:
    """Every way in which somebody sees the person, and then nobody ever again; returns the certificates."""
    certificates = []
    async with operator.caller() as caller:
        found = await caller.ask(tenant, FindLeads(phone=PHONE, email=EMAIL, linkedin_url=PERSON["linkedin_url"]))
        assert found.leads
        typed = json.dumps({"phone": PHONE}).encode()
        assert (await operator.ask("ask", "intake", "find_leads", "-", "--tenant", tenant, stdin=typed))["leads"]
        for unread in ({"phone": f"{PHONE} 99"}, {"email": f"{EMAIL}."}, {"phone": PHONE, "country": NAME}):
            with pytest.raises(ProblemError):
                await caller.ask(tenant, FindLeads.model_validate(unread))
        while leads := [one for one in (await caller.ask(tenant, ListLeads(limit=200))).leads if not one.erased_at]:
            ids = [lead.lead_id for lead in leads]
            revealed = await caller.ask(tenant, RevealPii(lead_ids=ids, purpose=Purpose.SUPPORT))
            assert "Quillfeather" in revealed.model_dump_json()
            assert "quillfeather" in (await operator.say("lead", "export", str(ids[0]), "--tenant", tenant)).lower()
            certificates.append(await operator.say("lead", "erase", str(ids[0]), "--tenant", tenant, "--yes"))
    return "\n".join(certificates)


def dead_letters(operator: Operator, tenant: str, count: int) -> Callable[[], Awaitable[list[dict[str, object]]]]:
    async def probe() -> list[dict[str, object]]:
        found = [letter for letter in await operator.ask("dead", "list") if letter["tenant"] == tenant]
        return found if len(found) == count else []

    return probe


def drained(operator: Operator) -> Callable[[], Awaitable[bool]]:
    """Whether every command was acknowledged, and so deleted, and every event stored."""

    async def probe() -> bool:
        async with operator.installation.connected() as client:
            commands = (await client.jetstream().stream_info("COMMANDS")).state.messages
            events = await client.jetstream().consumer_info("EVENTS", "aggregator")
        return not (commands or events.num_pending or events.num_ack_pending)

    return probe


def found_in(text: str) -> list[str]:
    lower = text.lower()
    return [needle for needle in NEEDLES if needle in lower or needle.encode().hex() in lower]


def files_with_a_needle(folder: Path) -> list[Path]:
    """The database's files, with its log of changes, and the broker's."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 100
    words = [needle.encode() for needle in NEEDLES]
    return [path for path in files for content in [content_of(path)] if any(word in content for word in words)]


def content_of(path: Path) -> bytes:
    try:
        return path.read_bytes().lower()
    except FileNotFoundError:  # the database took it away meanwhile
        return b""


async def every_event(operator: Operator) -> str:
    """Subjects, headers and bodies of the whole stream."""
    texts = []
    async with operator.installation.connected() as client:
        subscription = await client.jetstream().subscribe(">", stream="EVENTS", ordered_consumer=True)
        last = (await client.jetstream().stream_info("EVENTS")).state.last_seq
        while True:
            message = await subscription.next_msg(timeout=10)
            texts.append(text_of(message))
            if message.metadata.sequence.stream >= last:
                return "\n".join(texts)


async def every_metric(operator: Operator) -> str:
    ports = operator.installation.home.ports
    async with httpx.AsyncClient() as client:
        pages = await asyncio.gather(*(client.get(f"http://127.0.0.1:{ports[name]}/metrics") for name in SERVICES))
    assert all(page.status_code == 200 for page in pages)
    return "\n".join(page.text for page in pages)


def logs(folder: Path) -> dict[str, str]:
    return {f"the log {path}": path.read_text(errors="replace") for path in folder.iterdir()}


async def every_table(operator: Operator) -> dict[str, str]:
    """Every row of every table of every schema, as the superuser sees it."""
    async with operator.sql() as sql:
        tables = await sql.fetch(
            """select table_schema, table_name from information_schema.tables
               where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')"""
        )
        assert {schema for schema, _ in map(tuple, tables)} >= set(SERVICES)
        return {
            f"the table {schema}.{table}": "\n".join(
                row[0] for row in await sql.fetch(f'select t::text from "{schema}"."{table}" t')
            )
            for schema, table in map(tuple, tables)
        }
