"""However batches of leads and orders interleave, and in however many replicas, nothing is left behind or out of order."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from chassis.keys import TenantKeys, key_service
from chassis.received import Handler, Received, Wire, encode
from chassis.service import Service
from chassis.unit_of_work import Database, UnitOfWork
from contracts.intake.leads import LeadAccepted, LeadUpdated, SourceIds
from contracts.message import Envelope, Message
from contracts.outcomes import RecordOutcomes
from outcomes import handlers
from outcomes.source_ids import Naming
from tests.outcomes.desk import Desk, accepted, duplicated, of_source, order, rejected, spoilt, updated
from tests.platform import Platform
from tests.waiting import until


def received(tenant: str, message: Message) -> Received[Any]:
    now, id_ = datetime.now(UTC), uuid7()
    envelope = Envelope(id_, message.topic.type, tenant, now, id_)
    return Received(envelope, message, Wire(envelope.subject, envelope.headers, b"", now))


async def test_two_replicas_share_the_work_and_keep_each_lead_s_outcomes_in_order(
    running: Platform, service: Service, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    leads = [accepted(str(number)) for number in range(40)]
    handled: Counter[str] = Counter()
    replica = running.build("outcomes")
    for name, one in (("one", service), ("two", replica)):
        monkeypatch.setitem(one.consumes, RecordOutcomes, _counting(one.consumes[RecordOutcomes], name, handled))
    rounds: list[str] = []
    async with replica.running(), running.connect("operator") as client:

        async def round_handled() -> bool:
            return handled.total() >= len(leads) * len(rounds)

        async def both_had_a_turn() -> bool:
            rounds.append(f"{len(rounds):04}")
            for lead in leads:
                message = order(of_source(lead.source_id), "contacted", idempotency_key=rounds[-1])
                await client.publish(message.topic.subject(desk.tenant), encode(message))
            await until(
                round_handled, what="the round being handled"
            )  # a turn lasts as long as there is something to do
            return len(rounds) >= 20 and min(handled["one"], handled["two"]) > 0

        await desk.hear(*leads[:20])
        await until(both_had_a_turn, what="both replicas having had a turn")
        await desk.hear(*leads[20:])

        async def recorded() -> list[Any]:
            async with running.sql() as sql:
                rows = await sql.fetch(
                    """select array_agg(idempotency_key order by sequence) as keys
                       from outcomes.outcome where tenant_id = $1 group by lead_id""",
                    desk.tenant,
                )
            return rows if sum(len(row["keys"]) for row in rows) == len(leads) * len(rounds) else []

        assert [row["keys"] for row in await until(recorded, what="every outcome recorded")] == [rounds] * len(leads)


def _counting(handler: Handler, name: str, handled: Counter[str]) -> Handler:
    """The handler, counting what it is handed."""

    async def counted(uow: UnitOfWork, messages: Sequence[Received[Any]]) -> None:
        handled[name] += len(messages)
        await handler(uow, messages)

    return counted


@pytest.fixture(scope="module")
async def database(platform: Platform) -> Any:
    database = Database("outcomes", platform.settings("outcomes").database_url)
    yield database
    await database.close()


@pytest.fixture(scope="module")
def keyed(platform: Platform) -> handlers.Handlers:
    keys = TenantKeys(key_service(platform.settings("outcomes").kms_uri))
    return handlers.Handlers(keys, Naming(keys, _nobody_is_asked))


async def _nobody_is_asked(*_: object) -> SourceIds:
    raise AssertionError("no id here is a contact")


async def test_no_order_is_left_waiting_by_a_lead_that_arrives_at_the_same_moment(
    running: Platform, database: Database, keyed: handlers.Handlers, tenant: str
) -> None:
    leads = [accepted(str(number)) for number in range(200)]
    orders = [received(tenant, order(of_source(lead.source_id), "contacted")) for lead in leads]
    arrivals = [received(tenant, lead) for lead in leads]

    async def handle(handler: Any, messages: Sequence[Received[Any]]) -> None:
        async with database.begin(tenant) as uow:
            await handler(uow, messages)

    for start in range(0, 200, 10):
        batch = slice(start, start + 10)
        await asyncio.gather(handle(keyed.follow_leads, arrivals[batch]), handle(keyed.record, orders[batch]))
    async with running.sql() as sql:
        assert await sql.fetchval("select count(*) from outcomes.waiting where tenant_id = $1", tenant) == 0
        assert await sql.fetchval("select count(*) from outcomes.outcome where tenant_id = $1", tenant) == 200


def _world(random_: random.Random) -> tuple[list[Message], list[RecordOutcomes]]:
    """Some leads' lives as intake tells them, and orders that name the submissions, each in its own order."""
    events: list[Message] = []
    submissions: list[tuple[str, Any]] = []
    for source_id in "abc":
        life: list[Any] = [rejected(source_id) for _ in range(random_.randrange(2))]
        lead: LeadAccepted | LeadUpdated = accepted(source_id, geo_key="place_1")
        life.append(lead)
        for _ in range(random_.randrange(4)):
            what = random_.choice(["update", "repeat", "rejection"])
            if what == "update":
                lead = updated(lead, geo_key=f"place_{lead.version + 1}")
                life.append(lead)
            else:
                life.append(duplicated(lead) if what == "repeat" else spoilt(lead))
        events += life
        submissions += [(source_id, event.submission_id) for event in life]
    random_.shuffle(submissions)
    orders = []
    for number in range(12):
        source_id, submission_id = random_.choice(submissions)
        type_ = random_.choice(["contacted", "closed_won", "closed_lost", "invalid"])
        orders.append(order(of_source(source_id, submission_id), type_, idempotency_key=str(number % 9)))
    return events, orders


@given(random_=st.randoms(use_true_random=False))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whether_leads_or_their_orders_come_first_makes_no_difference(
    platform: Platform, database: Database, keyed: handlers.Handlers, random_: random.Random
) -> None:
    events, orders = _world(random_)
    told: list[Any] = []
    for mixed in (False, True):
        tenant = f"interleaved-{uuid7()}"
        commands = [received(tenant, one) for one in orders]
        in_order = {
            keyed.follow_leads: iter([received(tenant, event) for event in events]),
            keyed.record: iter(commands),
        }
        turns = [keyed.follow_leads] * len(events) + [keyed.record] * len(orders)
        if mixed:
            random_.shuffle(turns)
        async with database.begin(tenant) as uow:
            for handler, same in groupby(turns):
                await handler(uow, [next(in_order[handler]) for _ in same])
        async with platform.sql() as sql:
            assert await sql.fetchval("select count(*) from outcomes.waiting where tenant_id = $1", tenant) == 0
            outcomes = await sql.fetch(
                """select lead_id, sequence, type, idempotency_key, occurred_at, attribution, warnings
                   from outcomes.outcome where tenant_id = $1 order by lead_id, sequence""",
                tenant,
            )
            verdicts = await sql.fetch(
                """select results #>> '{0,verdict}' as verdict
                   from unnest(cast($2 as uuid[])) with ordinality as given (command_id, n)
                   join outcomes.recording using (command_id) where tenant_id = $1 order by n""",
                tenant,
                [command.id for command in commands],
            )
            assert len(verdicts) == len(orders)
            told.append((outcomes, verdicts))
    assert told[0] == told[1]
