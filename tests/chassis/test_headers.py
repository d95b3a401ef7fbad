"""Headers are read as the client library reads them."""

from uuid import UUID

from hypothesis import example, given
from hypothesis import strategies as st
from nats.aio.client import Client

from chassis import headers
from tests.platform import Platform

LINES = st.lists(st.binary(max_size=20) | st.text(":ab \t\x1c\x85é\xa0\r\n", max_size=12).map(str.encode), max_size=6)


@given(LINES)
@example([b"a: b", b" c :\td e ", b"f g: h", b"none", b"\xff: x", b"x: \xff", b"e: 1", b"e: 2"])
def test_headers_are_read_as_the_library_reads_them(lines: list[bytes]) -> None:
    raw = b"\r\n".join(lines) + b"\r\n\r\n"
    assert headers.THEIRS, "the client library has another reader of headers: does it still need ours?"
    theirs = headers.THEIRS(raw)
    assert headers.read_headers(raw) == {name: value for name, value in theirs.items() if name}


async def test_a_running_service_reads_headers_so(platform: Platform) -> None:
    platform.build("aggregator")
    assert Client._parse_header_lines is headers.read_headers
    assert (await Client()._process_headers(b"NATS/1.0 404 No Messages\r\n\r\n")) == {
        "Status": "404",
        "Description": "No Messages",
    }
    id_ = str(UUID(int=1))
    assert await Client()._process_headers(f"NATS/1.0\r\nce-id: {id_}\r\n\r\n".encode()) == {"ce-id": id_}
