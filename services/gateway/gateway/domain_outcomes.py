"""Verdicts on outcomes, in words. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from contracts.outcomes import (
    REASON_UNKNOWN,
    BulkResults,
    BulkVerdict,
    OutcomeVerdict,
    Refusal,
)
from contracts.taxonomy import OutcomeType
from gateway.domain_lead import NOT_RECORDED, ODD

ADVICE: Final[Mapping[str, str]] = {
    Refusal.WON_AFTER_LOST: "the lead was lost already; give an override_reason if it was won all the same",
    Refusal.LOST_AFTER_WON: "the lead was won already; give an override_reason if it was lost all the same",
    Refusal.IN_FUTURE: "occurred_at lies in the future; record what has happened",
    Refusal.LEAD_REJECTED: "the lead was rejected when it was submitted; submit it again, corrected",
    Refusal.LEAD_UNKNOWN: "no such lead has come; submit it first",
    REASON_UNKNOWN: "its reason_code is none of the tenant's; give one of those, or none",
}
"""Why an outcome was not recorded and what to do, for programs; `NOT_RECORDED` is for people."""
OUTCOMES: Final = [(type_.value, type_.value.replace("_", " ").capitalize()) for type_ in OutcomeType]
"""Every outcome with what it is called."""
_LINES_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Group:
    """Rows with one verdict.

    Attributes:
        title: the verdict.
        tone: of its badge.
        why: what led to it; empty where there is nothing to say.
        lines: the first of them: their numbers, from 1, and what they name.
    """

    title: str
    tone: str
    why: str
    count: int
    lines: Sequence[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of many rows; `recorded` of them plainly, the others by groups."""

    recorded: int
    groups: Sequence[Group]


def judged(results: BulkResults, named: Sequence[str], numbers: Sequence[int] | None = None) -> Judged:
    """What became of a bulk.

    Args:
        named: what each row of it names.
        numbers: what each row of it is counted as, from 1; by its place, if left out.
    """
    odd = sum(len(verdict.rows) for verdict in results.verdicts if verdict.verdict is OutcomeVerdict.RECORDED)
    return Judged(
        recorded=results.counts.get(OutcomeVerdict.RECORDED, 0) - odd,
        groups=[
            Group(
                *said(verdict), count=len(verdict.rows),
                lines=[(numbers[row] if numbers else row + 1, named[row]) for row in verdict.rows[:_LINES_SHOWN]],
            )
            for verdict in results.verdicts
        ],
    )  # fmt: skip


def joined(parts: Sequence[tuple[BulkResults, int]]) -> BulkResults:
    """What became of a bulk that was recorded in parts of so many rows each."""
    counts: Counter[OutcomeVerdict] = Counter()
    verdicts: list[BulkVerdict] = []
    begin = 0
    for results, rows in parts:
        counts.update(results.counts)
        verdicts += [each.model_copy(update={"rows": [begin + row for row in each.rows]}) for each in results.verdicts]
        begin += rows
    by_verdict: dict[str, BulkVerdict] = {}
    for each in verdicts:
        key = each.model_dump_json(exclude={"rows"})
        same = by_verdict.get(key)
        by_verdict[key] = each.model_copy(update={"rows": [*same.rows, *each.rows]}) if same else each
    bulk_id = next((results.bulk_id for results, _ in parts if results.bulk_id), None)
    return BulkResults(counts=counts, verdicts=list(by_verdict.values()), bulk_id=bulk_id)


def said(verdict: BulkVerdict) -> tuple[str, str, str]:
    """A verdict in words: what it is, the tone of its badge, and why."""
    if verdict.verdict is OutcomeVerdict.RECORDED:
        return "Recorded, with a warning", "warning", "; ".join(ODD[warning] for warning in verdict.warnings)
    if verdict.verdict is OutcomeVerdict.DUPLICATE:
        since = "it was voided since; what happened once more has a moment of its own" if verdict.voided else ""
        return "Recorded before", "plain", since
    why = verdict.refusal or verdict.refused_for
    title = "Blocked" if verdict.verdict is OutcomeVerdict.BLOCKED else "Not recorded"
    return title, "critical", NOT_RECORDED[why] if why else ""


def verdict_of_each(results: BulkResults, rows: int) -> Iterator[tuple[str, str]]:
    """What became of each row, in their order: the verdict, and why."""
    found = {row: said(verdict) for verdict in results.verdicts for row in verdict.rows}
    for row in range(rows):
        title, _, why = found.get(row, ("Recorded", "", ""))
        yield title, why
