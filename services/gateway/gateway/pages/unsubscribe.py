"""One click unsubscribes from an e-mail (RFC 8058): without an account, a cookie or a second question."""

from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from chassis.service import Service
from contracts.message import ProblemCode, ProblemError, is_tenant
from contracts.outreach.people import Unsubscribe
from gateway.gate import cause_of
from gateway.problems import RefusedError
from gateway.rendering import page

router = APIRouter(prefix="/u/{tenant}/{message_id}/{token}")


@router.get("")
async def offer_unsubscribe(tenant: str, message_id: str, token: str) -> Response:
    """Show a button. Opening a link must not unsubscribe anybody: mail scanners open links too (RFC 8058, 1)."""
    _read(tenant, message_id, token)
    return page("unsubscribe.html", done=False)


@router.post("")
async def unsubscribe(request: Request, tenant: str, message_id: str, token: str) -> Response:
    """Unsubscribe the person at once, and say so; mail providers follow no redirect (RFC 8058, 3.1).

    The form that they send, ``List-Unsubscribe=One-Click``, is not looked at: that this is a POST says the same.
    """
    wish = _read(tenant, message_id, token)
    service: Service = request.app.state.service
    try:
        await service.caller.ask(tenant, wish, cause=cause_of(request, tenant))
    except ProblemError as error:
        if error.problem.code is ProblemCode.NOT_FOUND:
            raise _unknown() from None
        raise
    return page("unsubscribe.html", done=True)


def _read(tenant: str, message_id: str, token: str) -> Unsubscribe:
    try:
        if is_tenant(tenant):
            return Unsubscribe(message_id=UUID(message_id), token=token)
    except (ValueError, ValidationError):
        pass
    raise _unknown()


def _unknown() -> RefusedError:
    """One answer for a link that is not ours, not whole, or of somebody who was erased, so that nothing can be learnt from it."""
    return RefusedError(
        HTTPStatus.NOT_FOUND,
        "this link is not whole, or we keep nothing about its message any more; open it from the message once more, "
        "or answer the message and write: unsubscribe",
    )
