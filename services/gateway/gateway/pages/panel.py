"""A part of a page: what a service answered, or why it did not."""

from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from contracts.message import ProblemCode, ProblemError, Reply
from contracts.message import Request as Ask
from gateway.gate import Principal

_PATIENCE_SECONDS: Final = 2.0
"""A part of the page whose service is slower than this says so, rather than hold up the others."""
PATIENCE_SECONDS: Final = 5.0
"""The same of a page that somebody came to for that part."""
_PASSING: Final = (ProblemCode.UNAVAILABLE, ProblemCode.INTERNAL)

R = TypeVar("R", bound=Reply)


@dataclass(frozen=True, slots=True)
class Panel(Generic[R]):
    """What a service answered, or why it did not.

    Attributes:
        passes: whether the problem may be over in a moment.
        code: what kind of problem it is.
    """

    reply: R | None
    problem: str = ""
    passes: bool = True
    code: ProblemCode | None = None


async def panel(principal: Principal, request: Ask[R], seconds: float = _PATIENCE_SECONDS, of: str = "") -> Panel[R]:
    """What a service answers within so many seconds; what it refuses is told in the part's place.

    Parameters:
        of: which service, where each has the request.
    """
    try:
        return Panel(await principal.ask(request, of=of, seconds=seconds))
    except ProblemError as error:
        return Panel(None, error.problem.message, error.problem.code in _PASSING, error.problem.code)
