"""The reference: the operations of the API with their examples, and the messages that the services speak in."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from contracts.message import EACH_SERVICE, ProblemCode, ProblemError
from gateway import domain_reference, openapi
from gateway.gate import Admitted
from gateway.rendering import page

router = APIRouter(prefix="/t/{tenant}/reference")

Name = Annotated[str, Path(max_length=100)]
_EACH = "every-service"
"""How the address names the owner of what every service has under its own name."""
OWNERS = {(_EACH if owner == EACH_SERVICE else owner): owner for owner in domain_reference.OWNERS}


class Looked(BaseModel):
    """What is looked for."""

    model_config = ConfigDict(frozen=True)

    q: Annotated[str, Field(max_length=100)] = ""


@router.get("")
async def reference(principal: Admitted, looked: Annotated[Looked, Query()], request: Request) -> Response:
    """Every operation by its group, and who has which messages; of what is looked for, only those in which it is found."""
    groups = domain_reference.operations(openapi.outline(request.app))
    word = looked.q.strip().lower()
    if word:
        groups = {
            group: found
            for group, lines in groups.items()
            if (
                found := [line for line in lines if word in f"{line.method} {line.path} {line.summary} {group}".lower()]
            )
        }
    messages = {
        shown: [line for line in domain_reference.messages_of(owner) if word in f"{line.name} {line.summary}".lower()]
        for shown, owner in OWNERS.items()
    }
    return page(
        "reference.html", principal=principal, groups=groups, messages=messages, looked=looked,
        base=str(request.base_url).rstrip("/"),
    )  # fmt: skip


@router.get("/api/{operation}")
async def operation(principal: Admitted, operation: Name, request: Request) -> Response:
    """An operation: what it needs, takes and answers."""
    document = openapi.describe_one(request.app, operation)
    found = document and domain_reference.operation(document, operation)
    if not found:
        raise ProblemError(ProblemCode.NOT_FOUND, "the API has no such operation; the reference lists those it has")
    return page(
        "reference_operation.html", principal=principal, found=found, base=str(request.base_url).rstrip("/")
    )  # fmt: skip


@router.get("/messages/of/{owner}")
async def messages(principal: Admitted, owner: Name) -> Response:
    """The messages of a service."""
    if owner not in OWNERS:
        raise ProblemError(ProblemCode.NOT_FOUND, f"there are {', '.join(OWNERS)}")
    lines = domain_reference.messages_of(OWNERS[owner])
    return page("reference_messages.html", principal=principal, owner=owner, owners=list(OWNERS), lines=lines)


@router.get("/messages/{message}")
async def message(principal: Admitted, message: Name) -> Response:
    """A message: its subject, who sends and reads it, and what it says."""
    found = domain_reference.message(message)
    if found is None:
        raise ProblemError(ProblemCode.NOT_FOUND, "there is no such message; the reference lists those there are")
    owner = next(shown for shown, owner in OWNERS.items() if owner == found.owner)
    return page("reference_message.html", principal=principal, found=found, owner=owner)
