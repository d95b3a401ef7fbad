"""A rule of a mapping: where a value comes from, and the function that takes it out of a row."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from chassis.exports import cells

ROW = "row"
"""``{row}`` in a template is the number of the data row, from 1."""

_TEMPLATE = re.compile(r"\{\{|\}\}|\{(?P<column>[^{}]+)\}|[{}]")
_REMEMBERED = 4096
"""How many texts of a column are converted only once; the words, dates and categories of an export repeat."""

Take = Callable[[list[str], int], Any]
"""Takes a value out of a row, given its cells and its number; raises BadCellError."""


class BadCellError(Exception):
    """A cell does not hold what its field needs; `reason` quotes it only where it cannot be personal data."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field, self.reason = field, reason


def template_parts(template: str) -> list[tuple[bool, str]]:
    """Split ``Lead {Lead Number}`` into pairs of: is it a column; its name, or the text between.

    Raises:
        ValueError: a brace stands alone.
    """
    parts: list[tuple[bool, str]] = []
    end = 0
    for match in _TEMPLATE.finditer(template):
        parts.append((False, template[end : match.start()]))
        end = match.end()
        if match["column"]:
            parts.append((True, match["column"].strip()))
        elif match[0] in ("{{", "}}"):
            parts.append((False, match[0][0]))
        else:
            raise ValueError("has a brace that stands alone: write {Column name}, or {{ and }} for plain braces")
    return [part for part in (*parts, (False, template[end:])) if part[1]]


def _checked_template(template: str) -> str:
    template_parts(template)
    return template


class Rule(BaseModel):
    """Where a value comes from: exactly one of `column`, `value`, `template`; then `map`, `format`, `default`.

    `default` stands in for null and for a word that the taxonomy does not know; ``default: null`` leaves it out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str | None = None
    value: str | None = None
    template: Annotated[str, AfterValidator(_checked_template)] | None = None
    map: dict[str, str | None] = {}
    format: str | None = None
    default: str | None = None

    @model_validator(mode="after")
    def _has_one_origin(self) -> "Rule":
        if [self.column, self.value, self.template].count(None) != 2:
            raise ValueError("needs exactly one of column:, value: and template:")
        return self

    @property
    def columns(self) -> list[str]:
        """The columns it reads."""
        if self.template is not None:
            return [part for is_column, part in template_parts(self.template) if is_column and part != ROW]
        return [] if self.column is None else [self.column]

    @property
    def has_default(self) -> bool:
        """Whether there is one, be it null."""
        return "default" in self.model_fields_set


class When(BaseModel):
    """The condition on an outcome: one column, and exactly one of `equals`, `in`, `not_null`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    equals: str | None = None
    any_of: Annotated[list[str], Field(min_length=1)] | None = Field(default=None, alias="in")
    not_null: bool | None = None

    @model_validator(mode="after")
    def _has_one_test(self) -> "When":
        if [self.equals, self.any_of, self.not_null].count(None) != 2:
            raise ValueError("needs exactly one of equals:, in: and not_null:")
        return self

    @property
    def texts(self) -> list[str]:
        """The texts of the column that fulfil it; none with `not_null`."""
        return [self.equals] if self.equals is not None else self.any_of or []


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of an export: where each stands in a row (from 0), and which texts mean null."""

    positions: Mapping[str, int]
    nulls: Collection[str]

    def cell(self, column: str) -> Take:
        """Make a function that takes the trimmed text of a column out of a row, or None where it is null."""
        at, nulls = self.positions[column], self.nulls

        def take(row: list[str], _number: int) -> str | None:
            text = row[at].strip()
            return None if text in nulls else text

        return take

    def value(self, field: str, rule: Rule, convert: cells.Convert, quotable: bool) -> Take:
        """Make a function that takes the value of a rule out of a row."""
        finish = _finish(field, rule, convert, quotable)
        if rule.value is not None:
            constant = finish(rule.value)
            return lambda _row, _number: constant
        written = self._template(rule.template) if rule.template is not None else self.cell(rule.columns[0])
        if convert is cells.text and not rule.map and rule.default is None:
            return written
        return lambda row, number: finish(written(row, number))

    def condition(self, when: When) -> Take:
        """Make a function that tells whether a row fulfils the condition."""
        cell, texts, filled = self.cell(when.column), frozenset(when.texts), when.not_null
        if filled is not None:
            return lambda row, number: (cell(row, number) is not None) == filled
        return lambda row, number: cell(row, number) in texts

    def _template(self, template: str) -> Take:
        parts = template_parts(template)
        columns = {part: self.cell(part) for is_column, part in parts if is_column and part != ROW}

        def take(row: list[str], number: int) -> str | None:
            text = ""
            for is_column, part in parts:
                if not is_column:
                    text += part
                elif part == ROW:
                    text += str(number)
                elif (found := columns[part](row, number)) is not None:
                    text += found
                else:
                    return None
            return text

        return take


def _finish(field: str, rule: Rule, convert: cells.Convert, quotable: bool) -> Callable[[str | None], Any]:
    """What is done to a text once it is taken: translated, converted, and replaced by the default where null."""
    default = None if rule.default is None else convert(rule.default)
    is_word, translate = isinstance(convert, cells.Word), rule.map

    def finish(text: str | None) -> Any:
        if text is None:
            return default
        translated = translate.get(text, text)
        if translated is None:
            return None
        try:
            return convert(translated)
        except ValueError as error:
            if is_word and rule.has_default:
                return default
            shown = f'"{text}"' if quotable and len(text) <= 60 else "the value"
            advice = ": translate it with map: or give a default:" if is_word else ""
            raise BadCellError(field, f"{shown} {error}{advice}") from None

    return lru_cache(maxsize=_REMEMBERED)(finish)
