"""An erased person stays away: known by entries that tell nothing, and refused when submitted again."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final
from uuid import UUID

from chassis.keys import TenantKey
from chassis.unit_of_work import UnitOfWork
from contracts.intake.leads import Flaw
from intake.vault import store_suppression as store

ERASED: Final = "erased"
"""The flaw's code."""
_MESSAGE = (
    "{field} is of a person who was erased: the submission is not stored; "
    "where the person came back by themselves, lift the suppression of the erasure"
)
_FIELDS = {"phone_token": "phone", "email_token": "email", "linkedin_token": "linkedin_url"}
"""The field of a submission by the kind of its token."""


def flaw(field: str) -> Flaw:
    """Why a submission is refused whose `field` is an erased person's."""
    return Flaw(field=field, code=ERASED, message=_MESSAGE.format(field=field))


async def erased_among(uow: UnitOfWork, key: TenantKey, submitted: Sequence[Mapping[str, str]]) -> list[Flaw | None]:
    """Of each of one tenant's submissions, why its person is refused; none where the person is not known as erased.

    `submitted` is what each person is reached by, under the kind of its token. The unit holds `locks.linking`: no person of the
    tenant is erased before it ends.
    """
    if not submitted or not await store.has_suppressions(uow, key.tenant):
        return [None] * len(submitted)
    return await refusals(uow, key, submitted)


async def refusals(uow: UnitOfWork, key: TenantKey, submitted: Sequence[Mapping[str, str]]) -> list[Flaw | None]:
    """The same of a tenant who has erased somebody (`store_suppression.ANY`)."""
    entries = [dict(_entries(key, values)) for values in submitted]
    kept = await store.suppressed(uow, key.tenant, [entry for found in entries for entry in found])
    fields = [[field for entry, field in found.items() if entry in kept] for found in entries]
    return [flaw(found[0]) if found else None for found in fields]


async def suppress(uow: UnitOfWork, key: TenantKey, erasure_id: UUID, tokens: Iterable[str]) -> None:
    """Keep entries for these tokens.

    An entry is made of a token, for of a former value nothing else is left; and is none itself, which must link to nothing.
    """
    await store.suppress(uow, key.tenant, erasure_id, sorted(_entry(key, token) for token in tokens))


def _entries(key: TenantKey, values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The entries that would keep a submission away, each with the field it is about."""
    for kind, value in values.items():
        for token in key.tokens(kind, value):
            yield _entry(key, token), _FIELDS[kind]


def _entry(key: TenantKey, token: str) -> str:
    """A rotation of the key lets nobody back in."""
    return key.lasting_token("suppressed", token)
