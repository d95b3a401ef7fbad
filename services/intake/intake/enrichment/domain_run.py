"""A run's rules: what a failure means, what a call may have cost, when it is made again, and what came of the run."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final

from contracts.taxonomy import ActionStatus, EnrichmentStatus

STANDING: Final = (EnrichmentStatus.FAILED, EnrichmentStatus.CANCELLED, EnrichmentStatus.BUDGET_EXHAUSTED)
"""A run that stands so can be resumed."""

LONGEST_PAUSE: Final = timedelta(minutes=15)
"""How long a provider may ask to be left alone."""

_FAILURES: Final = {
    "broken": "the provider broke the connection off; resume the run",
    "budget_exhausted": "the next call might cost more than is left of the budget: resume the run with a larger one",
    "encoded": "the provider's answer is compressed, though that was not asked for: ask its makers",
    "gave_up": "the run took the service down again and again: look at its log, and resume it with skip_failed",
    "internal": "this should not have happened, and was logged; resume the run",
    "no_file": "the tenant's folder of provider files has no such file that can be read: put it there, and resume the run",
    "no_provider": "a provider of the step was deleted: set it again, and resume the run",
    "no_secret": "the provider's secret is not among the service's environment variables: set it, restart, resume the run",
    "not_allowed": "the provider's host is not public, or not reached over https: have the operator allow it, resume the run",
    "redirected": "the provider answers that it is elsewhere: set it with its new address, and resume the run",
    "refused": "the provider refuses the question: check its settings and its secret, and resume the run",
    "timeout": "the provider did not answer in time; resume the run",
    "too_large": "the provider's answer, or the file, is too large: ask for less at once, and resume the run",
    "too_many_requests": "the provider wants to be asked less often: resume the run later",
    "unavailable": "the provider answers that it is out of order: resume the run later",
    "unknown": "it is not known what came of the call: who made it died",
    "unreachable": "the provider cannot be reached: check its address, and resume the run",
    "unreadable": "the provider's answer is not what its settings say: check results and fields, and resume the run",
}


class ProviderError(Exception):
    """A call of a provider failed.

    Attributes:
        failure: why, as a word of `explain`.
        again: whether the same call may be made again without being asked to.
        charged: whether it may have been charged all the same.
        after: how long the provider wants to be left alone.
    """

    def __init__(
        self, failure: str, *, again: bool = False, charged: bool = False, after: timedelta = timedelta(0)
    ) -> None:
        super().__init__(failure)
        self.failure = failure
        self.again = again
        self.charged = charged
        self.after = after


@dataclass(frozen=True, slots=True)
class Price:
    """What a call costs; `per_result`: only if something is found."""

    amount: Decimal = Decimal(0)
    per_result: bool = False

    def of(self, *, found: bool) -> Decimal:
        """What a call cost that was answered."""
        return self.amount if found or not self.per_result else Decimal(0)


def explain(failure: str) -> str:
    """What went wrong and what to do, for people."""
    return _FAILURES[failure]


def pause(failures: int, asked: timedelta, pauses: tuple[timedelta, ...], jitter: float) -> timedelta | None:
    """How long to wait until the call is made again, when it failed so often; none when it is not made again.

    At least as long as the provider asked for, and up to a half longer (`jitter`, from 0 to 1), so that runs that failed together
    do not come again together.
    """
    if failures > len(pauses) or asked > LONGEST_PAUSE:
        return None
    return max(pauses[failures - 1], asked) * (1 + jitter / 2)


def action_status(status: EnrichmentStatus, found: int) -> ActionStatus:
    """What is remembered of a run that stands so and found so much."""
    if not found:
        return ActionStatus.NO_ACTION
    return ActionStatus.COMPLETED if status == EnrichmentStatus.SUCCEEDED else ActionStatus.PARTIAL
