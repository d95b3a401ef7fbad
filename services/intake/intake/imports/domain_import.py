"""An import's rules: what may be done where it stands, what a failure means, and what its counts come to."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from contracts.intake.imports import ImportCounts, ImportState
from contracts.outcomes import OutcomeVerdict

UNDER_WAY: Final = frozenset({ImportState.CHECKING, ImportState.RUNNING, ImportState.REVERTING})
"""Somebody is at work on it."""
FILLING: Final = frozenset({ImportState.UPLOADING, ImportState.READY})
"""Nothing of it was imported yet."""
STARTABLE: Final = frozenset({ImportState.READY, ImportState.FAILED, ImportState.CANCELLED})
REVERTABLE: Final = frozenset({ImportState.COMPLETED, ImportState.CANCELLED, ImportState.FAILED})
KEPT_FOR: Final = timedelta(hours=24)
"""How long a file is kept that nobody imports."""
SILENT_FOR: Final = timedelta(hours=1)
"""How long nothing may be told of an import whose rows come as commands, until it is taken for stopped."""

_FAILURES: Final = {
    "internal": "this should not have happened, and was logged; start it again",
    "no_csv": "the file cannot be read as CSV to its end: correct it, and import it anew",
}


def explain(failure: str) -> str:
    """What went wrong and what to do, for people."""
    return _FAILURES[failure]


def completed(counts: ImportCounts, recorded: Mapping[OutcomeVerdict, int], waiting: int) -> ImportCounts:
    """The counts of an import that has come to its end.

    What has another verdict than the others is a duplicate: it was there already as the row says, or repeats an earlier row.

    Parameters:
        recorded: how many of its outcomes got which verdict now.
        waiting: how many of them have none yet.
    """
    done = recorded.get(OutcomeVerdict.RECORDED, 0)
    known = done + counts.outcomes_blocked + counts.outcomes_refused + waiting
    return counts.model_copy(
        update={
            "duplicate": counts.rows - counts.bad_rows - counts.accepted - counts.updated - counts.rejected,
            "outcomes_recorded": done,
            "outcomes_waiting": waiting,
            "outcomes_duplicate": max(0, counts.outcomes - known),
        }
    )
