"""Ids of sources that know a lead by its e-mail address or telephone number: a token stands for such an id, everywhere.

The token is `TenantKey.lasting_token`'s, which no rotation changes: it is all that the lead is known by.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

from chassis.keys import TenantKey
from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts.personal import is_contact, may_be_a_number
from intake.leads import store

SourceKey = tuple[str, str]
"""A source system, and a lead's id in it."""


def token_of(source_id: str, key: TenantKey) -> str:
    return "~" + key.lasting_token("source_id", source_id)


def numbers(submissions: Iterable[Received[Any]]) -> set[SourceKey]:
    """Those ids of the submissions that may be telephone numbers.

    To hide them takes their locks (`locks.taking_in`): of two submissions that come at once, one with its phone and one without, the lead would
    have an id in clear and a token.
    """
    return {source for message in submissions if may_be_a_number((source := _named(message))[1])}


async def hide(
    uow: UnitOfWork, key: TenantKey, submissions: Sequence[Received[Any]], hiding: Collection[str]
) -> list[Received[Any]]:
    """The submissions (each a `LeadSubmission`), their ids replaced by tokens where they are contacts.

    A number is the same lead's id whether or not the phone comes along that shows what it is: it is hidden if any of these
    submissions shows it, or one before did.

    Args:
        hiding: the systems that know some leads by what is hidden (`store.HIDING`).
    """
    named = [_named(message) for message in submissions]
    shown = {source for source, message in zip(named, submissions, strict=True) if message.body.id_is_a_contact}
    doubtful = numbers(submissions) - shown
    hidden = shown | await _known_hidden(uow, key, doubtful, hiding)
    return [
        _with_id(message, token_of(source[1], key)) if source in hidden else message
        for source, message in zip(named, submissions, strict=True)
    ]


async def public(uow: UnitOfWork, key: TenantKey, named: Sequence[SourceKey]) -> list[str]:
    """The ids by which events name these leads."""
    contacts = {source for source in named if is_contact(source[1])}
    doubtful = {source for source in named if source not in contacts and may_be_a_number(source[1])}
    hiding = (
        await store.systems_with_hidden_ids(uow, key.tenant, {system for system, _ in doubtful}) if doubtful else ()
    )
    hidden = contacts | await _known_hidden(uow, key, doubtful, hiding)
    return [token_of(source[1], key) if source in hidden else source[1] for source in named]


async def _known_hidden(
    uow: UnitOfWork, key: TenantKey, doubtful: set[SourceKey], hiding: Collection[str]
) -> set[SourceKey]:
    """Those whose leads are known by their tokens."""
    tokens = {(system, token_of(id_, key)): (system, id_) for system, id_ in doubtful if system in hiding}
    return {tokens[source] for source in await store.which_sources_are_known(uow, key.tenant, list(tokens))}


def _named(message: Received[Any]) -> SourceKey:
    return message.body.source_system, message.body.source_id


def _with_id(message: Received[Any], source_id: str) -> Received[Any]:
    return replace(message, body=message.body.model_copy(update={"source_id": source_id}))
