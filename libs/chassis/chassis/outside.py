"""What a service may reach outside, and the secrets that it needs there: environment variables that begin with ``LEADLOOP_PROVIDER_``.

A tenant says what is asked where, so a question must not reach what only the service can reach (server-side request forgery): a
host is public, or the operator allows it by name.
"""

import asyncio
import os
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts.values import Tenant

_SECRET = "LEADLOOP_PROVIDER_SECRET"
_TRANSLATED = ip_network("64:ff9b::/96")
"""IPv4 addresses as IPv6 ones (RFC 6052): a gateway would take them anywhere."""


class NotAllowedError(Exception):
    """One of a host's addresses is not public, and the operator did not allow the host."""


class NoSecretError(Exception):
    """The operator has not set a tenant's secret."""


class Outside(BaseSettings):
    """Where providers may be.

    Attributes:
        hosts: hosts, or hosts with their port, separated by commas, that may be reached although they are not public or do not encrypt.
    """

    model_config = SettingsConfigDict(env_prefix="LEADLOOP_PROVIDER_", frozen=True, extra="ignore")

    hosts: str = ""

    def allows(self, host: str, port: int) -> bool:
        allowed = {entry.strip().lower() for entry in self.hosts.split(",")} - {""}
        return not allowed.isdisjoint({host, f"{host}:{port}", f"[{host}]:{port}"})

    async def address(self, host: str, port: int) -> str:
        """The address to connect to.

        Raises:
            NotAllowedError: it must not be reached.
            OSError, UnicodeError: there is none.
        """
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [str(each[4][0]) for each in found]
        if not addresses or not (self.allows(host, port) or all(is_public(address) for address in addresses)):
            raise NotAllowedError
        return addresses[0]


def is_public(address: str) -> bool:
    """Whether anybody on the Internet reaches the address.

    >>> is_public("93.184.215.14"), is_public("169.254.169.254"), is_public("::ffff:10.0.0.1")
    (True, False, False)
    """
    found: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address) and (
        found.ipv4_mapped or found.sixtofour or found.teredo or found in _TRANSLATED
    ):
        return False
    return found.is_global and not found.is_multicast


def secret(tenant: str, name: str) -> str:
    """The value of a tenant's own secret. Nobody can name another's: a name has no two underscores in a row, and begins with none.

    Raises:
        NoSecretError: there is none.
    """
    value = os.environ.get(variable(tenant, name), "").strip()
    if not value:
        raise NoSecretError
    return value


def variable(tenant: Tenant, name: str) -> str:
    """The environment variable of a tenant's secret.

    >>> variable("acme-eu", "FINDER_KEY")
    'LEADLOOP_PROVIDER_SECRET__ACME_EU__FINDER_KEY'
    """
    return f"{_SECRET}__{tenant.upper().replace('-', '_')}__{name}"
