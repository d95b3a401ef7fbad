"""The rules on who imports what reach every module they are meant for. `make lint` holds the code to them."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_domain_module_is_held_to_the_rule_that_a_domain_does_no_input_or_output() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (rule,) = [contract for contract in contracts if contract["name"].startswith("A domain does no input or output")]
    paths = (ROOT / "services").glob("*/*/**/domain*.py")
    modules = {".".join(path.relative_to(ROOT / "services").with_suffix("").parts[1:]) for path in paths}
    assert len(modules) > 10
    assert set(rule["source_modules"]) == modules
