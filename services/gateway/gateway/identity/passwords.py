"""Passwords as argon2id hashes.

A hash takes some tens of milliseconds and 19 MiB, on purpose; so few are made at once, each aside from the event loop.
"""

import asyncio
from functools import cache
from typing import Final

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

_AT_ONCE: Final = 2

_hashing = asyncio.Semaphore(_AT_ONCE)


async def hashed(password: str) -> str:
    """What is stored of a password: argon2id with a salt of its own (RFC 9106)."""
    async with _hashing:
        return await asyncio.to_thread(_hasher().hash, password)


async def verified(password: str, stored: str | None) -> tuple[bool, str | None]:
    """Whether a password is the stored one, and a new hash where the stored one was made as is no longer done.

    Where nothing is stored it takes as long, so that nobody learns from it who there is.
    """
    async with _hashing:
        right, newer = await asyncio.to_thread(_hasher().verify_and_update, password, stored or _nobodys())
    return right and stored is not None, newer if right and stored is not None else None


@cache
def _hasher() -> PasswordHash:
    # OWASP Password Storage Cheat Sheet: 19 MiB, two passes, one lane.
    return PasswordHash((Argon2Hasher(time_cost=2, memory_cost=19_456, parallelism=1),))


@cache
def _nobodys() -> str:
    return _hasher().hash("nobody has this password")
