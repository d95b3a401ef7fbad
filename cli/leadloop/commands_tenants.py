"""``leadloop tenant, key``: who is served, and with which credentials. `leadloop.main` says what each command does."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any
from uuid import UUID

import yaml
from cyclopts import Parameter
from pydantic import ValidationError

from chassis.caller import Caller, inbox_prefix
from chassis.exports.errors import reason
from contracts.catalogue import SERVICES
from contracts.gateway import ChangeTenant, CreateTenant, ListTenants, NewTenantSettings, TenantView
from contracts.gateway.keys import CreateApiKey, RevokeApiKey
from contracts.gateway.sign_in import CreateSignInLink
from contracts.message import PLATFORM, ProblemCode, ProblemError
from contracts.operations import GetTenant, JobRunView, JobState, ListJobs, RotateKeys, RunJob
from leadloop.app import Common, Tenant
from leadloop.installation import Installation
from leadloop.output import Answer, CommandError, table
from leadloop.patience import patiently
from leadloop.progress import Advance, progress

_KNOWN_EVERYWHERE_SECONDS = 30.0
_STARTING_SECONDS = 30.0
"""A service that does not answer may be starting again."""
_JOB_SECONDS = 3600.0
_LOOK_SECONDS = 0.2


async def create_tenant(
    tenant: Tenant, /, *, region: str = "US", time_zone: str = "UTC", common: Common = Common()
) -> Answer:
    """``leadloop tenant create``.

    Args:
        tenant: 1 to 63 lower-case letters, digits and hyphens.
        region: how national phone numbers are read (ISO 3166, e.g. US).
        time_zone: where the tenant's day begins (IANA, e.g. Europe/Berlin).
    """
    async with Installation(common.open()).asking() as caller:
        view = await create(caller, tenant, region=region, time_zone=time_zone)
    return Answer(view.model_dump(), [f"{tenant} is known to every service"])


async def create(caller: Caller, tenant: str, services: Sequence[str] = SERVICES, **settings: Any) -> TenantView:
    """Create a tenant with these settings and wait until every one of the services has its copy.

    Raises:
        CommandError: a setting is wrong, or a service has not taken the tenant in time.
        ProblemError: the gateway refuses it.
    """
    try:
        view = await caller.ask(tenant, CreateTenant(settings=NewTenantSettings(**settings)))
    except ValidationError as error:
        raise _wrong_option(error) from None
    except ValueError as error:
        raise CommandError(str(error)) from None
    await _until_known(caller, view, services, "was created")
    return view


async def change_tenant(tenant: Tenant, /, *settings: str, common: Common = Common()) -> Answer:
    """``leadloop tenant set``.

    Args:
        tenant: whose settings.
        settings: NAME=VALUE, the value as YAML (leads_per_minute=500, "metadata_allowed=[utm_source, plan]"); none shows what is set.
    """
    given = dict(map(_setting, settings))
    async with Installation(common.open()).asking() as caller:
        await check_known(caller, tenant, "gateway")
        (view,) = (await caller.ask(PLATFORM, ListTenants(only=[tenant]))).tenants
        if given:
            try:
                wanted = NewTenantSettings.model_validate({**view.settings.model_dump(), **given})
            except ValidationError as error:
                raise _wrong_setting(error) from None
            view = await caller.ask(tenant, ChangeTenant(version=view.version, settings=wanted))
            await _until_known(caller, view, SERVICES, "was changed")
    shown = table(f"{tenant}, version {view.version}", "setting", "value")
    for name, value in view.settings.model_dump(mode="json").items():
        shown.add_row(name, value if isinstance(value, str) else json.dumps(value))
    return Answer(view.model_dump(), [shown])


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise CommandError(f"{text}: write NAME=VALUE")
    try:
        return name, yaml.safe_load(value)
    except yaml.YAMLError:
        raise CommandError(f"{name}: {value} is no YAML: put quotes around it") from None


def _wrong_setting(error: ValidationError) -> CommandError:
    first = error.errors()[0]
    name = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        return CommandError(f"there is no setting {name}: there are {', '.join(NewTenantSettings.model_fields)}")
    return CommandError(f"{name}: {reason(first)}")


async def list_tenants(*, common: Common = Common()) -> Answer:
    """``leadloop tenant list``."""
    async with Installation(common.open()).asking() as caller:
        found = await caller.ask(PLATFORM, ListTenants())
    shown = table("Tenants", "tenant", "region", "time zone", "created")
    for view in found.tenants:
        shown.add_row(view.tenant, view.settings.region, view.settings.time_zone, f"{view.created_at:%Y-%m-%d %H:%M}")
    return Answer(found.model_dump(), [shown])


async def create_key(
    tenant: Tenant,
    /,
    *,
    nats: bool = False,
    label: str = "default",
    scope: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = (),
    expires: datetime | None = None,
    common: Common = Common(),
) -> Answer:
    """``leadloop key create``.

    Args:
        tenant: whom the credential speaks for.
        nats: a credential for the broker, to publish the tenant's commands, rather than an API key.
        label: what the key is for.
        scope: what it allows, e.g. --scope leads:read leads:write; by default all that programs need, as docs/operations.md says.
        expires: from when on it opens nothing; UTC, unless it says otherwise. It lasts until it is revoked, by default.
    """
    installation = Installation(common.open())
    async with installation.asking() as caller:
        # An upstream's commands go past the gateway, to these two; one that has missed the tenant asks for it now.
        await check_known(caller, tenant, "gateway", *(("intake", "outcomes") if nats else ()))
        if not nats:
            try:
                until = expires.replace(tzinfo=UTC) if expires and expires.tzinfo is None else expires
                request = CreateApiKey.model_validate({"label": label, "scopes": scope or None, "expires_at": until})
            except ValidationError as error:
                raise _wrong_option(error) from None
            key = await caller.ask(tenant, request)
            return Answer(
                {"key_id": key.key_id, "secret": key.secret, "url": installation.gateway_url},
                [key.secret, f"keep it now: it is not shown again; its id is {key.key_id}"],
            )
    name, seed = await installation.admit_upstream(tenant)
    inbox = inbox_prefix(name)
    return Answer(
        {"name": name, "seed": seed, "url": installation.broker.url, "inbox_prefix": inbox},
        [
            f"seed:         {seed}", f"server:       {installation.broker.url}", f"inbox prefix: {inbox}",
            "keep the seed now: it is not shown again",
        ],
    )  # fmt: skip


async def revoke_key(tenant: Tenant, key_id: UUID, /, *, common: Common = Common()) -> Answer:
    """``leadloop key revoke``.

    Args:
        tenant: whose key it is.
        key_id: as `key create` said it; a key holds it too, between its first and its second underscore.
    """
    async with Installation(common.open()).asking() as caller:
        await check_known(caller, tenant, "gateway")
        done = await caller.ask(tenant, RevokeApiKey(key_id=key_id))
    said = f"{key_id} opens nothing any more" if done.revoked else f"{key_id} was revoked before"
    return Answer({"key_id": key_id, "revoked": done.revoked}, [said])


async def rotate_keys(tenant: Tenant, /, *, tokens: bool = False, common: Common = Common()) -> Answer:
    """``leadloop key rotate``.

    Args:
        tenant: whose keys.
        tokens: the key that tokens are made with, rather than the one that seals; what has a token keeps it.
    """
    async with Installation(common.open()).asking() as caller:
        await check_known(caller, tenant, *SERVICES)
        rotated = {}
        for service in SERVICES:
            done = await patiently(
                partial(caller.ask, tenant, RotateKeys(tokens=tokens), of=service), _STARTING_SECONDS
            )
            if done.sealing_keys:
                rotated[service] = done
        data = {service: done.model_dump() for service, done in rotated.items()}
        if not rotated:
            return Answer({"rotated": data}, [f"no service holds a key of {tenant} yet: there was nothing to rotate"])
        shown = [f"{tenant} has a new key with {', '.join(rotated)}"]
        if tokens:
            active = max(done.active_from for done in rotated.values() if done.active_from)
            shown.append(f"new values get their tokens from it from {active:%H:%M} UTC on; what has a token keeps it")
            return Answer({"rotated": data}, shown)
        runs = {service: await _reseal(caller, service) for service in rotated}
    count = sum(run.counts.get("resealed", 0) for run in runs.values())
    left = sum(run.counts.get("left", 0) for run in runs.values())
    shown.append(
        f"{count} rows were sealed anew with it" + (f", {left} are left: see `leadloop job list`" if left else "")
    )
    shown.append("the job reseal drops the old one within half an hour, when no replica can be using it")
    resealed = {service: run.model_dump() for service, run in runs.items()}
    ok = not left and all(run.state is JobState.SUCCEEDED for run in runs.values())
    return Answer({"rotated": data, "resealed": resealed}, shown, ok=ok)


async def _reseal(caller: Caller, service: str) -> JobRunView:
    """Have a service seal anew what it holds, and show how far it is."""
    running = asyncio.ensure_future(caller.ask(PLATFORM, RunJob(job="reseal"), of=service, seconds=_JOB_SECONDS))
    try:
        with ExitStack() as bar:
            advance: Advance | None = None
            while not (await asyncio.wait([running], timeout=_LOOK_SECONDS))[0]:
                runs = (await caller.ask(PLATFORM, ListJobs(), of=service)).runs
                run = next((run for run in runs if run.job == "reseal" and run.state is JobState.RUNNING), None)
                if run and run.counts:
                    done, left = run.counts["resealed"], run.counts["left"]
                    advance = advance or bar.enter_context(progress(f"{service}: sealing anew", done + left))
                    advance(done, done)
        return await running
    finally:
        running.cancel()


async def sign_in(tenant: Tenant, /, *, common: Common = Common()) -> Answer:
    """``leadloop tenant sign-in``.

    Args:
        tenant: whose pages.
    """
    installation = Installation(common.open())
    async with installation.asking() as caller:
        await check_known(caller, tenant, "gateway")
        link = await caller.ask(tenant, CreateSignInLink())
    url = f"{installation.gateway_url}{link.path}"
    return Answer(
        {"url": url, "expires_at": link.expires_at}, [url, f"it works once, until {link.expires_at:%H:%M} UTC"]
    )


async def check_known(caller: Caller, tenant: str, *services: str) -> None:
    """Check that these services have a tenant's settings.

    Raises:
        CommandError: there is no such tenant.
        ProblemError: a service does not answer.
    """
    for service in services:
        try:
            await patiently(partial(caller.ask, tenant, GetTenant(), of=service), _STARTING_SECONDS)
        except ProblemError as error:
            if error.problem.code is not ProblemCode.NOT_FOUND:
                raise
            raise CommandError(
                f"there is no tenant {tenant}: `leadloop tenant list` shows those there are, "
                f"`leadloop tenant create {tenant}` creates it"
            ) from None


def _wrong_option(error: ValidationError) -> CommandError:
    first = error.errors()[0]
    name = str(first["loc"][0])
    option = "--" + {"scopes": "scope", "expires_at": "expires"}.get(name, name.replace("_", "-"))
    return CommandError(f"{option}: {reason(first)}")


async def _until_known(caller: Caller, view: TenantView, services: Sequence[str], what: str) -> None:
    try:
        async with asyncio.timeout(_KNOWN_EVERYWHERE_SECONDS):
            for service in services:
                await _until_known_to(caller, service, view)
    except TimeoutError:
        raise CommandError(
            f"{view.tenant} {what}, but {service} does not know it after {_KNOWN_EVERYWHERE_SECONDS:g} s: "
            "see `leadloop status`"
        ) from None


async def _until_known_to(caller: Caller, service: str, view: TenantView) -> None:
    while True:
        try:
            if (await caller.ask(view.tenant, GetTenant(), of=service)).version >= view.version:
                return
        except ProblemError as error:
            if error.problem.code not in (ProblemCode.NOT_FOUND, ProblemCode.UNAVAILABLE):
                raise
        await asyncio.sleep(0.02)
