"""Replicas share the work; one that stops takes nothing with it, and a lead's outcomes stay in order."""

from datetime import UTC, datetime
from signal import SIGTERM

from uuid_utils.compat import uuid7

from chassis.outlet import Outgoing
from chassis.received import encode
from contracts.intake.leads import SubmitLead
from contracts.message import Command, Envelope
from contracts.outcomes import Outcome, RecordOutcomes
from contracts.values import LeadRef
from leadloop.sending import Sender
from tests.chaos.system import System
from tests.waiting import until

SOURCE = "replicas"
LEADS = 40
REPLICAS = ("intake", "intake-2", "outcomes", "outcomes-2")


class Work:
    """Rounds of commands, each a new version and a new outcome of every lead."""

    def __init__(self, sender: Sender, tenant: str) -> None:
        self._sender = sender
        self._tenant = tenant
        self.rounds: list[str] = []

    async def give(self) -> None:
        """One more round."""
        key = f"{len(self.rounds):04}"
        self.rounds.append(key)
        commands: list[Command] = []
        for number in range(LEADS):
            lead = LeadRef(source_system=SOURCE, source_id=f"lead-{number}")
            commands += [
                SubmitLead(source_system=SOURCE, source_id=f"lead-{number}", full_name=f"Ann {key}"),
                RecordOutcomes(lead=lead, outcomes=[Outcome(type="contacted", idempotency_key=key)]),
            ]
        await self._sender.send([self._outgoing(command) for command in commands])

    def _outgoing(self, command: Command) -> Outgoing:
        id_ = uuid7()
        envelope = Envelope(id_, command.topic.type, self._tenant, datetime.now(UTC), id_)
        return Outgoing(envelope.subject, envelope.headers, encode(command))


async def test_replicas_share_the_work_and_one_that_stops_loses_nothing(system: System) -> None:
    tenant = await system.tenant(f"replicas-{uuid7()}")
    before = {name: await system.handled(name) for name in REPLICAS}
    async with Sender(system.installation.address) as sender:
        work = Work(sender, tenant)

        async def all_took_part() -> bool:
            await work.give()
            return all([await system.handled(name) > before[name] for name in REPLICAS])

        await until(all_took_part, seconds=60, what="every replica having handled something")
        for stopped in ("intake", "outcomes-2"):
            await work.give()
            assert system.signal(stopped, SIGTERM)
            await work.give()
    await system.healed()

    async with system.sql() as sql:
        versions = await sql.fetch("select version from intake.lead where tenant_id = $1", tenant)
        outcomes = await sql.fetch(
            """select array_agg(idempotency_key order by sequence) as keys
               from outcomes.outcome where tenant_id = $1 group by lead_id""",
            tenant,
        )
        letters = [
            await sql.fetchval(f"select count(*) from {service}.dead_letter where tenant = $1", tenant)
            for service in ("intake", "outcomes")
        ]
    assert [row["version"] for row in versions] == [len(work.rounds)] * LEADS
    assert [row["keys"] for row in outcomes] == [work.rounds] * LEADS
    assert letters == [0, 0]
