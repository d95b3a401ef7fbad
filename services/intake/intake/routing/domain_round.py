"""Leads that are given out in one go, one after the other, and what each of these choices was made by.

What an agent holds changes with every choice, so the reasons of a choice name everybody's load at its turn. They are kept once
for all choices of a round: the loads before the first, and who got which turn.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from contracts.intake.distribution import Standing

PASSED_OVER = "passed_over"
"""The verdict on an agent who owned the lead once and does not get it again by itself."""


class Round:
    """Choices, in all workspaces of a tenant.

    Attributes:
        held: how many leads each agent owns now, in all workspaces.
        given: who got each turn.
    """

    def __init__(self, held: Mapping[str, int]) -> None:
        self._before = dict(held)
        self.held = dict(held)
        self.given: list[str] = []

    def give(self, user: str) -> int:
        """Count a lead that goes to an agent; returns its turn, from 0."""
        self.given.append(user)
        self.held[user] += 1
        return len(self.given) - 1

    def grounds(self, workspaces: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """What is kept of the round, as JSON has it.

        Parameters:
            workspaces: `Distributor.grounds` of each.
        """
        return {"held": self._before, "given": self.given, "workspaces": workspaces}


def explain(grounds: Mapping[str, Any], trace: Mapping[str, Any]) -> dict[str, Any]:
    """The whole reasons of one of a round's choices, or why there was none.

    Parameters:
        trace: what is the choice's own: its `workspace`, `turn`, `steps` and who was `passed_over`.

    Returns:
        Instead of the turn and who was passed over: `verdicts`, the agents who could not be given the lead by why, and
        `eligible`, what each of the others held of how much.
    """
    own = dict(trace)
    taken = Counter(grounds["given"][: own.pop("turn")])
    workspace = grounds["workspaces"][own["workspace"]]
    over = own.pop(PASSED_OVER, [])
    decisive = own["steps"][-1]
    others = decisive.get(f"other_{decisive['kind']}", [])
    eligible, full = {}, []
    for user, capacity in sorted(workspace["capacity"].items()):
        held = grounds["held"].get(user, 0) + taken[user]
        if held >= capacity and user not in over:
            full.append(user)
        elif user not in over and user not in others:
            eligible[user] = f"{held}/{capacity}"
    unable = {PASSED_OVER: over, Standing.FULL.value: full}
    verdicts = {**workspace["absent"], **{why: users for why, users in unable.items() if users}}
    return {**own, "verdicts": verdicts, "eligible": eligible}
