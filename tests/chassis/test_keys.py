"""Nothing is stored in clear: without the key there is no work, and one tenant's keys open nothing of another's.

A tenant's key that is spoilt is that tenant's trouble alone.
"""

import asyncio
import shutil
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tink import TinkError

from chassis.failures import KeysUnavailableError, LostRaceError, TenantKeyError, is_transient
from chassis.keys import FileKeyService, TenantKeys, key_service, tenant_keys
from chassis.unit_of_work import Database
from tests.chassis import ledger
from tests.platform import Platform
from tests.waiting import until


@pytest.fixture
async def database(platform: Platform) -> AsyncIterator[Database]:
    database = Database(ledger.NAME, platform.settings(ledger.NAME).database_url)
    yield database
    await database.close()


@pytest.fixture
async def file(platform: Platform, tmp_path: Path) -> AsyncIterator[Path]:
    """A key service's key, and a service that has no keys wrapped by another."""
    file = tmp_path / "kms.json"
    FileKeyService.create(file)
    async with platform.sql() as session:
        await session.execute(f"delete from {ledger.NAME}.tenant_key")
        yield file
        await session.execute(f"delete from {ledger.NAME}.tenant_key")


def test_a_key_is_made_once_and_only_its_owner_can_read_it(file: Path) -> None:
    made = file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    FileKeyService.create(file)
    assert file.read_bytes() == made


def test_a_key_service_that_nobody_knows_is_refused_with_what_to_write() -> None:
    with pytest.raises(ValueError, match=r"no key service for vault://; use one of file:///path"):
        key_service("vault://secret")


def spoil(file: Path, how: str) -> None:
    file.unlink()
    if how == "another key":
        FileKeyService.create(file)
    elif how != "gone":
        file.write_text("" if how == "empty" else '{"primaryKeyId": 1}')


@pytest.mark.parametrize("broken", ["gone", "empty", "no keyset", "another key"])
async def test_without_the_right_key_the_keys_are_unavailable_and_work_waits(file: Path, broken: str) -> None:
    service = FileKeyService(file)
    wrapped = await service.wrap(b"a key", b"acme/seal")
    assert await service.unwrap(wrapped, b"acme/seal") == b"a key"
    spoil(file, broken)
    with pytest.raises(KeysUnavailableError) as raised:
        await service.unwrap(wrapped, b"acme/seal")
    assert is_transient(raised.value)
    if broken != "another key":
        with pytest.raises(KeysUnavailableError):
            await service.wrap(b"a key", b"acme/seal")


async def test_a_wrapped_key_serves_its_own_purpose_only(file: Path) -> None:
    service = FileKeyService(file)
    wrapped = await service.wrap(b"a key", b"acme/seal")
    with pytest.raises(KeysUnavailableError):
        await service.unwrap(wrapped, b"other/seal")


async def test_with_another_key_all_wait_and_no_tenant_gets_one_that_only_it_could_open(
    database: Database, file: Path, tenant: str
) -> None:
    async with database.begin() as uow:
        await TenantKeys(FileKeyService(file)).of(uow, tenant)
    spoil(file, "another key")
    for name in (tenant, f"{tenant}-new"):
        async with database.begin() as uow:
            with pytest.raises(KeysUnavailableError):
                await TenantKeys(FileKeyService(file)).of(uow, name)


@pytest.mark.parametrize(
    "damage",
    [
        "update tenant_key set wrapped = wrapped || 'x' where tenant_id = :tenant",
        "update tenant_key set wrapped = '' where tenant_id = :tenant and purpose = 'token'",
        "delete from tenant_key where tenant_id = :tenant and purpose = 'seal'",
        "update tenant_key set wrapped = :wrapped_elsewhere where tenant_id = :tenant",
    ],
)
async def test_a_tenants_key_that_cannot_be_opened_is_that_tenants_trouble(
    database: Database, file: Path, tmp_path: Path, tenant: str, damage: str
) -> None:
    FileKeyService.create(tmp_path / "other.json")
    wrapped_elsewhere = await FileKeyService(tmp_path / "other.json").wrap(b"a key", f"{tenant}/seal".encode())
    async with database.begin() as uow:
        await TenantKeys(FileKeyService(file)).of(uow, tenant)
        await uow.execute(damage, tenant=tenant, **({"wrapped_elsewhere": wrapped_elsewhere} if ":w" in damage else {}))
    tenants = TenantKeys(FileKeyService(file))
    async with database.begin() as uow:
        with pytest.raises(TenantKeyError) as raised:
            await tenants.of(uow, tenant)
        assert raised.value.tenant == tenant
        assert not is_transient(raised.value)
        assert await tenants.of(uow, f"{tenant}-other")
        spoil(file, "gone")
        with pytest.raises(KeysUnavailableError):
            await tenants.of(uow, tenant)


class PutBackLater(FileKeyService):
    """Gets its own key, which lies elsewhere, back after the first look."""

    def __init__(self, file: Path, away: Path) -> None:
        super().__init__(file)
        self._file, self._away = file, away

    async def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        try:
            return await super().unwrap(wrapped, context)
        finally:
            shutil.copy(self._away, self._file)


async def test_a_key_that_is_put_back_in_the_middle_of_a_look_spoils_no_tenant(
    database: Database, file: Path, tmp_path: Path, tenant: str
) -> None:
    away = tmp_path / "away.json"
    async with database.begin() as uow:
        made = await TenantKeys(FileKeyService(file)).of(uow, tenant)
        shutil.copy(file, away)
        spoil(file, "another key")
        assert (await TenantKeys(PutBackLater(file, away)).of(uow, tenant)).token_key == made.token_key


async def test_a_services_secret_is_one_in_every_replica_and_no_rotation_changes_it(
    database: Database, file: Path, tenant: str
) -> None:
    replicas = [TenantKeys(FileKeyService(file)) for _ in range(3)]
    async with database.begin() as one, database.begin() as another:
        secret, other = await asyncio.gather(replicas[0].secret(one), replicas[1].secret(another))
    assert secret == other
    assert len(secret) == 32
    async with database.begin() as uow:
        assert await replicas[0].rotate(uow, tenant, tokens=True) is None, "it is no key of a tenant's"
        assert (await replicas[0].of(uow, tenant)).token_key != secret
        await replicas[0].rotate(uow, tenant, tokens=True)
    async with database.begin() as uow:
        assert await replicas[2].secret(uow) == secret


async def test_with_another_key_there_is_no_secret_rather_than_another_one(
    database: Database, file: Path, tenant: str
) -> None:
    spare = file.with_name("spare.json")
    shutil.copy(file, spare)
    async with database.begin() as uow:
        await TenantKeys(FileKeyService(file)).of(uow, tenant)
    seen = set()
    for _ in range(2):  # before it is made, and afterwards
        spoil(file, "another key")
        async with database.begin() as uow:
            with pytest.raises(KeysUnavailableError):
                await TenantKeys(FileKeyService(file)).secret(uow)
        shutil.copy(spare, file)
        async with database.begin() as uow:
            seen.add(await TenantKeys(FileKeyService(file)).secret(uow))
    assert len(seen) == 1


async def test_tokens_are_the_same_for_the_same_tenant_kind_and_value_only(
    database: Database, file: Path, tenant: str
) -> None:
    replicas = [TenantKeys(FileKeyService(file)) for _ in range(2)]
    async with database.begin() as uow:
        one, same, other = [
            await replicas[0].of(uow, tenant),
            await replicas[1].of(uow, tenant),
            await replicas[0].of(uow, f"{tenant}-2"),
        ]
    token = one.token("phone", "+16145550142")
    assert same.token("phone", "+16145550142") == token
    assert (
        len({token, other.token("phone", "+16145550142"), one.token("email", "+16145550142"), one.token("phone", "+1")})
        == 4
    )
    assert "6145550142" not in token


async def test_what_is_sealed_for_one_tenant_and_place_opens_nowhere_else(
    database: Database, file: Path, tenant: str
) -> None:
    tenants = TenantKeys(FileKeyService(file))
    async with database.begin() as uow:
        one, other = await tenants.of(uow, tenant), await tenants.of(uow, f"{tenant}-2")
    sealed = one.seal(b"Ada Example", "lead/1")
    assert b"Ada" not in sealed
    assert one.seal(b"Ada Example", "lead/1") != sealed
    assert one.open(sealed, "lead/1") == b"Ada Example"
    with pytest.raises(LostRaceError):  # it might be a key that was made a moment before, which the next look shows
        other.open(sealed, "lead/1")
    async with database.begin() as uow:
        other = await tenants.of(uow, f"{tenant}-2")
    for key, place in ((other, "lead/1"), (one, "lead/2"), (one, "")):
        with pytest.raises(TinkError):
            key.open(sealed, place)


async def test_keys_lie_in_the_database_wrapped(database: Database, file: Path, tenant: str) -> None:
    async with database.begin() as uow:
        key = await TenantKeys(FileKeyService(file)).of(uow, tenant)
    async with database.begin() as uow:
        rows = (
            await uow.execute("select purpose, wrapped from tenant_key where tenant_id = :tenant", tenant=tenant)
        ).all()
    assert {row.purpose for row in rows} == {"seal", "token"}
    assert not [row for row in rows if key.token_key in row.wrapped]


@pytest.mark.parametrize("cached", [300.0, 0.0])
async def test_a_key_taken_away_stops_being_used_when_the_cache_ends(
    database: Database, file: Path, tenant: str, monkeypatch: pytest.MonkeyPatch, cached: float
) -> None:
    monkeypatch.setattr(tenant_keys, "CACHE_SECONDS", cached)
    tenants = TenantKeys(FileKeyService(file))
    async with database.begin() as uow:
        key = await tenants.of(uow, tenant)
        spoil(file, "gone")
        if cached:
            assert await tenants.of(uow, tenant) is key
        else:
            with pytest.raises(KeysUnavailableError):
                await tenants.of(uow, tenant)


async def test_a_key_made_in_a_unit_of_work_that_is_undone_is_kept(database: Database, file: Path, tenant: str) -> None:
    """What was sealed with it from the cache could not be opened again otherwise."""
    first, after_restart = (TenantKeys(FileKeyService(file)) for _ in range(2))
    with pytest.raises(ZeroDivisionError):
        async with database.begin(tenant) as uow:
            await first.of(uow, tenant)
            raise ZeroDivisionError
    async with database.begin(tenant) as uow:
        sealed = (await first.of(uow, tenant)).seal(b"a note", "place")
        assert (await after_restart.of(uow, tenant)).open(sealed, "place") == b"a note"


async def test_a_replica_with_the_old_keys_in_its_cache_looks_once_for_the_one_that_another_sealed_with(
    database: Database, file: Path, tenant: str
) -> None:
    here, there = (TenantKeys(FileKeyService(file)) for _ in range(2))
    async with database.begin(tenant) as uow:
        old = await there.of(uow, tenant)
        await here.of(uow, tenant)
        await here.rotate(uow, tenant, tokens=False)
    async with database.begin(tenant) as uow:
        sealed = (await here.of(uow, tenant)).seal(b"a note", "place")
        with pytest.raises(LostRaceError) as raised:
            (await there.of(uow, tenant)).open(sealed, "place")
        assert is_transient(raised.value)
        new = await there.of(uow, tenant)
        assert new.open(sealed, "place") == b"a note"
        assert new.open(old.seal(b"an older note", "place"), "place") == b"an older note"
        noise = b"\x01noise" + sealed
        for error in (LostRaceError, TinkError):
            with pytest.raises(error):
                (await there.of(uow, tenant)).open(noise, "place")


async def test_a_new_token_key_makes_tokens_once_every_replica_must_have_heard_of_it(
    database: Database, file: Path, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenants = TenantKeys(FileKeyService(file))
    async with database.begin(tenant) as uow:
        before = await tenants.of(uow, tenant)
        rotation = await tenants.rotate(uow, tenant, tokens=True)
        assert rotation and 500 < (rotation.active_from - uow.now).total_seconds() <= 600
    async with database.begin(tenant) as uow:
        waiting = await tenants.of(uow, tenant)
        assert waiting.token("phone", "+1") == before.token("phone", "+1") == waiting.tokens("phone", "+1")[0]
        assert len(waiting.tokens("phone", "+1")) == 2
        await uow.execute("update tenant_key set created_at = now() - interval '599.9 s' where purpose = 'token/2'")
        await tenants.of(uow, tenant, fresh=True)

        async def active() -> bool:
            return (await tenants.of(uow, tenant)).generation == 2

        await until(active, what="the cache ending with the wait")
        key = await tenants.of(uow, tenant)
    assert key.token("phone", "+1") == waiting.tokens("phone", "+1")[1] != before.token("phone", "+1")
    assert key.lasting_token("phone", "+1") == before.token("phone", "+1")


async def test_of_two_rotations_at_once_one_is_tried_again(database: Database, file: Path, tenant: str) -> None:
    tenants = TenantKeys(FileKeyService(file))
    async with database.begin(tenant) as uow:
        await tenants.of(uow, tenant)

    async def rotate() -> int:
        async with database.begin(tenant) as uow:
            rotation = await tenants.rotate(uow, tenant, tokens=False)
            return rotation.sealing_keys if rotation else 0

    done = await asyncio.gather(*(rotate() for _ in range(4)), return_exceptions=True)
    assert {type(result) for result in done} <= {int, LostRaceError}
    assert any(isinstance(result, int) for result in done)


async def test_no_key_is_rotated_by_a_key_service_that_holds_another_key(
    database: Database, file: Path, tenant: str
) -> None:
    tenants = TenantKeys(FileKeyService(file))
    async with database.begin(tenant) as uow:
        await tenants.of(uow, tenant)
    spoil(file, "another key")
    async with database.begin(tenant) as uow:
        with pytest.raises(KeysUnavailableError):
            await tenants.rotate(uow, tenant, tokens=False)
