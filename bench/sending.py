"""How many messages one worker of outreach sends a second, in a running home: every gate is asked, what is personal is revealed by
intake, and every change is recorded and told.

python -m bench.sending [MESSAGES] [--folder FOLDER] [--json]

The messages are queued before the clock runs, for accounts and then a campaign that are paused; it runs from the first one claimed to the last one sent or
refused. Once more they leave by SMTP, for a server beside it that takes everything. Outreach and intake share the machine with the broker and the database; once more all services do, each reading what is told. The
peers (bench/queues.py) drain as many jobs that do nothing, on the same database in the same run.
"""

import argparse
import asyncio
import json
import os
import secrets
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import UUID

import asyncpg

from bench import queues, sink, throwaway
from chassis.caller import Caller
from contracts.catalogue import SERVICES
from contracts.outreach.accounts import (
    NewAccountSettings,
    NewSandbox,
    NewSmtpServer,
    PauseAccount,
    ResumeAccount,
    SetAccount,
    SmtpSecurity,
    Transport,
)
from contracts.outreach.campaigns import CreateCampaign, PauseCampaign, ResumeCampaign
from contracts.outreach.templates import SaveTemplate
from contracts.taxonomy import Channel, SendKind
from leadloop.bench import forget, paused, preload, purge
from leadloop.commands_tenants import create
from leadloop.installation import Installation

ACCOUNTS = 50
_REFUSED = 0.005
"""The share that is refused: so little that no guard stops anything."""
_OTHERS = tuple(service for service in SERVICES if service not in ("intake", "outreach"))
_BODY = """Dear {{ first_name | default: "neighbour" }},

{% if product_interest %}you asked about a {{ product_interest | words }}.{% endif %} Shall we talk?

{{ sender.name }}"""
_DEADLINE_SECONDS = 600.0


async def main(messages: int, folder: Path | None) -> dict[str, Any]:
    """Run everything in a throw-away home below a folder; returns the numbers."""
    async with sink.listening() as port:
        os.environ["LEADLOOP_PROVIDER_HOSTS"] = f"127.0.0.1:{port}"  # the services' environment is this one
        async with throwaway.installation(folder) as installation:
            await measure(installation, messages // 10)  # plans, pools and caches as they are in use
            ours = await measure(installation, messages, _OTHERS)
            among_all = await measure(installation, messages)
            by_smtp = await measure(installation, messages // 2, _OTHERS, smtp_port=port)
            peers = await queues.measure(installation.database_dsn, min(messages, 10_000))
    return {"messages_per_s": ours, "messages_per_s_among_all_services": among_all, "mails_per_s": by_smtp,
            **{f"{name}_jobs_per_s": rate for name, rate in peers.items()},
            "outreach / procrastinate": ours / peers["procrastinate"], "outreach / pgqueuer": ours / peers["pgqueuer"]}  # fmt: skip


async def measure(
    installation: Installation, messages: int, idle: Sequence[str] = (), smtp_port: int | None = None
) -> float:
    """Messages a second, while the idle services read nothing; into the sandbox, unless there is an SMTP server's port."""
    tenant = f"bench-{secrets.token_hex(6)}"
    database = await asyncpg.connect(installation.database_dsn)
    try:
        async with installation.asking() as caller:
            await create(caller, tenant, reveals_per_hour_of_services=10_000_000)
            accounts = [await _paused_account(caller, tenant, number, smtp_port) for number in range(ACCOUNTS)]
            async with installation.connected() as client, paused(client, idle):
                await preload(client, tenant, messages)
                leads = "select count(*) from outreach.lead where tenant_id = $1"
                await _until(_counts(database, leads, tenant, messages))
                campaign = await _campaign(caller, tenant)
                queued = "select count(*) from outreach.send_queue where tenant_id = $1 and account_id is not null"
                await _until(_counts(database, queued, tenant, messages))
                # What lets all of them leave is one order: accounts go on one after another, and the first of them would be measured alone.
                await caller.ask(tenant, PauseCampaign(campaign_id=campaign))
                for account in accounts:
                    await caller.ask(tenant, ResumeAccount(account_id=account))
                await caller.ask(tenant, ResumeCampaign(campaign_id=campaign))
                over = "select count(*) from outreach.send_queue where tenant_id = $1 and state in ('sent', 'failed')"
                await _until(_counts(database, over, tenant, messages))
                for service in ("intake", "outreach"):
                    untold = f"select count(*) from {service}.outbox_unsent join {service}.outbox using (seq) where tenant = $1"
                    await _until(_counts(database, untold, tenant, 0))
                # Or whoever is idle reads of a tenant that is gone, while the next one is measured.
                await purge(client, tenant)
        seconds = await database.fetchval(
            """select extract(epoch from max(ended_at) - min(spent_at))::float from outreach.send_queue where tenant_id = $1""",
            tenant,
        )
        return float(messages / seconds)
    finally:
        await forget(database, tenant)
        await database.execute("vacuum")
        await database.close()


async def _paused_account(caller: Caller, tenant: str, number: int, smtp_port: int | None) -> Any:
    settings = NewAccountSettings(daily_limits={SendKind.EMAIL: 1_000_000}, least_gap_minutes=0, most_gap_minutes=0)
    order = SetAccount(
        title=f"Sales {number}",
        channel=Channel.EMAIL,
        address=f"sales{number}@example.com",
        sender_name="Sales",
        settings=settings,
        transport=Transport.SMTP if smtp_port else Transport.SANDBOX,
        sandbox=None if smtp_port else NewSandbox(refuses=_REFUSED),
        smtp=NewSmtpServer(host="127.0.0.1", port=smtp_port, security=SmtpSecurity.NONE) if smtp_port else None,
    )
    account = (await caller.ask(tenant, order)).account_id
    await caller.ask(tenant, PauseAccount(account_id=account))
    return account


async def _campaign(caller: Caller, tenant: str) -> UUID:
    template_order = SaveTemplate(
        name="hello", kind=SendKind.EMAIL, subject="A question", body=_BODY, actor="service:bench"
    )
    template = await caller.ask(tenant, template_order)
    hours = {"opens": "00:00", "closes": "24:00", "weekdays": [1, 2, 3, 4, 5, 6, 7], "holidays": "none"}
    steps = [{"variants": [{"template_id": str(template.template_id)}]}]
    settings = {"daily_cap": 100_000, "hours": hours}
    order = CreateCampaign.model_validate({"title": "Bench", "steps": steps, "settings": settings})
    return (await caller.ask(tenant, order)).campaign_id


def _counts(database: asyncpg.Connection, query: str, tenant: str, wanted: int) -> Callable[[], Awaitable[bool]]:
    async def probe() -> bool:
        return bool(await database.fetchval(query, tenant) == wanted)

    return probe


async def _until(probe: Callable[[], Awaitable[bool]]) -> None:
    deadline = monotonic() + _DEADLINE_SECONDS
    while not await probe():
        if monotonic() > deadline:
            raise SystemExit("not done within ten minutes: see the services' logs")
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "messages", metavar="MESSAGES", type=int, nargs="?", default=20_000, help="default: %(default)s"
    )
    parser.add_argument("--folder", type=Path, help="where the installation is to lie; /dev/shm spares it the disk")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    numbers = asyncio.run(main(arguments.messages, arguments.folder))
    print(
        json.dumps(numbers) if arguments.json else "\n".join(f"{name} {number:.2f}" for name, number in numbers.items())
    )
