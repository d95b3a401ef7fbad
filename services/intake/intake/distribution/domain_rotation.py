"""Smooth weighted round robin, as in nginx: turns in proportion to shares, and spread out instead of in runs."""

from collections.abc import Mapping, MutableMapping


def turn(standing: MutableMapping[str, int], shares: Mapping[str, int]) -> str:
    """Whose turn it is among those who can take one; `standing` is brought up to date and is all there is to keep.

    Over as many turns as the shares sum up to, everybody gets exactly their share. Who cannot take a turn keeps their
    standing and is owed nothing for it.
    """
    chosen, highest, total = "", 0, 0
    for user, share in shares.items():
        standing[user] = place = standing.get(user, 0) + share
        total += share
        if not chosen or place > highest:
            chosen, highest = user, place
    standing[chosen] -= total
    return chosen
