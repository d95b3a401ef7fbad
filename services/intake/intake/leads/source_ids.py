"""Ids of sources that know a lead by its e-mail address or telephone number: a token stands for such an id, everywhere.

The token is `TenantKey.lasting_token`'s, which no rotation changes: it is all that the lead is known by.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from chassis.keys import TenantKey
from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts.personal import is_contact, may_be_a_number
from intake import locks
from intake.leads import store

SourceKey = tuple[str, str]
"""A source system, and a lead's id in it."""


def token_of(source_id: str, key: TenantKey) -> str:
    return "~" + key.lasting_token("source_id", source_id)


async def hide(uow: UnitOfWork, key: TenantKey, submissions: Sequence[Received[Any]]) -> list[Received[Any]]:
    """The submissions (each a `LeadSubmission`), their ids replaced by tokens where they are contacts.

    A number is the same lead's id whether or not the phone comes along that shows what it is: it is hidden if any of these
    submissions shows it, or one before did.
    """
    named = [(message.body.source_system, message.body.source_id) for message in submissions]
    shown = {source for source, message in zip(named, submissions, strict=True) if message.body.id_is_a_contact}
    numbers = {source for source in named if may_be_a_number(source[1])}
    if numbers:
        # Of two that come at once, one with its phone and one without, the lead would have an id in clear and a token.
        await locks.source_ids(uow, key.tenant, numbers)
    doubtful = numbers - shown
    hidden = shown | await _known_hidden(uow, key, doubtful)
    return [
        _with_id(message, token_of(source[1], key)) if source in hidden else message
        for source, message in zip(named, submissions, strict=True)
    ]


async def public(uow: UnitOfWork, key: TenantKey, named: Sequence[SourceKey]) -> list[str]:
    """The ids by which events name these leads."""
    contacts = {source for source in named if is_contact(source[1])}
    doubtful = {source for source in named if source not in contacts and may_be_a_number(source[1])}
    hidden = contacts | await _known_hidden(uow, key, doubtful)
    return [token_of(source[1], key) if source in hidden else source[1] for source in named]


async def _known_hidden(uow: UnitOfWork, key: TenantKey, doubtful: set[SourceKey]) -> set[SourceKey]:
    """Those whose leads are known by their tokens."""
    if not doubtful:
        return set()
    systems = await store.systems_with_hidden_ids(uow, key.tenant, {system for system, _ in doubtful})
    tokens = {(system, token_of(id_, key)): (system, id_) for system, id_ in doubtful if system in systems}
    return {tokens[source] for source in await store.which_sources_are_known(uow, key.tenant, list(tokens))}


def _with_id(message: Received[Any], source_id: str) -> Received[Any]:
    return replace(message, body=message.body.model_copy(update={"source_id": source_id}))
