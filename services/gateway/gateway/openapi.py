"""The API's own description: OpenAPI 3.1, with the meaning of every field and an example of every body."""

import inspect
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel

from contracts.documents.examples import example_of
from contracts.documents.schema import meaning_of, nested_in, schema_of
from gateway.problems import ProblemDetail


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of the application's API."""
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    components = document["components"]
    components["schemas"]["ProblemDetail"] = ProblemDetail.model_json_schema()
    components["securitySchemes"] = {"ApiKey": {"type": "http", "scheme": "bearer", "description": "`ll_…`"}}
    document["security"] = [{"ApiKey": []}]
    for model in set(_models(app)):
        _explain(components["schemas"].get(model.__name__, {}), model)
    return document


def _models(app: FastAPI) -> Iterable[type[BaseModel | StrEnum]]:
    """Every class that the bodies of requests and replies are made of."""
    for route in iter_route_contexts(app.routes):
        for body in (getattr(route, "response_model", None), _body(route)):
            if inspect.isclass(body) and issubclass(body, BaseModel):
                yield from nested_in(body)


def _body(route: Any) -> Any:
    field = getattr(route, "body_field", None)
    return field.field_info.annotation if field else None


def _explain(schema: dict[str, Any], model: type[BaseModel | StrEnum]) -> None:
    """Add what the contracts say of a model's fields, and an example."""
    if not issubclass(model, BaseModel):
        return
    for name, field in schema.get("properties", {}).items():
        field.pop("title", None)
        if meaning := meaning_of(model, name):
            field["description"] = meaning
    schema.setdefault("examples", [example_of(schema_of(model))])
