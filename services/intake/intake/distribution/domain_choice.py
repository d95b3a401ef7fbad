"""Who gets a lead: the steps of a workspace's chain over the agents who can be given work, with the reasons."""

from collections.abc import Collection, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from contracts.intake.distribution import Standing
from contracts.intake.workspaces import ChainStep, Pick, StepKind
from contracts.taxonomy import UNKNOWN
from intake.distribution.domain_rotation import turn

PASSED_OVER = "passed_over"
"""The verdict on an agent who owned the lead once and does not get it again by itself."""
_DEFAULT_CHAIN = (ChainStep(kind=StepKind.LOAD_BALANCED),)
_FOR_ANY_PLACE = (StepKind.ROUND_ROBIN, StepKind.LOAD_BALANCED, StepKind.ROLE)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An agent as a workspace sees them now.

    Attributes:
        standing: whether they are there; how much they hold is not part of it.
        capacity: how many leads they can hold now, ramp included.
        share: what their part of the leads is in proportion to.
        regions: patterns of the places whose leads they take.
    """

    user_id: str
    standing: Standing
    capacity: int
    share: int
    roles: frozenset[str] = frozenset()
    regions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """Who gets a lead, and by what: each step looked at, the verdict on everybody else, and what the eligible held of how much."""

    user_id: str
    trace: dict[str, Any]


@dataclass(slots=True)
class Distributor:
    """Gives out the leads of one workspace, one after the other.

    Attributes:
        chain: its steps; load balanced, if empty.
        candidates: its agents.
        held: how many leads each agent owns, in all workspaces; counted on with every choice.
        standing: of its round robin, see `domain_rotation.turn`; brought up to date with every choice.
    """

    chain: Sequence[ChainStep]
    candidates: Sequence[Candidate]
    held: MutableMapping[str, int]
    standing: MutableMapping[str, int]
    _there: list[Candidate] = field(init=False)
    _absent: dict[str, list[str]] = field(init=False)
    _pools: dict[tuple[int, str | None], list[Candidate]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.chain = self.chain or _DEFAULT_CHAIN
        self._there = [c for c in self.candidates if c.standing is Standing.AVAILABLE]
        self._absent = {}
        for candidate in self.candidates:
            self.held.setdefault(candidate.user_id, 0)
            if candidate.standing is not Standing.AVAILABLE:
                self._absent.setdefault(candidate.standing.value, []).append(candidate.user_id)

    def choose(self, geo_key: str | None, passed_over: Collection[str] = ()) -> Choice | None:
        """The owner of a lead of this place; none where no step has anybody for it."""
        held = self.held
        for number, step in enumerate(self.chain):
            eligible = [c for c in self._pool(number, step, geo_key) if held[c.user_id] < c.capacity]
            if passed_over:
                eligible = [c for c in eligible if c.user_id not in passed_over]
            if eligible:
                trace = self._trace(number, geo_key, eligible, passed_over)
                user = self._pick(step, eligible)
                held[user] += 1
                return Choice(user, {"user_id": user, **trace})
        return None

    def open_to_every_place(self) -> bool:
        """Whether somebody can be given a lead from anywhere."""
        return any(
            self._has_room(candidate)
            for number, step in enumerate(self.chain)
            if step.kind in _FOR_ANY_PLACE
            for candidate in self._pool(number, step, None)
        )

    def open_regions(self) -> set[str]:
        """Patterns of the places from which somebody can be given a lead in a step by region."""
        if not any(step.kind is StepKind.REGION for step in self.chain):
            return set()
        return {pattern for candidate in self._there if self._has_room(candidate) for pattern in candidate.regions}

    def _has_room(self, candidate: Candidate) -> bool:
        return self.held[candidate.user_id] < candidate.capacity

    def _pool(self, number: int, step: ChainStep, place: str | None) -> list[Candidate]:
        """Whom a step considers, of those who are there."""
        known = (number, place if step.kind is StepKind.REGION else None)
        if known not in self._pools:
            self._pools[known] = [c for c in self._there if _considers(step, c, place)]
        return self._pools[known]

    def _pick(self, step: ChainStep, eligible: Sequence[Candidate]) -> str:
        by_turns = step.kind is StepKind.ROUND_ROBIN or (
            step.kind in (StepKind.REGION, StepKind.ROLE) and step.pick is Pick.ROUND_ROBIN
        )
        if by_turns:
            return turn(self.standing, {c.user_id: c.share for c in eligible})
        held = self.held
        return min(eligible, key=lambda c: ((held[c.user_id] + 1) / c.share, c.user_id)).user_id

    def _trace(
        self, decisive: int, place: str | None, eligible: Sequence[Candidate], passed_over: Collection[str]
    ) -> dict[str, Any]:
        held = self.held
        verdicts = dict(self._absent)
        if len(eligible) < len(self._there):
            over = [c.user_id for c in self._there if c.user_id in passed_over]
            full = [c.user_id for c in self._there if held[c.user_id] >= c.capacity and c.user_id not in passed_over]
            verdicts |= {name: users for name, users in ((PASSED_OVER, over), (Standing.FULL.value, full)) if users}
        steps = []
        for number, step in enumerate(self.chain[: decisive + 1]):
            seen: dict[str, Any] = {"kind": step.kind.value}
            if step.role:
                seen["role"] = step.role
            if step.kind in (StepKind.REGION, StepKind.ROLE):
                considered = {candidate.user_id for candidate in self._pool(number, step, place)}
                seen[f"other_{step.kind.value}"] = [c.user_id for c in self._there if c.user_id not in considered]
            steps.append(seen)
        return {
            "steps": steps,
            "verdicts": verdicts,
            "eligible": {c.user_id: f"{held[c.user_id]}/{c.capacity}" for c in eligible},
        }


def _considers(step: ChainStep, candidate: Candidate, place: str | None) -> bool:
    if step.kind is StepKind.MANUAL:
        return False
    if step.kind is StepKind.ROLE:
        return step.role in candidate.roles
    if step.kind is StepKind.REGION:
        return any(_matches(pattern, place) for pattern in candidate.regions)
    return True


def _matches(pattern: str, key: str | None) -> bool:
    """As a routing rule's pattern does; of a place that was not given only ``unknown``."""
    if key is None:
        return pattern == UNKNOWN
    fixed = pattern.removeprefix("*").removesuffix("*")
    if pattern.startswith("*"):
        return fixed in key if pattern.endswith("*") else key.endswith(fixed)
    return key.startswith(fixed) if pattern.endswith("*") else key == fixed
