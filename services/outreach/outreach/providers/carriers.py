"""Which provider carries the messages of an account."""

import asyncio
from uuid import UUID

from pydantic import SecretStr

from chassis.outside import NoSecretError, NotAllowedError, Outside, secret
from chassis.unit_of_work import Database, Row
from contracts.outreach.accounts import Dkim, HttpService, SmtpSecurity, SmtpServer, Transport
from outreach.providers.protocol import AwayError, LaterError, Outgoing, Provider, Receipt, SetupError
from outreach.providers.sandbox import Sandbox
from outreach.providers.smtp import DkimSettings, Security, Smtp, SmtpSettings


class Carriers:
    """Keeps a provider for each account, and makes a new one where the account was changed.

    Parameters:
        sandbox_only: nothing is handed to anybody else (`outreach.proving`).
    """

    def __init__(self, database: Database, outside: Outside, *, sandbox_only: bool = False) -> None:
        self._sandbox = Sandbox(database)
        self._sandbox_only = sandbox_only
        self._outside = outside
        self._servers: dict[UUID, tuple[tuple[str | None, ...], Provider]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def of(self, row: Row) -> Provider:
        """Who carries a message, by its row with its account's (`store_queue`)."""
        if row["transport"] == Transport.SANDBOX:
            return self._sandbox.behaving(row["account_sandbox"])
        if self._sandbox_only:
            return Nobody()
        settings = row["account_smtp"], row["account_http"], row["account_address"]
        known = self._servers.get(row["account_id"])
        if known is None or known[0] != settings:
            if known:
                task = asyncio.create_task(known[1].close())
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)
            known = settings, self._made(row)
            self._servers[row["account_id"]] = known
        return known[1]

    async def close(self) -> None:
        for _, provider in self._servers.values():
            await provider.close()
        await asyncio.gather(*self._closing)

    def _made(self, row: Row) -> Provider:
        if row["transport"] == Transport.HTTP:
            from outreach.providers.http import Http  # what it is made of takes 2 MiB of whoever has no such account

            return Http(row["tenant_id"], HttpService.model_validate_json(row["account_http"]), self._outside)
        server = SmtpServer.model_validate_json(row["account_smtp"])
        return Mailbox(row["tenant_id"], row["account_address"], server, self._outside)


class Nobody:
    """Takes nothing: whoever goes by a moved clock must not reach anybody real."""

    async def send(self, message: Outgoing) -> Receipt:
        raise LaterError("clock_is_moved")

    async def close(self) -> None:
        pass


class Mailbox:
    """An account at a mail server of the tenant's."""

    def __init__(self, tenant: str, address: str, server: SmtpServer, outside: Outside) -> None:
        self._tenant = tenant
        self._address = address
        self._server = server
        self._outside = outside
        self._smtp: Smtp | None = None

    async def send(self, message: Outgoing) -> Receipt:
        """As `Smtp.send`; nothing is sent to a host that must not be reached, or while its password or its key is not set."""
        server = self._server
        if server.security is SmtpSecurity.NONE and not self._outside.allows(server.host, server.port):
            raise SetupError("not_allowed")
        try:
            await self._outside.address(server.host, server.port)
        except NotAllowedError:
            raise SetupError("not_allowed") from None
        except (OSError, UnicodeError):
            raise AwayError("unreachable") from None
        return await self._connected().send(message)

    async def close(self) -> None:
        if self._smtp:
            await self._smtp.close()

    def _connected(self) -> Smtp:
        if self._smtp is None:
            server = self._server
            try:
                password = SecretStr(secret(self._tenant, server.password)) if server.password else None
                dkim = self._signed_with(server.dkim) if server.dkim else None
            except NoSecretError:
                raise SetupError("no_secret") from None
            settings = SmtpSettings(
                host=server.host, port=server.port, security=Security(server.security.value),
                username=self._address if password else None, password=password, dkim=dkim,
            )  # fmt: skip
            try:
                self._smtp = Smtp(settings)
            except ValueError:
                raise SetupError("secret_invalid") from None
        return self._smtp

    def _signed_with(self, dkim: Dkim) -> DkimSettings:
        # An environment file holds no line ends.
        key = secret(self._tenant, dkim.private_key).replace("\\n", "\n")
        return DkimSettings(domain=dkim.domain, selector=dkim.selector, private_key=SecretStr(key))
