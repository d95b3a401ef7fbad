"""How often somebody may try to sign in: counted by the account they name, and by the address they come from.

The account's limit keeps its password from being guessed, the address' keeps one password from being tried on many accounts.
"""

from dataclasses import dataclass
from typing import Final

from chassis.limits.counters import WINDOW_SECONDS, Counters
from contracts.message import Allowance, id_from_content

PER_ACCOUNT: Final = 5
"""A minute (S351)."""
PER_ADDRESS: Final = 20
"""A minute: an office has one address."""
_EVERYBODY: Final = "sign-in"


@dataclass(frozen=True, slots=True)
class Attempts:
    """Counts attempts, whether or not they succeed, and before any password is looked at."""

    counters: Counters

    async def refused(self, address: str | None, *account: str) -> Allowance | None:
        """What is left of the limit that was exceeded; none where the attempt may be made.

        Args:
            address: where they come from; none of who is signed in, and guesses at one account only.
        """
        counted = [] if address is None else [(address, PER_ADDRESS)]
        if account:
            counted.append(("/".join(account), PER_ACCOUNT))
        for name, limit in counted:
            # Nobody's address stands in a shared counter.
            granted, usage = await self.counters.take(_EVERYBODY, id_from_content(name).hex, 1, limit)
            if not granted:
                return Allowance(
                    limit=limit, window_seconds=WINDOW_SECONDS, remaining=0,
                    reset_seconds=max(1, -(-usage.wait(limit) // 1000)),
                )  # fmt: skip
        return None
