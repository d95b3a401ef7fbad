"""The embedded servers keep their data and their address whatever happens to them."""

from pathlib import Path

import asyncpg
import nats

from leadloop import embedded


async def test_a_killed_database_comes_back_with_what_was_committed(tmp_path: Path) -> None:
    async with embedded.postgres(tmp_path) as server:
        connection = await asyncpg.connect(server.dsn())
        await connection.execute("create table lead (id int); insert into lead values (1)")
        await server.kill()
        connection.terminate()
        await server.start()
        connection = await asyncpg.connect(server.dsn())
        assert await connection.fetchval("select id from lead") == 1
        await connection.close()


async def test_a_killed_broker_comes_back_with_what_was_acknowledged(tmp_path: Path) -> None:
    async with embedded.nats(tmp_path) as server:
        client = await nats.connect(server.url)
        stream = client.jetstream()
        await stream.add_stream(name="EVENTS", subjects=["event.>"])
        await stream.publish("event.a", b"one")
        await client.close()
        await server.kill()
        await server.start()
        client = await nats.connect(server.url)
        message = await client.jetstream().get_msg("EVENTS", 1)
        assert message.data == b"one"
        await client.close()
