"""A request is always answered: with the reply, with a typed refusal, or with a typed time-out; and by one replica."""

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import pytest

from chassis.received import Received, encode
from chassis.unit_of_work import UnitOfWork
from contracts.intake.leads import CountSubmissions, GetLead, SubmissionCounts, SubmitLeadNow
from contracts.message import Problem, ProblemCode, ProblemError, Request
from contracts.operations import GetStatus
from tests.chassis import ledger
from tests.chassis.ledger import PHONE
from tests.chassis.scene import Scene

ASK = CountSubmissions(correlation_id=uuid4())


async def refused(scene: Scene, request: Request[Any], **how: Any) -> ProblemError:
    with pytest.raises(ProblemError) as raised:
        await scene.ask(request, **how)
    return raised.value


async def asked_raw(
    scene: Scene, request: type[Request[Any]], body: bytes, headers: dict[str, str] | None = None
) -> Any:
    """The JSON that anything at all is answered with."""
    subject = request.topic.subject(scene.tenant)
    answer = await scene.platform.operator.request(subject, body, timeout=5, headers=headers)
    return json.loads(answer.data)


async def count(_: UnitOfWork, __: Received[CountSubmissions]) -> SubmissionCounts:
    return SubmissionCounts(counts={})


async def test_a_request_gets_its_reply(scene: Scene) -> None:
    async with scene.service(answers={CountSubmissions: count}).running():
        assert await scene.ask(ASK) == SubmissionCounts(counts={})


async def test_a_refusal_reaches_the_caller_as_it_was_raised_and_undoes_what_was_written(scene: Scene) -> None:
    async def write_and_refuse(uow: UnitOfWork, request: Received[Any]) -> Any:
        await uow.execute("insert into archive values (:tenant, 'x')", tenant=request.tenant)
        raise ProblemError(ProblemCode.CONFLICT, "it is there already", "correlation_id")

    async with scene.service(answers={CountSubmissions: write_and_refuse}).running():
        problem = (await refused(scene, ASK)).problem
    assert (problem.code, problem.message, problem.field) == (
        ProblemCode.CONFLICT, "it is there already", "correlation_id",
    )  # fmt: skip
    assert await scene.select("select from archive where tenant_id = $1", scene.tenant) == []


async def test_an_error_of_ours_tells_nothing_about_what_was_asked(scene: Scene) -> None:
    async def fail(_: UnitOfWork, __: Received[Any]) -> Any:
        raise ValueError(f"cannot handle {PHONE}")

    async with scene.service(answers={CountSubmissions: fail}).running():
        error = await refused(scene, ASK)
    assert error.problem.code is ProblemCode.INTERNAL
    assert PHONE not in error.problem.model_dump_json()


async def test_a_request_nobody_answers_is_refused_at_once(scene: Scene) -> None:
    clock = asyncio.get_running_loop().time
    begun = clock()
    error = await refused(scene, ASK, seconds=30)
    assert clock() - begun < 5
    assert (error.problem.code, error.problem.message) == (ProblemCode.UNAVAILABLE, "intake is not running")


async def test_a_request_not_answered_in_time_is_refused(scene: Scene) -> None:
    never = asyncio.Event()

    async def hang(_: UnitOfWork, __: Received[Any]) -> Any:
        await never.wait()
        return SubmissionCounts(counts={})

    async with scene.service(answers={CountSubmissions: hang}).running():
        error = await refused(scene, ASK, seconds=0.3)
        never.set()
    assert (error.problem.code, error.problem.message) == (
        ProblemCode.UNAVAILABLE, "intake did not answer in 0.3 s",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"correlation_id": str(uuid4()), "corelation": PHONE}, "?", "did you mean correlation_id?"),
        ({"correlation_id": str(uuid4()), PHONE: 1}, "?", "Extra inputs are not permitted"),
        ({"correlation_id": PHONE}, "correlation_id", "valid UUID"),
        ({}, "correlation_id", "Field required"),
        ([PHONE], "body", "should be an object"),
    ],
)
async def test_an_invalid_request_is_refused_with_the_fields_name_and_never_its_value(
    scene: Scene, body: Any, field: str, message: str
) -> None:
    async with scene.service(answers={CountSubmissions: count}).running():
        problem = await asked_raw(scene, CountSubmissions, json.dumps(body).encode())
    assert problem["code"] == "invalid"
    assert problem["field"] == field
    assert message in problem["message"]
    assert PHONE not in json.dumps(problem)


@pytest.mark.parametrize(
    ("body", "headers"),
    [(b"", {}), (b"\xff" + PHONE.encode(), {}), (b"{}", {"ce-tenantid": "other"}), (b"{}", {"ce-id": PHONE})],
)
async def test_what_is_no_request_at_all_is_refused(scene: Scene, body: bytes, headers: dict[str, str]) -> None:
    async with scene.service(answers={CountSubmissions: count}).running():
        problem = await asked_raw(scene, CountSubmissions, body, headers or None)
    assert problem["code"] == "invalid"
    assert PHONE not in json.dumps(problem)


async def test_any_field_of_a_rejected_submission_stays_untold(scene: Scene) -> None:
    secrets = {"full_name": "Ada Example", "phone": PHONE, "email": "ada@example.com", "notes": "call her at night"}
    spoilt = [{"source_id": ""}, {"created_at": "yesterday"}, {"price": {"a": 1}}, {"metadata": "none"}]
    async with scene.service().running():
        for wrong in spoilt:
            body = {"source_system": "crm", "source_id": "1", **secrets, **wrong}
            answer = json.dumps(await asked_raw(scene, SubmitLeadNow, json.dumps(body).encode()))
            assert '"code": "invalid"' in answer
            assert next(iter(wrong)) in answer
            assert not [secret for secret in secrets.values() if secret in answer]


async def test_a_request_is_tried_again_when_another_one_got_in_its_way(scene: Scene) -> None:
    tries = []

    async def lose_twice(uow: UnitOfWork, _: Received[Any]) -> SubmissionCounts:
        tries.append(1)
        if len(tries) < 3:
            await uow.execute("do $$ begin raise exception using errcode = 'serialization_failure'; end $$")
        return SubmissionCounts(counts={})

    async with scene.service(answers={CountSubmissions: lose_twice}).running():
        await scene.ask(ASK)
    assert len(tries) == 3


async def test_each_request_is_answered_by_one_of_the_replicas(scene: Scene) -> None:
    answered: list[str] = []

    def by(replica: str) -> Any:
        async def answer(_: UnitOfWork, __: Received[Any]) -> SubmissionCounts:
            answered.append(replica)
            return SubmissionCounts(counts={})

        return {CountSubmissions: answer}

    async with AsyncExitStack() as replicas:
        for name in ("one", "other"):
            await replicas.enter_async_context(scene.service(answers=by(name)).running())
        for _ in range(40):
            await scene.ask(ASK)
    assert len(answered) == 40
    assert set(answered) == {"one", "other"}


async def test_a_slow_request_keeps_no_other_waiting(scene: Scene) -> None:
    slow, go_on = asyncio.Event(), asyncio.Event()

    async def slowly_once(_: UnitOfWork, __: Received[Any]) -> SubmissionCounts:
        if not slow.is_set():
            slow.set()
            await go_on.wait()
        return SubmissionCounts(counts={})

    async with scene.service(answers={CountSubmissions: slowly_once}).running():
        first = asyncio.create_task(scene.ask(ASK, seconds=10))
        await asyncio.wait_for(slow.wait(), 5)
        await scene.ask(GetStatus(), of=ledger.NAME)
        await scene.ask(ASK, seconds=2)
        assert not first.done()
        go_on.set()
        await first


async def test_the_answer_acts_for_the_tenant_in_the_subject_and_no_other(scene: Scene) -> None:
    async def tenants(uow: UnitOfWork, request: Received[GetLead]) -> Any:
        acting = await uow.execute("select cast(current_setting('app.tenants', true) as text[])")
        raise ProblemError(ProblemCode.NOT_FOUND, " ".join(acting.scalar_one()))

    async with scene.service(answers={GetLead: tenants}).running():
        error = await refused(scene, GetLead(lead_id=uuid4()))
    assert error.problem.message == scene.tenant


async def test_a_service_is_told_who_alone_can_read_its_answer(scene: Scene) -> None:
    """A reply subject is the asker's choice, and so is whom it names; nobody else hears what is answered."""
    callers: list[str | None] = []

    async def note(_: UnitOfWork, request: Received[CountSubmissions]) -> SubmissionCounts:
        callers.append(request.wire.sender)
        return SubmissionCounts(counts={})

    async with scene.service(answers={CountSubmissions: note}).running():
        await scene.ask(ASK)
        client = scene.platform.operator
        for inbox in ("_INBOX_gateway.stolen", "_INBOX_operator", "_INBOX_.a", "operator.a", "_INBOX.operator.a"):
            await client.publish(ASK.topic.subject(scene.tenant), encode(ASK), reply=inbox)
        await scene.ask(ASK)
    assert sorted(map(str, callers)) == ["", "gateway", "operator", "operator", "operator"]


async def test_an_answer_that_is_too_large_to_send_is_refused_and_not_waited_for(scene: Scene) -> None:
    async def talkative(_: UnitOfWork, __: Received[CountSubmissions]) -> Any:
        return Problem(code=ProblemCode.INVALID, message="x" * 2_000_000)

    async with scene.service(answers={CountSubmissions: talkative}).running():
        problem = (await refused(scene, ASK)).problem
    assert (problem.code, len(problem.message) < 100) == (ProblemCode.INVALID, True)
