"""Who gets a lead: the steps of a workspace's chain over the agents who can be given work, with the reasons."""

from collections.abc import Collection, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from contracts.intake.distribution import Standing
from contracts.intake.workspaces import ChainStep, Pick, StepKind
from contracts.taxonomy import UNKNOWN
from intake.distribution.domain_rotation import turn
from intake.routing.domain_round import PASSED_OVER, Round

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
    """Who gets a lead, and by what of its own; `domain_round.explain` adds what it has in common with the others of its round."""

    user_id: str
    trace: dict[str, Any]


@dataclass(slots=True)
class _Open:
    """Those whom a step considers and who have room, after some of a round's choices.

    Attributes:
        shares: by user; a dictionary keeps its order, and that is by user id.
        loads: by user, what they would hold with one more lead, in proportion to their share.
        turns: how many choices of the round are reckoned with.
    """

    shares: dict[str, int] = field(default_factory=dict)
    loads: dict[str, float] = field(default_factory=dict)
    turns: int = 0


@dataclass(slots=True)
class Distributor:
    """Gives out the leads of one workspace, one after the other.

    Attributes:
        chain: its steps; load balanced, if empty.
        candidates: its agents.
        round: what each agent owns, in all workspaces, and which choices have been made; counted on with every choice.
        standing: of its round robin, see `domain_rotation.turn`; brought up to date with every choice.
    """

    chain: Sequence[ChainStep]
    candidates: Sequence[Candidate]
    round: Round
    standing: MutableMapping[str, int]
    _there: list[Candidate] = field(init=False)
    _capacity: dict[str, int] = field(init=False)
    _pools: dict[tuple[int, str | None], list[Candidate]] = field(default_factory=dict)
    _opens: dict[tuple[int, str | None], _Open] = field(default_factory=dict)
    _steps: dict[tuple[int, str | None], list[dict[str, Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.chain = self.chain or _DEFAULT_CHAIN
        self._there = [c for c in self.candidates if c.standing is Standing.AVAILABLE]
        self._capacity = {c.user_id: c.capacity for c in self._there}
        for candidate in self.candidates:
            self.round.held.setdefault(candidate.user_id, 0)

    def choose(self, geo_key: str | None, passed_over: Collection[str] = ()) -> Choice | None:
        """The owner of a lead of this place; none where no step has anybody for it."""
        for number, step in enumerate(self.chain):
            eligible = self._open(number, step, geo_key)
            if passed_over:
                eligible = _without(eligible, passed_over)
            if eligible.shares:
                user = self._pick(step, eligible)
                trace = {"user_id": user, "turn": self.round.give(user), "steps": self._steps_to(number, geo_key)}
                return Choice(user, {**trace, **self._over(passed_over)})
        return None

    def refusal(self, geo_key: str | None, passed_over: Collection[str] = ()) -> dict[str, Any]:
        """Why no step has anybody for a lead of this place: what is its own; `domain_round.explain` adds what is not."""
        steps = self._steps_to(len(self.chain) - 1, geo_key)
        return {"turn": len(self.round.given), "steps": steps, **self._over(passed_over)}

    def grounds(self) -> dict[str, Any]:
        """What its choices have in common: how much those who are there can hold, and why the others are not."""
        absent: dict[str, list[str]] = {}
        for candidate in self.candidates:
            if candidate.standing is not Standing.AVAILABLE:
                absent.setdefault(candidate.standing.value, []).append(candidate.user_id)
        return {"capacity": self._capacity, "absent": absent}

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

    def _over(self, passed_over: Collection[str]) -> dict[str, list[str]]:
        over = [c.user_id for c in self._there if c.user_id in passed_over] if passed_over else []
        return {PASSED_OVER: over} if over else {}

    def _has_room(self, candidate: Candidate) -> bool:
        return self.round.held[candidate.user_id] < candidate.capacity

    def _pool(self, number: int, step: ChainStep, place: str | None) -> list[Candidate]:
        """Whom a step considers, of those who are there."""
        known = (number, place if step.kind is StepKind.REGION else None)
        if known not in self._pools:
            self._pools[known] = [c for c in self._there if _considers(step, c, place)]
        return self._pools[known]

    def _open(self, number: int, step: ChainStep, place: str | None) -> _Open:
        """Whom a step can give the next lead. Only who was given one since it was last asked holds more than then."""
        known = (number, place if step.kind is StepKind.REGION else None)
        if (found := self._opens.get(known)) is None:
            pool = sorted(self._pool(number, step, place), key=lambda candidate: candidate.user_id)
            found = self._opens[known] = _Open({c.user_id: c.share for c in pool})
            news = list(found.shares)
        else:
            news = self.round.given[found.turns :]
        for user in news:
            if user in found.shares:
                if self.round.held[user] < self._capacity[user]:
                    found.loads[user] = (self.round.held[user] + 1) / found.shares[user]
                else:
                    del found.shares[user]
                    found.loads.pop(user, None)
        found.turns = len(self.round.given)
        return found

    def _pick(self, step: ChainStep, eligible: _Open) -> str:
        by_turns = step.kind is StepKind.ROUND_ROBIN or (
            step.kind in (StepKind.REGION, StepKind.ROLE) and step.pick is Pick.ROUND_ROBIN
        )
        if by_turns:
            return turn(self.standing, eligible.shares)
        return min(eligible.shares, key=eligible.loads.__getitem__)

    def _steps_to(self, decisive: int, place: str | None) -> list[dict[str, Any]]:
        """The steps looked at, and whom each did not consider."""
        looked_at = self.chain[: decisive + 1]
        known = (decisive, place if any(step.kind is StepKind.REGION for step in looked_at) else None)
        if known not in self._steps:
            self._steps[known] = [self._seen(number, step, place) for number, step in enumerate(looked_at)]
        return self._steps[known]

    def _seen(self, number: int, step: ChainStep, place: str | None) -> dict[str, Any]:
        seen: dict[str, Any] = {"kind": step.kind.value}
        if step.role:
            seen["role"] = step.role
        if step.kind in (StepKind.REGION, StepKind.ROLE):
            considered = {candidate.user_id for candidate in self._pool(number, step, place)}
            seen[f"other_{step.kind.value}"] = [c.user_id for c in self._there if c.user_id not in considered]
        return seen


def _without(open_: _Open, passed_over: Collection[str]) -> _Open:
    return _Open({user: share for user, share in open_.shares.items() if user not in passed_over}, open_.loads)


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
