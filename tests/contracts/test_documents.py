"""What is made from the catalogue is up to date, whole and valid; what is frozen is never overwritten by a break."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import jsonschema_rs
import pytest
from pydantic import BaseModel

from contracts.catalogue import CATALOGUE, OPERATOR, SERVICES, UPSTREAM
from contracts.documents.__main__ import DOCS, generate, main
from contracts.documents.contract import contracts_of
from contracts.documents.examples import example_of
from contracts.documents.frozen import SCHEMAS, read_frozen
from contracts.documents.glossary import EXAMPLE, HEADERS, MEANING
from contracts.documents.schema import meaning_of, nested_in
from contracts.message import Envelope, Kind

CONTRACTS = contracts_of()
MODELS = {
    nested for contract in CONTRACTS.values() for nested in nested_in(contract.model) if issubclass(nested, BaseModel)
}


@pytest.fixture(scope="module")
def files() -> dict[Path, str]:
    """Everything made from the catalogue, as it would be written now."""
    return generate(SCHEMAS, DOCS)


@pytest.fixture(scope="module")
def asyncapi(files: dict[Path, str]) -> Any:
    return json.loads(files[DOCS / "asyncapi.json"])


@pytest.fixture(scope="module")
def page(files: dict[Path, str]) -> str:
    return files[DOCS / "messages.md"]


@pytest.fixture
def copy(tmp_path: Path) -> list[str]:
    """The command's arguments for a copy of all it writes."""
    shutil.copytree(SCHEMAS, tmp_path / "schemas")
    (tmp_path / "docs").mkdir()
    for name in ("asyncapi.json", "messages.md"):
        shutil.copy(DOCS / name, tmp_path / "docs")
    return ["--schemas", str(tmp_path / "schemas"), "--docs", str(tmp_path / "docs")]


def test_schemas_and_documents_are_up_to_date_in_any_process() -> None:
    # Another process orders its sets otherwise; the files must not show it.
    command = [sys.executable, "-m", "contracts.documents", "--check"]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONHASHSEED": "7"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_stale_document_is_found_and_written_anew(
    copy: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "docs" / "messages.md"
    page.write_text("old")
    assert main([*copy, "--check"]) == 1
    assert f"{page} is not up to date; run python -m contracts.documents" in capsys.readouterr().err
    assert page.read_text() == "old"
    assert main(copy) == 0
    assert main([*copy, "--check"]) == 0


def test_a_new_message_is_frozen(copy: list[str], tmp_path: Path) -> None:
    frozen = tmp_path / "schemas" / "intake.event.lead_duplicated.v1.json"
    published = frozen.read_text()
    frozen.unlink()
    assert main(copy) == 0
    assert frozen.read_text() == published


def test_a_compatible_change_is_frozen_and_keeps_the_first_example(copy: list[str], tmp_path: Path) -> None:
    path = tmp_path / "schemas" / "intake.event.lead_accepted.v1.json"
    frozen = json.loads(path.read_text())
    today = set(frozen["properties"])
    del frozen["properties"]["phone_token"]
    del frozen["examples"][0]["phone_token"]
    path.write_text(json.dumps(frozen))
    assert main(copy) == 0
    written = json.loads(path.read_text())
    assert set(written["properties"]) == today
    assert written["examples"] == frozen["examples"]


def test_an_incompatible_change_is_refused_and_nothing_is_written(
    copy: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "schemas" / "intake.event.lead_accepted.v1.json"
    frozen = json.loads(path.read_text())
    frozen["properties"]["colour"] = {"type": "string"}
    path.write_text(json.dumps(frozen))
    (tmp_path / "docs" / "messages.md").write_text("old")
    assert main(copy) == 1
    assert "intake.event.lead_accepted.v1: the field colour was removed" in capsys.readouterr().err
    assert json.loads(path.read_text()) == frozen
    assert (tmp_path / "docs" / "messages.md").read_text() == "old"


def test_every_frozen_example_satisfies_its_schema() -> None:
    for name, frozen in read_frozen().items():
        validator = jsonschema_rs.validator_for(frozen, validate_formats=True)
        assert frozen["examples"], name
        assert [str(error) for example in frozen["examples"] for error in validator.iter_errors(example)] == [], name


def test_a_pattern_without_an_example_is_named() -> None:
    schema = {"type": "object", "properties": {"plate": {"type": "string", "pattern": "^[A-Z]+$"}}}
    with pytest.raises(ValueError, match="plate: no value can be made for a pattern"):
        example_of(schema)


def test_asyncapi_document_is_valid(asyncapi: Any) -> None:
    # The schema is AsyncAPI's own, from its package of specifications (6.11.1, Apache License 2.0), unchanged.
    schema = json.loads((Path(__file__).parent / "asyncapi-3.0.0.schema.json").read_text())
    problems = [
        f"{error.instance_path}: {error.message}" for error in jsonschema_rs.validator_for(schema).iter_errors(asyncapi)
    ]
    assert not problems


def references_in(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for part in node.values():
            yield from references_in(part)
    elif isinstance(node, list):
        for part in node:
            yield from references_in(part)


def test_every_reference_of_the_asyncapi_document_leads_somewhere(asyncapi: Any) -> None:
    for reference in set(references_in(asyncapi)):
        node: Any = asyncapi
        for step in reference.removeprefix("#/").split("/"):
            assert step in node, f"{reference} leads nowhere"
            node = node[step]


def test_asyncapi_has_an_operation_for_everyone_who_sends_or_reads(asyncapi: Any) -> None:
    parties = {operation["tags"][0]["name"] for operation in asyncapi["operations"].values()}
    assert parties == {*SERVICES, OPERATOR, UPSTREAM, "each_service"}
    for entry in CATALOGUE:
        if entry.topic == entry.message.topic:
            for action, each in (("send", entry.senders), ("receive", (*entry.readers, *entry.watchers))):
                for party in each:
                    assert f"{party}.{action}.{entry.topic.type}" in asyncapi["operations"]


def test_every_request_of_the_asyncapi_document_may_be_answered_with_its_reply_or_a_problem(asyncapi: Any) -> None:
    for name, operation in asyncapi["operations"].items():
        assert ("reply" in operation) == (f".{Kind.REQUEST}." in name)
        if "reply" in operation:
            answers = [reference["$ref"].rpartition("/")[2] for reference in operation["reply"]["messages"]]
            assert answers == [f"{operation['channel']['$ref'].rpartition('/')[2]}.reply", "problem.v1"]


def test_every_link_of_the_messages_page_leads_to_one_heading(page: str) -> None:
    anchors = [heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", page, re.MULTILINE)]
    assert len(anchors) == len(set(anchors))
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) <= set(anchors)


def test_the_messages_page_shows_every_message_with_its_subject(page: str) -> None:
    for contract in CONTRACTS.values():
        if contract.topic and not contract.is_reply:
            assert f"\n### {contract.model.__name__}\n" in page
            assert f"| `{contract.name}` |" in page


def test_every_field_has_a_meaning() -> None:
    unexplained = [
        f"{model.__name__}.{name}" for model in MODELS for name in model.model_fields if not meaning_of(model, name)
    ]
    assert not unexplained, "write a docstring under the field, or a word in the glossary"


def test_glossary_explains_no_field_that_is_gone() -> None:
    fields = {name for model in MODELS for name in model.model_fields}
    assert (MEANING.keys() | EXAMPLE.keys()) - fields == set()


def test_the_documented_headers_are_those_of_the_envelope() -> None:
    id_, now = UUID(int=1), datetime.now(UTC)
    envelope = Envelope(
        id_, "intake.event.lead_accepted.v1", "acme", now, id_, causation_id=id_, traceparent="00-1-1-00"
    )
    assert list(HEADERS) == list(envelope.headers)
