"""``python -m contracts.documents``: freeze what is new, and write the documents."""

import argparse
import sys
from pathlib import Path
from typing import Final

from contracts.documents.asyncapi import asyncapi_of
from contracts.documents.contract import contracts_of
from contracts.documents.frozen import SCHEMAS, freeze, read_frozen, text_of, violations
from contracts.documents.reference import reference_of

DOCS: Final = Path(__file__).resolve().parents[4] / "docs"


def generate(schemas: Path, docs: Path) -> dict[Path, str]:
    """Every file made from the catalogue, with its text."""
    contracts, frozen = contracts_of(), read_frozen(schemas)
    fresh = {name: freeze(contract, frozen.get(name)) for name, contract in contracts.items()}
    return {
        **{schemas / f"{name}.json": text_of(schema) for name, schema in fresh.items()},
        docs / "asyncapi.json": text_of(asyncapi_of(contracts, fresh)),
        docs / "messages.md": reference_of(contracts, fresh),
    }


def main(arguments: list[str] | None = None) -> int:
    """Run the command.

    Returns:
        0 when everything is up to date (with ``--check``) or was written; 1 when a message was changed incompatibly,
        which writes nothing, or when ``--check`` found a stale file.
    """
    parser = argparse.ArgumentParser(prog="python -m contracts.documents", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is not up to date")
    parser.add_argument("--schemas", type=Path, default=SCHEMAS, help="where the frozen schemas are")
    parser.add_argument("--docs", type=Path, default=DOCS, help="where the documents go")
    options = parser.parse_args(arguments)

    broken = violations(read_frozen(options.schemas), contracts_of())
    if broken:
        print("\n\n".join(broken), file=sys.stderr)
        return 1
    files = generate(options.schemas, options.docs)
    stale = {path: text for path, text in files.items() if not path.exists() or path.read_text() != text}
    for path, text in stale.items():
        if options.check:
            print(f"{path} is not up to date; run python -m contracts.documents", file=sys.stderr)
        else:
            path.write_text(text)
            print(f"wrote {path}")
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
