"""The demo: a synthetic tenant with weeks of history, and live traffic for as long as it runs."""

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from pathlib import Path
from random import Random

import nats.errors
from uuid_utils.compat import uuid7

from chassis.caller import Caller
from chassis.exports import mapping
from chassis.exports.mapping_model import Mapping
from chassis.exports.rows import Rows
from chassis.received import encode
from contracts.gateway.sign_in import CreateSignInLink
from contracts.intake.leads import SubmitLead
from contracts.message import Command, Envelope
from contracts.outcomes import Outcome, RecordOutcomes
from contracts.taxonomy import OutcomeType
from contracts.values import LeadRef
from leadloop import generator
from leadloop.commands_tenants import create
from leadloop.errors_file import ErrorsFile
from leadloop.importing import Import
from leadloop.installation import Installation

TENANT = "demo"
HISTORY_ROWS = 2000


async def prepare(installation: Installation) -> None:
    """Create the demo's tenant and import its history; where both are there already, nothing changes."""
    async with installation.connected() as client:
        await create(Caller(client), TENANT)
        with tempfile.TemporaryDirectory() as folder:
            export = Path(folder) / "crm.csv"
            generator.write(export, "crm", HISTORY_ROWS, until=_until(installation))
            with export.open("rb") as stream, ErrorsFile(export) as errors:
                report = await Import(client, installation.address, TENANT, errors).run(Rows(stream, _mapping()))
    seconds = f"{report.seconds:.1f} s"
    print(f"the tenant {TENANT} has {HISTORY_ROWS} imported rows of history ({seconds})", file=sys.stderr)


async def sign_in_link(installation: Installation) -> str:
    """A link that signs in once to the tenant's pages."""
    async with installation.connected() as client:
        link = await Caller(client).ask(TENANT, CreateSignInLink())
    return f"{installation.gateway_url}{link.path}"


async def live(installation: Installation) -> None:
    """Publish a lead every second or so, and what became of it a little later, until cancelled."""
    random = Random()
    async with installation.connected() as client:
        js = client.jetstream()
        for command in _traffic(random):
            id_ = uuid7()
            envelope = Envelope(id_, command.topic.type, TENANT, datetime.now(UTC), id_)
            with suppress(nats.errors.Error, TimeoutError):  # the broker is starting again: traffic goes on after it
                await js.publish(envelope.subject, encode(command), headers=envelope.headers)
            await asyncio.sleep(random.uniform(0.3, 1.2))


def _traffic(random: Random) -> Iterator[Command]:
    """Leads as people would submit them, each followed by outcomes that suit it."""
    recent: list[str] = []
    while True:
        source_id = f"live-{uuid7()}"
        recent = [*recent[-20:], source_id]
        yield SubmitLead(
            source_system="demo-live",
            source_id=source_id,
            full_name=random.choice(["Ana Rossi", "José García", "Grace McDonald", "Wei Tran", "Olga de la Cruz"]),
            phone=f"+1 614 555 01{random.randrange(100):02d}",
            email=f"person{random.randrange(10_000)}@example.com",
            source=random.choice(["Website", "Referral", "Email Campaign", "Event", "Social Media"]),
            geo=random.choice(["Dublin, OH", "Columbus, OH", "Dayton, OH"]),
            intent=random.choice(["buyer", "seller"]),
            timeline=random.choice(["0-30", "31-90", "91-180", "180+"]),
            tier=random.choice("ABCD"),
        )
        if random.random() < 0.6:
            yield RecordOutcomes(
                lead=LeadRef(source_system="demo-live", source_id=random.choice(recent)),
                outcomes=[
                    Outcome(
                        type=random.choices(list(OutcomeType), [50, 20, 5, 5, 10, 8, 2])[0],
                        occurred_at=datetime.now(UTC) - timedelta(seconds=1),
                    )
                ],
                recorded_by="demo",
            )


def _until(installation: Installation) -> date:
    """The last day of the history: the one on which the demo was first run, so that running it again changes nothing."""
    kept = installation.home.keep("demo-until", lambda: datetime.now(UTC).date().isoformat().encode())
    return date.fromisoformat(kept.read_text())


def _mapping() -> mapping.MappingFile[Mapping]:
    return mapping.loads((resources.files("leadloop") / "demo.yaml").read_text(), "demo.yaml")
