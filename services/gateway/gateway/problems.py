"""Every error as a problem (RFC 9457): one shape for programs, one page for people.

What was submitted is never quoted, for it can be personal data; the field is named instead.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from chassis.failures import describe, is_transient
from chassis.logs import get_logger
from chassis.received import meant, place
from contracts.message import Allowance, Problem, ProblemCode, ProblemError
from contracts.outcomes import OutcomeResult, Refusal
from gateway.rate_limit import header_fields
from gateway.rendering import page

log = get_logger("problems")

MEDIA_TYPE: Final = "application/problem+json"
DOCUMENTED: Final[dict[int | str, dict[str, Any]]] = {
    "default": {
        "description": "What was wrong",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetail"}}},
    }
}
"""The errors of a route, as OpenAPI describes them."""
STATUS: Final = {
    ProblemCode.INVALID: HTTPStatus.BAD_REQUEST,
    ProblemCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    ProblemCode.CONFLICT: HTTPStatus.CONFLICT,
    ProblemCode.FORBIDDEN: HTTPStatus.FORBIDDEN,
    ProblemCode.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    ProblemCode.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
}
_WORDS: Final = {
    400: "invalid",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    410: "gone",
    413: "too_large",
    415: "unsupported_media_type",
    422: "unprocessable",
    429: "rate_limited",
    500: "internal",
    503: "unavailable",
}
"""The kind of problem that each status we answer with stands for."""
_RETRY_SECONDS = 5


class ProblemDetail(BaseModel):
    """What was wrong, where, and what to do (RFC 9457). It never quotes what was submitted."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:leadloop:problem:invalid",
                    "title": "Invalid",
                    "status": 400,
                    "detail": "phone: not a phone number of the tenant's region; write it with its country code",
                    "instance": "urn:uuid:019a2f3e-8c1d-7b54-9d7e-3f5f0c2b6a11",
                    "field": "phone",
                }
            ]
        }
    )

    type: str = Field(description="What kind of problem it is, for programs; a name, not an address.")
    title: str = Field(description="The kind of problem, for people.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What was wrong this time and what to do.")
    instance: str = Field(description="This occurrence: the request's id, as `X-Request-Id` and the logs have it.")
    field: str | None = Field(None, description="The field that is wrong, e.g. `outcomes.0.type`.")
    allowance: Allowance | None = Field(None, description="What is left of the rate limit that was exceeded.")
    refusal: Refusal | None = Field(None, description="Why an outcome was not recorded.")
    results: list[OutcomeResult] | None = Field(None, description="The verdict on each outcome that was sent.")


class RefusedError(HTTPException):
    """An error of the API that says more than its status.

    Attributes:
        more: the problem's extension members.
    """

    def __init__(self, status: HTTPStatus, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any):
        super().__init__(status, detail, headers)
        self.more = more


def install(app: FastAPI) -> None:
    """Have the application answer every error it raises or meets as a problem."""

    async def handle(request: Request, error: Exception) -> Response:
        return answer(request.scope, error)

    for kind in (ProblemError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, handle)


def answer(scope: Scope, error: Exception) -> Response:
    """The response that tells of an error: a page to who asked for one, else ``application/problem+json``."""
    status, detail, headers, more = _explained(error)
    word = _WORDS.get(status, "http")
    problem = ProblemDetail(
        type=f"urn:leadloop:problem:{word}",
        title=word.replace("_", " ").capitalize(),
        status=status,
        detail=detail,
        instance=f"urn:uuid:{scope['state']['request_id']}",
        **more,
    )
    if not scope["path"].startswith("/api/") and "text/html" in Headers(scope=scope).get("accept", ""):
        return page("problem.html", status, headers, problem=problem)
    return Response(problem.model_dump_json(exclude_none=True), status, headers, MEDIA_TYPE)


def _explained(error: Exception) -> tuple[HTTPStatus, str, dict[str, str], dict[str, Any]]:
    """Status, detail, headers and extension members of an error."""
    match error:
        case ProblemError():
            return _of_service(error.problem)
        case RequestValidationError():
            detail, field = _invalid(error.errors())
            return HTTPStatus.BAD_REQUEST, detail, {}, {"field": field}
        case RefusedError():
            return HTTPStatus(error.status_code), error.detail, dict(error.headers or {}), error.more
        case HTTPException():
            headers = dict(error.headers or {})
            return HTTPStatus(error.status_code), _of_routing(error, headers), headers, {}
    if is_transient(error):
        log.warning("a request met an outage", error=describe(error))
        status = HTTPStatus.SERVICE_UNAVAILABLE
        return status, "something this needs is away; try again in a moment", _retry(status), {}
    log.error("a request failed", exc_info=error)
    return HTTPStatus.INTERNAL_SERVER_ERROR, "this should not have happened; it was logged", {}, {}


def _of_service(problem: Problem) -> tuple[HTTPStatus, str, dict[str, str], dict[str, Any]]:
    more = {"field": problem.field, "allowance": problem.allowance}
    if problem.allowance is None:
        status = STATUS[problem.code]
        return status, problem.message, _retry(status), more
    headers = {"Retry-After": str(problem.allowance.reset_seconds), **header_fields(problem.allowance)}
    return HTTPStatus.TOO_MANY_REQUESTS, problem.message, headers, more


def _retry(status: HTTPStatus) -> dict[str, str]:
    return {"Retry-After": str(_RETRY_SECONDS)} if status is HTTPStatus.SERVICE_UNAVAILABLE else {}


def _of_routing(error: HTTPException, headers: Mapping[str, str]) -> str:
    """A sentence for the errors the framework raises by itself."""
    match error.status_code:
        case HTTPStatus.NOT_FOUND:
            return "nothing is at this address; /openapi.json lists those of the API"
        case HTTPStatus.METHOD_NOT_ALLOWED:
            allowed = headers.get("Allow") or headers.get("allow") or "other methods"
            return f"this address takes {allowed}"
        case HTTPStatus.BAD_REQUEST:
            return "the body cannot be read; send JSON in UTF-8"
    return error.detail


def _invalid(details: Sequence[Mapping[str, Any]]) -> tuple[str, str | None]:
    """What is wrong with which fields, without the values that were given, and the first of the fields."""
    if details[0]["type"] == "json_invalid":
        return f"the body is not JSON, at byte {details[0]['loc'][1]}: {details[0]['ctx']['error']}", None
    if details[0]["loc"] == ("body",) and details[0]["type"] != "value_error":
        return "send a JSON object, with Content-Type: application/json", None
    flaws = [(_field(detail), detail["msg"].removeprefix("Value error, ") + meant(detail)) for detail in details[:5]]
    told = "; ".join(f"{field}: {message}" for field, message in flaws)
    return told, None if details[0]["loc"] == ("body",) else flaws[0][0]


def _field(detail: Mapping[str, Any]) -> str:
    """The path of a field; a location begins with where it was: body, query, path."""
    where, *path = detail["loc"]
    ours = where != "body" and detail["type"] != "extra_forbidden"  # a parameter's name, which no message need have
    return ".".join(map(str, path)) if ours else place(tuple(path))
