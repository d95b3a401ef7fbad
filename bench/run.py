"""Every number LeadLoop promises, measured in one run on one machine: ``make bench``.

Leads a second are ratios to two named peers that run on the same broker and the same database in turn with ours: the
hand-written floor (bench/floor.py) and the tutorial's way (bench/tutorial.py). Medians of --rounds are quoted.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic, perf_counter
from typing import Any

import asyncpg
import httpx
import nkeys
import psutil
from rich.console import Console
from rich.table import Table

from bench import lookup, throwaway
from contracts.catalogue import SERVICES
from contracts.gateway.keys import CreateApiKey
from leadloop import bench, running
from leadloop.commands_tenants import create
from leadloop.home import Home
from leadloop.installation import Installation

HERE = Path(__file__).parent
REQUESTS_PER_SECOND = 20


async def main(
    leads: int, tutorial_leads: int, rounds: int, *, folder: Path | None, with_lookup: bool
) -> dict[str, Any]:
    """Run everything in a throw-away home below a folder; returns the numbers."""
    numbers: dict[str, Any] = {}
    async with throwaway.installation(folder) as installation:
        await running.down(installation.home)
        began = perf_counter()
        await throwaway.start(installation.home)
        numbers["warm_up_seconds"] = perf_counter() - began
        numbers["idle_mib"] = await _idle_memory(installation.home)
        numbers["latency_ms"] = await _latency(installation)
        numbers["dry_run_seconds"] = await bench.dry_run(installation, 100_000)
        numbers["assigning"] = await _assigning(installation)
        numbers |= await _throughput(installation, leads, tutorial_leads, rounds)
    if with_lookup:
        numbers["lookup"] = await lookup.main()
    return numbers


async def _throughput(installation: Installation, leads: int, tutorial_leads: int, rounds: int) -> dict[str, Any]:
    seed = await _admit(installation)
    found: dict[str, list[float]] = {
        "floor": [], "intake_and_aggregator": [], "all_services": [], "all_services_owned": [], "tutorial": []
    }  # fmt: skip
    await bench.pipeline(installation, leads // 10, SERVICES, owned=True)  # plans, pools and files as they are in use
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        found["floor"].append(await _peer(installation, "floor.py", leads, seed))
        two = await bench.pipeline(installation, leads, ("intake", "aggregator"))
        found["intake_and_aggregator"].append(two["leads_per_s"])
        for owned in (False, True) if number % 2 else (True, False):  # neither has the fuller tables every time
            everything = await bench.pipeline(installation, leads, SERVICES, owned=owned)
            found["all_services_owned" if owned else "all_services"].append(everything["leads_per_s"])
        found["tutorial"].append(await _peer(installation, "tutorial.py", tutorial_leads, seed))
        print({name: round(rates[-1]) for name, rates in found.items()}, file=sys.stderr, flush=True)
    median = {name: statistics.median(rates) for name, rates in found.items()}
    ratios = {
        "intake_and_aggregator / floor": _ratio(found["intake_and_aggregator"], found["floor"]),
        "all_services / floor": _ratio(found["all_services"], found["floor"]),
        "all_services / tutorial": _ratio(found["all_services"], found["tutorial"]),
        "all_services_owned / all_services": _ratio(found["all_services_owned"], found["all_services"]),
    }
    return {"leads_per_s": median, "ratios": ratios, "rounds": found}


async def _assigning(installation: Installation) -> dict[str, float]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(HERE / "assignments.py"),
        installation.database_dsn,
        "--json",
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    if process.returncode:
        raise SystemExit("assignments.py failed")
    numbers: dict[str, float] = json.loads(out)
    return numbers


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the rounds' ratios: what was measured next to each other is compared with each other."""
    return statistics.median(our / their for our, their in zip(ours, theirs, strict=True))


async def _peer(installation: Installation, script: str, leads: int, seed: str) -> float:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(HERE / script), installation.broker.url, installation.database_dsn, str(leads), "--json",
        env={**os.environ, "FLOOR_NKEYS_SEED": seed}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"{script} failed")
    return float(json.loads(out)["leads_per_s"])


async def _admit(installation: Installation) -> str:
    """A credential for the peers, which use streams of their own: it may do anything at the broker."""
    seed = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER)
    public = nkeys.from_seed(bytearray(seed)).public_key.decode()
    everything = f'{{ nkey: {public}, permissions: {{ publish: ">", subscribe: ">" }} }}'
    known = installation.authorization()
    installation.broker.configure(known.replace("users: [\n", f"users: [\n      {everything}\n", 1))
    (broker,) = (process for process in running.status(installation.home) if process.name == "nats")
    await installation.broker.reload(broker.pid)
    return str(seed.decode())


async def _idle_memory(home: Home) -> dict[str, float]:
    """Resident memory of each service in MiB, half a minute after it became ready."""
    await asyncio.sleep(30)
    return {
        process.name: psutil.Process(process.pid).memory_info().rss / 2**20
        for process in running.status(home)
        if process.name in SERVICES and process.pid
    }


async def _latency(installation: Installation, seconds: int = 30) -> dict[str, float]:
    """Milliseconds from POST /leads to the event stored, at 20 requests a second."""
    tenant = "latency"
    async with installation.asking() as caller:
        await create(caller, tenant, leads_per_minute=100 * REQUESTS_PER_SECOND)
        key = await caller.ask(tenant, CreateApiKey())
    took: list[float] = []
    database = await asyncpg.create_pool(installation.database_dsn, min_size=4, max_size=8)
    url = f"{installation.gateway_url}/api/t/{tenant}/leads"
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {key.secret}"}, timeout=30) as http:

        async def one(number: int) -> None:
            began = monotonic()
            reply = await http.post(
                url, json={"source_system": "bench", "source_id": str(number), "full_name": "Jane Roe"}
            )
            reply.raise_for_status()
            lead = reply.json()["lead_id"]
            await _stored(database, tenant, lead)
            took.append(1000 * (monotonic() - began))

        async with asyncio.TaskGroup() as group:
            for number in range(seconds * REQUESTS_PER_SECOND):
                group.create_task(one(number))
                await asyncio.sleep(1 / REQUESTS_PER_SECOND)
    await database.close()
    took.sort()
    return {"p50": took[len(took) // 2], "p99": took[int(len(took) * 0.99)], "max": took[-1]}


async def _stored(database: asyncpg.Pool, tenant: str, lead: str) -> None:
    while True:
        if await database.fetchval(
            "select exists (select from aggregator.event where tenant_id = $1 and lead_id = $2)", tenant, lead
        ):
            return
        await asyncio.sleep(0.002)


def show(numbers: dict[str, Any]) -> None:
    """The numbers beside what was promised."""
    console = Console()
    ratios = numbers["ratios"]
    lines = [
        ("intake + aggregator / floor", ratios["intake_and_aggregator / floor"], "≥ 0.6"),
        ("assignments/s, 4 workers, 50 agents", numbers["assigning"]["assignments_per_s"], "≥ 1000"),
        ("fairness of these", numbers["assigning"]["fairness"], "> 0.9"),
        ("collisions among these", numbers["assigning"]["collisions"], "0"),
        ("all services / floor", ratios["all_services / floor"], "≥ 0.35"),
        ("all services / tutorial", ratios["all_services / tutorial"], "≥ 5"),
        ("dry run over 100,000 leads, s", numbers["dry_run_seconds"], "≤ 10"),
        ("routing + assignment, % of throughput", 100 * (1 - ratios["all_services_owned / all_services"]), "≤ 25"),
        ("POST to event stored, p99 ms", numbers["latency_ms"]["p99"], "< 500"),
        ("idle memory, largest service MiB", max(m for n, m in numbers["idle_mib"].items() if n != "gateway"), "≤ 120"),
        ("idle memory, gateway MiB", numbers["idle_mib"]["gateway"], "≤ 250"),
        ("warm start to all ready, s", numbers["warm_up_seconds"], "≤ 12"),
    ]
    if "lookup" in numbers:
        lines.append(
            ("lookup of a token in 5 million leads, p99 ms", numbers["lookup"]["lookup_ms"]["one"]["p99"], "< 5")
        )
    shown = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("what", "measured", "promised"):
        shown.add_column(column, justify="right" if column != "what" else "left")
    for what, measured, promised in lines:
        shown.add_row(what, f"{measured:.2f}", promised)
    console.print(shown)
    console.print({name: f"{rate:,.0f} leads/s" for name, rate in numbers["leads_per_s"].items()})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leads", type=int, default=30_000)
    parser.add_argument("--tutorial-leads", type=int, default=3_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the installation is to lie; /dev/shm spares it the disk")
    parser.add_argument("--lookup", action="store_true", help="find persons among five million leads as well")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    result = asyncio.run(
        main(
            arguments.leads,
            arguments.tutorial_leads,
            arguments.rounds,
            folder=arguments.folder,
            with_lookup=arguments.lookup,
        )
    )
    print(json.dumps(result)) if arguments.json else show(result)
