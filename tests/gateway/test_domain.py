"""The gateway's own arithmetic: credentials, and what the activity list says."""

from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from contracts.aggregator.events import StoredEvent
from gateway.domain_activity import mark_of, tell
from gateway.identity.credentials import SignInToken, digest, key_id_of, matches, new_key


def test_an_api_key_names_its_id_and_is_known_by_its_digest() -> None:
    id_ = UUID("019a2f3e-8c1d-7b54-9d7e-3f5f0c2b6a11")
    key = new_key(id_)
    assert key.startswith("ll_019a2f3e8c1d7b549d7e3f5f0c2b6a11_")
    assert len(key.split("_", 2)[2]) >= 43, "32 random bytes in base64"
    assert key_id_of(key) == id_
    assert matches(key, digest(key)) and not matches(key[:-1], digest(key)) and new_key(id_) != key


@given(st.text())
def test_whatever_is_shown_as_a_key_is_read_without_an_error(text: str) -> None:
    assert key_id_of(text) is None
    assert str(SignInToken.read(text)) in (text, text + ".")


def test_the_activity_list_says_what_happened_in_words_of_ours_only() -> None:
    event = StoredEvent(
        event_id=UUID(int=1), type="outcomes.event.outcome_refused.v1", occurred_at=datetime(2020, 1, 1, tzinfo=UTC),
        told_at=datetime(2026, 1, 1, tzinfo=UTC), stored_at=datetime(2027, 1, 1, tzinfo=UTC),
        lead_id=UUID("019a2f3e-8c1d-7b54-9d7e-3f5f0c2b6a11"),
        body={"type": "closed_won", "refusal": "won_after_lost", "metadata": {"type": "Ada"}, "source_id": "Ada"},
    )  # fmt: skip
    line = tell(event)
    assert (line.owner, line.what, line.more) == ("outcomes", "Outcome refused", "closed won, won after lost")
    assert (line.lead, line.at.year) == ("2b6a11", 2026)
    assert "Ada" not in repr(line)


def test_an_activity_list_is_another_where_an_event_comes_late_behind_the_first() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    first, late, last = (
        StoredEvent(
            event_id=UUID(int=n), type="a.event.b.v1", occurred_at=moment, stored_at=moment, lead_id=None, body={}
        )
        for n in (3, 2, 1)
    )
    assert len({mark_of(events) for events in ([], [first], [first, last], [first, late, last])}) == 4
    assert mark_of([first, last]) == mark_of([first, last]) and mark_of([]) == ""
    assert len(mark_of([first, late])) <= 64, "as long as an address takes it"
