"""Whether a webhook was signed: as Standard Webhooks have it, by their own example, and by nothing that was changed."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.webhooks.domain_signature import TOLERANCE, Signed, shown

SECRET = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
BODY = b'{"test": 2432232314}'
HEADERS = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
"""The example of the reference libraries (standard-webhooks/libraries)."""
SENT = datetime.fromtimestamp(1614265330, UTC)


def read(**changes: str) -> Signed | None:
    return Signed.read(HEADERS | {name.replace("_", "-"): value for name, value in changes.items()})


def test_the_standards_own_example_is_signed() -> None:
    signed = read()
    assert signed is not None and signed.is_by([SECRET], BODY)
    assert shown(SECRET) == "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_one_of_several_secrets_and_one_of_several_signatures_are_enough() -> None:
    other = base64.b64encode(b"x" * 32).decode()
    signed = read(webhook_signature=f"v1a,{other} v1,{other} {HEADERS['webhook-signature']}")
    assert signed is not None and signed.is_by([b"new" * 10, SECRET], BODY)
    assert not signed.is_by([b"new" * 10], BODY)
    assert not signed.is_by([], BODY)


@given(st.sampled_from(["webhook-id", "webhook-timestamp", "body"]), st.integers(0, 19), st.integers(1, 9))
def test_nothing_that_was_changed_is_signed(what: str, at: int, by: int) -> None:
    headers, body = dict(HEADERS), BODY
    if what == "body":
        body = body[:at] + bytes([body[at] ^ by]) + body[at + 1 :]
    else:
        old = headers[what]
        place = at % len(old)
        new = str((int(old[place]) + by) % 10) if what == "webhook-timestamp" else chr(ord(old[place]) ^ by)
        headers[what] = old[:place] + new + old[place + 1 :]
    signed = Signed.read(headers)
    assert signed is None or (headers == HEADERS and body == BODY) or not signed.is_by([SECRET], body)


@pytest.mark.parametrize(
    ("late", "recent"),
    [(timedelta(), True), (TOLERANCE, True), (-TOLERANCE, True), (TOLERANCE + timedelta(seconds=1), False)],
)
def test_a_webhook_counts_for_five_minutes_whosever_clock_is_off(late: timedelta, recent: bool) -> None:
    signed = read()
    assert signed is not None
    assert signed.is_recent(SENT + late) is recent
    assert signed.is_recent(SENT - late) is recent


@pytest.mark.parametrize(
    "changes",
    [
        {"webhook_id": ""},
        {"webhook_id": "x" * 201},
        {"webhook_id": "a\x00b"},
        {"webhook_timestamp": "-1"},
        {"webhook_timestamp": "١٦١٤٢٦٥٣٣٠"},
        {"webhook_timestamp": "1" * 13},
        {"webhook_signature": ""},
        {"webhook_signature": "v2,AAAA"},
        {"webhook_signature": "v1,not base64!"},
    ],
)
def test_what_is_malformed_is_not_looked_at(changes: dict[str, str]) -> None:
    assert read(**changes) is None
