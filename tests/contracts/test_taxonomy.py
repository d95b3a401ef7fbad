"""The words are spelled once, as the documents spell them, and their functions never fail on what people type."""

import math
import re
from decimal import Decimal
from enum import StrEnum

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contracts import taxonomy
from contracts.taxonomy import KEY_LENGTH, STAGE_OF, Band, OutcomeType, Stage, band, key

WORDS = {
    "Channel": "email linkedin sms phone",
    "SendKind": "email connection_request linkedin_message sms",
    "Fault": "recipient reputation policy transient",
    "Role": "viewer agent operator admin auditor superadmin",
    "Purpose": "work_lead send_message verify_identity subject_request fraud_check support",
    "MergePolicy": "keep_both into_oldest into_newest",
    "OutcomeType": "contacted appointment_set listing_signed buyer_agreement closed_won closed_lost invalid",
    "Stage": "top_of_funnel mid_funnel won lost invalid",
    "Intent": "buyer seller",
    "Timeline": "0-30 31-90 91-180 180+",
    "Band": "<200k 200k-300k 300k-500k 500k+",
    "Tier": "A B C D",
    "QueueType": "unsigned_users requirements_outstanding none",
    "OutreachEventType": (
        "message_queued message_sent message_failed reply_received reply_classified followup_scheduled followup_sent "
        "campaign_paused campaign_resumed automation_throttled automation_resumed captcha_detected "
        "manual_action_required"
    ),
    "ReplyClass": "interested not_interested out_of_office unsubscribe wrong_person auto_reply",
    "ActionType": "discovery enrichment outreach",
    "EntityType": "company individual",
    "ActionStatus": "completed partial no_action",
    "EnrichmentStep": "find_companies find_contacts enrich_emails",
    "EnrichmentStatus": "pending running succeeded failed cancelled skipped budget_exhausted",
    "ProviderKind": "http csv pattern",
    "AlertCategory": "ops data_quality performance",
    "Severity": "info warning critical",
    "SystemStatus": "Healthy Throttled Paused Error",
}


def test_every_word_is_spelled_as_the_documents_spell_it() -> None:
    enums = {
        name: each for name, each in vars(taxonomy).items() if isinstance(each, type) and issubclass(each, StrEnum)
    }
    assert {name: " ".join(each) for name, each in enums.items() if each is not StrEnum} == WORDS


def test_every_outcome_has_its_stage() -> None:
    assert STAGE_OF == {
        OutcomeType.CONTACTED: Stage.TOP_OF_FUNNEL,
        OutcomeType.APPOINTMENT_SET: Stage.MID_FUNNEL,
        OutcomeType.LISTING_SIGNED: Stage.MID_FUNNEL,
        OutcomeType.BUYER_AGREEMENT: Stage.MID_FUNNEL,
        OutcomeType.CLOSED_WON: Stage.WON,
        OutcomeType.CLOSED_LOST: Stage.LOST,
        OutcomeType.INVALID: Stage.INVALID,
    }
    assert set(STAGE_OF) == set(OutcomeType)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dublin, OH", "dublin_oh"),
        (" São  Paulo! ", "sao_paulo"),
        ("Zürich", "zurich"),
        ("STRASSE", "strasse"),
        ("open_house--2026", "open_house_2026"),
        ("Ｆｕｌｌ　Ｗｉｄｔｈ", "full_width"),
        ("東京", "東京"),
        ("???", ""),
        ("", ""),
    ],
)
def test_a_key_is_lower_case_without_accents_and_other_characters(text: str, expected: str) -> None:
    assert key(text) == expected


@given(st.text())
@example("İstanbul")
@example("ﷺ" * 500)
@example("\ud800")
@example("a" * (KEY_LENGTH - 1) + " b")
def test_a_key_is_its_own_key_and_fits_its_field(text: str) -> None:
    made = key(text)
    assert key(made) == made
    assert len(made) <= KEY_LENGTH
    assert re.fullmatch(r"([^\W_]+(_[^\W_]+)*)?", made)


@given(st.text(alphabet=st.characters(codec="ascii")))
def test_a_key_of_ascii_is_what_the_long_way_makes_of_it(text: str) -> None:
    # The accent is stripped again, and the long way is taken: the short way for ASCII must not differ.
    assert key(text) == key(text + "\u0301")


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (0, Band.BELOW_200K),
        (Decimal("199999.99"), Band.BELOW_200K),
        (200_000, Band.FROM_200K),
        (299_999.99, Band.FROM_200K),
        (300_000, Band.FROM_300K),
        (Decimal("499999.99"), Band.FROM_300K),
        (500_000, Band.FROM_500K),
        (math.inf, Band.FROM_500K),
    ],
)
def test_a_bound_belongs_to_the_band_it_opens(amount: Decimal | int | float, expected: Band) -> None:
    assert band(amount) is expected
