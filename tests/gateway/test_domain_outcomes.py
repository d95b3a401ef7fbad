"""What became of a bulk in several parts is told as of one."""

from uuid import uuid4

from contracts.outcomes import BulkResults, BulkVerdict, OutcomeVerdict, Refusal
from gateway.domain_outcomes import joined, judged, verdict_of_each

UNKNOWN = {"verdict": OutcomeVerdict.REFUSED, "refusal": Refusal.LEAD_UNKNOWN}
DUPLICATE = {"verdict": OutcomeVerdict.DUPLICATE}


def test_the_rows_of_each_part_are_counted_on_and_those_of_one_verdict_stand_together() -> None:
    bulk = uuid4()
    first = BulkResults(counts={OutcomeVerdict.REFUSED: 2}, verdicts=[BulkVerdict(**UNKNOWN, rows=[0, 1])])
    second = BulkResults(
        counts={OutcomeVerdict.RECORDED: 1, OutcomeVerdict.REFUSED: 1, OutcomeVerdict.DUPLICATE: 1}, bulk_id=bulk,
        verdicts=[BulkVerdict(**DUPLICATE, rows=[2]), BulkVerdict(**UNKNOWN, rows=[0])],
    )  # fmt: skip
    whole = joined([(first, 2), (second, 3)])
    assert whole.counts == {"refused": 3, "recorded": 1, "duplicate": 1}
    assert [(each.verdict, each.rows) for each in whole.verdicts] == [("refused", [0, 1, 2]), ("duplicate", [4])]
    assert whole.bulk_id == bulk
    assert [title for title, _ in verdict_of_each(whole, 5)] == [
        "Not recorded", "Not recorded", "Not recorded", "Recorded", "Recorded before",
    ]  # fmt: skip
    shown = judged(whole, list("abcde"))
    assert (shown.recorded, [group.lines for group in shown.groups]) == (
        1,
        [[(1, "a"), (2, "b"), (3, "c")], [(5, "e")]],
    )


def test_of_no_rows_there_is_nothing() -> None:
    assert joined([]) == BulkResults(counts={}, verdicts=[])
