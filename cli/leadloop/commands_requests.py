"""``leadloop ask``: every request of every service, by its name. `leadloop.main` says what the command does."""

import asyncio
import json
import sys
from inspect import getdoc
from typing import Annotated, Any, cast

from cyclopts import Parameter
from pydantic import ValidationError

from contracts.catalogue import CATALOGUE, OPERATOR, Entry
from contracts.message import PLATFORM, Kind, Reply, Request
from leadloop.app import Common, Tenant
from leadloop.commands_tenants import check_known
from leadloop.errors import told
from leadloop.installation import Installation
from leadloop.output import Answer, CommandError, table

_SECONDS = 600.0
_STANDARD_INPUT = "-"


def _is_no_option(_: object, body: str) -> None:
    if body.startswith("-") and body != _STANDARD_INPUT:
        raise ValueError("There is no such option.")


async def ask(
    service: str,
    request: str = "",
    body: Annotated[str, Parameter(allow_leading_hyphen=True, validator=_is_no_option)] = "{}",
    /,
    *,
    tenant: Tenant | None = None,
    common: Common = Common(),
) -> Answer:
    """``leadloop ask``.

    Args:
        service: whom.
        request: what, as docs/messages.md names it, e.g. get_lead.
        body: the request's fields as a JSON object; - reads it from standard input.
        tenant: for whom; some requests concern the installation and need none.
    """
    known = {
        entry.topic.name: entry
        for entry in CATALOGUE
        if entry.topic.kind is Kind.REQUEST and entry.topic.owner == service and OPERATOR in entry.senders
    }
    if not known:
        raise CommandError(f"there is no service {service}: there are {', '.join(_services())}")
    if not request:
        return _list(service, known)
    if request not in known:
        raise CommandError(f"{service} has no request {request}: `leadloop ask {service}` lists those it has")
    text = await asyncio.to_thread(sys.stdin.read) if body == _STANDARD_INPUT else body
    try:
        asked = known[request].message.model_validate_json(text)
    except ValidationError as error:
        raise CommandError(f"{request}: {told(error.errors())}; docs/messages.md shows its fields") from None
    async with Installation(common.open()).asking() as caller:
        if tenant:
            await check_known(caller, tenant, service)
        reply: Reply = await caller.ask(tenant or PLATFORM, cast("Request[Any]", asked), of=service, seconds=_SECONDS)
    data = reply.model_dump(mode="json")
    return Answer(data, [json.dumps(data, indent=2, ensure_ascii=False)])


def _list(service: str, known: dict[str, Entry]) -> Answer:
    shown = table(f"What {service} can be asked", "request", "")
    about = {name: (getdoc(entry.message) or "").partition("\n")[0] for name, entry in known.items()}
    for name, line in about.items():
        shown.add_row(name, line)
    return Answer(about, [shown])


def _services() -> list[str]:
    return list(dict.fromkeys(entry.topic.owner for entry in CATALOGUE))
