"""YAML as plain values together with the line of every key, so that an error can point at what was written."""

from dataclasses import dataclass
from typing import Any

import yaml

Keys = tuple[str | int, ...]
"""The way to a place in a document: keys, and positions in lists from 0."""

_DEEPEST = 8
"""Deeper than any document of ours; an alias that contains itself would have no end."""
_NULL = "tag:yaml.org,2002:null"


class YamlError(Exception):
    """The text is not the YAML we accept. `line` counts from 1, `keys` is empty where no key is at fault."""

    def __init__(self, line: int, keys: Keys, reason: str) -> None:
        super().__init__(reason)
        self.line, self.keys, self.reason = line, keys, reason


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML document: dicts, lists, and leaves that are the text as written, or None for a plain null.

    No leaf is ever a number, a date or a truth value: the key of ``yes: closed_won`` is the text ``yes``.
    """

    content: Any
    lines: dict[Keys, int]

    def line(self, keys: Keys) -> int:
        """The line of a place, or of the nearest place around it that was written."""
        while keys and keys not in self.lines:
            keys = keys[:-1]
        return self.lines.get(keys, 1)


def parse(text: str) -> Document:
    """Parse one YAML document.

    Raises:
        YamlError: it is empty or malformed, a key occurs twice or is no plain text, or it is nested too deeply.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlError(mark.line + 1 if mark else 1, (), f"is not valid YAML: {error.problem}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise YamlError(line, (), "holds a character that YAML does not allow") from None
    if root is None:
        raise YamlError(1, (), "is empty")
    lines: dict[Keys, int] = {}
    return Document(_plain(root, (), lines), lines)


def _plain(node: yaml.Node, keys: Keys, lines: dict[Keys, int]) -> Any:
    line = node.start_mark.line + 1
    lines.setdefault(keys, line)
    if len(keys) > _DEEPEST:
        raise YamlError(line, keys, "is nested too deeply")
    if isinstance(node, yaml.ScalarNode):
        return None if node.tag == _NULL else node.value
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*keys, at), lines) for at, item in enumerate(node.value)]
    content: dict[str, Any] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise YamlError(line, keys, "has a key that is no plain text")
        here = (*keys, key.value)
        if key.value in content:
            raise YamlError(line, here, f"occurs twice, first in line {lines[here]}: keep one of the two")
        lines[here] = line
        content[key.value] = _plain(value, here, lines)
    return content
