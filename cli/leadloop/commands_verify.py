"""``leadloop outreach verify``: what outreach promises, proven. `leadloop.main` says what the command does."""

import sys
from collections.abc import Sequence

from leadloop.app import Common
from leadloop.output import Answer, table
from leadloop.verifying.check import Check
from leadloop.verifying.play import play


async def verify(*, common: Common = Common()) -> Answer:
    """``leadloop outreach verify``. It starts an installation of its own, whatever home is named."""
    return _answer(await play(lambda what: print(what, file=sys.stderr, flush=True)))


def _answer(checks: Sequence[Check]) -> Answer:
    passed = sum(check.passed for check in checks)
    shown = table("Outreach", "check", "", "evidence")
    for check in checks:
        shown.add_row(check.name, "passes" if check.passed else "FAILS", check.evidence)
    return Answer(
        {"checks": [check.as_data() for check in checks]},
        [shown, f"{passed} of {len(checks)} checks pass"],
        ok=bool(checks) and passed == len(checks),
    )
