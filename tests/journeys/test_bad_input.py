"""What is wrong gets a clear error, and the good message right after it is handled as if nothing had been."""

import json
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import nats.errors
import pytest
from nats.aio.client import Client

from chassis.caller import ERROR
from chassis.received import encode
from contracts.aggregator.events import ListEvents
from contracts.intake.leads import GetSubmissions
from contracts.message import Problem, Request
from contracts.outcomes import GetRecordings
from tests.journeys.operating import Operator
from tests.waiting import until

SUBMIT, RECORD = "intake.command.submit_lead.v1", "outcomes.command.record_outcome.v1"
LEAD = {"source_system": "web", "source_id": "first", "full_name": "Ada Example"}
OUTCOME = {"type": "contacted", "occurred_at": "2026-03-01T12:00:00Z"}


def lead(**more: object) -> dict[str, object]:
    return {**LEAD, **more}


def outcome(**more: object) -> dict[str, object]:
    return {"lead": {"source_system": "web", "source_id": "first"}, "outcome": {**OUTCOME, **more}}


@dataclass(frozen=True)
class Bad:
    """A command that breaks the contract, and what its dead letter says of it."""

    reason: str
    body: object
    subject: str = SUBMIT
    headers: dict[str, str] = field(default_factory=dict)


BAD = [
    Bad("Invalid JSON", '{"source_system": "web", "source_id"'),
    Bad("Input should be an object", [LEAD]),
    Bad("full_name: Input should be a valid string", lead(full_name=7)),
    Bad("source_id: Field required", {"source_system": "web"}),
    Bad("?: Extra inputs are not permitted (an unknown field; did you mean phone?)", lead(phoen="614 555 0100")),
    Bad("ce-tenantid disagrees with the subject", lead(), headers={"ce-tenantid": "another"}),
    Bad("ce-type disagrees with the subject", lead(), headers={"ce-type": RECORD}),
    Bad("a header is malformed", lead(), headers={"correlationid": "7"}),
    Bad("outcome.type: Input should be", outcome(type="hired"), RECORD),
    Bad("outcome.occurred_at: Input should", outcome(occurred_at="tomorrow"), RECORD),
]


async def test_what_breaks_the_contract_becomes_a_dead_letter_and_stops_nothing_behind_it(
    operator: Operator, known: str
) -> None:
    bad = {uuid4(): one for one in BAD}
    good = [uuid4() for _ in BAD]
    reused = uuid4()
    async with operator.upstream(known) as upstream:
        await upstream.publish(f"{SUBMIT}.{known}", body_of(LEAD))
        for (id_, one), after in zip(bad.items(), good, strict=True):
            await publish(upstream, f"{one.subject}.{known}", one.body, id_, one.headers)
            await publish(upstream, f"{SUBMIT}.{known}", lead(source_id=str(after)), after)
        await publish(upstream, f"{SUBMIT}.{known}", lead(source_id="one"), reused)
        await publish(upstream, f"{SUBMIT}.{known}", lead(source_id="another"), reused)
        with pytest.raises(nats.errors.MaxPayloadError):
            await upstream.publish(f"{SUBMIT}.{known}", bytes(2 * 2**20))

        async def verdicts() -> set[str]:
            found = await ask(upstream, known, GetSubmissions(submission_ids=[*good, reused]))
            return {view.verdict for view in found.submissions} if len(found.submissions) == len(good) + 1 else set()

        assert await until(verdicts, what="the verdicts on the good ones") == {"accepted"}

    async def buried() -> dict[UUID, str]:
        letters = [letter for letter in await operator.ask("dead", "list") if letter["tenant"] == known]
        return {UUID(letter["message_id"]): letter["reason"] for letter in letters} if len(letters) > len(bad) else {}

    reasons = await until(buried, what="the dead letters")
    assert reasons.keys() == {*bad, reused}
    assert not [(one.reason, reasons[id_]) for id_, one in bad.items() if one.reason not in reasons[id_]]
    assert reasons[reused] == "the id was used before by a message with another body"


async def test_what_is_unusable_is_told_by_its_verdict_and_an_event(operator: Operator, known: str) -> None:
    rejected, lenient, future = uuid4(), uuid4(), uuid4()
    submit, record = f"{SUBMIT}.{known}", f"{RECORD}.{known}"
    async with operator.upstream(known) as upstream:
        await upstream.publish(submit, body_of(LEAD))
        await publish(
            upstream, submit, {"source_system": "web", "source_id": "nobody", "phone": "12", "email": "ada@"}, rejected
        )
        await publish(upstream, submit, lead(source_id="lenient", phone="call me", email="ada@nowhere"), lenient)
        await publish(upstream, record, outcome(occurred_at="2999-01-01T00:00:00Z"), future)
        await upstream.publish(record, body_of(outcome()))

        async def verdicts() -> dict[UUID, str]:
            leads = (await ask(upstream, known, GetSubmissions(submission_ids=[rejected, lenient]))).submissions
            outcomes = (await ask(upstream, known, GetRecordings(command_ids=[future]))).recordings
            found = {view.submission_id: str(view.verdict) for view in leads}
            found |= {view.command_id: f"{view.results[0].verdict} {view.results[0].refusal}" for view in outcomes}
            return found if len(found) == 3 and "waiting None" not in found.values() else {}

        assert await until(verdicts, what="the verdicts") == {
            rejected: "rejected", lenient: "accepted", future: "refused in_future",
        }  # fmt: skip

    async def events() -> dict[str, list[dict[str, Any]]]:
        async with operator.caller() as caller:
            page = await caller.ask(known, ListEvents())
        found: dict[str, list[dict[str, Any]]] = {}
        for event in page.events:
            found.setdefault(event.type.split(".")[2], []).append(event.body)
        return found if "outcome_recorded" in found and "outcome_refused" in found else {}

    told = await until(events, what="the events")
    (rejection,) = told["lead_rejected"]
    assert {flaw["field"] for flaw in rejection["reasons"]} >= {"phone", "email"}
    (accepted,) = (event for event in told["lead_accepted"] if event["source_id"] == "lenient")
    assert {flaw["field"] for flaw in accepted["warnings"]} == {"phone", "email"}
    (refusal,) = told["outcome_refused"]
    assert (refusal["refusal"], refusal["command_id"]) == ("in_future", str(future))
    assert len(told["outcome_recorded"]) == 1


async def test_the_api_names_the_field_and_goes_on(operator: Operator, known: str) -> None:
    leads, outcomes = f"/api/t/{known}/leads", f"/api/t/{known}/outcomes"
    first = {"source_system": "web", "source_id": "first"}
    stranger = f"{known[:50]}-stranger"
    await operator.introduce(stranger)
    async with operator.http(stranger) as api:
        theirs = (await api.post(f"/api/t/{stranger}/leads", json=LEAD)).json()["lead_id"]
    async with operator.http(known) as api:
        assert (await api.post(leads, json=LEAD)).status_code == 201
        for number, (path, body, status, field) in enumerate(
            [
                (leads, b'{"source_system": ', 400, None),
                (leads, lead(full_name=7), 400, "full_name"),
                (leads, lead(phoen="614 555 0100"), 400, "?"),
                (leads, bytes(2 * 2**20), 413, None),
                (leads, lead(phone="call me"), 400, "phone"),
                (leads, lead(email="ada@"), 400, "email"),
                (outcomes, {"lead": first, "outcomes": [{**OUTCOME, "type": "hired"}]}, 400, "outcomes.0.type"),
                (
                    outcomes,
                    {"lead": first, "outcomes": [{**OUTCOME, "occurred_at": "2999-01-01T00:00:00Z"}]},
                    400,
                    "outcomes.0.occurred_at",
                ),
                (outcomes, {"lead": {"lead_id": theirs}, "outcomes": [OUTCOME]}, 404, "lead_id"),
            ]
        ):
            answer = await api.post(
                path, content=body if isinstance(body, bytes) else body_of(body),
                headers={"Content-Type": "application/json"},
            )  # fmt: skip
            problem = answer.json()
            assert (answer.status_code, problem.get("field")) == (status, field), problem
            assert answer.headers["content-type"] == "application/problem+json"
            assert (await api.post(leads, json=lead(source_id=str(number)))).status_code == 201
        assert (await api.get(f"/api/t/{known}/leads/{theirs}")).status_code == 404
        recorded = await api.post(outcomes, json={"lead": first, "outcomes": [OUTCOME]})
        assert recorded.status_code == 201
    async with operator.http(stranger) as api:
        history = await api.get(f"/api/t/{stranger}/leads/{theirs}/outcomes")
    assert history.json()["outcomes"] == []


async def test_an_order_for_a_lead_of_another_tenant_touches_nothing(operator: Operator, known: str) -> None:
    stranger, order = f"{known[:50]}-stranger", uuid4()
    await operator.introduce(stranger)
    async with operator.http(stranger) as api:
        theirs = (await api.post(f"/api/t/{stranger}/leads", json=LEAD)).json()["lead_id"]
    async with operator.upstream(known) as upstream:
        await publish(upstream, f"{RECORD}.{known}", {"lead": {"lead_id": theirs}, "outcome": OUTCOME}, order)

        async def verdict() -> str:
            found = (await ask(upstream, known, GetRecordings(command_ids=[order]))).recordings
            return str(found[0].results[0].verdict) if found else ""

        assert await until(verdict, what="the verdict") == "waiting", "it may yet come to this tenant"
    async with operator.sql() as sql:
        assert (
            await sql.fetchval("select count(*) from outcomes.outcome where tenant_id = any($1)", [known, stranger])
            == 0
        )


async def test_a_request_is_refused_with_a_typed_error(operator: Operator, known: str) -> None:
    async with operator.installation.connected() as client:
        for body, code, told in [
            (b"{", "invalid", "Invalid JSON"),
            (b'{"submission_ids": "all"}', "invalid", "submission_ids: Input should be a valid array"),
            (b'{"submission_ids": [], "and": 1}', "invalid", "?: Extra inputs are not permitted"),
        ]:
            reply = await client.request(f"intake.request.get_submissions.v1.{known}", body, timeout=5)
            assert (reply.headers or {})[ERROR] == code
            assert told in Problem.model_validate_json(reply.data).message
        assert (await ask(client, known, GetSubmissions(submission_ids=[]))).submissions == []


def body_of(body: object) -> bytes:
    return (body if isinstance(body, str) else json.dumps(body)).encode()


async def publish(client: Client, subject: str, body: object, id_: UUID, headers: dict[str, str] | None = None) -> None:
    await client.publish(subject, body_of(body), headers={"ce-id": str(id_), **(headers or {})})


async def ask(client: Client, tenant: str, request: Request[Any]) -> Any:
    reply = await client.request(request.topic.subject(tenant), encode(request), timeout=5)
    assert ERROR not in (reply.headers or {}), reply.data
    return request.reply_type().model_validate_json(reply.data)
