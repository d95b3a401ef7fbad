"""A log line has the fields of the allow-list and no other, and no text that somebody typed can get into it."""

import asyncio
import contextlib
import gc
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from chassis import logs
from chassis.failures import KeysUnavailableError
from contracts.intake.leads import SubmitLeadNow
from contracts.message import ProblemError
from tests.chassis.ledger import PHONE, Mishap, submission
from tests.chassis.process import Process
from tests.chassis.scene import Scene

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Lines]:
    """What was logged since it was last asked, as a service's process logs it."""
    root = logging.getLogger()
    before, configuration = (root.handlers[:], root.level), structlog.get_config()
    logs.configure("tests", "DEBUG")
    yield lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    root.handlers[:], root.level = before
    structlog.configure(**configuration)
    structlog.contextvars.clear_contextvars()


def test_a_line_is_json_with_time_level_service_and_module(lines: Lines) -> None:
    logs.get_logger("relay").warning("the relay pauses", count=3, tenant="acme")
    (line,) = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "the relay pauses", "level": "warning", "service": "tests", "module": "relay", "count": 3,
        "tenant": "acme",
    }  # fmt: skip


def test_a_field_that_is_not_on_the_list_is_dropped_and_named(lines: Lines) -> None:
    logs.get_logger("any").info("somebody wrote", phone=PHONE, body={"phone": PHONE}, count=1)
    structlog.contextvars.bind_contextvars(email=PHONE)
    logs.get_logger("any").info("and again")
    first, second = lines()
    assert (first["dropped"], first["count"]) == (["body", "phone"], 1)
    assert second["dropped"] == ["email"]
    assert PHONE not in json.dumps([first, second])


@pytest.mark.parametrize("how", ["given", "current", "library"])
def test_an_exception_is_its_class_and_its_place_and_never_its_text(lines: Lines, how: str) -> None:
    def fail() -> None:
        raise KeysUnavailableError(PHONE) from ValueError(PHONE)

    try:
        fail()
    except KeysUnavailableError as error:
        if how == "given":
            logs.get_logger("any").error("it failed", exc_info=error)
        elif how == "current":
            logs.get_logger("any").exception("it failed")
        else:
            logging.getLogger("library").exception("it failed")
    (line,) = lines()
    assert (line["event"], line["error"]) == ("it failed", "KeysUnavailableError")
    assert line["where"][-1].startswith("test_logs.py:")
    assert line["where"][-1].endswith(" fail")
    assert PHONE not in json.dumps(line)


def test_a_librarys_line_is_the_text_in_its_code_and_never_what_was_put_into_it(lines: Lines) -> None:
    library = logging.getLogger("library")
    library.warning("cannot read %s", PHONE)
    library.warning("nothing to read")
    library.warning(f"cannot read {PHONE}")
    library.warning("cannot read {}".format(PHONE))  # noqa: UP032
    library.error(ValueError(PHONE))
    library.info("below what is wanted of libraries")
    found = lines()
    assert [line["event"] for line in found[:2]] == ["cannot read %s", "nothing to read"]
    assert len(found) == 5
    assert all(line["module"] == "library" and "test_logs.py:" in line["where"][0] for line in found)
    assert PHONE not in json.dumps(found)


async def test_what_asyncio_says_of_a_task_that_nobody_awaited_does_not_quote_its_error(lines: Lines) -> None:
    async def fail() -> None:
        raise ValueError(PHONE)

    task = asyncio.create_task(fail())
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait([task])
    del task
    gc.collect()
    (line,) = [line for line in lines() if line["module"] == "asyncio" and line["level"] == "error"]
    assert line["error"] == "ValueError"
    assert PHONE not in json.dumps(line)


async def test_nothing_personal_gets_into_the_log_of_a_service_however_it_fails(scene: Scene) -> None:
    await scene.give(
        submission(1), submission(2, Mishap.FAILS), submission(3, Mishap.FAILS_AFTER_WRITING), submission(2**40)
    )
    await scene.give_raw(json.dumps({PHONE: PHONE, "phone": PHONE}).encode(), {"ce-id": PHONE})
    await scene.give_raw(PHONE.encode())
    async with Process.running(scene.platform) as process:
        await scene.buried(5)
        with pytest.raises(ProblemError):
            await scene.ask(SubmitLeadNow(source_system="test", source_id="1", phone=PHONE, notes=PHONE))
        await scene.written(1)
        found = [json.loads(line) for line in process.output.splitlines()]
    assert len([line for line in found if line["event"] == "dead letter"]) == 5
    assert len([line for line in found if line["event"] == "a message failed"]) == 9
    assert set().union(*found) <= logs.ALLOWED
    assert PHONE not in json.dumps(found)
    assert "5550142" not in json.dumps(found)
