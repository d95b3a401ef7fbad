"""AWS, Google and Vault wrap the tenants' keys as a file does; away or refusing, they let work wait and nothing is lost."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chassis.failures import KeysUnavailableError, NotUnwrappedError, is_transient
from chassis.keys import key_service, tenant_keys
from contracts.catalogue import COMMANDS
from contracts.intake.leads import LeadVerdict, SubmitLead
from intake.app import build
from tests.chassis import kms
from tests.chassis.kms import URIS, Double
from tests.chassis.scene import Scene
from tests.platform import Platform
from tests.waiting import until


@pytest.fixture(params=sorted(URIS))
def double(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Double]:
    with kms.running(request.param, monkeypatch, tmp_path) as running:
        yield running


async def test_what_is_wrapped_opens_in_its_own_context_only_and_may_be_long(double: Double) -> None:
    service = key_service(URIS[double.kind])
    for secret in (b"a key", b"", b"a dead letter's body" * 50_000):
        wrapped = await service.wrap(secret, b"acme/seal")
        assert secret == b"" or secret not in wrapped
        assert await service.unwrap(wrapped, b"acme/seal") == secret
        with pytest.raises(NotUnwrappedError):
            await service.unwrap(wrapped, b"other/seal")


async def test_what_another_key_wrapped_or_what_is_damaged_is_told_from_a_service_that_is_away(double: Double) -> None:
    service = key_service(URIS[double.kind])
    wrapped = await service.wrap(b"a key", b"acme/seal")
    for damaged in (b"", b"\0", wrapped[:-1], wrapped[:20] + bytes([wrapped[20] ^ 1]) + wrapped[21:]):
        with pytest.raises(NotUnwrappedError):
            await service.unwrap(damaged, b"acme/seal")
    double.replace_key()
    with pytest.raises(NotUnwrappedError):
        await service.unwrap(wrapped, b"acme/seal")


@pytest.mark.parametrize("how", ["away", "denied"])
async def test_away_or_refusing_work_waits_and_goes_on_afterwards(double: Double, how: str) -> None:
    service = key_service(URIS[double.kind])
    wrapped = await service.wrap(b"a key", b"acme/seal")
    if how == "away":
        double.go_away()
    double.denies = True
    for work in (service.wrap(b"a key", b"acme/seal"), service.unwrap(wrapped, b"acme/seal")):
        with pytest.raises(KeysUnavailableError) as raised:
            await work
        assert not isinstance(raised.value, NotUnwrappedError)
        assert is_transient(raised.value)
    double.denies = False
    if how == "away":
        double.come_back()
    assert await service.unwrap(wrapped, b"acme/seal") == b"a key"


async def test_credentials_that_nobody_gave_let_work_wait(
    double: Double, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "GOOGLE_APPLICATION_CREDENTIALS", "VAULT_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true", "NO_GCE_CHECK": "true"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(KeysUnavailableError):
        await key_service(URIS[double.kind]).wrap(b"a key", b"acme/seal")


@pytest.mark.parametrize(
    "uri",
    [
        "aws-kms://1234abcd",
        "aws-kms://arn:aws:s3:eu-central-1:111122223333:key/1",
        "gcp-kms://projects/acme/locations/europe/keyRings/leadloop",
        "hcvault://vault.example:8200/transit/tenants",
        "hcvault:///transit/keys/tenants",
        "ftp://keys",
    ],
)
def test_a_uri_that_names_no_key_is_refused_with_how_to_write_one(uri: str) -> None:
    with pytest.raises(ValueError, match=r"LEADLOOP_KMS_URI: .*(aws-kms|gcp-kms|hcvault)://[a-zA-Z]"):
        key_service(uri)


def test_a_service_does_not_carry_a_client_that_it_has_not_used() -> None:
    script = f"""
import sys
from chassis.keys import key_service, tenant_keys
from contracts.catalogue import COMMANDS
import intake.app
for uri in {list(URIS.values())!r}:
    key_service(uri)
print([name for name in ("botocore", "hvac", "google.auth", "requests") if name in sys.modules])
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.usefixtures("no_patience")
async def test_commands_wait_while_the_key_service_is_away_and_are_handled_afterwards(
    platform: Platform, scene: Scene, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whether it was there before or not: nothing is taken without a key, and nothing that was sent is lost."""
    monkeypatch.setattr(tenant_keys, "CACHE_SECONDS", 0.0)
    await scene.select("delete from tenant_key")
    with kms.running("vault", monkeypatch, tmp_path) as vault:
        settings = platform.settings("intake").model_copy(update={"kms_uri": URIS["vault"]})
        async with platform.every_name_a_tenants(), build(settings).running():
            await scene.give(_lead(0))
            await until(lambda: _verdicts(scene, 1), what="a lead being accepted")
            vault.go_away()
            begun = await scene.deliveries(COMMANDS)
            await scene.give(_lead(1), _lead(2))
            await scene.delivered(COMMANDS, begun + 4)
            assert await _verdicts(scene, 1)
            vault.come_back()
            await until(lambda: _verdicts(scene, 3), what="the commands that waited being handled")
            assert not await scene.letters()
    await scene.select("delete from tenant_key")


async def _verdicts(scene: Scene, count: int) -> bool:
    rows = await scene.select("select verdict from submission where tenant_id = $1", scene.tenant)
    return [row["verdict"] for row in rows] == [LeadVerdict.ACCEPTED] * count


def _lead(number: int) -> SubmitLead:
    return SubmitLead(source_system="crm", source_id=f"L-{number}", full_name="Ada Example", notes="likes trains")
