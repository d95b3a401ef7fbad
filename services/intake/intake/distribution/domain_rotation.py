"""Smooth weighted round robin, as in nginx: turns in proportion to shares, and spread out instead of in runs."""

from collections.abc import Mapping, MutableMapping


def turn(standing: MutableMapping[str, int], shares: Mapping[str, int]) -> str:
    """Whose turn it is among those who can take one; `standing` is brought up to date and is all there is to keep.

    Over as many turns as the shares sum up to, everybody gets exactly their share. Who cannot take a turn keeps their
    standing and is owed nothing for it.
    """
    for user, share in shares.items():
        standing[user] = standing.get(user, 0) + share
    chosen = max(shares, key=standing.__getitem__)
    standing[chosen] -= sum(shares.values())
    return chosen
