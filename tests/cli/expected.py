"""Win rates straight from an export and its mapping, in plain Python: what the services must come to.

It shares nothing with the product but `contracts.taxonomy.key`: it reads the YAML and the CSV itself, and follows the
rules as the documentation states them. It knows what the examples use (column, value, template, map, default, when),
and takes every lead for accepted and no outcome for one in the future.
"""

import csv
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml

from contracts.taxonomy import key

OPPOSITE = {"closed_won": "closed_lost", "closed_lost": "closed_won"}
Cells = dict[str, str]


class WinRate(NamedTuple):
    """A line of `leadloop win-rates --format csv`; leads are counted once in each group."""

    key: str
    intent: str
    leads_entered: int
    appointments: int
    won: int
    lost: int
    win_rate: float | None


@dataclass
class Expected:
    """What an import of a whole file comes to.

    Attributes:
        leads: distinct source ids.
        recorded: distinct outcomes that the sequence rules let pass.
        blocked: outcomes of rows that they do not let pass (won after lost, lost after won).
        rates: by (key, intent), in that order.
    """

    leads: int
    recorded: int
    blocked: int
    rates: list[WinRate]


@dataclass
class _Group:
    leads: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def rate(self, group_key: str, intent: str) -> WinRate:
        won, lost = self.leads["closed_won"], self.leads["closed_lost"]
        decided = len(won | lost)
        return WinRate(
            group_key,
            intent,
            len(set().union(*self.leads.values())),
            len(self.leads["appointment_set"]),
            len(won),
            len(lost),
            len(won) / decided if decided else None,
        )


def expected_win_rates(export: Path, mapping: Path, by: Literal["source", "geo"] = "source") -> Expected:
    """Follow the file in its order; an outcome is credited to the lead as its own row has it."""
    rules = yaml.load(mapping.read_text("utf-8"), Loader=yaml.BaseLoader)
    groups: dict[tuple[str, str], _Group] = defaultdict(_Group)
    recorded: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    leads, blocked = set(), 0
    for lead, group, outcome in _facts(export, rules, by):
        leads.add(lead)
        if outcome is None:
            continue
        if any(OPPOSITE.get(outcome[0]) == before for before, *_ in recorded[lead]):
            blocked += 1
            continue
        recorded[lead].add(outcome)
        groups[group].leads[outcome[0]].add(lead)
    rates = [groups[group].rate(*group) for group in sorted(groups)]
    return Expected(len(leads), sum(map(len, recorded.values())), blocked, rates)


def _facts(
    export: Path, rules: dict[str, Any], by: str
) -> Iterator[tuple[str, tuple[str, str], tuple[str, ...] | None]]:
    """The outcomes of each row (lead, its group, the outcome's identity), and the lead alone for a row without any."""
    nulls = {"", *rules.get("null_values", [])}
    with export.open(newline="", encoding="utf-8-sig") as file:
        for number, cells in enumerate(csv.DictReader(file), start=1):

            def value(rule: dict[str, Any] | str | None, cells: Cells = cells, number: int = number) -> str | None:
                return _value(rule, cells, number, nulls)

            lead = rules["lead"]
            lead_id = value(lead["source_id"])
            assert lead_id, f"row {number} has no source id"
            group = key(value(lead.get(by)) or "") or "unknown", (value(lead.get("intent")) or "unknown").lower()
            created_at = value(lead.get("created_at")) or ""
            yield lead_id, group, None
            for outcome in rules.get("outcomes", []):
                type_ = value(outcome["type"])
                if type_ and _applies(outcome.get("when"), cells, nulls):
                    occurred_at = value(outcome.get("occurred_at")) or created_at
                    yield lead_id, group, (type_, occurred_at, value(outcome.get("idempotency_key")) or "")


def _value(rule: dict[str, Any] | str | None, cells: Cells, number: int, nulls: set[str]) -> str | None:
    if rule is None or isinstance(rule, str):
        return rule
    if "template" in rule:
        return re.sub("{(.*?)}", lambda name: str(number) if name[1] == "row" else cells[name[1]], rule["template"])
    text = rule["value"] if "value" in rule else cells[rule["column"]].strip()
    if "column" in rule and text in nulls:
        return rule.get("default")
    text = rule.get("map", {}).get(text, text)
    return None if text == "null" else text


def _applies(when: dict[str, Any] | None, cells: Cells, nulls: set[str]) -> bool:
    if when is None:
        return True
    text = cells[when["column"]].strip()
    if "not_null" in when:
        return (text not in nulls) is bool(when["not_null"] == "true")
    return text not in nulls and bool(text in when.get("in", [when.get("equals")]))
