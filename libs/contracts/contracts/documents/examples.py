"""An example of a body, made from its schema: the same one whenever and wherever it is made."""

from typing import Any
from uuid import UUID, uuid5

from contracts.compatibility import Schema
from contracts.documents.glossary import EXAMPLE

_IDS = UUID("0e4f8a50-7d3c-4f6b-9a55-2f1e6b7c8d90")
_MOMENT = "2026-11-02T09:30:00Z"
_DAY = "2026-11-02"


def example_of(schema: Schema) -> Any:
    """An example with every field filled in, unless the schema brings its own.

    Raises:
        ValueError: a text must match a pattern and has no example; the message names it.
    """
    return _sample(schema, schema.get("$defs", {}), "")


def _sample(schema: Schema, definitions: dict[str, Schema], name: str) -> Any:
    if "$ref" in schema:
        return _sample(definitions[schema["$ref"].removeprefix("#/$defs/")], definitions, name)
    if "examples" in schema:
        return schema["examples"][0]
    for part in schema.get("anyOf", ()):
        if part != {"type": "null"}:
            return _sample(part, definitions, name)
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("format") == "uuid":
        return str(uuid5(_IDS, name))
    if schema.get("format") == "date-time":
        return _MOMENT
    if schema.get("format") == "date":
        return _DAY
    if name in EXAMPLE and not schema.keys() & {"properties", "propertyNames"}:
        return EXAMPLE[name]
    if schema.get("default"):
        return schema["default"]
    return _sample_of_type(schema, definitions, name)


def values_of(schema: Schema) -> Any:
    """The schema of a map's values, whatever its keys must look like."""
    return schema.get("additionalProperties") or next(iter(schema.get("patternProperties", {}).values()), None)


def _sample_of_type(schema: Schema, definitions: dict[str, Schema], name: str) -> Any:
    match schema.get("type"):
        case "object" if "properties" in schema:
            return {field: _sample(part, definitions, field) for field, part in schema["properties"].items()}
        case "object":
            key = _sample(schema.get("propertyNames", {"enum": ["key"]}), definitions, name)
            return {key: _sample(values_of(schema), definitions, "")}
        case "array":
            return [_sample(schema["items"], definitions, name)]
        case "string" if "pattern" in schema:
            raise ValueError(f"{name}: no value can be made for a pattern; declare one with Field(examples=[...])")
        case "string":
            return name.replace("_", " ")
        case "boolean":
            return True
        case "integer":
            return schema.get("minimum", 1)
        case "number":
            return 0.5
    return None
