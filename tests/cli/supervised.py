"""What the supervisor's tests run: a small service, and a command that supervises some.

python supervised.py service PORT [JOURNAL] [stubborn]    answers 200, notes its start and its stop in JOURNAL
python supervised.py up HOME [stubborn | broken]          supervises two such services in HOME
"""

import asyncio
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from leadloop import keeper
from leadloop.home import Home
from leadloop.process import ChildSpec
from leadloop.supervisor import Stage, Supervisor


def service(home: Home, name: str, *, journal: Path | None = None, stubborn: bool = False, **rest: object) -> ChildSpec:
    """A service that listens on its claimed port; a stubborn one does not listen to SIGTERM."""
    port = home.claim_port(name)
    words = [*([str(journal)] if journal else []), *(["stubborn"] if stubborn else [])]
    argv = [sys.executable, __file__, "service", name, str(port), *words]
    return ChildSpec(name, argv, ready=f"http://127.0.0.1:{port}/readyz", **rest)  # type: ignore[arg-type]


def command(home: Home, *words: str) -> list[str]:
    """The command line that supervises two services in `home`."""
    return [sys.executable, __file__, "up", str(home.root), *words]


def _serve(name: str, port: int, journal: Path | None, stubborn: bool) -> None:
    def note(what: str) -> None:
        if journal is not None:
            with journal.open("a") as file:
                file.write(f"{what} {name}\n")

    def stop(*_: object) -> None:
        note("stop")
        sys.exit(0)

    signal.signal(signal.SIGTERM, signal.SIG_IGN if stubborn else stop)
    with socket.create_server(("127.0.0.1", port)) as server:
        note("start")
        while True:
            connection, _ = server.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")


def _up(home: Home, words: Sequence[str]) -> None:
    async def plan() -> list[Stage]:
        first = service(home, "first", stubborn="stubborn" in words, stop_timeout=0.5)
        broken = ChildSpec(
            "broken", [sys.executable, "-c", "raise SystemExit('no settings')"], ready="http://127.0.0.1:9/"
        )
        keeper.FIRST_PAUSE = 0.01
        return [[first], [broken if "broken" in words else service(home, "second")]]

    asyncio.run(Supervisor(home, plan).run())


if __name__ == "__main__":
    role, subject, *arguments = sys.argv[1:]
    if role == "up":
        _up(Home.open(Path(subject)), arguments)
    else:
        paths = [Path(word) for word in arguments[1:] if word != "stubborn"]
        _serve(subject, int(arguments[0]), paths[0] if paths else None, "stubborn" in arguments)
