"""How often somebody may try to sign in: counted by the account they name, and by the address they come from.

The account's limit keeps its password from being guessed, the address' keeps one password from being tried on many accounts.
"""

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from chassis.limits.counters import WINDOW_SECONDS, Counters
from contracts.message import Allowance, id_from_content

PER_ACCOUNT: Final = 5
"""A minute (S351)."""
PER_ADDRESS: Final = 20
"""A minute: an office has one address, or one /64 of them."""
_OF_ONE_LINE: Final = 64
"""Bits of an IPv6 address: whoever has one has at least all that begin with these (RFC 4291, 2.5.4; RFC 6177), and can come from each."""
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
        counted = [] if address is None else [(_line(address), PER_ADDRESS)]
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


def _line(address: str) -> str:
    """What an address is counted as: of IPv6 all of its line's as one; one of IPv4 in another guise as itself."""
    try:
        found = ip_address(address)
    except ValueError:  # a socket's name, or none
        return address
    if not isinstance(found, IPv6Address):
        return address
    return str(found.ipv4_mapped or ip_network((int(found), _OF_ONE_LINE), strict=False))
