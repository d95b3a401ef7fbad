"""How a service is told where things are: environment variables with the prefix ``LEADLOOP_``."""

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What every service needs to start.

    Attributes:
        database_url: the service's own role, e.g. ``postgresql+asyncpg://leadloop_intake@/leadloop?host=/run/pg``.
        nats_url: one or several addresses, separated by commas.
        nats_seed: the nkey seed of the service's credential; none where the broker asks for none.
        kms_uri: the key that wraps all others: ``file:///path/to/keyset.json``, or one of AWS, Google Cloud or Vault;
            `chassis.keys.remote` says how each is written, and in which environment its client looks for credentials.
        valkey_url: where replicas count together, e.g. ``valkey://:password@valkey:6379``; without it each counts for itself.
        http_host, http_port: where health and metrics (and the gateway's API) listen.
    """

    model_config = SettingsConfigDict(env_prefix="LEADLOOP_", frozen=True, extra="ignore")

    database_url: str
    nats_url: str = "nats://127.0.0.1:4222"
    nats_seed: SecretStr | None = None
    kms_uri: str
    valkey_url: SecretStr | None = None
    http_host: str = "127.0.0.1"
    http_port: int = 0
    log_level: str = "INFO"


class PublicAddress(BaseSettings):
    """Where the gateway is reached from outside, as the operator says: ``LEADLOOP_PUBLIC_URL``.

    Attributes:
        public_url: ``https://…``; where it is empty or not https, no e-mail has a link (RFC 8058, 3.1, asks for https), and the gateway takes
            for the scheme what the proxy in front of it says (`X-Forwarded-Proto`).
    """

    model_config = SettingsConfigDict(env_prefix="LEADLOOP_", frozen=True, extra="ignore")

    public_url: str = ""

    @property
    def is_https(self) -> bool:
        return self.public_url.strip().lower().startswith("https://")
