"""docker-compose.yml says of every service what it needs and nothing else; no container engine is needed to know."""

import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from aggregator.events.parquet import ArchiveSettings
from chassis.schema import role_of
from chassis.settings import PublicAddress, Settings
from contracts.catalogue import OPERATOR, SERVICES
from leadloop import deploy
from leadloop.deploy import NODES
from leadloop.embedded.broker import MAX_PAYLOAD, STORE_BYTES
from leadloop.embedded.database import SETTINGS

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
BLOCKS: dict[str, Any] = COMPOSE["services"]
BROKER = [node.partition(":")[0] for node in NODES]
OWN = {
    "outreach": set(PublicAddress.model_fields),
    "gateway": set(PublicAddress.model_fields),
    "aggregator": set(ArchiveSettings.model_fields),
}
"""What a service is told beside what every service is."""
REQUIRED = {name for name, field in Settings.model_fields.items() if field.is_required()}


def mounts(block: str) -> dict[str, str]:
    """What a block has mounted of the credentials: where, and which part of them."""
    found = {}
    for volume in BLOCKS[block]["volumes"]:
        if isinstance(volume, str):
            source, target, *_ = volume.split(":")
            found |= {target: ""} if source == "credentials" else {}
        elif volume["source"] == "credentials":
            assert volume["read_only"]
            found[volume["target"]] = volume["volume"]["subpath"]
    return found


def test_every_service_of_the_catalogue_has_a_block_that_runs_it_from_an_image_of_its_own() -> None:
    assert set(BLOCKS) == {*SERVICES, *BROKER, "postgres", "valkey", "credentials", "provision", "operator"}
    for service in SERVICES:
        block = BLOCKS[service]
        assert block["command"] == ["python", "-m", service]
        assert block["build"]["args"] == {"SERVICE": service}
        assert block["build"]["target"] == "service"
        assert block["image"] == f"leadloop-{service}"


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_told_exactly_what_its_settings_ask_for(service: str) -> None:
    told = {name.removeprefix("LEADLOOP_").lower() for name in BLOCKS[service]["environment"]}
    assert told <= set(Settings.model_fields) | OWN.get(service, set())
    assert told | {"nats_seed"} >= REQUIRED | {"nats_url", "http_host", "http_port"}
    url = BLOCKS[service]["environment"]["LEADLOOP_DATABASE_URL"]
    assert f"//{role_of(service)}@postgres/{BLOCKS['postgres']['environment']['POSTGRES_DB']}" in url


def test_nobody_is_given_anothers_credentials() -> None:
    for service in SERVICES:
        assert mounts(service) == {"/run/secrets": service, "/run/keys": "keys"}
    for node in BROKER:
        assert mounts(node) == {"/etc/nats/credentials": "broker"}
    assert mounts("postgres") == {"/run/secrets": "postgres"}
    assert mounts("valkey") == {"/etc/valkey": "valkey"}
    assert mounts("operator") == {"/run/secrets": OPERATOR}
    assert mounts("provision") == {"/run/secrets": OPERATOR, "/credentials": ""}


def test_credentials_come_first_then_the_servers_then_what_they_hold_then_the_services() -> None:
    def after(block: str) -> dict[str, str]:
        return {name: wait["condition"] for name, wait in BLOCKS[block].get("depends_on", {}).items()}

    assert after("credentials") == {}
    for server in (*BROKER, "postgres", "valkey"):
        assert after(server) == {"credentials": "service_completed_successfully"}
        assert BLOCKS[server]["healthcheck"]
    assert after("provision") == dict.fromkeys((*BROKER, "postgres"), "service_healthy")
    for service in SERVICES:
        assert after(service) == {"provision": "service_completed_successfully"}
        assert "/readyz" in BLOCKS[service]["healthcheck"]["test"][-1]


def test_only_the_gateway_is_reachable_and_every_other_service_can_be_scaled() -> None:
    assert [name for name, block in BLOCKS.items() if "ports" in block] == ["gateway"]
    assert not any("container_name" in block for block in BLOCKS.values())


def test_the_servers_are_set_up_as_the_embedded_ones() -> None:
    configuration = (ROOT / "deploy/nats.conf").read_text()
    assert f"max_payload: {MAX_PAYLOAD // 1024**2}MB" in configuration
    assert f"max_file_store: {STORE_BYTES // 1024**3}GiB" in configuration
    given = dict(option.removeprefix("--").split("=", 1) for option in BLOCKS["postgres"]["command"][1:])
    assert {name: value for name, value in given.items() if name != "max_connections"}.items() <= SETTINGS.items()
    assert {"log_error_verbosity", "log_min_error_statement"} <= set(given)


def test_valkey_listens_where_services_are_told_with_the_password_that_they_are_told(tmp_path: Path) -> None:
    deploy.credentials(tmp_path)
    url = urlsplit((tmp_path / "intake" / "LEADLOOP_VALKEY_URL").read_text())
    assert (url.scheme, url.hostname, url.port) == ("valkey", "valkey", 6379)
    command, configuration = BLOCKS["valkey"]["command"]
    assert (command, Path(configuration).parent) == ("valkey-server", Path(*mounts("valkey")))
    told = dict(line.split() for line in (tmp_path / "valkey" / Path(configuration).name).read_text().splitlines())
    assert told["requirepass"] == url.password == (tmp_path / "valkey" / "password").read_text()
    assert "port" not in told
    told_where = {name for name in SERVICES if (tmp_path / name / "LEADLOOP_VALKEY_URL").exists()}
    assert told_where == {"gateway", "intake"}


def test_every_volume_is_declared_and_used() -> None:
    used = set()
    for block in BLOCKS.values():
        for volume in block.get("volumes", ()):
            source = volume.partition(":")[0] if isinstance(volume, str) else volume["source"]
            used |= set() if source.startswith(".") else {source}
    assert used == set(COMPOSE["volumes"])


def test_archived_events_outlive_the_container_that_wrote_them() -> None:
    address = urlsplit(BLOCKS["aggregator"]["environment"]["LEADLOOP_ARCHIVE_URI"])
    mounted = dict(volume.split(":") for volume in BLOCKS["aggregator"]["volumes"] if isinstance(volume, str))
    assert address.scheme == "file"
    assert mounted == {"archive": address.path}
    # A new volume belongs to whoever the folder in the image belongs to, and the service is not root.
    assert f"chown 10001 {address.path}\nUSER 10001" in (ROOT / "deploy/Dockerfile").read_text()


def test_the_builder_is_given_every_file_that_the_image_copies() -> None:
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(\S+)", (ROOT / "deploy/Dockerfile").read_text(), re.MULTILINE)
    for path in copied:
        assert path in sent or path.split("/")[0] in sent, f"{path} is not sent to the builder"
        assert (ROOT / path.replace("${SERVICE}", "intake")).exists()


def test_compose_itself_accepts_the_file_where_it_is_installed() -> None:
    try:
        known = subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0
    except FileNotFoundError:
        known = False
    if known:
        subprocess.run(["docker", "compose", "--profile", "operator", "config", "--quiet"], cwd=ROOT, check=True)
