"""A service's connections to the broker: one that everything shares, and one for the outbox alone."""

from typing import Any

from faststream.nats import NatsBroker, NatsMessage
from faststream.nats.security import NatsNKey

from chassis import deliveries, headers
from chassis.caller import inbox_prefix
from chassis.settings import Settings


def broker(service: str, settings: Settings) -> NatsBroker:
    """The shared connection: it never gives up, and notices within 30 seconds that the other side is gone."""

    headers.install()
    deliveries.install()

    async def as_it_is(message: NatsMessage) -> NatsMessage:
        return message

    return NatsBroker(
        **_address(service, settings),
        name=f"leadloop-{service}",
        security=NatsNKey.from_seed(settings.nats_seed.get_secret_value()) if settings.nats_seed else None,
        max_reconnect_attempts=-1,
        reconnect_time_wait=1,
        apply_types=False,
        serializer=None,
        decoder=as_it_is,
        logger=None,
        graceful_timeout=5.0,
    )


def outlet_address(service: str, settings: Settings) -> dict[str, Any]:
    """What the client that publishes the outbox is to connect with (`chassis.outlet`)."""
    return {
        **_address(service, settings),
        "name": f"leadloop-{service}-outbox",
        "nkeys_seed_str": settings.nats_seed.get_secret_value() if settings.nats_seed else None,
    }


def _address(service: str, settings: Settings) -> dict[str, Any]:
    """Where the broker is, where it answers the service, and after how many pings (one in 10 s) it is taken for dead."""
    return {
        "servers": settings.nats_url.split(","),
        "inbox_prefix": inbox_prefix(service),
        "ping_interval": 10,
        "max_outstanding_pings": 2,
    }
