"""What is taken of a request's body: how much, in which format, how deep. Each route's follows from what it declares.

Everything but an upload is read whole before it is looked at, so what is taken of it must be little.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.gate import each
from gateway.limits import Kind, kind_of
from gateway.problems import RefusedError
from gateway.webhooks.routes import PATH

MOST_BYTES: Final = 1024 * 1024
"""Of what programs send: as much as a message can hold."""
OF_PAGES: Final = 256 * 1024
"""Of what somebody typed into a form, where no file comes with it."""
OF_UPLOADS: Final = 512 * 1024 * 1024
OF_ANYBODY: Final = 16 * 1024
"""Of who has shown no credential: enough for the form that signs in. A webhook's signature is over all of it, so that is read first."""
MOST_NESTED: Final = 64
"""Objects and lists within each other; nothing of ours needs ten, and what reads JSON gives up at some hundreds."""
_WITH_A_FILE: Final = "multipart/form-data"
_FORMS: Final = ("application/x-www-form-urlencoded", _WITH_A_FILE)
_JSON: Final = "application/json"
_STRUCTURE: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
"""A string that nothing closes is one to the end: were it none, each of its quotes would be looked behind anew."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a route takes.

    Attributes:
        most: bytes.
        formats: media types; none, where no body is looked at.
        streamed: whether it is read as it comes, and never whole.
    """

    most: int
    formats: tuple[str, ...] = ()
    streamed: bool = False

    def check_format(self, headers: Headers) -> None:
        """Refuse what is written in another format.

        Raises:
            RefusedError: 415.
        """
        given = headers.get("content-type", "").partition(";")[0].strip().lower()
        takes_json = _JSON in self.formats and given.startswith("application/") and given.endswith("+json")
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send the body as it is, without a Content-Encoding")
        if self.formats and given not in self.formats and not takes_json:
            raise RefusedError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"send the body as {self.formats[0]}, and say so in Content-Type",
                headers={"Accept": ", ".join(self.formats)},
            )  # fmt: skip


def taken_by(routes: Sequence[BaseRoute]) -> dict[Any, Taken]:
    """What each route takes, by its endpoint."""
    found: dict[Any, Taken] = {}
    for route, method in each(routes):
        if isinstance(route.original_route, APIRoute):
            kind = kind_of(route, method)
            declared = (route.openapi_extra or {}).get("requestBody", {}).get("content", {})
            formats = tuple(declared)
            with_a_file = _WITH_A_FILE in declared
            if not formats and route.body_field is not None:
                media_type = getattr(route.body_field.field_info, "media_type", _JSON)
                formats = _FORMS if media_type in _FORMS else (media_type,)
                with_a_file = media_type == _WITH_A_FILE
            most = _most(str(route.path), kind, with_a_file=with_a_file)
            found[route.original_route.endpoint] = Taken(most, formats, kind is Kind.UPLOADING)
    return found


def _most(path: str, kind: Kind | None, *, with_a_file: bool) -> int:
    if kind is Kind.UPLOADING:
        return OF_UPLOADS
    if kind is None and path != PATH:
        return OF_ANYBODY
    is_page = not path.startswith("/api/") and path != PATH
    return OF_PAGES if is_page and not with_a_file else MOST_BYTES


def is_streamed(request: Request) -> bool:
    """Whether a request's body is read as it comes, by its endpoint alone."""
    taken: Mapping[Any, Taken] = request.app.state.taken
    return taken[request.scope["route"].endpoint].streamed


class BodyGuard:
    """The middleware that refuses a body that is too large, whether or not it says how long it is (413), or in another format (415)."""

    def __init__(self, app: ASGIApp, taken: Mapping[Any, Taken]) -> None:
        self._app = app
        self._taken = taken

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        read = 0

        async def receive_guarded() -> Message:
            nonlocal read
            # By now it is known which route takes it.
            taken = self._taken.get(getattr(scope.get("route"), "endpoint", None), Taken(OF_ANYBODY))
            if not read:
                length = headers.get("content-length", "")
                if length.isdecimal() and int(length) > taken.most:
                    raise _too_large(taken.most)
            message = await receive()
            body = message.get("body", b"")
            if body and not read:
                taken.check_format(headers)
            read += len(body)
            if read > taken.most:
                raise _too_large(taken.most)
            return message

        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        await self._app(scope, receive_guarded, send)


async def shallow(request: Request) -> None:
    """What every route of the API depends on: it reads no JSON that goes deeper than `MOST_NESTED`.

    Raises:
        RefusedError: 400.
    """
    is_json = "json" in request.headers.get("content-type", "") and not is_streamed(request)
    if is_json and nesting(await request.body()) > MOST_NESTED:
        raise RefusedError(HTTPStatus.BAD_REQUEST, f"the body goes more than {MOST_NESTED} levels deep")


def nesting(text: bytes) -> int:
    """How deep objects and lists lie within each other in a JSON text; at most so deep, where it has that few of them."""
    opened = text.count(b"{") + text.count(b"[")
    if opened <= MOST_NESTED:
        return opened
    depth = deepest = 0
    for found in _STRUCTURE.finditer(text):
        match found[0]:
            case b"{" | b"[":
                depth += 1
                deepest = max(deepest, depth)
            case b"}" | b"]":
                depth -= 1
    return deepest


def _too_large(most: int) -> HTTPException:
    return HTTPException(413, f"the body is larger than {most:,} bytes; send less at once")
