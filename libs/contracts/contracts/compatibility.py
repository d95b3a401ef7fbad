"""Whether a message may change as it did: an optional field keeps the major version, anything else is a new message.

Two JSON Schemas of one message, as it was published and as it is now, are compared field by field. A difference narrows
what is valid, widens it, or both:

- What is *sent to* its owner (a command, a request) may widen: the owner reads whatever was valid before. It must not
  narrow, or what senders rightly send is refused.
- What is *written by* its owner (an event, a reply) may do neither. Widened, it surprises its readers; narrowed, it makes
  unreadable what is stored, or what a replica of the older version still writes.

A new optional field is no difference where unknown fields are ignored, and widens where they are refused. The comparison
errs on the side of a difference: what it does not understand narrows and widens.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Schema = dict[str, Any]

_ANNOTATIONS: Final = frozenset({"$schema", "$id", "$defs", "title", "description", "examples", "discriminator"})
_UPPER: Final = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"})
_LOWER: Final = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"})
_COMPARED_APART: Final = frozenset(
    {"type", "properties", "required", "additionalProperties", "items", "propertyNames", "enum"}
)


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two schemas of a message.

    Attributes:
        field: the path of the field: ``attribution.tier``, ``warnings[].code``, ``counts.*`` (a map's values),
            ``counts{}`` (its keys); empty for the whole body.
        what: how it differs, to be read after the field's name.
        narrows: something that was valid no longer is.
        widens: something is valid that was not.
    """

    field: str
    what: str
    narrows: bool = False
    widens: bool = False


def breaking_changes(old: Schema, new: Schema, *, written_by_owner: bool) -> list[Change]:
    """The differences that demand a new major version.

    Args:
        old: the JSON Schema (2020-12, as pydantic writes it) that was published.
        new: the one of today.
        written_by_owner: true for an event or a reply, false for a command or a request.

    Raises:
        ValueError: a schema contains itself; no message does.
    """
    return [change for change in changes(old, new) if change.narrows or (written_by_owner and change.widens)]


def changes(old: Schema, new: Schema) -> list[Change]:
    """Every difference between two schemas that is more than wording."""
    return list(_compare(_plain(old, old.get("$defs", {})), _plain(new, new.get("$defs", {})), ""))


def _plain(schema: Schema, definitions: Mapping[str, Schema], within: tuple[str, ...] = ()) -> Schema:
    """The schema with every reference replaced by what it refers to, and without annotations."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        if name in within:
            raise ValueError(f"{name} contains itself; a message must be finite")
        schema = definitions[name] | {keyword: value for keyword, value in schema.items() if keyword != "$ref"}
        return _plain(schema, definitions, (*within, name))
    plain: Schema = {}
    for keyword, value in schema.items():
        if keyword in _ANNOTATIONS or keyword.startswith("x-"):
            continue
        if keyword == "properties":
            plain[keyword] = {name: _plain(field, definitions, within) for name, field in value.items()}
        elif keyword in ("anyOf", "oneOf", "allOf", "prefixItems"):
            plain[keyword] = [_plain(part, definitions, within) for part in value]
        elif keyword == "const":
            plain["enum"] = [value]
        elif isinstance(value, dict) and keyword != "default":
            plain[keyword] = _plain(value, definitions, within)
        else:
            plain[keyword] = value
    return plain


def _alternatives(schema: Schema) -> list[Schema]:
    """The types a value may have, each with its own constraints."""
    beside = {keyword: value for keyword, value in schema.items() if keyword not in ("anyOf", "oneOf", "default")}
    parts = schema.get("anyOf") or schema.get("oneOf")
    if not parts:
        return [beside]
    return [alternative | beside for part in parts for alternative in _alternatives(part)]


def _compare(old: Schema, new: Schema, at: str) -> Iterator[Change]:
    if "default" in old and "default" in new and _differ(old["default"], new["default"]):
        # Nothing becomes unreadable, but what leaves the field out now says something else.
        yield Change(at, f"defaults to {new['default']!r} instead of {old['default']!r}", narrows=True, widens=True)
    before, after = _alternatives(old), _alternatives(new)
    # {} takes every value: where it is among the alternatives, none of the others matters.
    gone = [alternative for alternative in before if alternative not in after and {} not in after]
    added = [alternative for alternative in after if alternative not in before and {} not in before]
    for alternative in gone:
        successor = next((other for other in added if _type(other) == _type(alternative)), None)
        if successor is None:
            yield Change(at, f"no longer takes {_type(alternative)}", narrows=True)
        else:
            added.remove(successor)
            yield from _compare_one_type(alternative, successor, at)
    for alternative in added:
        yield Change(at, f"also takes {_type(alternative)}", widens=True)


def _differ(one: Any, other: Any) -> bool:
    """Whether two defaults say different things. Of an object it is what both name: a field that came or went is told as such."""
    if isinstance(one, dict) and isinstance(other, dict):
        return any(_differ(one[name], other[name]) for name in one.keys() & other.keys())
    return bool(one != other)


def _type(schema: Schema) -> str:
    return str(schema.get("type", "any value"))


def _compare_one_type(old: Schema, new: Schema, at: str) -> Iterator[Change]:
    yield from _compare_fields(old, new, at)
    yield from _compare_unknown_fields(old, new, at)
    for keyword, within in (("items", f"{at}[]"), ("propertyNames", f"{at}{{}}")):
        if keyword in old or keyword in new:
            yield from _compare(old.get(keyword, {}), new.get(keyword, {}), within)
    yield from _compare_words(old.get("enum"), new.get("enum"), at)
    for keyword in sorted((old.keys() | new.keys()) - _COMPARED_APART):
        yield from _compare_constraint(keyword, old.get(keyword), new.get(keyword), at)


def _compare_fields(old: Schema, new: Schema, at: str) -> Iterator[Change]:
    before, after = old.get("properties", {}), new.get("properties", {})
    demanded, demands = set(old.get("required", ())), set(new.get("required", ()))
    for name in sorted(before.keys() | after.keys()):
        field = f"{at}.{name}".lstrip(".")
        if name not in after:
            yield Change(field, "was removed", narrows=True, widens=True)
        elif name not in before:
            if name in demands:
                yield Change(field, "is new and required", narrows=True)
            if old.get("additionalProperties") is False:
                yield Change(field, "is new where unknown fields are refused", widens=True)
        else:
            if name in demands - demanded:
                yield Change(field, "is now required", narrows=True)
            if name in demanded - demands:
                yield Change(field, "is no longer required", widens=True)
            yield from _compare(before[name], after[name], field)


def _compare_unknown_fields(old: Schema, new: Schema, at: str) -> Iterator[Change]:
    before, after = old.get("additionalProperties", True), new.get("additionalProperties", True)
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _compare(before, after, f"{at}.*".lstrip("."))
    elif before != after:
        narrows, widens = after is False or before is True, before is False or after is True
        what = {False: "now refuses unknown fields", True: "now takes unknown fields"}.get(after, "restricts fields")
        yield Change(at, what, narrows=narrows, widens=widens)


def _compare_words(old: list[Any] | None, new: list[Any] | None, at: str) -> Iterator[Change]:
    if old is None and new is not None:
        yield Change(at, f"takes only {_listed(new)}", narrows=True)
    elif old is not None and new is None:
        yield Change(at, f"takes more than {_listed(old)}", widens=True)
    elif old is not None and new is not None:
        if lost := [word for word in old if word not in new]:
            yield Change(at, f"no longer takes {_listed(lost)}", narrows=True)
        if added := [word for word in new if word not in old]:
            yield Change(at, f"also takes {_listed(added)}", widens=True)


def _listed(words: list[Any]) -> str:
    return ", ".join(repr(word) for word in words)


def _compare_constraint(keyword: str, old: Any, new: Any, at: str) -> Iterator[Change]:
    if old == new:
        return
    if old is None:
        yield Change(at, f"has a {keyword} of {new!r} now", narrows=True)
    elif new is None:
        yield Change(at, f"has no {keyword} of {old!r} any more", widens=True)
    else:
        tighter = (keyword in _UPPER and new < old) or (keyword in _LOWER and new > old)
        looser = (keyword in _UPPER and new > old) or (keyword in _LOWER and new < old)
        what = f"has a {keyword} of {new!r} instead of {old!r}"
        yield Change(at, what, narrows=not looser, widens=not tighter)
