"""The JSON Schema of a body, with the meaning of every field.

A field's meaning stands at its declaration, as a docstring under it or as its description, or in the glossary where it
is the same in every message.
"""

import ast
import inspect
import sys
from collections.abc import Iterable, Iterator
from enum import StrEnum
from functools import cache
from itertools import pairwise
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from contracts.compatibility import Schema
from contracts.documents.glossary import MEANING


class _AsDeclared(GenerateJsonSchema):
    """Keeps the order of declaration, and leaves out the title pydantic makes of a field's name."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def sort(self, value: Any, parent_key: str | None = None) -> Any:
        return value


@cache
def schema_of(model: type[BaseModel]) -> Schema:
    """The JSON Schema (2020-12) of a message or reply, as its readers see it, the same bytes in every process.

    It is made once, and whoever asks is given the same: it is to be read, and not changed.
    """
    schema = model.model_json_schema(schema_generator=_AsDeclared, mode="validation")
    classes = {nested.__name__: nested for nested in nested_in(model)}
    for name, definition in (model.__name__, schema), *schema.get("$defs", {}).items():
        _explain(definition, classes[name])
    return schema


def _explain(schema: Schema, model: type[BaseModel | StrEnum]) -> None:
    schema["title"] = model.__name__
    schema["description"] = inspect.cleandoc(model.__doc__ or "")
    if issubclass(model, BaseModel):
        for name, field in schema.get("properties", {}).items():
            field["description"] = meaning_of(model, name) or ""


def meaning_of(model: type[BaseModel], field: str) -> str | None:
    """What a field means: by its declaration, else by the glossary."""
    declaring = next(base for base in model.__mro__ if field in vars(base).get("__annotations__", {}))
    return attribute_docstrings(declaring).get(field) or model.model_fields[field].description or MEANING.get(field)


@cache
def attribute_docstrings(declaring: type) -> dict[str, str]:
    """The strings that stand under a class's attributes, by the attribute's name."""
    definition = _definitions_in(declaring.__module__).get(declaring.__qualname__)
    if definition is None:
        return {}  # The class was made at run time.
    found = {}
    for statement, after in pairwise(definition.body):
        if not (isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)):
            continue
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
                found[name] = " ".join(str(after.value.value).split())
    return found


@cache
def _definitions_in(module: str) -> dict[str, ast.ClassDef]:
    """A module's classes by their qualified names. `inspect` would parse the module for each of them."""
    try:
        return dict(_definitions(ast.parse(inspect.getsource(sys.modules[module])).body))
    except OSError:
        return {}


def _definitions(body: Iterable[ast.stmt], within: str = "") -> Iterator[tuple[str, ast.ClassDef]]:
    for statement in body:
        match statement:
            case ast.ClassDef(name=name):
                yield within + name, statement
                yield from _definitions(statement.body, f"{within}{name}.")
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield from _definitions(statement.body, f"{within}{name}.<locals>.")


def nested_in(model: type[BaseModel]) -> Iterator[type[BaseModel | StrEnum]]:
    """Every class of ours that a body is made of, itself first; one may come more than once."""
    yield model
    for field in model.model_fields.values():
        yield from _classes_in(field.annotation)


def _classes_in(annotation: Any) -> Iterator[type[BaseModel | StrEnum]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from nested_in(annotation)
    elif isinstance(annotation, type) and issubclass(annotation, StrEnum):
        yield annotation
    for argument in get_args(annotation):
        yield from _classes_in(argument)
