"""How long pages take and how large they are, on a tenant with a million events and two hundred thousand leads, alone and while many look.

python -m bench.pages [--events N] [--leads N] [--times N] [--sessions N] [--seconds N] [--folder FOLDER] [--json]

An installation of processes, as `leadloop up` starts them, is filled by SQL with what a tenant's leads, campaigns and outcomes would have
put there. Then every page is opened by somebody signed in, each so many times, and lists are followed to their fiftieth page. Then
SESSIONS (200) have the overview open at once and are told what happens, while leads come in and each opens another page every twenty
seconds. Milliseconds are those of the whole answer, as a client on the same machine has it, beside which it runs.
"""

import argparse
import asyncio
import json
import os
import re
import secrets
import statistics
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from html import unescape
from http import HTTPStatus
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any, Final

import asyncpg
import httpx
import psutil
from fastapi import FastAPI

from bench import stats, throwaway
from bench.filled import MEMORY, TENANT, seed
from chassis.caller import Caller
from contracts.aggregator.kpis import Kpi
from contracts.aggregator.replay import Replay
from contracts.gateway.sign_in import CreateSignInLink
from contracts.gateway.users import CreateUser
from contracts.intake.distribution import UpsertAgent
from contracts.intake.imports import (
    AddImportChunk,
    CheckImport,
    CreateImport,
    FinishUpload,
    GetImport,
    SetImportMapping,
)
from contracts.intake.leads import SubmitLeadNow
from contracts.intake.routing import PublishRouting, SaveRoutingDraft
from contracts.outreach.accounts import AccountSettings
from contracts.outreach.campaigns import CampaignSettings
from contracts.taxonomy import Role, SendKind
from gateway import pages
from gateway.gate import each
from leadloop.commands_tenants import create
from leadloop.installation import Installation

EVENTS, LEADS, TIMES, SESSIONS, SECONDS = 1_000_000, 200_000, 40, 200, 60.0
DEEP: Final = 50
"""So many pages into a list it is compared with its first pages."""
_EACH_OPENS_EVERY_SECONDS: Final = 20.0
_LEADS_PER_SECOND: Final = 5
_NO_PAGES: Final = ("/live", "/validation")
"""What these paths end with is no page: what is told as it happens, and a count of every event anew, which says that it takes its time."""
_LIMITS: Final = httpx.Limits(keepalive_expiry=2)
"""Seconds: less than the gateway keeps a connection that nobody uses, or one would be used as it is being closed."""
_AGENTS: Final = 50
_RULES: Final = 20
_IMPORTED: Final = 1_000
_MAPPING: Final = """
source_system: crm
lead:
  source_id: {column: Id}
  full_name: {column: Name}
  email: {column: Email}
"""

# The ids are those of the events that bench.stats tells. No account is active: nothing leaves meanwhile.
_SEED = """
    insert into intake.lead (tenant_id, lead_id, source_system, source_id, version, person_id, submission_id, digest, field_digests, source_key,
                             geo_key, intent, timeline, tier, created_at, last_activity_at, warnings, metadata)
    select $1, md5('lead' || n)::uuid, 'crm', 's' || n, 1, md5('person' || n)::uuid, md5('submission' || n)::uuid, '', '{}', 'source_' || n % 40,
           'geo_' || n % 200, (array['buyer', 'seller'])[1 + n % 2], (array['0-30', '31-90', '90+'])[1 + n % 3], (array['A', 'B', 'C', 'D'])[1 + n % 4],
           now() - make_interval(secs => ($2::integer - n) * 40), now() - make_interval(secs => ($2::integer - n) * 30), '[]', '{}'
    from generate_series(0, $2::integer - 1) as n;
    insert into intake.work (tenant_id, lead_id, status, workspace, waiting_since)
    select $1, md5('lead' || n)::uuid, (array['unrouted', 'routed', 'worked', 'closed'])[1 + n % 4], case when n % 4 = 0 then null else 'desk' end,
           now() - make_interval(secs => ($2::integer - n) * 40)
    from generate_series(0, $2::integer - 1) as n;
    insert into outcomes.lead (tenant_id, lead_id, source_system, source_id, version, tier, timeline, last_activity_at, beyond_contacted)
    select tenant_id, lead_id, source_system, source_id, version, tier, timeline, last_activity_at, tier <> 'A' from intake.lead where tenant_id = $1;
    insert into outcomes.lead_version (tenant_id, lead_id, version, attribution, created_at)
    select tenant_id, lead_id, 1, jsonb_build_object('source_key', source_key, 'geo_key', geo_key, 'intent', intent), created_at
    from intake.lead where tenant_id = $1;
    insert into outcomes.outcome (tenant_id, lead_id, sequence, outcome_id, type, occurred_at, idempotency_key, recorded_at, recorded_by, attribution,
                                  warnings, overridden)
    select tenant_id, lead_id, step, gen_random_uuid(), case step when 1 then 'contacted' else 'closed_won' end, created_at, '', created_at, 'bench',
           attribution, '{}', false
    from outcomes.lead_version, generate_series(1, 2) as step where tenant_id = $1 and (step = 1 or abs(hashtext(lead_id::text)) % 5 = 0);
    insert into outreach.account (tenant_id, account_id, title, channel, address, transport, settings, state, health, blocked, created_at)
    select $1, md5('account' || n)::uuid, 'Sales ' || n, 'email', 'sales' || n || '@example.com', 'sandbox', $3, 'paused', 100, false, now()
    from generate_series(0, 49) as n;
    insert into outreach.campaign (tenant_id, campaign_id, title, state, settings, steps, created_at)
    select $1, md5('campaign' || n)::uuid, 'Campaign ' || n, 'running', $4, '[{"kind": "email", "delay_days": 0}]', now()
    from generate_series(0, 19) as n;
    insert into outreach.lead (tenant_id, lead_id, version, names, channels, attribution, metadata, erased)
    select tenant_id, lead_id, 1, array['person:' || person_id], array['email'], '{"tier": "A"}', '{}', false from intake.lead where tenant_id = $1;
    insert into outreach.enrollment (tenant_id, enrollment_id, campaign_id, lead_id, holds, started_at)
    select $1, md5('enrollment' || n)::uuid, md5('campaign' || n % 20)::uuid, md5('lead' || n)::uuid, false, now() - interval '9 days'
    from generate_series(0, $2::integer - 1) as n;
    insert into outreach.send_queue (tenant_id, message_id, enrollment_id, campaign_id, lead_id, step, kind, account_id, state, queued_at, due_at, spent_at, ended_at)
    select $1, md5('message' || n)::uuid, md5('enrollment' || n)::uuid, md5('campaign' || n % 20)::uuid, md5('lead' || n)::uuid, 1, 'email',
           md5('account' || n % 50)::uuid, case when n % 4 = 0 then 'queued' else 'sent' end, now() - interval '9 days',
           now() + make_interval(secs => n), case when n % 4 > 0 then now() - make_interval(secs => n * 20) end,
           case when n % 4 > 0 then now() - make_interval(secs => n * 20) end
    from generate_series(0, $2::integer - 1) as n;
    insert into outreach.reply (tenant_id, reply_id, taken_id, message_id, enrollment_id, campaign_id, lead_id, account_id, channel, received_at,
                                reply_class, confidence, rules, needs_person, has_text)
    select tenant_id, message_id, uuidv7(), message_id, enrollment_id, campaign_id, lead_id, account_id, 'email', ended_at, null, 0.2, '{}', true, false
    from outreach.send_queue where tenant_id = $1 and state = 'sent' limit 20000;
    insert into outreach.template (tenant_id, template_id, name, kind, created_at)
    select $1, md5('template' || n)::uuid, 'text_' || n, 'email', now() from generate_series(1, 60) as n;
    insert into outreach.template_version (tenant_id, template_id, version, subject, body, variables, saved_by, saved_at)
    select $1, md5('template' || n)::uuid, 1, 'Hello', 'Hello {{ first_name | default: "there" }}', '{first_name}', 'bench', now()
    from generate_series(1, 60) as n
"""
_TABLES: Final = (
    "intake.lead", "intake.work", "outcomes.lead", "outcomes.lead_version", "outcomes.outcome", "outreach.account", "outreach.campaign",
    "outreach.lead", "outreach.enrollment", "outreach.send_queue", "outreach.reply", "outreach.template", "outreach.template_version",
    "aggregator.event",
)  # fmt: skip
_STANDS_FOR: Final[Mapping[str, str]] = {
    "tenant": "select $1::text",
    "lead_id": "select lead_id from intake.lead where tenant_id = $1 order by source_id limit 1",
    "campaign_id": "select campaign_id from outreach.campaign where tenant_id = $1 limit 1",
    "account_id": "select account_id from outreach.account where tenant_id = $1 limit 1",
    "message_id": "select message_id from outreach.send_queue where tenant_id = $1 and state = 'queued' limit 1",
    "reply_id": "select reply_id from outreach.reply where tenant_id = $1 limit 1",
    "template_id": "select template_id from outreach.template where tenant_id = $1 limit 1",
    "run_id": "select run_id from intake.import_run where tenant_id = $1 limit 1",
    "version": "select max(version) from intake.routing_version where tenant_id = $1",
    "rule": "select 'rule_0' where $1::text <> ''",
    "workspace": "select 'desk' where $1::text <> ''",
    "user_id": "select min(user_id) from intake.agent where tenant_id = $1",
    "service": "select 'aggregator' where $1::text <> ''",
    "operation": "select 'submit_lead' where $1::text <> ''",
    "message": "select 'intake.event.lead_accepted.v1' where $1::text <> ''",
    "owner": "select 'outreach' where $1::text <> ''",
}
"""What the parameters of paths are filled in with; a page with any other is not opened, and the output says so."""


async def main(
    events: int, leads: int, times: int, sessions: int, seconds: float, folder: Path | None
) -> dict[str, Any]:
    """What was measured: each page, how far lists are flat, and what many sessions feel."""
    os.environ["LEADLOOP_RATE_SCORING"] = "1000000"  # each page is opened more often than somebody may within a minute
    async with throwaway.installation(folder) as installation, installation.asking() as caller:
        await create(caller, TENANT, leads_per_minute=1_000_000)
        sql = await asyncpg.connect(installation.database_dsn)
        try:
            await fill(sql, events, leads)
            await settle(caller)
            await caller.ask(TENANT, Replay(), seconds=600)
            for table in _TABLES:
                await sql.execute(f"vacuum (analyze) {table}")
            addresses, left_out = await opened(sql)
        finally:
            await sql.close()
        async with signed_in(installation, caller) as browser:
            found: dict[str, Any] = {"left_out": left_out}
            for address in list(addresses):
                if (answer := (await browser.get(address)).status_code) != HTTPStatus.OK:
                    addresses.remove(address)
                    left_out.append(f"{address} (answered {answer})")
            found["pages"], found["deep"] = {}, {}
            for address in addresses:
                found["pages"][address] = page = await measure(browser, address, times)
                print(_line(address, page), file=sys.stderr)
                if deep := await follow(browser, address):
                    found["deep"][address] = deep
        found["many"] = await many(installation, caller, addresses, sessions, seconds)
        return found


async def fill(sql: asyncpg.Connection, events: int, leads: int) -> None:
    """Everything that pages show."""
    await sql.execute("set synchronous_commit to off")
    await stats.tell(sql, events, stats.DAILY)
    account = AccountSettings(daily_limits={SendKind.EMAIL: 1_000_000}, least_gap_minutes=0, most_gap_minutes=0)
    await seed(sql, _SEED, TENANT, leads, account.model_dump_json(), CampaignSettings().model_dump_json())


async def settle(caller: Caller) -> None:
    """What people have set up: agents, rules that hold and a draft of others, and an import whose rows were looked at."""
    for number in range(_AGENTS):
        agent = UpsertAgent(user_id=f"agent:{number}", workspaces=["desk"], capacity=1)
        await caller.ask(TENANT, agent, seconds=30)
    rules = [
        {"name": f"rule_{number}", "when": {"source": [f"elsewhere_{number}"]}, "workspace": "desk"}
        for number in range(_RULES)
    ]
    configuration = {"rules": rules, "workspaces": {"desk": {"chain": [{"kind": "load_balanced"}]}}}
    for publish in (True, False):
        draft = SaveRoutingDraft.model_validate({"configuration": configuration, "actor": "operator"})
        version = (await caller.ask(TENANT, draft, seconds=30)).version
        if publish:
            await caller.ask(TENANT, PublishRouting(version=version, expected=None, actor="operator"), seconds=30)
    run = (await caller.ask(TENANT, CreateImport(file_name="leads.csv", actor="operator"))).run_id
    lines = ["Id,Name,Email", *(f"L-{number},Jane Roe,jane{number}@example" for number in range(_IMPORTED))]
    chunk = b64encode("\n".join(lines).encode())
    await caller.ask(TENANT, AddImportChunk.model_validate({"run_id": run, "number": 0, "content": chunk}))
    await caller.ask(TENANT, FinishUpload(run_id=run, chunks=1))
    await caller.ask(TENANT, SetImportMapping(run_id=run, mapping=_MAPPING))
    await caller.ask(TENANT, CheckImport(run_id=run, actor="operator"))
    async with asyncio.timeout(60):
        while (await caller.ask(TENANT, GetImport(run_id=run))).check is None:  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.1)


async def opened(sql: asyncpg.Connection) -> tuple[list[str], list[str]]:
    """The addresses of a tenant's pages, filled in, and the paths of those that cannot be."""
    addresses, left_out = [], []
    app = FastAPI()
    pages.include_in(app)
    for route, method in each(app.routes):
        path = str(route.path)
        if method != "GET" or not path.startswith("/t/{tenant}") or path.endswith(_NO_PAGES):
            continue
        names = re.findall(r"\{(\w+)\}", path)
        if unknown := set(names) - _STANDS_FOR.keys() - {"kpi"}:
            left_out.append(f"{path} ({', '.join(unknown)})")
            continue
        values = {name: await sql.fetchval(_STANDS_FOR[name], TENANT) for name in names if name != "kpi"}
        for kpi in Kpi if "kpi" in names else [""]:
            addresses.append(path.format(**values | {"kpi": kpi}))
    return addresses, left_out


@asynccontextmanager
async def signed_in(installation: Installation, caller: Caller) -> AsyncIterator[httpx.AsyncClient]:
    """A browser with the session of an admin of its own."""
    user = await caller.ask(TENANT, CreateUser(role=Role.ADMIN))
    link = await caller.ask(TENANT, CreateSignInLink(user_id=user.user_id))
    headers = {"Accept": "text/html"}
    async with httpx.AsyncClient(
        base_url=installation.gateway_url, headers=headers, timeout=30, limits=_LIMITS
    ) as browser:
        assert (await browser.post(link.path)).status_code == 303
        yield browser


async def measure(browser: httpx.AsyncClient, address: str, times: int) -> dict[str, float]:
    """A page's milliseconds, after it was opened twice, and its bytes on the wire."""
    took = [await _opened(browser, address) for _ in range(times + 2)][2:]
    return {**_cuts([ms for ms, _ in took]), "bytes": max(len_ for _, len_ in took)}


async def follow(browser: httpx.AsyncClient, address: str) -> dict[str, float]:
    """A list's milliseconds on its first pages and on its last, by its links to what comes next; nothing, if it has none so far down."""
    took = []
    for _ in range(DEEP):
        began = perf_counter()
        response = await browser.get(address)
        took.append(1000 * (perf_counter() - began))
        following = re.search(
            r'<a[^>]* rel="next"[^>]* href="([^"]+)"|<a[^>]* href="([^"]+)"[^>]* rel="next"', response.text
        )
        if following is None:
            return {}
        address = unescape(following[1] or following[2])
    return {"first_ms": statistics.median(took[1:11]), "last_ms": statistics.median(took[-10:])}


async def many(
    installation: Installation, caller: Caller, addresses: Sequence[str], sessions: int, seconds: float
) -> dict[str, float]:
    """What is felt while so many look at once: pages, and how soon a lead that came in is told to each."""
    told: list[float] = []
    pages_: list[float] = []
    sent: dict[str, float] = {}
    clock = asyncio.get_running_loop().time
    async with AsyncExitStack() as stack:
        browsers = [await stack.enter_async_context(signed_in(installation, caller)) for _ in range(sessions)]
        ends = clock() + seconds

        async def listen(browser: httpx.AsyncClient) -> None:
            seen: set[str] = set()
            while clock() < ends:
                async with browser.stream("GET", f"/t/{TENANT}/live") as response:
                    response.raise_for_status()
                    async for line in response.aiter_lines():
                        for lead in re.findall(r'title="([0-9a-f-]{36})"', line):
                            if lead in sent and lead not in seen:
                                seen.add(lead)
                                told.append(1000 * (perf_counter() - sent[lead]))
                        if clock() > ends:
                            return

        async def open_pages(browser: httpx.AsyncClient, chance: Random) -> None:
            while True:
                await asyncio.sleep(chance.uniform(0, 2 * _EACH_OPENS_EVERY_SECONDS))
                if clock() > ends:
                    return
                pages_.append((await _opened(browser, chance.choice(addresses)))[0])

        async def submit() -> None:
            while clock() < ends - 5:
                began = perf_counter()
                lead = SubmitLeadNow(source_system="bench", source_id=secrets.token_hex(8), full_name="Jane Roe")
                sent[str((await caller.ask(TENANT, lead, seconds=30)).lead_id)] = began
                await asyncio.sleep(1 / _LEADS_PER_SECOND)

        before = _busy_seconds(installation)
        async with asyncio.TaskGroup() as group:
            for number, browser in enumerate(browsers):
                group.create_task(listen(browser))
                group.create_task(open_pages(browser, Random(number)))
            group.create_task(submit())
        busy = (_busy_seconds(installation) - before) / seconds
    return {
        "sessions": sessions, "pages": len(pages_), **{f"page_{name}": value for name, value in _cuts(pages_).items()},
        "told": len(told), "missed": len(sent) * sessions - len(told),
        **{f"told_{name}": value for name, value in _cuts(told).items()}, "cores_busy": busy,
    }  # fmt: skip


async def _opened(browser: httpx.AsyncClient, address: str) -> tuple[float, int]:
    """Milliseconds and bytes, the header's too."""
    began = perf_counter()
    response = await browser.get(address)
    took = 1000 * (perf_counter() - began)
    if response.status_code != 200:
        raise SystemExit(f"{address} answered {response.status_code}: {response.text[:500]}")
    return took, len(response.content) + sum(len(name) + len(value) + 4 for name, value in response.headers.raw)


def _cuts(took: Sequence[float]) -> dict[str, float]:
    cuts = statistics.quantiles(took, n=100, method="inclusive")
    return {"p50_ms": cuts[49], "p95_ms": cuts[94], "most_ms": max(took)}


def _busy_seconds(installation: Installation) -> float:
    """What the installation's processes have used of the cores so far."""
    home = str(installation.home.root)
    of_home = [
        process for process in psutil.process_iter(["cmdline"]) if home in " ".join(process.info["cmdline"] or [])
    ]
    every = {each for process in of_home for each in (process, *process.children(recursive=True))}
    return sum(used.user + used.system for used in (process.cpu_times() for process in every))


def say(found: dict[str, Any]) -> None:
    """The numbers, a line for each page, the slowest last."""
    for address, page in sorted(found["pages"].items(), key=lambda item: item[1]["p95_ms"]):
        print(_line(address, page))
    for address, deep in found["deep"].items():
        print(f"{deep['first_ms']:7.1f} {deep['last_ms']:7.1f} ms, the first pages and the fiftieth of {address}")
    for path in found["left_out"]:
        print(f"not opened: {path}")
    print(", ".join(f"{name} {value:,.1f}" for name, value in found["many"].items()))


def _line(address: str, page: Mapping[str, float]) -> str:
    return f"{page['p50_ms']:7.1f} {page['p95_ms']:7.1f} ms {page['bytes'] / 1000:7.1f} kB  {address}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=EVENTS, help="default: %(default)s")
    parser.add_argument("--leads", type=int, default=LEADS, help="default: %(default)s")
    parser.add_argument("--times", type=int, default=TIMES, help="how often each page is opened; default: %(default)s")
    parser.add_argument("--sessions", type=int, default=SESSIONS, help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long they look; default: %(default)s")
    parser.add_argument("--folder", type=Path, default=MEMORY, help="where everything lies; default: %(default)s")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    chosen = parser.parse_args()
    measured = asyncio.run(
        main(chosen.events, chosen.leads, chosen.times, chosen.sessions, chosen.seconds, chosen.folder)
    )
    print(json.dumps(measured)) if chosen.json else say(measured)
