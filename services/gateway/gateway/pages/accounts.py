"""Accounts: how each does and why, how much may leave it today, and adding, changing, pausing and resuming one.

Of what an account signs in with only the end of its variable's name is ever shown or taken, as outreach has it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from pydantic import BaseModel, ConfigDict, ValidationError

from contracts.gateway.access import Scope
from contracts.message import ProblemError
from contracts.outreach.accounts import (
    DAILY_LIMITS,
    AccountView,
    ExplainAccount,
    ListAccounts,
    NewAccountSettings,
    PauseAccount,
    RemoveAccount,
    ResumeAccount,
    SetAccount,
    SmtpSecurity,
    Transport,
)
from contracts.taxonomy import CHANNEL_OF, Channel, SendKind
from gateway.domain_outreach import CHANNELS, KINDS, TRANSPORTS, health_tone, standings
from gateway.gate import Admitted, Principal, needs
from gateway.pages.dashboard import time_zone
from gateway.pages.forms import invalid
from gateway.pages.once import once
from gateway.pages.panel import panel
from gateway.pages.sign_in import see_other
from gateway.pages.win_rates import Chosen
from gateway.problems import STATUS
from gateway.rendering import page

router = APIRouter(prefix="/t/{tenant}/accounts")

ROWS_SHOWN: Final = 50
_PATIENCE_SECONDS: Final = 5.0
"""Longer than the overview's: whoever comes here came for this."""
_SENT_BY: Final = [(channel.value, CHANNELS[channel]) for channel in Channel if channel in CHANNEL_OF.values()]
"""The channels by which anything is sent."""


M = TypeVar("M", bound=BaseModel)


class AccountForm(BaseModel):
    """The form that adds an account, or changes one. What outreach takes decides what is right in it."""

    model_config = ConfigDict(extra="forbid")

    title: str = ""
    channel: Chosen[str] = None
    address: Chosen[str] = None
    """Of one there is: as it was, if empty. It is never shown."""
    sender_name: Chosen[str] = None
    transport: Transport = Transport.SANDBOX
    host: Chosen[str] = None
    port: Chosen[str] = None
    security: SmtpSecurity = SmtpSecurity.STARTTLS
    password: Chosen[str] = None
    """The end of the variable's name."""
    dkim_domain: Chosen[str] = None
    dkim_selector: Chosen[str] = None
    dkim_key: Chosen[str] = None
    """The end of the variable's name."""
    url: Chosen[str] = None
    secret: Chosen[str] = None
    """The end of the variable's name."""
    refuses: Chosen[str] = None
    takes_seconds: Chosen[str] = None
    once: str = ""
    """See `gateway.pages.once`."""

    def order(self, **more: Any) -> SetAccount:
        """What is asked of outreach.

        Raises:
            ProblemError: `invalid`.
        """
        given: dict[str, Any] = {
            "title": self.title, "channel": self.channel, "address": self.address, "sender_name": self.sender_name,
            "transport": self.transport, self.transport.value: self._of_transport(),
        }  # fmt: skip
        return _made(SetAccount, **given, **more)

    def _of_transport(self) -> dict[str, Any] | None:
        match self.transport:
            case Transport.SMTP:
                dkim = {"domain": self.dkim_domain, "selector": self.dkim_selector, "private_key": self.dkim_key}
                given: dict[str, Any] = {
                    "host": self.host, "port": self.port, "security": self.security, "password": self.password,
                    "dkim": _told(dkim) or None,
                }  # fmt: skip
            case Transport.HTTP:
                given = {"url": self.url, "secret": self.secret}
            case Transport.SANDBOX:
                given = {"refuses": self.refuses, "takes_seconds": self.takes_seconds}
                return _told(given) or None
        return _told(given)


class SettingsForm(BaseModel):
    """The form of how an account sends: its limits, its gaps, its day and its ramp."""

    model_config = ConfigDict(extra="forbid")

    time_zone: str = "UTC"
    rotation_set: str = "default"
    least_gap_minutes: str = ""
    most_gap_minutes: str = ""
    warm_up_began: Chosen[str] = None
    email: Chosen[str] = None
    connection_request: Chosen[str] = None
    linkedin_message: Chosen[str] = None
    sms: Chosen[str] = None

    def settings(self) -> NewAccountSettings:
        """Raises:
        ProblemError: `invalid`.
        """
        limits = _told({kind.value: getattr(self, kind.value) for kind in SendKind})
        others = _told(self.model_dump(exclude={kind.value for kind in SendKind}))
        return _made(NewAccountSettings, daily_limits=limits, **others)


@router.get("")
async def accounts(
    principal: Admitted, request: Request, cursor: Annotated[str | None, Query(max_length=200)] = None
) -> Response:
    return await _list(principal, request, cursor)


@router.get("/new", dependencies=[needs(Scope.OUTREACH_WRITE)])
async def new_account(
    principal: Admitted, transport: Transport = Transport.SANDBOX, channel: Channel = Channel.EMAIL
) -> Response:
    """The form for a new account; which fields it has follows from the transport that was chosen."""
    return _form(principal, AccountForm(transport=transport, channel=channel.value))


@router.post("/new")
async def add_account(principal: Admitted, form: Annotated[AccountForm, Form()], request: Request) -> Response:
    try:
        async with once(request, principal) as key:
            added = await principal.ask(form.order(added_as=key.made_id, actor=principal.actor))
    except ProblemError as error:
        return _form(principal, form, wrong=error)
    return see_other(_home(principal, added.account_id))


@router.get("/{account_id}")
async def account(principal: Admitted, account_id: UUID, request: Request) -> Response:
    return await _explain(principal, account_id, request)


@router.get("/{account_id}/change", dependencies=[needs(Scope.OUTREACH_WRITE)])
async def change_form(principal: Admitted, account_id: UUID, transport: Transport | None = None) -> Response:
    """The form that changes an account; another transport can be chosen."""
    known = (await principal.ask(ExplainAccount(account_id=account_id))).account
    return _form(principal, _as_typed(known, transport), known)


@router.post("/{account_id}/change")
async def change_account(principal: Admitted, account_id: UUID, form: Annotated[AccountForm, Form()]) -> Response:
    known = (await principal.ask(ExplainAccount(account_id=account_id))).account
    try:
        await principal.ask(form.order(account_id=account_id, actor=principal.actor))
    except ProblemError as error:
        return _form(principal, form, known, wrong=error)
    return see_other(_home(principal, account_id))


@router.post("/{account_id}/settings")
async def set_limits(
    principal: Admitted, account_id: UUID, form: Annotated[SettingsForm, Form()], request: Request
) -> Response:
    """Set how the account sends: all of it, as the form has it."""

    async def change() -> None:
        await principal.ask(SetAccount(account_id=account_id, settings=form.settings(), actor=principal.actor))

    return await _do(principal, account_id, request, change, typed=form)


@router.post("/{account_id}/pause")
async def pause_account(principal: Admitted, account_id: UUID, request: Request) -> Response:
    asked = PauseAccount(account_id=account_id, actor=principal.actor)
    return await _do(principal, account_id, request, lambda: principal.ask(asked))


@router.post("/{account_id}/resume")
async def resume_account(principal: Admitted, account_id: UUID, request: Request) -> Response:
    asked = ResumeAccount(account_id=account_id, actor=principal.actor)
    return await _do(principal, account_id, request, lambda: principal.ask(asked))


@router.post("/{account_id}/remove")
async def remove_account(principal: Admitted, account_id: UUID, request: Request) -> Response:
    asked = RemoveAccount(account_id=account_id, actor=principal.actor)
    return await _do(principal, account_id, request, lambda: principal.ask(asked))


async def _do(
    principal: Principal,
    account_id: UUID,
    request: Request,
    change: Callable[[], Awaitable[object]],
    *,
    typed: SettingsForm | None = None,
) -> Response:
    """Change an account; its page again, with what was wrong where it is refused."""
    try:
        await change()
    except ProblemError as error:
        return await _explain(principal, account_id, request, error, typed)
    return see_other(_home(principal, account_id))


async def _list(principal: Principal, request: Request, cursor: str | None) -> Response:
    found, zone = await asyncio.gather(
        panel(principal, ListAccounts(limit=ROWS_SHOWN, cursor=cursor), _PATIENCE_SECONDS),
        time_zone(request, principal.tenant),
    )
    return page(
        "accounts.html", principal=principal, found=found, first=cursor is None, zone=zone, now=datetime.now(UTC), **_WORDS,
    )  # fmt: skip


async def _explain(
    principal: Principal,
    account_id: UUID,
    request: Request,
    wrong: ProblemError | None = None,
    typed: SettingsForm | None = None,
) -> Response:
    explained, zone = await asyncio.gather(
        principal.ask(ExplainAccount(account_id=account_id)), time_zone(request, principal.tenant)
    )
    known = explained.account
    return page(
        "account_detail.html", STATUS[wrong.problem.code] if wrong else HTTPStatus.OK, principal=principal, account=known,
        terms=explained.terms, form=typed or _settings_as_typed(known), limits=_limits(known), zone=zone,
        now=datetime.now(UTC), wrong=wrong.problem.message if wrong else "", **_WORDS,
    )  # fmt: skip


def _form(
    principal: Principal, form: AccountForm, known: AccountView | None = None, *, wrong: ProblemError | None = None
) -> Response:
    return page(
        "account_form.html", STATUS[wrong.problem.code] if wrong else HTTPStatus.OK, principal=principal, form=form,
        known=known, wrong=wrong.problem.message if wrong else "", sent_by=_SENT_BY,
        securities=[(each.value, each.value) for each in SmtpSecurity], **_WORDS,
    )  # fmt: skip


def _as_typed(known: AccountView, transport: Transport | None) -> AccountForm:
    """An account as its form shows it; its address and its sender's name are not shown, and stay where nothing is typed."""
    typed: dict[str, Any] = {
        "title": known.title,
        "channel": known.channel.value,
        "transport": transport or known.transport,
    }
    if known.smtp:
        dkim = known.smtp.dkim
        typed |= {
            "host": known.smtp.host, "port": str(known.smtp.port), "security": known.smtp.security,
            "password": known.smtp.password, "dkim_domain": dkim and dkim.domain, "dkim_selector": dkim and dkim.selector,
            "dkim_key": dkim and dkim.private_key,
        }  # fmt: skip
    if known.http:
        typed |= {"url": known.http.url, "secret": known.http.secret}
    if known.sandbox:
        typed |= {"refuses": str(known.sandbox.refuses), "takes_seconds": str(known.sandbox.takes_seconds)}
    return AccountForm(**typed)


def _settings_as_typed(known: AccountView) -> SettingsForm:
    settings = known.settings
    return SettingsForm(
        time_zone=settings.time_zone, rotation_set=settings.rotation_set, least_gap_minutes=f"{settings.least_gap_minutes:g}",
        most_gap_minutes=f"{settings.most_gap_minutes:g}", warm_up_began=str(settings.warm_up_began or ""),
        **{kind.value: str(limit) for kind, limit in settings.daily_limits.items()},
    )  # fmt: skip


def _limits(known: AccountView) -> list[tuple[SendKind, int]]:
    """The kinds that an account can send, each with its usual limit."""
    return [(kind, DAILY_LIMITS[kind]) for kind in SendKind if CHANNEL_OF[kind] is known.channel]


def _told(given: Mapping[str, Any]) -> dict[str, Any]:
    """What was filled in."""
    return {name: value for name, value in given.items() if value not in (None, "")}


def _made(kind: Callable[..., M], **given: Any) -> M:
    try:
        return kind(**given)
    except ValidationError as error:
        raise invalid(error) from None


def _home(principal: Principal, account_id: UUID) -> str:
    return f"/t/{principal.tenant}/accounts/{account_id}"


_WORDS: Final[dict[str, Any]] = {
    "kinds": KINDS, "channels": CHANNELS, "transports": TRANSPORTS, "standings": standings, "tone": health_tone,
}  # fmt: skip
