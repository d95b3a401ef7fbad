"""The embedded servers keep their data and their address whatever happens to them."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import httpx
import nats
import nats.errors
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from leadloop import dbuser, embedded
from leadloop.embedded import BrokerError, Nats, Postgres, database
from leadloop.embedded.broker import STORE_BYTES
from leadloop.home import Home
from leadloop.process import ProcessFailed

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the database as another user")


@pytest.fixture(scope="module")
async def pg(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Postgres]:
    async with embedded.postgres(tmp_path_factory.mktemp("pg")) as server:
        yield server


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home.open(tmp_path / "home")
    yield home
    home.remove()


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home with a database that does not run; making it was interrupted once."""
    home = Home.open(tmp_path_factory.mktemp("stopped"))
    folder = home.data / "postgres"
    (folder / "cluster.new" / "half").mkdir(parents=True)
    if (user := dbuser.name()) is not None:
        shutil.chown(folder, user, user)
    Postgres(home).prepare()
    yield home
    home.remove()


@pytest.fixture
def stranger() -> Iterator[int]:
    """A process of the database's own user that is no database."""
    process = subprocess.Popen([*dbuser.prefix(), "sleep", "60"])
    yield process.pid
    process.kill()
    process.wait()


async def query(server: Postgres, statement: str) -> object:
    connection = await asyncpg.connect(server.dsn())
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("server_encoding", "UTF8"),
        ("data_checksums", "on"),
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("listen_addresses", ""),
        ("idle_in_transaction_session_timeout", "1min"),
        ("jit", "off"),
    ],
)
async def test_the_database_keeps_its_promises(pg: Postgres, parameter: str, value: str) -> None:
    assert await query(pg, f"show {parameter}") == value


async def test_text_is_ordered_alike_on_every_machine(pg: Postgres) -> None:
    ordered = "select string_agg(word, ' ' order by word) from unnest(array['b', 'Z', 'é', 'a']) word"
    assert await query(pg, ordered) == "Z a b é"
    assert await query(pg, "select upper('é')") == "É"


async def test_sqlalchemy_takes_the_same_address(pg: Postgres) -> None:
    engine = create_async_engine(pg.dsn().replace("postgresql:", "postgresql+asyncpg:", 1))
    async with engine.connect() as connection:
        assert (await connection.execute(text("select 1"))).scalar() == 1
    await engine.dispose()


async def test_an_error_puts_nobodys_data_into_the_log(pg: Postgres) -> None:
    connection = await asyncpg.connect(pg.dsn())
    await connection.execute(
        "create temp table person (email text primary key); insert into person values ('a@b.example')"
    )
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute("insert into person values ('a@b.example')")
    await connection.close()
    log = pg.log.read_text()
    assert "person_pkey" in log
    assert "a@b.example" not in log


@as_root
def test_no_other_user_gets_to_the_database(pg: Postgres) -> None:
    reach = [
        "setpriv",
        "--reuid=nobody",
        "--regid=nogroup",
        "--clear-groups",
        "test",
        "-S",
        pg.folder / dbuser.SOCKET_NAME,
    ]
    assert subprocess.run(reach, check=False).returncode != 0


async def test_a_killed_database_comes_back_with_what_was_committed(pg: Postgres) -> None:
    connection = await asyncpg.connect(pg.dsn())
    await connection.execute("create table lead (id int); insert into lead values (1)")
    busy = asyncio.create_task(connection.execute("select pg_sleep(60)"))
    await pg.kill()
    with pytest.raises((asyncpg.PostgresConnectionError, ConnectionError)):
        await busy
    await _start_again(pg)
    assert await query(pg, "select id from lead") == 1


async def _start_again(server: Postgres) -> None:
    """As the supervisor does: the sessions of a killed server hold its memory for a moment."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await server.start()
            except ProcessFailed as failure:
                assert "shared memory block" in str(failure)


def test_a_database_that_was_made_half_is_made_anew(stopped: Home) -> None:
    server = Postgres(stopped)
    assert (server.cluster / "PG_VERSION").read_text() == "18\n"
    assert not (server.cluster / "half").exists()


async def test_a_lock_left_behind_whose_pid_is_anothers_now_stops_nothing(stopped: Home, stranger: int) -> None:
    server = Postgres(stopped)
    lock = f"{stranger}\n{server.cluster}\n1700000000\n5432\n{server.folder}\n\n"
    for path in (server.cluster / "postmaster.pid", server.folder / f"{dbuser.SOCKET_NAME}.lock"):
        path.write_text(lock)
    with pytest.raises(ProcessFailed, match="lock file"):
        await server.start()
    server.prepare()
    await server.start()
    await server.stop()


async def test_a_server_that_cannot_start_shows_the_end_of_its_log(stopped: Home) -> None:
    server = Postgres(stopped, {"shared_buffers": "much"})
    with pytest.raises(ProcessFailed, match='"shared_buffers": "much"'):
        await server.start()


@as_root
def test_programs_that_the_databases_user_cannot_reach_are_copied_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = database.binaries().parents[1]
    state = Path("/var/tmp") / f"leadloop-test-{os.getpid()}"
    monkeypatch.setattr(dbuser, "state_folder", lambda: state)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for path in (database.PROGRAMS / "postgres", database.PROGRAMS / "initdb"):
        (closed / found.name / path).parent.mkdir(parents=True, exist_ok=True)
        (closed / found.name / path).symlink_to(found / path)
    shutil.copytree(found.with_name(f"{found.name}.libs"), closed / f"{found.name}.libs")
    try:
        programs = database._runnable(closed / found.name, "18")
        assert programs.is_relative_to(state)
        made = programs.stat().st_ino
        assert subprocess.run([*dbuser.prefix(), programs / "initdb", "--version"], check=False).returncode == 0
        assert database._runnable(closed / found.name, "18").stat().st_ino == made
        assert [path.name for path in state.iterdir()] == ["postgres-18"]
    finally:
        shutil.rmtree(state)


async def test_a_killed_broker_comes_back_with_what_was_acknowledged(tmp_path: Path) -> None:
    async with embedded.nats(tmp_path) as server:
        before = server.url
        await _publish(server, b"one")
        await server.kill()
        await server.start()
        assert server.url == before
        client = await nats.connect(server.url)
        assert (await client.jetstream().get_msg("EVENTS", 1)).data == b"one"
        await client.close()


async def test_what_the_broker_stores_is_encrypted(tmp_path: Path) -> None:
    async with embedded.nats(tmp_path) as server:
        await _publish(server, b"+1 614 555 0100")
        stored = [path.read_bytes() for path in server.folder.rglob("*") if path.is_file()]
    assert any(stored)
    assert not any(b"614 555" in content for content in stored)


async def test_the_broker_acknowledges_only_what_is_on_the_disk(tmp_path: Path) -> None:
    async with embedded.nats(tmp_path) as server, httpx.AsyncClient(base_url=server.monitor_url) as monitor:
        assert (await monitor.get("/jsz")).json()["config"]["sync_always"] is True


async def test_how_much_the_broker_may_store_does_not_depend_on_what_the_disk_has_free_today(tmp_path: Path) -> None:
    async with embedded.nats(tmp_path) as server, httpx.AsyncClient(base_url=server.monitor_url) as monitor:
        assert (await monitor.get("/jsz")).json()["config"]["max_storage"] == STORE_BYTES


async def _publish(server: Nats, body: bytes) -> None:
    client = await nats.connect(server.url)
    stream = client.jetstream()
    await stream.add_stream(name="EVENTS", subjects=["event.>"])
    await stream.publish("event.a", body)
    await client.close()


async def test_a_message_over_a_mebibyte_is_refused(tmp_path: Path) -> None:
    async with embedded.nats(tmp_path) as server:
        client = await nats.connect(server.url)
        with pytest.raises(nats.errors.MaxPayloadError):
            await client.publish("event.a", b"x" * (1024 * 1024 + 1))
        await client.close()


def _only(user: str) -> str:
    return f'authorization {{ users = [{{ user: "{user}", password: "secret" }}] }}'


async def test_a_running_broker_takes_a_new_authorization(tmp_path: Path) -> None:
    async with embedded.nats(tmp_path, _only("intake")) as server:
        client = await nats.connect(server.url, user="intake", password="secret")
        server.configure(_only("outcomes"))
        await server.reload()
        other = await nats.connect(server.url, user="outcomes", password="secret")
        await other.close()
        await client.close()


async def test_a_broker_that_does_not_take_its_configuration_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leadloop.embedded.broker.RELOAD_TIMEOUT", 0.2)
    async with embedded.nats(tmp_path, _only("intake")) as server:
        server.configure("authorization { users = nobody }")
        with pytest.raises(BrokerError, match="did not take"):
            await server.reload()


async def test_preparing_a_broker_again_keeps_its_key_and_its_ports(home: Home) -> None:
    server = Nats(home)
    server.prepare(_only("intake"))
    before = server.configuration.read_text()
    server.prepare(_only("intake"))
    assert server.configuration.read_text() == before
    assert server.configuration.stat().st_mode & 0o777 == 0o600


async def test_nothing_is_left_of_a_servers_test(tmp_path: Path) -> None:
    async with embedded.nats(tmp_path) as server:
        data = server.folder.parent
    assert not data.exists()
    assert not (tmp_path / "nats").exists()
