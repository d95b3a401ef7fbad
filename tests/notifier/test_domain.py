"""What an alert says, and when a dismissed one is raised again."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.notifier import AlertView
from contracts.taxonomy import AlertCategory, Severity
from notifier.domain import OUTCOME_MISSING, Missing, Step, step
from tests.notifier.scene import QUIET_SINCE, view

LEADS = [UUID(int=n) for n in range(130)]
leads = st.lists(st.sampled_from(LEADS[:8]), unique=True)


def alert(missing: Missing, *, dismissed: bool) -> AlertView:
    now = datetime.now(UTC)
    return AlertView(
        alert_id=UUID(int=1), category=AlertCategory.OPS, code=OUTCOME_MISSING, severity=Severity.WARNING,
        title=missing.notice.title, message=missing.notice.message, evidence=missing.notice.evidence, raised_at=now,
        dismissed_at=now if dismissed else None, dismissed_by="user:7" if dismissed else None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("count", "title", "message"),
    [
        (1, "1 lead needs an outcome update", "1 high-value lead has not been updated in 7+ days"),
        (15, "15 leads need outcome updates", "15 high-value leads have not been updated in 7+ days"),
    ],
)
def test_an_alert_says_how_many_leads_need_an_update(count: int, title: str, message: str) -> None:
    notice = Missing.read(view(LEADS[:count])).notice
    assert notice.title == title
    assert notice.message.startswith(message)


def test_the_evidence_names_a_hundred_leads_counts_all_and_tells_the_oldest_activity() -> None:
    assert Missing.read(view(LEADS)).notice.evidence == {
        "lead_ids": [str(lead) for lead in LEADS[:100]],
        "count": 130,
        "oldest_activity": QUIET_SINCE.isoformat(),
    }


@given(found=leads, before=leads.filter(bool))
def test_a_dismissed_condition_is_raised_again_only_when_leads_join(found: list[UUID], before: list[UUID]) -> None:
    dismissed = alert(Missing.read(view(before)), dismissed=True)
    joined = bool(set(found) - set(before))
    expected = Step.RESOLVE if not found else Step.ALERT if joined else Step.LEAVE
    assert step(Missing.read(view(found)), [dismissed]) is expected


@pytest.mark.parametrize(("found", "expected"), [(LEADS[:129], Step.LEAVE), (LEADS, Step.LEAVE)])
def test_beyond_a_hundred_leads_a_dismissed_condition_is_silent_until_the_count_rises(
    found: list[UUID], expected: Step
) -> None:
    dismissed = alert(Missing.read(view(LEADS)), dismissed=True)
    assert step(Missing.read(view(found)), [dismissed]) is expected
    assert step(Missing.read(view(LEADS)), [alert(Missing.read(view(LEADS[:129])), dismissed=True)]) is Step.ALERT


@given(found=leads, before=leads.filter(bool))
def test_an_open_alert_follows_what_is_found_and_ends_when_nothing_is(found: list[UUID], before: list[UUID]) -> None:
    standing = [alert(Missing.read(view(before)), dismissed=False)]
    assert step(Missing.read(view(found)), standing) is (Step.ALERT if found else Step.RESOLVE)


@given(found=leads)
def test_a_condition_without_an_alert_gets_one_when_something_is_found(found: list[UUID]) -> None:
    assert step(Missing.read(view(found)), []) is (Step.ALERT if found else Step.LEAVE)
