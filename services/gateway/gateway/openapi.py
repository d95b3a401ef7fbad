"""The API's own description: OpenAPI 3.1, with the meaning of every field and an example of every body."""

import inspect
import json
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from pydantic import BaseModel

from contracts.documents.examples import example_of
from contracts.documents.glossary import MEANING
from contracts.documents.schema import meaning_of, nested_in, schema_of
from gateway.api import idempotency
from gateway.gate import needs_of
from gateway.problems import ProblemDetail
from gateway.webhooks.routes import PATH

_COMPONENTS = "#/components/schemas/{model}"


def outline(app: FastAPI) -> dict[str, Any]:
    """The same document without bodies and parameters: which operations there are, which is said at once."""
    paths: dict[str, Any] = {}
    for route in _routes(app):
        for method in sorted(route.methods or ()):
            told = {"operationId": route.name, "description": route.description or "", "tags": route.tags or ["other"]}
            paths.setdefault(str(route.path), {})[method.lower()] = told
    return {"paths": paths}


def describe_one(app: FastAPI, operation: str) -> dict[str, Any] | None:
    """The document of one operation, with all that its bodies are made of; none where there is none of that name."""
    found = [route for route in _routes(app) if route.name == operation]
    return describe(app, found) if found else None


def _routes(app: FastAPI) -> list[RouteContext]:
    return [
        route
        for route in iter_route_contexts(app.routes)
        if isinstance(route.original_route, APIRoute) and route.include_in_schema
    ]


def describe(app: FastAPI, only: Sequence[RouteContext] | None = None) -> dict[str, Any]:
    """The OpenAPI document of the application's API, or of some of its routes. The whole takes seconds to make."""
    routes = _routes(app) if only is None else only
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=routes)
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    problem = ProblemDetail.model_json_schema(ref_template=_COMPONENTS)
    schemas.update(problem.pop("$defs") | schemas, ProblemDetail=problem)
    for model in _parts_of(ProblemDetail):
        _explain_fields(schemas[model.__name__], model)
    components["securitySchemes"] = {
        "ApiKey": {
            "type": "http",
            "scheme": "bearer",
            "description": "`ll_…`; each operation says which scopes it needs",
        },
        "Signature": {
            "type": "apiKey",
            "in": "header",
            "name": "webhook-signature",
            "description": "made with a secret of the account's, as Standard Webhooks have it (https://www.standardwebhooks.com)",
        },
    }
    for route in routes:
        for method in route.methods or ():
            operation = document["paths"][route.path][method.lower()]
            operation["security"] = [{"Signature": []} if route.path == PATH else {"ApiKey": needs_of(route, method)}]
            schemas.update(_own_types(operation))
            _explain_parameters(operation, route)
            if heeded := idempotency.parameter_of(route, method):
                operation["parameters"].append(heeded)
        for model in _bodies(route):
            _explain_fields(schemas.get(model.__name__, {}), model)
    return document


def _own_types(operation: dict[str, Any]) -> dict[str, Any]:
    """The types of a body that its route reads itself, and describes whole; it is described by its name then."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    if "$defs" not in content.get("schema", {}):
        return {}
    body = json.loads(json.dumps(content["schema"]).replace("#/$defs/", _COMPONENTS.format(model="")))
    content["schema"] = {"$ref": _COMPONENTS.format(model=body["title"])}
    return {**body.pop("$defs"), body["title"]: body}


def _bodies(route: RouteContext) -> Iterator[type[BaseModel]]:
    """Every class that the bodies of a route's request and reply are made of."""
    request = route.body_field.field_info.annotation if route.body_field else None
    for body in (request, route.response_model):
        if inspect.isclass(body) and issubclass(body, BaseModel):
            yield from _parts_of(body)


def _parts_of(body: type[BaseModel]) -> Iterator[type[BaseModel]]:
    return (model for model in nested_in(body) if not issubclass(model, StrEnum))


def _explain_parameters(operation: dict[str, Any], route: RouteContext) -> None:
    for query in (field.field_info.annotation for field in route.dependant.query_params):
        if not (inspect.isclass(query) and issubclass(query, BaseModel)):
            continue  # a parameter by itself, which brings its own description
        for parameter in operation["parameters"]:
            if parameter["name"] in query.model_fields:
                parameter["description"] = meaning_of(query, parameter["name"])
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path" and parameter["name"] in MEANING:
            parameter.setdefault("description", MEANING[parameter["name"]])


def _explain_fields(schema: dict[str, Any], model: type[BaseModel]) -> None:
    for name, field in schema.get("properties", {}).items():
        field.pop("title", None)
        field["description"] = meaning_of(model, name)
    schema.setdefault("examples", [example_of(schema_of(model))])
