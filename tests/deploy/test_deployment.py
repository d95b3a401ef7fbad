"""An installation of containers, from nothing to a service that works, run as docker-compose.yml says."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import httpx
import nats
import nats.errors
import pytest
from nats.aio.client import Client

from chassis.caller import Caller, inbox_prefix
from chassis.exports.errors import LeadLoopError
from contracts.catalogue import COMMANDS, OPERATOR, SERVICES, STREAMS, Stream
from contracts.gateway import CreateTenant
from leadloop import deploy
from tests.deploy.containers import NODES, Containers


@pytest.fixture(scope="module")
async def containers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Containers]:
    """Servers, provisioned by the block for it; no service runs until a test starts it."""
    async with Containers.prepare(tmp_path_factory.mktemp("compose")) as containers:
        said = await containers.provision()
        for service in SERVICES:
            assert f"migrated schema {service} from nothing" in said
        yield containers


@pytest.fixture
def operating(containers: Containers, monkeypatch: pytest.MonkeyPatch) -> Containers:
    """The operator's environment is this process' own."""
    for name, value in containers.operator.items():
        monkeypatch.setenv(name, value)
    return containers


async def connect(urls: list[str], seed: str, inbox: str) -> Client:
    async def quiet(_: Exception) -> None:
        """A refusal is what some of the tests are after."""

    return await nats.connect(urls, nkeys_seed_str=seed, inbox_prefix=inbox, max_reconnect_attempts=1, error_cb=quiet)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_credentials_are_made_once_and_are_private(tmp_path: Path) -> None:
    folder = tmp_path / "credentials"
    deploy.credentials(folder)
    made = contents(folder)
    deploy.credentials(folder)
    assert contents(folder) == made
    assert folder.stat().st_mode & 0o077 == 0
    secrets = [
        made[f"{user}/{name}"] for user in (*SERVICES, OPERATOR) for name in ("LEADLOOP_NATS_SEED", "PGPASSWORD")
    ]
    assert len(set(secrets)) == len(secrets)


def test_an_upstream_of_no_possible_tenant_is_refused(tmp_path: Path) -> None:
    deploy.credentials(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(LeadLoopError, match="not a slug"):
        deploy.upstream(tmp_path, "Acme > *")
    assert contents(tmp_path) == before


def test_a_command_says_which_setting_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("LEADLOOP_NATS_URL", raising=False)
    monkeypatch.delenv("LEADLOOP_NATS_SEED", raising=False)
    assert deploy.main(["tenant", "acme"]) == 1
    assert "set LEADLOOP_NATS_URL, LEADLOOP_NATS_SEED" in capsys.readouterr().err


async def test_provisioning_again_changes_nothing(operating: Containers, capsys: pytest.CaptureFixture[str]) -> None:
    await deploy.declare(operating.credentials)
    assert "nothing to do" in capsys.readouterr().out


async def test_every_stream_is_stored_on_three_nodes(containers: Containers) -> None:
    client = await connect(containers.nats_urls, containers.operator["LEADLOOP_NATS_SEED"], inbox_prefix(OPERATOR))
    for stream in STREAMS:
        info = await client.jetstream().stream_info(stream.name)
        assert info.config.num_replicas == 3
        assert info.cluster and {peer.name for peer in info.cluster.replicas or ()} | {info.cluster.leader} == set(
            NODES
        )
    await client.close()


async def test_a_role_is_let_in_with_its_own_password_only(containers: Containers) -> None:
    own, others = ((containers.credentials / service / "PGPASSWORD").read_text() for service in ("intake", "outcomes"))
    connection = await asyncpg.connect(containers.postgres.dsn("leadloop_intake", "leadloop"), password=own)
    await connection.close()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(containers.postgres.dsn("leadloop_intake", "leadloop"), password=others)


async def test_a_service_starts_with_the_environment_of_its_block_and_the_operator_reaches_it(
    operating: Containers, capsys: pytest.CaptureFixture[str]
) -> None:
    await operating.start_service("gateway")
    client = await connect(operating.nats_urls, operating.operator["LEADLOOP_NATS_SEED"], inbox_prefix(OPERATOR))
    await Caller(client).ask("acme", CreateTenant())
    await client.close()
    await deploy.key("acme")
    key = capsys.readouterr().out.splitlines()[0]
    await deploy.sign_in("acme")
    link = capsys.readouterr().out.splitlines()[0]
    async with httpx.AsyncClient(base_url=operating.gateway) as http:
        refused = await http.get("/api/t/acme/leads")
        # Let in, though nobody answers: intake does not run here.
        admitted = await http.get("/api/t/acme/leads", headers={"Authorization": f"Bearer {key}"})
        assert (refused.status_code, admitted.status_code) == (401, 503)
        assert (await http.get(link)).status_code == 200


async def test_an_upstream_is_let_in_at_the_reload_and_speaks_for_its_tenant_only(
    containers: Containers, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy.upstream(containers.credentials, "acme")
    said = capsys.readouterr().out
    seed, inbox = (re.search(rf"{what}: +(\S+)", said)[1] for what in ("seed", "inbox prefix"))
    with pytest.raises(nats.errors.Error):
        await connect(containers.nats_urls, seed, inbox)
    await containers.reload_nodes()
    own, others = (f"intake.command.submit_lead.v1.{tenant}" for tenant in ("acme", "other"))
    body = json.dumps({"source_system": "web", "source_id": "2", "full_name": "Grace Example"}).encode()
    for url in containers.nats_urls:
        client = await connect([url], seed, inbox)
        await client.publish(own, body, reply=others)
        assert (await client.jetstream().publish(own, body)).stream == COMMANDS.name
        with pytest.raises(nats.errors.TimeoutError):
            await client.jetstream().publish(others, body, timeout=0.2)
        await client.close()
    operator = await connect(containers.nats_urls, containers.operator["LEADLOOP_NATS_SEED"], inbox_prefix(OPERATOR))
    upstream = inbox.removeprefix(inbox_prefix(""))
    assert await subjects_of(operator, COMMANDS) == {f"{own}.{upstream}": 2 * len(NODES)}
    await operator.close()


async def subjects_of(operator: Client, stream: Stream) -> dict[str, int]:
    return (await operator.jetstream().stream_info(stream.name, subjects_filter=">")).state.subjects or {}
