"""Tenants are created once, announced once, changed by order, and never by creating them again."""

import pytest

from contracts.aggregator.events import ListEvents
from contracts.gateway import ChangeTenant, CreateTenant, ListTenants, NewTenantSettings
from contracts.message import PLATFORM, ProblemCode, ProblemError
from contracts.operations import GetTenant, RunJob
from tests.gateway.conftest import Gateway
from tests.platform import Platform
from tests.waiting import until

BERLIN = NewTenantSettings(region="DE", time_zone="Europe/Berlin")


async def test_a_tenant_is_announced_once_and_every_copy_is_the_same(gateway: Gateway, tenant: str) -> None:
    ask = gateway.platform.caller.ask
    created = await ask(tenant, CreateTenant(settings=BERLIN))
    assert (created.tenant, created.version, created.settings.region) == (tenant, 1, "DE")
    assert await ask(tenant, CreateTenant(settings=BERLIN)) == created

    async def events() -> list[str]:
        return [event.type for event in (await ask(tenant, ListEvents())).events]

    await until(events, what="the event's arrival")
    assert await events() == ["gateway.event.tenant_changed.v1"]
    assert await ask(tenant, GetTenant(), of="aggregator") == created
    assert created in (await ask(PLATFORM, ListTenants())).tenants


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"region": "US"}, "region"),
        ({"time_zone": "UTC"}, "time_zone"),
        ({"metadata_allowed": ["x"]}, "metadata_allowed"),
    ],
)
async def test_other_settings_are_a_conflict_that_names_the_field(
    gateway: Gateway, tenant: str, settings: dict[str, object], field: str
) -> None:
    ask = gateway.platform.caller.ask
    await ask(tenant, CreateTenant(settings=BERLIN))
    with pytest.raises(ProblemError) as refusal:
        await ask(tenant, CreateTenant(settings=BERLIN.model_copy(update=settings)))
    assert refusal.value.problem.code is ProblemCode.CONFLICT
    assert refusal.value.problem.field == f"settings.{field}"


async def test_changed_settings_reach_every_service_once_and_the_later_of_two_changes_is_told(
    gateway: Gateway, tenant: str
) -> None:
    ask = gateway.platform.caller.ask
    created = await ask(tenant, CreateTenant(settings=BERLIN))
    vienna = BERLIN.model_copy(update={"region": "AT"})
    changed = await ask(tenant, ChangeTenant(version=1, settings=vienna))
    assert changed == created.model_copy(update={"version": 2, "settings": changed.settings})
    assert changed.settings.region == "AT"
    assert await ask(tenant, ChangeTenant(version=1, settings=vienna)) == changed
    with pytest.raises(ProblemError) as refusal:
        await ask(tenant, ChangeTenant(version=1, settings=BERLIN))
    assert (refusal.value.problem.code, refusal.value.problem.field) == (ProblemCode.CONFLICT, "version")

    async def known() -> bool:
        return await ask(tenant, GetTenant(), of="aggregator") == changed

    async def told() -> bool:
        types = [event.type for event in (await ask(tenant, ListEvents())).events]
        return types == ["gateway.event.tenant_changed.v1"] * 2

    await until(known, what="the change's arrival")
    await until(told, what="both changes among the events")


async def test_the_installation_itself_is_no_tenant(gateway: Gateway) -> None:
    with pytest.raises(ProblemError) as refusal:
        await gateway.platform.caller.ask(PLATFORM, CreateTenant())
    assert refusal.value.problem.code is ProblemCode.INVALID


async def test_sign_ins_that_have_ended_are_swept(platform: Platform, gateway: Gateway, tenant: str) -> None:
    await platform.caller.ask(tenant, CreateTenant())
    async with platform.sql() as sql:
        for table, more in (("sign_in_link", ""), ("session", ", session_id")):
            value = ", gen_random_uuid()" if more else ""
            await sql.execute(
                f"""insert into gateway.{table} (tenant_id, digest, expires_at{more})
                    values ($1, 'old', now() - interval '1 s'{value}), ($1, 'new', now() + interval '1 h'{value})""",
                tenant,
            )
        run = await platform.caller.ask(tenant, RunJob(job="sign_ins"), of="gateway")
        assert run.state == "succeeded"
        for table in ("sign_in_link", "session"):
            left = await sql.fetch(f"select digest from gateway.{table} where tenant_id = $1", tenant)
            assert [row["digest"] for row in left] == [b"new"]
