"""A tenant's rules, made ready once and applied to any number of leads: the first that matches decides.

Each rule is a bit of a number. A value of a field has a mask: the rules that it does not keep from matching. What the masks
of a lead's values have in common is the rules that match it; and leads with the same masks are decided the same, so most
decisions are looked up.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, TypeVar

from contracts.intake.routing import RoutingConditions, RoutingConfiguration, RoutingRule, RuleTrace
from contracts.taxonomy import UNKNOWN

K = TypeVar("K")
V = TypeVar("V")

_COLUMNS: Final = {
    "product": "product_interest",
    "source": "source_key",
    "geo": "geo_key",
    "intent": "intent",
    "tier": "tier",
    "timeline": "timeline",
}
"""A rule's fields in the order in which they are looked at, which traces follow, with the lead's; metadata comes after them,
by name."""
_REMEMBERED: Final = 10_000
"""How many values of a field, and how many decisions, are remembered; beyond, they are worked out anew."""


@dataclass(frozen=True)
class Route:
    """What the rules say of a lead.

    Attributes:
        rule: the one that decides; none where none matches.
        trace: each rule looked at, in their order, with its first field that did not match; none for the one that decides.
    """

    rule: RoutingRule | None
    trace: RuleTrace
    version: int

    @property
    def workspace(self) -> str | None:
        return self.rule.workspace if self.rule else None

    @property
    def sub_vertical(self) -> str | None:
        return self.rule.sub_vertical if self.rule else None

    @cached_property
    def decision(self) -> str:
        """The trace that is kept, as JSON."""
        return json.dumps(
            {
                "routing_version": self.version,
                "workspace": self.workspace,
                "sub_vertical": self.sub_vertical,
                "rule": self.rule.name if self.rule else None,
                "rules": self.trace,
            }
        )


class Rules:
    """A version of a tenant's configuration, made ready.

    Attributes:
        version: its number; 0 where it has none.
    """

    def __init__(self, configuration: RoutingConfiguration, version: int = 0) -> None:
        self.configuration = configuration
        self.version = version
        self._rules = sorted(configuration.rules, key=lambda rule: rule.priority)  # stable: equal ones keep their order
        names = {name: None for rule in self._rules for name in _fields(rule.when)}
        columns = [name for name in _COLUMNS if name in names]
        self._columns = [(_COLUMNS[name], _Field(name, self._rules)) for name in columns]
        self._metadata = [
            (name.removeprefix("metadata."), _Field(name, self._rules)) for name in sorted(set(names) - set(columns))
        ]
        self._routes: dict[tuple[int, ...], Route] = {}

    def route(self, lead: Mapping[Any, Any]) -> Route:
        """Where a lead goes.

        Args:
            lead: its attribution and its clear `metadata`, under the names that the table `lead` has for them.
        """
        masks = [field.mask(lead[column]) for column, field in self._columns]
        if self._metadata:
            metadata = lead["metadata"]
            masks += [field.mask(_text(metadata.get(name))) for name, field in self._metadata]
        return _remembered(self._routes, tuple(masks), self._decide)

    def _decide(self, masks: tuple[int, ...]) -> Route:
        matching = (1 << len(self._rules)) - 1
        for mask in masks:
            matching &= mask
        first = (matching & -matching).bit_length() - 1 if matching else len(self._rules)
        trace: RuleTrace = {rule.name: self._mismatch(masks, number) for number, rule in enumerate(self._rules[:first])}
        if not matching:
            return Route(None, trace, self.version)
        rule = self._rules[first]
        return Route(rule, {**trace, rule.name: None}, self.version)

    def _mismatch(self, masks: tuple[int, ...], number: int) -> str:
        fields = [field for _, field in (*self._columns, *self._metadata)]
        return next(field.name for field, mask in zip(fields, masks, strict=True) if not mask >> number & 1)


class _Field:
    """One field of the rules: which of them each of its values lets through."""

    def __init__(self, name: str, rules: Iterable[RoutingRule]) -> None:
        self.name = name
        self._silent = 0
        self._exact: dict[str, int] = {}
        self._open: list[tuple[str, bool, bool, int]] = []
        self._masks: dict[str | None, int] = {}
        for number, rule in enumerate(rules):
            bit = 1 << number
            patterns = _fields(rule.when).get(name)
            if patterns is None:
                self._silent |= bit
            for pattern in patterns or ():
                self._add(pattern, bit)

    def _add(self, pattern: str, bit: int) -> None:
        fixed = pattern.removeprefix("*")
        before = fixed != pattern
        after = fixed.endswith("*")
        if before or after:
            self._open.append((fixed.removesuffix("*"), before, after, bit))
        else:
            self._exact[pattern] = self._exact.get(pattern, 0) | bit

    def mask(self, value: str | None) -> int:
        return _remembered(self._masks, value, self._mask)

    def _mask(self, value: str | None) -> int:
        if value is None:
            return self._silent | self._exact.get(UNKNOWN, 0)
        mask = self._silent | self._exact.get(value, 0)
        for fixed, before, after, bit in self._open:
            if (fixed in value) if before and after else value.endswith(fixed) if before else value.startswith(fixed):
                mask |= bit
        return mask


def unknown_metadata(configuration: RoutingConfiguration, allowed: Iterable[str]) -> dict[str, str]:
    """The rules that ask for metadata that is not allowed in clear, each with the first such field."""
    known = frozenset(allowed)
    asked = (
        (rule.name, next((name for name in rule.when.metadata if name not in known), None))
        for rule in configuration.rules
    )
    return {rule: name for rule, name in asked if name is not None}


def _fields(when: RoutingConditions) -> dict[str, Iterable[str]]:
    """What a rule asks for, by field; a field that it does not ask for is left out."""
    asked = {name: values for name in _COLUMNS if (values := getattr(when, name)) is not None}
    texts = {f"metadata.{name}": [text.casefold() for text in values] for name, values in when.metadata.items()}
    return {**asked, **texts}


def _text(value: object) -> str | None:
    """A value of the metadata as rules write it: a text in any case, or as in JSON."""
    if isinstance(value, str):
        return value.strip().casefold() or None
    return None if value is None else json.dumps(value)


def _remembered(known: dict[K, V], key: K, work_out: Callable[[K], V]) -> V:
    try:
        return known[key]
    except KeyError:
        if len(known) >= _REMEMBERED:
            known.clear()
        found = known[key] = work_out(key)
        return found
