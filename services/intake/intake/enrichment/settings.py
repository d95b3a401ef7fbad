"""What the operator decides about providers: environment variables of intake's that begin with ``LEADLOOP_PROVIDER_``."""

import os
from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts.values import Tenant
from intake.enrichment.domain_run import ProviderError

_SECRET = "LEADLOOP_PROVIDER_SECRET"


class ProviderSettings(BaseSettings):
    """Where providers may be.

    Attributes:
        hosts: hosts, or hosts with their port, separated by commas, that are asked although they are not public or speak plain HTTP.
        files: the folder in which each tenant that has CSV files has a folder of its own name.
    """

    model_config = SettingsConfigDict(env_prefix="LEADLOOP_PROVIDER_", frozen=True, extra="ignore")

    hosts: str = ""
    files: Path | None = None

    def allows(self, host: str, port: int) -> bool:
        allowed = {entry.strip().lower() for entry in self.hosts.split(",")} - {""}
        return not allowed.isdisjoint({host, f"{host}:{port}", f"[{host}]:{port}"})


def secret(tenant: str, name: str) -> str:
    """The value of a tenant's own secret. Nobody can name another's: a name has no two underscores in a row, and begins with none.

    Raises:
        ProviderError: `no_secret`.
    """
    value = os.environ.get(variable(tenant, name), "").strip()
    if not value:
        raise ProviderError("no_secret")
    return value


def variable(tenant: Tenant, name: str) -> str:
    """The environment variable of a tenant's secret.

    >>> variable("acme-eu", "FINDER_KEY")
    'LEADLOOP_PROVIDER_SECRET__ACME_EU__FINDER_KEY'
    """
    return f"{_SECRET}__{tenant.upper().replace('-', '_')}__{name}"
