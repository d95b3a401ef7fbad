"""The frozen schemas: what was published of every body, and what may never become of it.

One file per body, ``schemas/<name>.json``: its JSON Schema, who sends and reads it (so that they can be named even when
it is gone from the catalogue), and one example, kept as it was first written, which today's classes must still read.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from contracts.compatibility import Schema, breaking_changes
from contracts.documents.contract import Contract
from contracts.documents.examples import example_of

SCHEMAS: Final = Path(__file__).resolve().parents[1] / "schemas"


def read_frozen(directory: Path = SCHEMAS) -> dict[str, Schema]:
    """Every frozen schema under the name of its body."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(directory.glob("*.json"))}


def freeze(contract: Contract, frozen: Schema | None) -> Schema:
    """What is to be frozen of a body; the example of an earlier freeze is kept."""
    schema = dict(contract.schema)
    definitions = schema.pop("$defs", None)
    kept = frozen.get("examples") if frozen else None
    examples = kept or [example_of(contract.schema)]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": contract.name,
        "x-senders": list(contract.senders),
        "x-readers": list(contract.readers),
        **schema,
        **({"$defs": definitions} if definitions else {}),
        "examples": examples,
    }


def violations(frozen: Mapping[str, Schema], contracts: Mapping[str, Contract]) -> list[str]:
    """What breaks a promise once published: for each body and field, who is hurt and what to do instead."""
    found = []
    for name, schema in frozen.items():
        parties = f"Sent by {', '.join(schema['x-senders'])}; read by {', '.join(schema['x-readers'])}."
        if name not in contracts:
            found.append(
                f"{name} was published and is gone from the catalogue: renamed or removed.\n"
                f"  {parties}\n"
                f"  Keep it beside its successor. When nobody sends or reads it any more, delete schemas/{name}.json."
            )
            continue
        contract = contracts[name]
        for change in breaking_changes(schema, contract.schema, written_by_owner=contract.written_by_owner):
            field = f"the field {change.field}" if change.field else "the body"
            found.append(
                f"{name}: {field} {change.what}.\n"
                f"  {parties}\n"
                f"  Leave this class as it was and declare the change as {contract.successor}, a new class and subject "
                "published beside it until nobody reads the old."
            )
    return found


def text_of(schema: Schema) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
