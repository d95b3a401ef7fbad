"""What is sent to a route: a service's request without what the gateway fills in, from the path and from who asks."""

from typing import Annotated, Any, TypeVar

from fastapi import Depends
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from contracts.documents.schema import meaning_of

M = TypeVar("M", bound=BaseModel)


class Paging(BaseModel):
    """Which page of a list is asked for."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    """How many at most."""
    cursor: Annotated[str, Field(max_length=200)] | None = None
    """The last page's `next_cursor`; the first page, if empty."""


def sent(kind: type[BaseModel], *filled: str) -> Any:
    """What a route declares to read a request from its body, but for the fields that it fills in itself: to send those is refused.

    The rules that hold between fields are those of the request, see `order`.
    """
    body = _without(kind, frozenset(filled))

    async def given(given: BaseModel) -> BaseModel:
        return given

    given.__annotations__["given"] = body
    if not any(field.is_required() for field in body.model_fields.values()):
        given.__defaults__ = (body(),)
    return Depends(given)


def order(kind: type[M], given: BaseModel, /, **filled: Any) -> M:
    """The request that was sent, with what the gateway fills in.

    Raises:
        RequestValidationError: the fields are right each by itself, and not together.
    """
    fields = {name: getattr(given, name) for name in given.model_fields_set}
    try:
        return kind(**fields | filled)
    except ValidationError as error:
        flaws = error.errors(include_url=False, include_input=False)
        raise RequestValidationError([flaw | {"loc": ("body", *flaw["loc"])} for flaw in flaws]) from None


def _without(kind: type[BaseModel], filled: frozenset[str]) -> type[BaseModel]:
    """The same fields without those that are filled in."""
    fields: dict[str, Any] = {}
    for name, field in kind.model_fields.items():
        if name not in filled:
            explained = field._copy()
            explained.description = meaning_of(kind, name)
            fields[name] = (field.annotation, explained)
    extra = kind.model_config.get("json_schema_extra")
    examples: Any = extra.get("examples", []) if isinstance(extra, dict) else []
    shown: Any = [{name: value for name, value in example.items() if name in fields} for example in examples]
    config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, json_schema_extra={"examples": shown} if shown else None
    )
    return create_model(f"{kind.__name__}Body", __config__=config, __doc__=kind.__doc__, __module__=__name__, **fields)
