"""Before an action, who takes it is told of a similar one; it is advice, and nothing of what was asked for is kept."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.aggregator.events import ListEvents
from contracts.intake.memory import (
    ActionRecall,
    ActionView,
    CheckAction,
    ListActions,
    RecordAction,
    UpdateAction,
)
from contracts.message import ProblemCode, ProblemError
from contracts.operations import RunJob
from intake.memory import recalling
from tests.platform import Platform
from tests.waiting import until

ROOFERS = {"industry": "Roofing", "state": "OH", "size": "10-50", "titles": ["Owner", "CEO"], "limit": 100}
DENTISTS = {"industry": "Dentists", "state": "CA", "size": "1-10", "titles": ["Dentist"], "limit": 20}
ABOUT = {"action_type": "discovery", "entity_type": "company"}


async def check(platform: Platform, tenant: str, request: dict[str, Any], **about: Any) -> ActionRecall:
    return await platform.caller.ask(tenant, CheckAction(request=request, **{**ABOUT, **about}))


async def record(platform: Platform, tenant: str, request: dict[str, Any], **about: Any) -> ActionView:
    return await platform.caller.ask(tenant, RecordAction(request=request, **{**ABOUT, "actor": "user:7", **about}))


async def age(platform: Platform, action_id: UUID, by: timedelta) -> None:
    """As if the action had been taken that much earlier."""
    async with platform.sql() as sql:
        await sql.execute(
            "update intake.action set acted_at = acted_at - $2::interval, expires_at = expires_at - $2::interval where action_id = $1",
            action_id, by,
        )  # fmt: skip


async def test_the_same_request_again_is_recalled_with_its_date_and_what_came_of_it(
    running: Platform, tenant: str
) -> None:
    assert (await check(running, tenant, ROOFERS)).similar_action_found is False
    for status, words in (("completed", "completed"), ("partial", "partial"), ("no_action", "no action")):
        action = await record(running, tenant, ROOFERS, status=status)
        recall = await check(running, tenant, {**ROOFERS, "state": " oh", "titles": ["ceo", "owner"], "city": ""})
        day = action.acted_at.date()
        assert recall == ActionRecall(
            similar_action_found=True,
            previous_action_id=action.action_id,
            previous_action_date=action.acted_at,
            previous_action_status=status,
            message=f"a similar action on {day}, {words}: it asked for the very same",
            allow_proceed=True,
        )


async def test_a_similar_request_is_recalled_and_a_different_one_is_not(running: Platform, tenant: str) -> None:
    await record(running, tenant, ROOFERS)
    similar = await check(running, tenant, {**ROOFERS, "city": "Dublin"})
    assert similar.similar_action_found
    assert similar.message == f"a similar action on {datetime.now(UTC).date()}, completed"
    for other in (DENTISTS, {**ROOFERS, "state": "PA"}, {**ROOFERS, "state": "PA", "limit": 20}, {}, {"state": "OH"}):
        assert await check(running, tenant, other) == ActionRecall(similar_action_found=False)


async def test_another_kind_of_action_or_entity_or_another_entity_is_another_action(
    running: Platform, tenant: str
) -> None:
    one, other = uuid4(), uuid4()
    await record(running, tenant, ROOFERS, entity_id=one)
    assert not (await check(running, tenant, ROOFERS, action_type="outreach")).similar_action_found
    assert not (await check(running, tenant, ROOFERS, entity_type="individual")).similar_action_found
    assert not (await check(running, tenant, ROOFERS, entity_id=other)).similar_action_found
    assert (await check(running, tenant, ROOFERS, entity_id=one)).similar_action_found
    long = {f"field {number}": "x" for number in range(40)}
    await record(running, tenant, long, entity_id=one)
    assert not (await check(running, tenant, long, entity_id=other)).similar_action_found


async def test_the_very_same_comes_before_a_later_similar_one_and_the_latest_before_others(
    running: Platform, tenant: str
) -> None:
    first = await record(running, tenant, ROOFERS, status="partial")
    second = await record(running, tenant, ROOFERS, status="no_action")
    await record(running, tenant, {**ROOFERS, "city": "Dublin"})
    await age(running, first.action_id, timedelta(days=2))
    await age(running, second.action_id, timedelta(days=1))
    recall = await check(running, tenant, ROOFERS)
    assert (recall.previous_action_status, recall.previous_action_date) == (
        "no_action", second.acted_at - timedelta(days=1),
    )  # fmt: skip


async def test_an_action_is_recalled_as_long_as_the_tenant_remembers_and_stays_for_auditors(
    running: Platform, tenant: str
) -> None:
    action = await record(running, tenant, ROOFERS)
    await age(running, action.action_id, timedelta(days=29, hours=23))
    assert (await check(running, tenant, ROOFERS)).similar_action_found
    await age(running, action.action_id, timedelta(hours=2))
    assert not (await check(running, tenant, ROOFERS)).similar_action_found, "gone at once"
    await running.caller.ask(tenant, RunJob(job="clear_expired"), of="intake")
    async with running.sql() as sql:
        assert await sql.fetchval("select count(*) from intake.action_part where tenant_id = $1", tenant) == 0
        (kept,) = await sql.fetch("select fingerprint, parts from intake.action where tenant_id = $1", tenant)
    assert tuple(kept) == (None, [])
    (listed,) = (await running.caller.ask(tenant, ListActions())).actions
    assert listed.action_id == action.action_id


async def test_what_one_tenant_did_is_not_recalled_for_another(running: Platform, tenant: str) -> None:
    await record(running, tenant, ROOFERS)
    other = f"other-{tenant}"
    await running.introduce(other, "intake")
    assert not (await check(running, other, ROOFERS)).similar_action_found


async def test_the_same_request_of_two_tenants_leaves_no_hash_in_common(running: Platform, tenant: str) -> None:
    other = f"other-{tenant}"
    await running.introduce(other, "intake")
    left = []
    for each in (tenant, other):
        await record(running, each, ROOFERS)
        async with running.sql() as sql:
            (row,) = await sql.fetch("select fingerprint, parts from intake.action where tenant_id = $1", each)
        left.append({row["fingerprint"], *row["parts"]})
    ours, theirs = left
    assert len(ours) == len(theirs) > 2
    assert not ours & theirs


async def test_going_on_anyway_is_never_stopped_and_auditors_see_it(running: Platform, tenant: str) -> None:
    first = await record(running, tenant, ROOFERS)
    recall = await check(running, tenant, ROOFERS)
    assert recall.similar_action_found and recall.allow_proceed
    again = await record(running, tenant, ROOFERS, actor="user:9", status="partial", proceeded_anyway=True)
    await record(running, tenant, DENTISTS)
    (audited,) = (await running.caller.ask(tenant, ListActions(proceeded_anyway=True))).actions
    assert audited == again
    assert (audited.actor, audited.action_type, audited.status) == ("user:9", "discovery", "partial")
    assert (audited.proceeded_anyway, audited.similar_to) == (True, first.action_id)


async def test_actions_are_listed_newest_first_by_what_is_asked_a_page_at_a_time(
    running: Platform, tenant: str
) -> None:
    made = [
        await record(running, tenant, {"n": n}, action_type=kind, actor=actor, action_id=uuid4())
        for n, (kind, actor) in enumerate(
            [("discovery", "user:1"), ("outreach", "user:1"), ("enrichment", "user:2"), ("outreach", "user:2")]
        )
    ]
    ask = running.caller.ask
    first = await ask(tenant, ListActions(limit=3))
    rest = await ask(tenant, ListActions(limit=3, cursor=first.next_cursor))
    assert [*first.actions, *rest.actions] == made[::-1]
    assert rest.next_cursor is None
    assert (await ask(tenant, ListActions(action_type="outreach", actor="user:1"))).actions == [made[1]]
    for wrong in ("x", "2026-11-02/x", f"2026-11-02T00:00:00/{uuid4()}"):
        with pytest.raises(ProblemError, match="not a cursor"):
            await ask(tenant, ListActions(cursor=wrong))


async def test_what_came_of_an_action_is_said_later_and_told_once(running: Platform, tenant: str) -> None:
    action = await record(running, tenant, ROOFERS, status="no_action")
    for _ in range(2):
        updated = await running.caller.ask(tenant, UpdateAction(action_id=action.action_id, status="partial"))
        assert updated.status == "partial"
    assert (await check(running, tenant, ROOFERS)).previous_action_status == "partial"
    async with running.sql() as sql:
        told = await sql.fetch("select type, body from intake.outbox where tenant = $1 order by seq", tenant)
    assert [row["type"] for row in told] == ["intake.event.action_recorded.v1", "intake.event.action_updated.v1"]
    with pytest.raises(ProblemError) as refused:
        await running.caller.ask(tenant, UpdateAction(action_id=uuid4(), status="partial"))
    assert refused.value.problem.code is ProblemCode.NOT_FOUND


async def test_an_action_told_twice_is_recorded_once(running: Platform, tenant: str) -> None:
    id_ = uuid4()
    views = await asyncio.gather(*(record(running, tenant, ROOFERS, action_id=id_) for _ in range(8)))
    assert {view.action_id for view in views} == {id_}
    assert len((await running.caller.ask(tenant, ListActions())).actions) == 1
    async with running.sql() as sql:
        told = await sql.fetchval("select count(*) from intake.outbox where tenant = $1", tenant)
    assert told == 1


async def test_whoever_cannot_be_told_is_told_so_and_can_go_on(running: Platform, tenant: str) -> None:
    hidden = running.key_file.with_suffix(".away")
    running.key_file.rename(hidden)
    try:
        with pytest.raises(ProblemError) as refused:
            await check(running, tenant, ROOFERS)
        assert refused.value.problem.code is ProblemCode.UNAVAILABLE
    finally:
        hidden.rename(running.key_file)


@pytest.mark.usefixtures("logging_as_a_process")
async def test_neither_a_request_nor_a_hash_of_it_gets_out(
    platform: Platform, tenant: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Everything that leaves the service: replies, events, log lines; and of the request, the database as well."""
    made = []
    fingerprint = recalling.fingerprint

    def noted(*given: Any) -> Any:
        made.append(fingerprint(*given))
        return made[-1]

    monkeypatch.setattr(recalling, "fingerprint", noted)
    secret = {"email": "canary@example.com", "name": "Jane Canary", "phone": "6145550177"}
    async with platform.running("intake", "aggregator"):
        await platform.introduce(tenant, "intake", "aggregator")
        about = {"action_type": "outreach", "entity_type": "individual"}
        replies: list[Any] = [await check(platform, tenant, secret, **about)]
        replies.append(await record(platform, tenant, secret, **about))
        replies.append(await check(platform, tenant, secret, **about))
        replies.append(await record(platform, tenant, secret, proceeded_anyway=True, **about))
        replies.append(await platform.caller.ask(tenant, ListActions()))

        async def told() -> list[dict[str, Any]]:
            events = (await platform.caller.ask(tenant, ListEvents())).events
            return [event.model_dump(mode="json") for event in events] if len(events) >= 2 else []

        out = json.dumps([reply.model_dump(mode="json") for reply in replies] + await until(told))
    logged = "".join(capfd.readouterr())
    assert '"service": "intake"' in logged
    out += logged
    hashes = {part.hex() for each in made for part in (each.whole, *each.parts)}
    assert len(hashes) == 4
    assert [word for word in (*hashes, *secret.values(), "fingerprint") if word.lower() in out.lower()] == []
    async with platform.sql() as sql:
        for table in ("action", "action_part", "memory"):
            rows = await sql.fetch(f"select t::text as row from intake.{table} t where tenant_id = $1", tenant)
            assert not [row for row in rows if any(value in row["row"] for value in secret.values())]
