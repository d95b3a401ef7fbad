"""A file that a form brings, handed on as it comes: nothing of it is written to this machine's disk."""

from collections.abc import AsyncIterator
from typing import Final

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from contracts.message import ProblemCode, ProblemError

_LONGEST_NAME: Final = 200


class _Form:
    """Reads a form of several parts (RFC 7578), of which one is a file."""

    def __init__(self, boundary: bytes, field: str) -> None:
        self.name: str | None = None
        self._field = field.encode()
        self._held = bytearray()
        self._header = self._value = b""
        self._disposition = b""
        self._is_file = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._on_header,
                "on_header_value": self._on_value,
                "on_header_end": self._end_header,
                "on_headers_finished": self._end_headers,
                "on_part_data": self._on_data,
            },
        )

    def write(self, data: bytes) -> None:
        self._parser.write(data)

    def take(self) -> bytes:
        """What came of the file since it was taken last."""
        taken = bytes(self._held)
        self._held.clear()
        return taken

    def _begin(self) -> None:
        self._header = self._value = self._disposition = b""

    def _on_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header = self._value = b""

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._is_file = options.get(b"name") == self._field
        if self._is_file:
            written = options.get(b"filename", b"").decode(errors="replace").replace("\0", "")
            self.name = written.replace("\\", "/").rpartition("/")[2][-_LONGEST_NAME:]

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._held += data[start:end]


async def file_in(request: Request, field: str) -> tuple[str, AsyncIterator[bytes]]:
    """What the file in a form's field is called, and its content.

    Raises:
        ProblemError: `invalid`, there is none.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise _no_file()
    form, body = _Form(boundary, field), request.stream()
    try:
        async for data in body:
            form.write(data)
            if form.name is not None:
                break
    except MultipartParseError:
        raise _no_file() from None
    if not form.name:
        raise _no_file()
    return form.name, _content(form, body)


async def _content(form: _Form, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield form.take()
    try:
        async for data in body:
            form.write(data)
            yield form.take()
    except MultipartParseError:
        raise _no_file() from None


def _no_file() -> ProblemError:
    return ProblemError(ProblemCode.INVALID, "choose a CSV file, with the names of its columns in the first line")
