"""The links by which one click unsubscribes a message's person (RFC 8058), and how they are known to be ours.

A link carries its own proof: whoever follows it has no account here, and a mail provider that does shows neither cookie nor key.
"""

import hmac
import re
from collections.abc import Collection
from typing import Final
from uuid import UUID

from chassis.keys import TenantKeys
from chassis.logs import get_logger
from chassis.unit_of_work import Database, UnitOfWork

log = get_logger("unsubscribing")

_HTTPS: Final = re.compile(r"https://[A-Za-z0-9.:\[\]-]{1,255}(?:/[A-Za-z0-9._~/-]{0,200})?")
"""An address that a link can begin with: a header that has it must hold neither blanks nor angle brackets (RFC 2369, 2)."""
_KIND: Final = "unsubscribe"
"""What these tokens are for; one of another kind opens nothing here."""


class Links:
    """Makes links, and knows those it made, for as long as the tenant's first key exists: no rotation breaks one.

    Parameters:
        public_url: as `chassis.settings.PublicAddress` has it.
    """

    def __init__(self, keys: TenantKeys, public_url: str) -> None:
        self._keys = keys
        self._base = public_url.strip().rstrip("/")
        if self._base and not _HTTPS.fullmatch(self._base):
            log.warning("LEADLOOP_PUBLIC_URL is no https address: e-mails get no unsubscribe link")
            self._base = ""

    async def of(self, database: Database, tenant: str, messages: Collection[UUID]) -> dict[UUID, str]:
        """Where one POST unsubscribes each message's person; none where the operator has not said where the gateway is.

        Raises:
            KeysUnavailableError: the key service is away.
            TenantKeyError: this tenant's keys cannot be opened.
        """
        if not self._base or not messages:
            return {}
        async with database.begin(tenant) as uow:
            key = await self._keys.of(uow, tenant)
        return {id_: f"{self._base}/u/{tenant}/{id_}/{key.lasting_token(_KIND, str(id_))}" for id_ in messages}

    async def proves(self, uow: UnitOfWork, tenant: str, message_id: UUID, token: str) -> bool:
        """Whether the token is of this message's link. It is compared in constant time, so that none can be guessed bit by bit.

        Raises:
            KeysUnavailableError: the key service is away.
            TenantKeyError: this tenant's keys cannot be opened.
        """
        key = await self._keys.of(uow, tenant)
        return hmac.compare_digest(key.lasting_token(_KIND, str(message_id)), token)
