"""The rules on who imports what, and on types, reach every module they are meant for. `make lint` holds the code to them."""

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


def test_every_package_is_held_to_the_rules_on_types_and_imports() -> None:
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    members = tool["uv"]["workspace"]["members"]
    packages = {path.parent.name for member in members for path in ROOT.glob(f"{member}/*/__init__.py")}
    assert len(packages) > 8
    assert set(tool["mypy"]["packages"]) == set(tool["importlinter"]["root_packages"]) == packages
