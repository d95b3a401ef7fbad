"""Who asks for what is personal: a service, and the user on whose behalf it does."""

from dataclasses import dataclass
from typing import Any

from chassis.received import Received
from contracts.message import ProblemCode, ProblemError
from contracts.taxonomy import Purpose, Role
from intake.privacy.domain_policy import OPERATOR, may_answer_for_a_person, may_see


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks.

    Attributes:
        service: the one that alone can read the answer, see `chassis.caller.asker`.
        actor, role: of the user on whose behalf it asks; none where it acts by itself.
    """

    service: str
    actor: str | None
    role: Role | None

    @classmethod
    def of(cls, request: Received[Any]) -> "Asker":
        user = request.body.on_behalf_of
        return cls(request.wire.sender or "", user.user if user else None, user.role if user else None)

    @property
    def caller(self) -> str:
        """Whom it is counted for: the user, or the service that acts by itself."""
        return self.actor or self.service

    @property
    def is_a_person(self) -> bool:
        """Whether somebody looks at what is shown."""
        return self.actor is not None or self.service == OPERATOR

    def must_be_allowed_to_see(self, purpose: Purpose) -> None:
        """Raises ProblemError (`forbidden`) unless it is."""
        if not may_see(self.service, self.role, purpose):
            raise ProblemError(
                ProblemCode.FORBIDDEN, f"{self._words} may not see what is personal for {purpose}", "purpose"
            )

    def must_be_allowed_to_answer_for_a_person(self) -> None:
        """Raises ProblemError (`forbidden`) unless it is."""
        if not may_answer_for_a_person(self.service, self.role):
            raise ProblemError(
                ProblemCode.FORBIDDEN, f"{self._words} may not decide about a person's data", "on_behalf_of"
            )

    @property
    def _words(self) -> str:
        by_way = self.service or "an upstream"
        return f"{by_way} on behalf of a user with the role {self.role}" if self.role else f"{by_way} by itself"
