"""Every command does what it says, answers in JSON, and refuses what it cannot do in one line."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import nats.errors
import pytest
from nats.aio.client import Client
from valkey import Valkey

from chassis.received import encode
from contracts.catalogue import SERVICES
from contracts.intake.leads import GetLead, GetSubmissions
from leadloop.home import Home
from tests.journeys.operating import Operator
from tests.waiting import until

LEAD = {"source_system": "web", "source_id": "L-1", "full_name": "Ada Example", "source": "Open house"}
SUBMIT = "intake.command.submit_lead.v1"


@pytest.fixture
async def second(memory_path: Path) -> AsyncIterator[Operator]:
    """A second home beside the one that runs."""
    second = Operator(memory_path / "second")
    await second.ask("up", "--detach", "--valkey")
    yield second
    await second.ask("down")
    Home.open(second.home).remove()


async def test_up_is_said_once_and_repeated_it_says_so(operator: Operator) -> None:
    url = operator.installation.gateway_url
    for words in (["up", "--detach"], ["up"]):
        answer = await operator.ask(*words, process=True)
        assert (answer["already"], answer["url"]) == (True, url)
    assert "running already" in await operator.say("up", "--detach")
    assert "not at port" in await operator.refused("up", "--detach", "--port", "1")
    assert "with 1 of intake and not 2" in await operator.refused("up", "--detach", "--scale", "intake=2")
    assert "without Valkey" in await operator.refused("up", "--detach", "--valkey")
    assert "/sign-in/demo." in (await operator.ask("demo", "--detach"))["sign_in"]

    status = await operator.ask("status")
    assert status["ready"]
    assert {process["name"] for process in status["processes"]} == {"supervisor", "postgres", "nats", *SERVICES}
    assert await operator.ask("provision") == {"done": []}


async def test_two_homes_run_side_by_side(operator: Operator, known: str, second: Operator) -> None:
    assert {"gateway", "nats"} <= second.installation.home.ports.keys()
    assert not set(second.installation.home.ports.values()) & set(operator.installation.home.ports.values())
    assert (await second.ask("tenant", "list"))["tenants"] == []
    with closing(Valkey.from_url(second.installation.valkey.url)) as valkey:
        await second.introduce("shared")
        async with second.http("shared") as api:
            assert (await api.post("/api/t/shared/leads", json=LEAD)).status_code == 201
        counted = {key.rpartition(b"|")[0] for key in valkey.keys("leadloop:*")}
        assert {b"leadloop:leads:{shared", b"leadloop:requests:{shared|submitting"} == counted, (
            "its services count together"
        )
        assert Path(valkey.config_get("dir")["dir"]).is_relative_to(second.installation.home.data)
    assert known in await operator.say("tenant", "list")
    await second.ask("down")
    assert (await second.ask("down")) == {"stopped": False}
    assert "is not running: start it with `leadloop up`" in await second.refused("tenant", "list")
    assert (await second.run("status", "--json")).status == 1
    assert (await operator.ask("status"))["ready"]


async def test_what_a_tenant_cannot_be_is_said_in_one_line(operator: Operator, known: str) -> None:
    for words, said in [
        (["tenant", "create", "ACME!"], "lower-case letters, digits and hyphens"),
        (["tenant", "create", "acme", "--region", "ZZ"], "--region: not a region"),
        (["tenant", "create", "acme", "--time-zone", "Mars"], "--time-zone: not an IANA time zone"),
        (["tenant", "create", known, "--region", "DE"], "with another region"),
        (["tenant", "set", known, "colour=red"], "there is no setting colour: there are region, time_zone,"),
        (["tenant", "set", known, "time_zone=Mars"], "time_zone: not an IANA time zone"),
        (["tenant", "set", known, "region"], "region: write NAME=VALUE"),
        (["ask", "nobody"], "there is no service nobody: there are gateway, intake"),
        (["ask", "intake", "get_leeds"], "intake has no request get_leeds"),
        (["ask", "intake", "get_lead", "{}", "--tenant", known], "get_lead: lead_id: Field required"),
        (["ask", "intake", "get_lead", "{", "--tenant", known], "get_lead: Invalid JSON"),
        (["ask", "intake", "list_leads", "--tenent", known], "There is no such option"),
        (["ask", "intake", "erase_lead", "--tenant", known], "erase_lead: give either lead_id or person_id"),
        (["ask", "intake", "list_leads", "--tenant", "nobody"], "there is no tenant nobody"),
    ]:
        assert said in await operator.refused(*words)
    created = await operator.ask(
        "tenant", "create", f"{known[:55]}-de", "--region", "DE", "--time-zone", "Europe/Berlin"
    )
    assert created["settings"]["region"] == "DE"


async def test_wrong_use_is_refused_in_one_line(operator: Operator, known: str, tmp_path: Path) -> None:
    for words, said in [
        (["statsu"], 'Unknown command "statsu"'),
        (["status", "--nope"], "Unknown option: --nope"),
        (["status", "now"], "now: nothing more is expected here"),
        (["import"], "requires an argument"),
        (["win-rates", "--tenant", known, "--by", "colour"], 'Invalid value "colour" for --by'),
        (["win-rates", "--tenant", known, "--by", "geo", "--weeks", "0"], 'Invalid value "0" for --weeks'),
        (["win-rates", "--tenant", known, "--by", "geo", "--until", "2025-W53"], "its year has 52"),
        (["win-rates", "--tenant", "nobody", "--by", "geo"], "there is no tenant nobody"),
        (["replay", "--tenant", "nobody"], "there is no tenant nobody"),
        (["key", "create", "nobody"], "there is no tenant nobody"),
        (["key", "revoke", known, "ll_1"], 'unable to convert "ll_1" into UUID'),
        (["key", "revoke", known, str(UUID(int=7))], "the tenant has no such key"),
        (["key", "rotate", "nobody"], "there is no tenant nobody"),
        (["publish", "intake.event.lead_accepted.v1.acme"], "is no command"),
        (["publish", "two words"], "is no command"),
        (["job", "run", "intake", "nope"], "no job is called nope"),
        (["dead", "show", "nobody", "1"], "there is no service nobody"),
        (["dead", "redrive", "intake", "999999"], "no open dead letter 999999"),
        (["republish", "--since", "yesterday"], "--since yesterday"),
        (["up", "--scale", "gateway=2"], "write SERVICE=N"),
        (["status", "--home", str(tmp_path / "none")], f"there is no LeadLoop home at {tmp_path / 'none'}"),
    ]:
        assert said in await operator.refused(*words)
    assert "the broker takes at most" in await operator.refused("publish", f"{SUBMIT}.{known}", stdin=bytes(2**21))
    assert "Unknown option" in await operator.refused("status", "--nope", process=True)
    refused = await operator.run("status", "--nope", "--json")
    assert refused.status != 0
    assert "--nope" in json.loads(refused.out)["error"]


@pytest.mark.parametrize(
    "module", ["main", "commands_tenants", "commands_numbers", "commands_operations", "commands_verify"]
)
async def test_no_command_waits_for_machinery_it_does_not_need(module: str) -> None:
    """The help needs no messages, a request neither a database's nor a service's machinery."""
    unneeded = {"alembic", "sqlalchemy", "faststream", "tink", "phonenumbers", "uvicorn", *SERVICES}
    unneeded |= {"pydantic", "nats", "asyncpg"} if module == "main" else set()
    program = f"import sys, leadloop.{module}; print(*{unneeded!r} & sys.modules.keys())"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=subprocess.PIPE)
    out, _ = await process.communicate()
    assert (process.returncode, out) == (0, b"\n")


async def test_a_tenant_is_changed_and_any_service_asked(operator: Operator, known: str) -> None:
    before = await operator.ask("tenant", "set", known)
    after = await operator.ask("tenant", "set", known, "region=GB", "metadata_allowed=[plan]")
    assert (after["version"], after["settings"]["region"]) == (before["version"] + 1, "GB")
    assert (await operator.ask("ask", "notifier", "get_tenant", "--tenant", known))["settings"] == after["settings"]
    assert (await operator.ask("ask", "intake", "list_leads", '{"limit": 1}', "--tenant", known))["next_cursor"] is None
    page = await operator.ask("ask", "intake", "list_leads", "-", "--tenant", known, stdin=b'{"limit": 1}')
    assert page["next_cursor"] is None
    assert "get_lead " in await operator.say("ask", "intake")


async def test_an_api_key_opens_its_tenant_and_no_other(operator: Operator, known: str) -> None:
    async with operator.http(known) as api:
        leads = f"/api/t/{known}/leads"
        created = await api.post(leads, json=LEAD)
        assert created.status_code == 201
        assert (await api.post(leads, json=LEAD)).status_code == 200
        assert (await api.get(created.headers["location"])).json()["source_id"] == "L-1"
        assert (await api.get("/api/t/another/leads")).status_code == 404
        secret = api.headers["authorization"].removeprefix("Bearer ")
    async with operator.sql() as sql:
        kept = await sql.fetch("select k::text from gateway.api_key k where tenant_id = $1", known)
    assert kept
    assert not any(secret[-30:] in row[0] for row in kept)


async def test_a_key_allows_what_was_said_as_long_as_was_said(operator: Operator, known: str) -> None:
    key = await operator.ask(
        "key", "create", known, "--label", "crm", "--scope", "leads:read", "outcomes:read", "--expires", "2999-01-01"
    )
    async with httpx.AsyncClient(base_url=key["url"], headers={"Authorization": f"Bearer {key['secret']}"}) as api:
        assert (await api.get(f"/api/t/{known}/leads")).status_code == 200
        assert (await api.post(f"/api/t/{known}/leads", json=LEAD)).status_code == 403
    listed = await operator.ask("key", "list", known)
    shown = next(found for found in listed if found["key_id"] == key["key_id"])
    assert (shown["label"], shown["scopes"]) == ("crm", ["leads:read", "outcomes:read"])
    assert key["secret"] not in await operator.say("key", "list", known)
    assert "--scope" in await operator.refused("key", "create", known, "--scope", "leads:eat")
    assert "past" in await operator.refused("key", "create", known, "--expires", "2020-01-01")


async def test_users_are_looked_after_from_the_command_line(operator: Operator, known: str) -> None:
    added = await operator.ask(
        "user", "add", known, "--role", "agent", "--email", "grace@example.com", "--name", "Grace"
    )
    async with httpx.AsyncClient() as browser:
        assert (await browser.post(added["url"])).status_code == 303
    user_id = added["user_id"]
    changed = await operator.ask("user", "set", known, user_id, "--role", "auditor", "--suspended")
    assert (changed["role"], changed["state"], changed["email"]) == ("auditor", "suspended", "grace@example.com")
    assert (await operator.ask("user", "set", known, user_id, "--allowed"))["state"] == "active"
    assert "Grace" in await operator.say("user", "list", known)
    assert "/sign-in/" in (await operator.ask("user", "sign-in", known, user_id))["url"]
    assert (await operator.ask("user", "remove", known, user_id))["state"] == "removed"
    assert "Grace" not in await operator.say("user", "list", known)
    assert "/sign-in/_." in (await operator.ask("user", "superadmin"))["url"]
    changes = await operator.ask("audit", "changes", "--tenant", known)
    told = [row["action"] for row in changes if row["subject"] == f"user:{user_id}"]
    assert told == [
        "user_removed", "sign_in_link_made", "user_changed", "user_changed", "signed_in", "sign_in_link_made", "user_added",
    ]  # fmt: skip
    assert "grace" not in (await operator.say("audit", "changes", "--tenant", known)).lower()


async def test_a_revoked_key_opens_nothing(operator: Operator, known: str) -> None:
    key = await operator.ask("key", "create", known)
    async with httpx.AsyncClient(base_url=key["url"], headers={"Authorization": f"Bearer {key['secret']}"}) as api:
        assert (await api.get(f"/api/t/{known}/leads")).status_code == 200
        assert (await operator.ask("key", "revoke", known, key["key_id"]))["revoked"]
        assert (await api.get(f"/api/t/{known}/leads")).status_code == 401
    assert not (await operator.ask("key", "revoke", known, key["key_id"]))["revoked"]


async def test_an_upstream_publishes_json_under_ids_of_its_own_reads_its_verdicts_and_nothing_else(
    operator: Operator, known: str
) -> None:
    refusals: list[str] = []
    async with operator.upstream(known, refusals) as upstream:
        body, id_ = json.dumps(LEAD).encode(), uuid4()
        await upstream.publish(f"{SUBMIT}.{known}", body, headers={"Nats-Msg-Id": str(id_)})
        verdict = await until(lambda: verdict_on(upstream, known, id_), what="the verdict")
        assert verdict == "accepted"

        own = f"intake.request.get_lead.v1.{known}"
        for subject in (f"{SUBMIT}.another", f"intake.event.lead_accepted.v1.{known}", own, "$JS.API.STREAM.NAMES"):
            await upstream.publish(subject, body)
            await until(said(refusals, subject), what=f"the refusal of {subject}")
        for subject in (f"{SUBMIT}.*", ">", "_INBOX_operator.>"):
            await upstream.subscribe(subject)
            await until(said(refusals, subject), what=f"the refusal of {subject}")
        with pytest.raises(nats.errors.TimeoutError):
            await upstream.request(own, encode(GetLead(lead_id=UUID(int=1))), timeout=0.2)


def said(refusals: list[str], subject: str) -> Callable[[], Awaitable[bool]]:
    async def probe() -> bool:
        return any(f'"{subject}"'.lower() in refusal.lower() for refusal in refusals)

    return probe


async def verdict_on(client: Client, tenant: str, id_: UUID) -> str | None:
    """What became of the lead that was published under this id."""
    request = GetSubmissions(submission_ids=[id_])
    reply = await client.request(request.topic.subject(tenant), encode(request))
    found = GetSubmissions.reply_type().model_validate_json(reply.data).submissions
    return found[0].verdict if found else None


async def test_what_is_published_is_handled_and_the_numbers_replay_identically(operator: Operator, known: str) -> None:
    outcomes = {
        "lead": {"source_system": "web", "source_id": "L-1"},
        "outcomes": [
            {"type": "contacted", "occurred_at": "2026-03-01T12:00:00Z"},
            {"type": "closed_won", "occurred_at": "2026-03-02T12:00:00Z"},
        ],
    }
    for subject, body in [(SUBMIT, LEAD), ("outcomes.command.record_outcomes.v1", outcomes)]:
        stored = await operator.ask("publish", f"{subject}.{known}", stdin=json.dumps(body).encode())
        assert stored["stream"] == "COMMANDS"
    expected = "key,intent,leads_entered,appointments,won,lost,win_rate\nopen_house,unknown,1,0,1,0,1.0\n"

    async def counted() -> bool:
        return await operator.win_rates(known, "source") == expected

    await until(counted, what="the win rates")
    words = ("win-rates", "--tenant", known, "--by", "source")
    data = await operator.ask(*words)
    assert data == json.loads(await operator.say(*words, "--format", "json"))
    assert (data["first_week"], data["last_week"], data["partial"]) == ("2026-W09", "2026-W10", False)
    assert "open_house" in await operator.say(*words, "--weeks", "500")
    assert (await operator.ask(*words, "--min", "2"))["rows"] == []
    assert await operator.say(*words, "--min", "2") == "left out, with fewer than 2 leads decided: 1\n"
    weekly = await operator.say(*words, "--weekly", "--format", "csv", "--all-columns", "--until", "2026-W09")
    assert weekly.splitlines()[1:] == ["2026-W09,open_house,unknown,1,0,0,0,,0,,"]
    came = await operator.ask(*words, "--view", "cohort", "--key", "Open", "--sort", "won", "--descending")
    assert [(row["leads_entered"], row["maturity"]) for row in came["rows"]] == [(1, 1.0)]
    assert "of the leads that came" in await operator.say(*words, "--view", "cohort", "--weekly")

    assert (await operator.ask("republish", "--since", "1h"))["republished"]["outcomes"] >= 2
    replayed = await operator.ask("replay", "--tenant", known)
    assert (replayed["events"], replayed["rows"], replayed["differences"]) == (4, 4, [])
    assert "identical" in await operator.say("replay", "--tenant", known)
    shown = await operator.ask("stats", "--tenant", known)
    assert shown["conversions"] == replayed["dashboard"]["conversions"]
    assert (await operator.ask("validate", "--tenant", known))["drift"] == 0
    assert "none differ" in await operator.say("validate", "--tenant", known)
    assert "system status" in await operator.say("stats", "--tenant", known, "--as-of", "2026-01-05T12:00:00")
    assert await counted()


async def test_a_dead_letter_is_listed_shown_and_redriven_when_its_cause_is_mended(
    operator: Operator, tenant: str
) -> None:
    subject = f"{SUBMIT}.{tenant}"
    await operator.ask("publish", subject, stdin=json.dumps(LEAD).encode())  # the tenant does not exist yet
    await operator.ask("publish", subject, stdin=b'{"source_system": "web"')

    async def both() -> list[dict[str, Any]]:
        letters = [letter for letter in await operator.ask("dead", "list") if letter["tenant"] == tenant]
        return letters if len(letters) == 2 else []

    broken, early = sorted(await until(both, what="the dead letters"), key=lambda letter: letter["size"])
    assert "Invalid JSON" in broken["reason"]
    assert "no such tenant" in early["reason"]
    shown = await operator.ask("dead", "show", "intake", str(early["dead_letter_id"]))
    assert {"service": "intake", **shown} == early

    await operator.introduce(tenant)
    redriven = await operator.ask("dead", "redrive", "intake", str(early["dead_letter_id"]))
    assert redriven == {"redriven": 1, "failed_again": 0}
    failed = await operator.run("dead", "redrive", "intake", str(broken["dead_letter_id"]), "--json")
    assert failed.status == 1
    assert json.loads(failed.out) == {"redriven": 1, "failed_again": 1}
    async with operator.sql() as sql:
        assert await sql.fetchval("select source_id from intake.lead where tenant_id = $1", tenant) == "L-1"


async def test_every_job_is_listed_and_runs_by_hand(operator: Operator) -> None:
    jobs = await operator.ask("job", "list")
    assert {job["service"] for job in jobs} == set(SERVICES)
    assert ("aggregator", "weekly_win_rates") in {(job["service"], job["job"]) for job in jobs}
    ran = await operator.ask("job", "run", "notifier", "missing_outcomes")
    assert (ran["state"], ran["error"]) == ("succeeded", None)


async def test_a_tenant_s_keys_are_rotated_and_what_they_sealed_is_sealed_anew(operator: Operator, known: str) -> None:
    assert "nothing to rotate" in await operator.say("key", "rotate", known)
    async with operator.http(known) as api:
        created = await api.post(f"/api/t/{known}/leads", json=LEAD)
        deed = {"type": "contacted", "notes": "Two dogs."}
        recorded = await api.post(
            f"/api/t/{known}/outcomes", json={"lead": {"lead_id": created.json()["lead_id"]}, "outcomes": [deed]}
        )
        assert recorded.status_code == 201, recorded.text
        rotated = await operator.ask("key", "rotate", known)
        assert {service: done["sealing_keys"] for service, done in rotated["rotated"].items()} == {
            "intake": 2, "outcomes": 2,
        }  # fmt: skip
        counts = {service: run["counts"] for service, run in rotated["resealed"].items()}
        assert {service: (found["resealed"], found["left"]) for service, found in counts.items()} == {
            "intake": (1, 0), "outcomes": (1, 0),
        }  # fmt: skip
        history = await api.get(f"/api/t/{known}/leads/{created.json()['lead_id']}/outcomes")
        assert history.json()["outcomes"][0]["notes"] == "Two dogs."
    assert "what has a token keeps it" in await operator.say("key", "rotate", known, "--tokens")


async def test_a_measurement_leaves_nothing_behind(operator: Operator) -> None:
    before = await rows(operator)
    measured = await operator.ask("bench", "pipeline", "--leads", "500")
    assert measured.keys() == {"leads_per_s", "leads", "seconds", "services"}
    assert (measured["leads"], measured["services"]) == (500, list(SERVICES))
    assert measured["leads_per_s"] > 0
    assert await rows(operator) == before


async def rows(operator: Operator) -> dict[str, int]:
    """How many rows there are of tenants that a measurement made, table by table, and messages in the streams."""
    async with operator.sql() as sql, operator.installation.connected() as client:
        tables = await sql.fetch(
            """select table_schema, table_name, column_name from information_schema.columns
               where table_schema = any($1::text[]) and column_name in ('tenant_id', 'tenant')""",
            list(SERVICES),
        )
        counts = {
            f"{schema}.{table}": await sql.fetchval(f"select count(*) from {schema}.{table} where {column} ~ '^bench-'")
            for schema, table, column in map(tuple, tables)
        }
        counts["messages"] = (await client.jetstream().stream_info("EVENTS")).state.messages
    assert len(counts) > 20
    return counts
