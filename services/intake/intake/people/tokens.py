"""The tokens of what a person is reached by, whatever generations of the tenant's token key there have been."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chassis.keys import TenantKey
from chassis.unit_of_work import UnitOfWork
from intake.people import store
from intake.people.domain_person import canonical


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of a lead's phone, e-mail and profile.

    Attributes:
        by_column: the one that each goes by, under the column that keeps it, which is the token's kind as well.
        others: further ones by which they are known: whoever has one is the same person.
    """

    by_column: dict[str, str]
    others: tuple[str, ...] = ()


def every_token(key: TenantKey, values: Mapping[str, str]) -> list[str]:
    """Every token that values (by the kind of their token) may be known by, of whatever generation."""
    return [token for kind, value in values.items() for token in key.tokens(kind, value)]


async def tokens_of(uow: UnitOfWork, key: TenantKey, values: Sequence[Mapping[str, str]]) -> list[Tokens]:
    """The tokens of these leads' values (by column). Nothing is looked up for a tenant whose token key was never rotated."""
    new = [{column: key.token(column, value) for column, value in of_lead.items()} for of_lead in values]
    if len(key.token_keys) == 1:
        return [Tokens(of_lead) for of_lead in new]
    every = [{column: key.tokens(column, value) for column, value in of_lead.items()} for of_lead in values]
    known = await store.persons_of(
        uow, key.tenant, [token for of_lead in every for tokens in of_lead.values() for token in tokens]
    )
    found = []
    for tokens, minted in zip(every, new, strict=True):
        by_column = {column: canonical(tokens[column], token, known) for column, token in minted.items()}
        mine = {token for column in tokens.values() for token in column if token in known}
        found.append(Tokens(by_column, tuple(sorted(mine.difference(by_column.values())))))
    return found
