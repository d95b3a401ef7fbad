"""The mapping of an import, loaded and checked: what is wrong is named with its file, line and key before any row.

Every scalar of a mapping is text as written (``yes`` is a word, not a truth value); a plain ``null`` stands for
nothing. examples/README.md explains every key.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Generic, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from chassis.exports import cells
from chassis.exports.errors import LeadLoopError
from chassis.exports.mapping_model import Mapping, TableMapping, Target
from chassis.exports.rules import Rule, When
from chassis.exports.yaml_lines import Document, Keys, YamlError, parse

M = TypeVar("M", bound=TableMapping)
Problem = tuple[Keys, str]
"""The place in the mapping, and what is wrong with it."""

_YEAR = re.compile("%[YyGcx]")
_METADATA = "metadata."


class MappingError(LeadLoopError):
    """The mapping is wrong or does not fit the export; a line for each problem: ``FILE:LINE: key: what to do``."""


@dataclass(frozen=True, slots=True)
class MappingFile(Generic[M]):
    """A mapping that was checked, and where it is written."""

    mapping: M
    name: str
    document: Document

    def check_header(self, header: list[str]) -> None:
        """Check that an export has every column that the mapping names, and has it once.

        Raises:
            MappingError: a column is missing, or two have the name.
        """
        times = Counter(header)
        problems = [
            (keys, f'the file has {times[column]} columns named "{column}": rename them apart')
            if column in times
            else (keys, f'the file has no column "{column}"; {_offer(column, header)}')
            for keys, column in _columns(self.mapping)
            if times[column] != 1
        ]
        if problems:
            raise _error(self.name, self.document, problems)


def load(path: Path) -> MappingFile[Mapping]:
    """Load the mapping of an import from its YAML file, as `load_as` does."""
    return load_as(path, Mapping)


def load_as(path: Path, kind: type[M]) -> MappingFile[M]:
    """Load a mapping of a kind from its YAML file.

    Raises:
        MappingError: the file is no mapping; every problem found is named.
        OSError: the file cannot be read.
    """
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise MappingError(f"{path}:1: is not UTF-8: save it as UTF-8") from None
    return loads_as(text, str(path), kind)


def loads(text: str, name: str) -> MappingFile[Mapping]:
    """Load the mapping of an import from the YAML text of the file called `name`, as `loads_as` does."""
    return loads_as(text, name, Mapping)


def loads_as(text: str, name: str, kind: type[M]) -> MappingFile[M]:
    """Load a mapping of a kind from the YAML text of the file called `name`.

    Raises:
        MappingError: the text is no mapping; every problem found is named.
    """
    try:
        document = _with_metadata_nested(parse(text))
    except YamlError as error:
        raise MappingError(_sentence(name, error.line, error.keys, error.reason)) from None
    try:
        mapping = kind.model_validate(document.content)
    except ValidationError as error:
        problems = [
            (e["loc"], _explained(kind, e["loc"], e["type"], e["msg"], e.get("ctx", {}))) for e in error.errors()
        ]
        raise _error(name, document, problems) from None
    if problems := list(_mistakes(mapping)):
        raise _error(name, document, problems)
    return MappingFile(mapping, name, document)


def dotted(keys: Keys) -> str:
    """A place in a mapping as messages name it: ``lead.metadata.city``, ``outcomes.2.type`` (the second)."""
    return ".".join(str(key + 1) if isinstance(key, int) else key for key in keys)


def _sentence(name: str, line: int, keys: Keys, reason: str) -> str:
    return f"{name}:{line}: {dotted(keys) or 'the mapping'}: {reason}"


def _error(name: str, document: Document, problems: list[Problem]) -> MappingError:
    in_order = sorted(problems, key=lambda problem: document.line(problem[0]))
    return MappingError("\n".join(_sentence(name, document.line(keys), keys, reason) for keys, reason in in_order))


def _with_metadata_nested(document: Document) -> Document:
    """Let ``metadata.city:`` stand for ``metadata:`` with ``city:`` under it."""
    lead = document.content.get("lead") if isinstance(document.content, dict) else None
    if not isinstance(lead, dict):
        return document
    for dotted_key in [key for key in lead if key.startswith(_METADATA)]:
        name, line = dotted_key.removeprefix(_METADATA), document.lines["lead", dotted_key]
        metadata = lead.setdefault("metadata", {})
        if not isinstance(metadata, dict) or name in metadata:
            raise YamlError(line, ("lead", dotted_key), "occurs under metadata: as well: keep one of the two")
        metadata[name] = lead.pop(dotted_key)
        for keys in [keys for keys in document.lines if keys[:2] == ("lead", dotted_key)]:
            document.lines["lead", "metadata", name, *keys[2:]] = document.lines[keys]
    return document


def _offer(wrong: str, right: list[str]) -> str:
    near = get_close_matches(wrong, right, n=1)
    if near:
        return f'did you mean "{near[0]}"?'
    shown = ", ".join(f'"{name}"' for name in right[:20])
    return f"there are {shown}" + (f" and {len(right) - 20} more" if len(right) > 20 else "")


def _explained(mapping: type[TableMapping], keys: Keys, kind: str, message: str, context: dict[str, Any]) -> str:
    if kind == "extra_forbidden":
        return f"is not a key of a mapping; {_offer(str(keys[-1]), _keys_beside(mapping, keys))}"
    if kind == "missing":
        return "is missing: add it"
    if kind in ("model_type", "dict_type"):
        return "must be a block of keys" + ("" if len(keys) < 2 else ", such as column:, value: or template:")
    if kind == "value_error":
        return str(context["error"])
    return message.replace("Input should be", "must be").replace("a valid string", "a text")


def _keys_beside(mapping: type[TableMapping], keys: Keys) -> list[str]:
    model: type[BaseModel] = Rule
    if len(keys) == 1:
        model = mapping
    elif keys[-2] == "when":
        model = When
    elif len(keys) == 2 or (len(keys) == 3 and isinstance(keys[1], int)):
        block: Any = mapping.model_fields[str(keys[0])].annotation
        model = next(iter(get_args(block)), block)  # a list's are its items'
    return [field.alias or name for name, field in model.model_fields.items()]


def _columns(mapping: TableMapping) -> Iterator[tuple[Keys, str]]:
    for target in mapping.targets():
        origin = "column" if target.rule.column is not None else "template"
        yield from (((*target.keys, origin), column) for column in target.rule.columns)
    for keys, when in mapping.conditions():
        yield (*keys, "when", "column"), when.column


def _mistakes(mapping: TableMapping) -> Iterator[Problem]:
    """What the models cannot see: rules that do not suit their field, and rules that can never apply."""
    for keys, block in mapping.blocks():
        for name in block.model_fields_set:
            if getattr(block, name) is None:
                yield (*keys, name), "is empty: put a rule under it (column:, value: or template:), or remove it"
    for target in mapping.targets():
        yield from _mistakes_of_rule(target, mapping.nulls)
    for keys, when in mapping.conditions():
        for text in when.texts:
            if text.strip() in mapping.nulls:
                yield (*keys, "when"), f'"{text}" is a null value and never found: use not_null: false'


def _mistakes_of_rule(target: Target, nulls: frozenset[str]) -> Iterator[Problem]:
    rule, convert = target.rule, target.convert
    if rule.format is not None:
        reason = (
            _mistake_in_format(rule.format) if isinstance(convert, cells.Time) else "applies to times only: remove it"
        )
        if reason:
            yield (*target.keys, "format"), reason
            return
    texts: list[tuple[Keys, str | None]] = [(("map", key), text) for key, text in rule.map.items()]
    texts += [(("default",), rule.default)]
    if rule.value is not None and rule.value not in rule.map:
        texts += [(("value",), rule.value)]
    for keys, text in texts:
        try:
            convert(text) if text is not None else None
        except ValueError as error:
            yield (*target.keys, *keys), f'"{text}" {error}'
    for key in rule.map:
        if key.strip() in nulls:
            yield (*target.keys, "map", key), f'"{key}" is a null value and never translated: use default:'


def _mistake_in_format(written: str) -> str | None:
    if not _YEAR.search(written):
        return "has no year (%Y): it would put every time into 1900"
    try:
        datetime.strptime(datetime(2025, 1, 31, tzinfo=UTC).strftime(written), written)  # noqa: DTZ007
    except (ValueError, re.error) as error:
        return f"is not a strptime format: {error}"
    return None
