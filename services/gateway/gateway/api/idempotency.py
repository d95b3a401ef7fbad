"""The header `Idempotency-Key`, which every route takes that makes or changes something: what is sent again under the same key is
the same, and not done twice (draft-ietf-httpapi-idempotency-key-header; docs/adr/0038-what-a-key-promises.md).

No answer is kept, for it may be about a person. What is sent again is asked for again, under the same ids, and the service knows what it
has under these; what has no id that could be given, or an answer that is shown once, is refused when it comes again (`Once`).
"""

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Final

from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext

from contracts.message import ProblemCode, ProblemError
from gateway.bodies import is_streamed
from gateway.gate import Admitted
from gateway.idempotency import HEADER, Idempotency, Key
from gateway.limits import Kind, kind_of

METHODS: Final = frozenset({"POST", "PUT", "PATCH"})
"""Which requests it may come with; what is deleted twice is gone. It comes with no upload, of which no fingerprint is known before it is kept."""
_MOST: Final = 200
_PARAMETER: Final[dict[str, Any]] = {
    "name": HEADER,
    "in": "header",
    "description": "Chosen by the caller, another for each request; sent again within a day, it is the same request, and not done twice.",
    "schema": {"type": "string", "maxLength": _MOST, "examples": ["8e03978e-40d5-43dd-bc93-6894a57f9324"]},
}


async def heed(request: Request, principal: Admitted) -> AsyncIterator[Key | None]:
    """What each route of the API depends on; it ends before the answer is sent, so that whoever has that can go on at once."""
    # A quoted string, as the draft has it (RFC 8941, 3.3.3), is the same key as without its quotes.
    sent = request.headers.get(HEADER, "").strip().strip('"')
    if not sent or request.method not in METHODS:
        yield None
        return
    if is_streamed(request):
        raise ProblemError(
            ProblemCode.INVALID,
            "leave it out here: what is uploaded again is compared with what is here, the same changes nothing and another is a conflict",
            HEADER,
        )
    if len(sent) > _MOST:
        raise ProblemError(ProblemCode.INVALID, f"send at most {_MOST} characters", HEADER)
    idempotency: Idempotency = request.app.state.idempotency
    content = (request.method, request.url.path, request.url.query, await request.body())
    async with idempotency.under(principal.tenant, principal.actor, sent, *content) as key:
        yield key


HEEDED: Final = Depends(heed, scope="function")
OptionalKey = Annotated[Key | None, HEEDED]
"""What a route declares that makes something under the key's id."""


async def _required(key: OptionalKey) -> Key:
    if key is None:
        raise ProblemError(ProblemCode.INVALID, f"send the header `{HEADER}`, so that this is not done twice", HEADER)
    return key


RequiredKey = Annotated[Key, Depends(_required, scope="function")]
"""What a route declares that must not be done twice."""


async def _once(key: OptionalKey) -> None:
    if key and key.done:
        raise ProblemError(
            ProblemCode.CONFLICT,
            f"this was done already under this `{HEADER}`, and its answer is not shown again",
            HEADER,
        )


ONCE: Final = Depends(_once, scope="function")
"""What a route declares that would make another thing each time, or shows a secret."""


def parameter_of(route: RouteContext, method: str) -> dict[str, Any] | None:
    """The header, as OpenAPI describes it with a route's method; none where it is not heeded."""
    calls = {found.call for found in _all_below(getattr(route, "dependant", None))}
    if heed not in calls or method not in METHODS or kind_of(route, method) is Kind.UPLOADING:
        return None
    return _PARAMETER | {"required": _required in calls}


def _all_below(dependant: Dependant | None) -> Iterator[Dependant]:
    for found in dependant.dependencies if dependant else ():
        yield found
        yield from _all_below(found)
