"""Keys rotate: what was sealed opens before, while and after it is sealed anew, and a value keeps the token it has."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.keys import ResealedColumn, TenantKeys, key_service, resealing, tenant_keys
from chassis.unit_of_work import Database
from contracts.catalogue import SERVICES
from contracts.intake.erasure import EraseLead
from contracts.intake.leads import GetLead, LeadVerdict, LeadView, SubmitLeadNow
from contracts.message import PLATFORM, ProblemError
from contracts.operations import JobRunView, JobState, KeyRotationResult, ListJobs, RotateKeys, RunJob
from intake.vault import sealing
from tests.platform import Platform
from tests.waiting import until

PHONE = "(614) 555-0134"


class Vault:
    """A tenant's vault: leads go in, what is personal of them comes out."""

    def __init__(self, platform: Platform, tenant: str, database: Database) -> None:
        self.platform, self.tenant, self.database = platform, tenant, database

    async def submit(self, source_id: str, **fields: Any) -> UUID:
        return (await self.judge(source_id, **fields))[1]

    async def judge(self, source_id: str, **fields: Any) -> tuple[LeadVerdict, UUID]:
        lead = {"full_name": f"Jane {source_id}", "notes": "Two dogs.", **fields}
        done = await self.ask(SubmitLeadNow(source_system="web", source_id=source_id, **lead))
        return done.verdict, done.lead_id

    async def lead(self, lead_id: UUID) -> LeadView:
        view: LeadView = await self.ask(GetLead(lead_id=lead_id))
        return view

    async def token(self, lead_id: UUID) -> str:
        return str((await self.rows("select phone_token from lead where lead_id = $1", lead_id))[0]["phone_token"])

    async def rotate(self, *, tokens: bool = False) -> KeyRotationResult:
        rotated: KeyRotationResult = await self.ask(RotateKeys(tokens=tokens), of="intake")
        return rotated

    async def reseal(self) -> JobRunView:
        return await self.platform.caller.ask(PLATFORM, RunJob(job="reseal"), of="intake", seconds=30)

    async def opened(self, lead_id: UUID) -> dict[str, Any]:
        """What is personal of a lead, read by a replica that has just started."""
        keys = TenantKeys(key_service(self.platform.settings("intake").kms_uri))
        (row,) = await self.rows("select key_id, sealed from vault where lead_id = $1", lead_id)
        async with self.database.begin(self.tenant) as uow:
            key = await keys.of(uow, self.tenant)
            person_keys = await sealing.person_keys(uow, key, [row["key_id"]])
        return dict(sealing.open_sealed(row["sealed"], lead_id, self.tenant, person_keys[row["key_id"]]))

    async def sealed_with(self) -> set[bytes]:
        """The ids of the keys under which the persons' keys lie."""
        return {
            row["wrapped"][:5]
            for row in await self.rows("select wrapped from person_key where tenant_id = $1", self.tenant)
        }

    async def purposes(self) -> list[str]:
        rows = await self.rows("select purpose from tenant_key where tenant_id = $1 order by 1", self.tenant)
        return [row["purpose"] for row in rows]

    async def ask(self, request: Any, **more: Any) -> Any:
        return await self.platform.caller.ask(self.tenant, request, **more)

    async def rows(self, query: str, *arguments: Any) -> list[Any]:
        async with self.platform.sql() as sql:
            await sql.execute("set search_path to intake")
            return list(await sql.fetch(query, *arguments))


@pytest.fixture
async def vault(platform: Platform, tenant: str) -> AsyncIterator[Vault]:
    async with platform.sql() as sql:  # or the job would seal other tests' rows as well, and count them
        await sql.execute(
            """delete from intake.tenant_key
               where tenant_id in (select tenant_id from intake.tenant_key where purpose like 'seal/%')"""
        )
    database = Database("intake", platform.settings("intake").database_url)
    async with platform.running("intake"):
        await platform.introduce(tenant, "intake")
        yield Vault(platform, tenant, database)
    await database.close()


@pytest.fixture
def heard_of_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenant_keys, "HEARD_OF_SECONDS", 0.0)


async def test_a_rotated_key_seals_what_is_new_and_all_is_sealed_anew_before_the_old_one_is_dropped(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [await vault.submit(str(number)) for number in range(3)]
    (old,) = await vault.sealed_with()
    assert (await vault.rotate()).sealing_keys == 2
    after = await vault.submit("after")
    assert len(await vault.sealed_with()) == 2
    assert [(await vault.opened(lead))["notes"] for lead in (*before, after)] == ["Two dogs."] * 4

    ran = await vault.reseal()
    assert (ran.counts["resealed"], ran.counts["left"], ran.counts["keys_dropped"]) == (3, 0, 0)
    assert old not in await vault.sealed_with()
    assert await vault.purposes() == ["seal", "seal/2", "token"], "a replica may be sealing with the old key still"

    monkeypatch.setattr(tenant_keys, "HEARD_OF_SECONDS", 0.0)
    ran = await vault.reseal()
    assert (ran.counts["resealed"], ran.counts["keys_dropped"]) == (0, 1)
    assert await vault.purposes() == ["seal/2", "token"]
    assert [(await vault.opened(lead))["notes"] for lead in (*before, after)] == ["Two dogs."] * 4
    assert (await vault.rotate()).sealing_keys == 2
    assert await vault.purposes() == ["seal/2", "seal/3", "token"]


async def test_what_a_replica_seals_with_a_key_it_had_in_its_cache_keeps_that_key(
    vault: Vault, heard_of_at_once: None
) -> None:
    """Sealed behind the job's back, it is found before the key is dropped."""
    await vault.submit("1")
    replica = TenantKeys(key_service(vault.platform.settings("intake").kms_uri))
    async with vault.database.begin(vault.tenant) as uow:
        await replica.of(uow, vault.tenant)
    await vault.rotate()
    noise = UUID(int=7)
    async with vault.database.begin(vault.tenant) as uow:
        stale = await replica.of(uow, vault.tenant)
        await sealing.person_keys(uow, stale, [UUID(int=8)])
        wrapped = b"\x01noise of another key"
        await uow.execute("insert into person_key values (:t, :i, :w)", t=vault.tenant, i=noise, w=wrapped)
    ran = await vault.reseal()
    assert (ran.counts["resealed"], ran.counts["unopened"], ran.counts["keys_dropped"]) == (2, 1, 0)
    await vault.rows("delete from person_key where key_id = $1", noise)
    assert (await vault.reseal()).counts["keys_dropped"] == 1


async def test_sealing_anew_goes_on_where_it_was_interrupted_and_its_progress_is_listed(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resealing, "_BATCH", 2)
    for number in range(5):
        await vault.submit(str(number))
    await vault.rotate()
    (last,) = await vault.rows(
        "select key_id from person_key where tenant_id = $1 order by key_id desc limit 1", vault.tenant
    )
    async with vault.platform.sql() as sql:
        transaction = sql.transaction()
        await transaction.start()
        await sql.execute("select 1 from intake.person_key where key_id = $1 for update", last["key_id"])
        running = asyncio.create_task(vault.reseal())

        async def progress() -> JobRunView | None:
            runs = (await vault.platform.caller.ask(PLATFORM, ListJobs(), of="intake")).runs
            return next((r for r in runs if r.job == "reseal" and r.state is JobState.RUNNING and r.counts), None)

        seen = await until(progress, what="the progress being listed")
        await until(lambda: _resealed(vault, 4), what="the first batches being committed")
        assert seen.counts["left"] in (1, 3)

        async def interrupted() -> list[Any]:
            # Asked outside of the transaction, which would see for its whole length who waited when it first asked.
            return await vault.rows(
                """select pg_terminate_backend(pid) from pg_stat_activity
                   where application_name = 'leadloop_intake' and wait_event_type = 'Lock'
                     and query like '%from person_key%'"""
            )

        await until(interrupted, what="the job waiting for the last row, and being cut off")
        assert (await running).state is JobState.FAILED
        await transaction.rollback()
    assert (await vault.reseal()).counts["resealed"] == 1


async def _resealed(vault: Vault, count: int) -> bool:
    rows = await vault.rows("select substr(wrapped, 1, 5) as key from person_key where tenant_id = $1", vault.tenant)
    keys = [row["key"] for row in rows]
    return sorted(keys.count(key) for key in set(keys)) == [len(keys) - count, count]


async def test_a_tenant_without_keys_has_none_to_rotate_and_one_rotates_alone(vault: Vault, tenant: str) -> None:
    assert await vault.rotate() == KeyRotationResult()
    await vault.submit("1")
    await vault.rotate(tokens=True)
    assert await vault.purposes() == ["seal", "token", "token/2"]


async def test_after_a_token_rotation_a_phone_keeps_its_token_and_its_person_and_a_new_one_gets_a_new_key_s(
    vault: Vault, heard_of_at_once: None
) -> None:
    first = await vault.submit("1", phone=PHONE)
    token = await vault.token(first)
    rotated = await vault.rotate(tokens=True)
    assert rotated.generation == 2
    same, other = await vault.submit("2", phone=PHONE), await vault.submit("3", phone="(614) 555-0199")
    assert await vault.token(same) == token
    assert (await vault.lead(same)).person_id == (await vault.lead(first)).person_id
    async with vault.database.begin(vault.tenant) as uow:
        key = await TenantKeys(key_service(vault.platform.settings("intake").kms_uri)).of(uow, vault.tenant)
    assert key.tokens("phone_token", "+16145550134")[0] == token != key.token("phone_token", "+16145550134")
    assert await vault.token(other) == key.token("phone_token", "+16145550199")
    again = await vault.submit("4", phone="(614) 555-0199")
    assert (await vault.lead(again)).person_id == (await vault.lead(other)).person_id


async def test_after_a_token_rotation_the_same_submission_is_a_duplicate_still_and_a_change_names_its_fields(
    vault: Vault, heard_of_at_once: None
) -> None:
    lead = await vault.submit("1", phone=PHONE, geo="Dublin, OH")
    for _ in range(2):
        await vault.rotate(tokens=True)
        assert await vault.judge("1", phone=PHONE, geo="Dublin, OH") == (LeadVerdict.DUPLICATE, lead)
    await vault.submit("1", phone=PHONE, geo="Columbus, OH")
    assert await vault.judge("1", phone=PHONE, geo="Columbus, OH") == (LeadVerdict.DUPLICATE, lead)
    view = await vault.lead(lead)
    assert (view.version, view.attribution.geo_key) == (2, "columbus_oh")

    async def changed() -> list[Any]:
        rows = await vault.rows(
            "select body from outbox where tenant = $1 and type like '%lead_updated%'", vault.tenant
        )
        return [row["body"] for row in rows]

    (told,) = await until(changed, what="the update being told")
    assert b'"changed":["geo"]' in told


async def test_a_value_known_by_two_tokens_goes_by_the_older_one_and_is_one_person(
    vault: Vault, heard_of_at_once: None
) -> None:
    """As it may be if two replicas meet a new value at the very moment from which the new key makes the tokens."""
    await vault.submit("1", phone="(614) 555-0101")
    await vault.rotate(tokens=True)
    async with vault.database.begin(vault.tenant) as uow:
        key = await TenantKeys(key_service(vault.platform.settings("intake").kms_uri)).of(uow, vault.tenant)
        older, newer = key.tokens("phone_token", "+16145550134")
        for number, token in enumerate((older, newer)):
            await uow.execute(
                "insert into person_token values (:t, :k, :p)", t=vault.tenant, k=token, p=UUID(int=number + 1)
            )
    lead = await vault.submit("2", phone=PHONE)
    assert await vault.token(lead) == older
    rows = await vault.rows("select distinct person_id from person_token where token = any($1::text[])", [older, newer])
    assert [row["person_id"] for row in rows] == [UUID(int=1)] == [(await vault.lead(lead)).person_id]


async def test_what_is_sealed_beside_the_persons_keys_is_sealed_anew_too(vault: Vault, heard_of_at_once: None) -> None:
    await vault.submit("1")
    keys = TenantKeys(key_service(vault.platform.settings("intake").kms_uri))
    async with vault.database.begin(vault.tenant) as uow:
        key, id_ = await keys.of(uow, vault.tenant), uuid4()
        await uow.execute(
            """insert into memory (tenant_id, key, value, remembered_at, expires_at)
               values (:tenant, 'enrichment/q', cast(:value as jsonb), now(), now() + interval '1 hour')""",
            tenant=vault.tenant, value=json.dumps({"sealed": key.seal(b"an answer", "enrichment/enrichment/q").hex()}),
        )  # fmt: skip
        await uow.execute(
            """insert into enrichment_run (tenant_id, run_id, criteria, status, actor, cause, budget, currency,
                                           most_companies, most_contacts, created_at)
               values (:tenant, :id, :sealed, 'cancelled', 'user:7', '{}', 1, 'USD', 1, 1, now())""",
            tenant=vault.tenant, id=id_, sealed=key.seal(b"criteria", f"enrichment/criteria/{id_}"),
        )  # fmt: skip
    await vault.rotate()
    ran = await vault.reseal()
    assert (ran.counts["resealed"], ran.counts["unopened"], ran.counts["keys_dropped"]) == (3, 0, 1)
    async with vault.database.begin(vault.tenant) as uow:
        key = await keys.of(uow, vault.tenant, fresh=True)
        value = (await uow.execute("select value from memory where tenant_id = :t", t=vault.tenant)).scalar_one()
        assert key.open(bytes.fromhex(value["sealed"]), "enrichment/enrichment/q") == b"an answer"
        criteria = (await uow.execute("select criteria from enrichment_run where run_id = :i", i=id_)).scalar_one()
        assert key.open(criteria, f"enrichment/criteria/{id_}") == b"criteria"


async def test_an_erased_person_stays_away_after_a_token_rotation(vault: Vault, heard_of_at_once: None) -> None:
    before = await vault.submit("1", phone=PHONE)
    await vault.ask(EraseLead(lead_id=before, reason="asked_by_person"))
    await vault.rotate(tokens=True)
    after = await vault.submit("2", phone="(614) 555-0199")
    await vault.ask(EraseLead(lead_id=after, reason="asked_by_person"))
    await vault.rotate(tokens=True)
    for phone in (PHONE, "(614) 555-0199"):
        with pytest.raises(ProblemError) as refused:
            await vault.submit("3", phone=phone)
        assert refused.value.problem.field == "phone"


@pytest.mark.parametrize("service", SERVICES)
async def test_whatever_a_service_seals_under_a_tenants_key_is_sealed_anew(platform: Platform, service: str) -> None:
    otherwise = {
        ("dead_letter", "sealed"): "by the key service itself",
        ("tenant_key", "wrapped"): "by the key service itself",
        ("vault", "sealed"): "under a person's key",
        ("text", "sealed"): "under a person's key",
    }
    hashes = ("digest", "fingerprint", "part", "secret_hash", "session_hash", "body")
    async with platform.sql() as sql:
        found = await sql.fetch(
            """select table_name, column_name from information_schema.columns
               where table_schema = $1 and data_type = 'bytea' and column_name <> all($2)""",
            service, hashes,
        )  # fmt: skip
    registered = {(one.table, one.column) for one in platform.build(service).sealed if isinstance(one, ResealedColumn)}
    assert {tuple(row) for row in found} - otherwise.keys() == registered - {("memory", "value")}
