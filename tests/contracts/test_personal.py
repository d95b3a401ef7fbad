"""What looks like a telephone number or an e-mail address is known for it, and keys are not."""

from typing import Any

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat
from pydantic import BaseModel, TypeAdapter, ValidationError

from contracts.catalogue import CATALOGUE, Entry
from contracts.intake.leads import LeadRejected, SubmitLead
from contracts.message import Kind
from contracts.outcomes import Outcome, OutcomeBatch
from contracts.personal import is_contact, looks_like_pii, same_number
from contracts.taxonomy import key
from contracts.values import Actor, LeadRef

AROUND = st.text(alphabet="abcxyz _-/:", max_size=10)
NUMBERS = st.builds(
    phonenumbers.format_number,
    st.integers(200_000_0000, 999_999_9999).map(lambda digits: phonenumbers.PhoneNumber(1, digits))
    | st.sampled_from(["GB", "DE", "FR", "IN", "BR", "SG", "DK", "JP"]).map(phonenumbers.example_number),
    st.sampled_from([PhoneNumberFormat.E164, PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.NATIONAL]),
)


@given(AROUND, NUMBERS, AROUND)
def test_a_telephone_number_is_found_in_any_text(before: str, number: str, after: str) -> None:
    assert looks_like_pii(f"{before}{number}{after}")


@given(AROUND, st.emails(), AROUND)
def test_an_email_address_is_found_in_any_text(before: str, address: str, after: str) -> None:
    assert looks_like_pii(f"{before}{address}{after}")
    assert looks_like_pii(f"{before}{address.replace('@', '%40')}{after}")


@pytest.mark.parametrize(
    "text",
    [
        "jane @ example.com",
        "jane＠example.com",
        "614_410_1234",
        "+1 (614) 410 • 1234",
        "٦١٤٤١٠١٢٣٤",
        "⑥①④④①⓪①②③④",
        "4101234",
        "+20240512",
        "2024 0512",
        "20241399",
        "24-05-12-99",
        "Dublin, OH 43017-12345",
        "sp 91234-5678",
    ],
)
def test_pii_is_found_however_it_is_written(text: str) -> None:
    assert looks_like_pii(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "google",
        "campaign_2024_05",
        "utm_12345",
        "utm_123456",
        "fb_300x250_2024_05",
        "Dublin, OH 43017",
        "Dublin, OH 43017-1234",
        "dublin_oh_43017_1234",
        "fb_ad_1202098765432101",
        "instagram @leadloop",
        "open house 2024-05-12",
        "google_20240512",
        "05/12/2024",
        "12.05.2024 - 14.05.2024",
        "24/7",
        "home_loan",
        "Route 66, 5 pm",
    ],
)
def test_an_ordinary_key_is_not_pii(text: str) -> None:
    assert not looks_like_pii(text)


@given(st.text() | st.text(alphabet="0123456789 -_./+@a\u0300①²", max_size=24))
def test_no_key_is_pii_unless_its_text_was(text: str) -> None:
    assert looks_like_pii(text) or not looks_like_pii(key(text))


WRITTEN_NUMBERS = st.builds(
    phonenumbers.format_number,
    st.sampled_from(["US", "GB", "DE", "FR", "IN", "BR"]).map(phonenumbers.example_number),
    st.sampled_from([PhoneNumberFormat.E164, PhoneNumberFormat.INTERNATIONAL]),
)


@given(st.sampled_from(["", "phone:", "tel: ", "L "]), WRITTEN_NUMBERS)
def test_an_identifier_written_as_a_telephone_number_is_a_contact(before: str, number: str) -> None:
    assert is_contact(f"{before}{number}")


@pytest.mark.parametrize(
    "identifier",
    [
        "jane.roe@example.com",
        "crm:jane.roe%40example.com",
        "jane＠example.com",
        "(614) 555-0142",
        "614-555-0142",
        "1.614.555.0142",
        "L-614-555-0142",
        "020 7946 0958",
        "030/901820",
        "06.12.34.56.78",
        "020-7946-0958",
        "＋1 614 555 0142",
        "tel:6145550142",
        "Tel 6145550142",
        "phone=6145550142",
        "sms:+16145550142",
        "callto:6145550142",
        "wa_16145550142",
        "wa.me/16145550142",
        "crm-whatsapp:+16145550142",
        "whatsapp:6145550142",
    ],
)
def test_a_contact_is_known_as_an_identifier_however_it_is_written(identifier: str) -> None:
    assert is_contact(identifier)


@given(st.uuids() | st.integers(0, 10**18) | st.from_regex(r"\A[A-Z]{1,3}-[0-9]{1,9}\Z"))
def test_a_record_s_number_is_no_contact(identifier: object) -> None:
    assert not is_contact(str(identifier))


@pytest.mark.parametrize(
    "identifier",
    [
        "2024-000123",
        "00Q5f000003xYzABC",
        "12.34.567",
        "lead 7",
        "@web",
        "2024-05-12",
        "hotel_6145550142",
        "iowa_16145550142",
        "WA_1234567",
        "tel:12",
        "sms_20240512",
        "tel:1234567890123456",
    ],
)
def test_an_ordinary_identifier_is_no_contact(identifier: str) -> None:
    assert not is_contact(identifier)


ACTOR = TypeAdapter(Actor).json_schema()
ID = {"source_system": "crm", "source_id": "1"}
UUID = "01a20127-6e5b-4444-8888-812345678901"


@pytest.mark.parametrize(
    ("source_id", "phone", "contact"),
    [
        ("jane@example.com", None, True),
        ("614-555-0142", None, True),
        ("6145550142", None, False),
        ("6145550142", "+1 (614) 555-0142 ext. 9", True),
        ("6145550142", "+1 (614) 555-0143", False),
        ("p16145550142", "614 555 0142", True),
        ("0612345678", "+33 6 12 34 56 78", True),
        ("L-1042", "+1 614 555 1042", False),
        ("~" + "6145550142" * 6 + "0000", "614 555 0142", False),
    ],
)
def test_an_id_of_digits_is_a_contact_if_it_is_the_leads_own_number_and_a_token_is_none(
    source_id: str, phone: str | None, contact: bool
) -> None:
    assert SubmitLead(source_system="crm", source_id=source_id, phone=phone).id_is_a_contact is contact


@pytest.mark.parametrize(
    ("make", "fields", "wrong"),
    [
        (SubmitLead, {**ID, "source_system": "+1 614 555 0142"}, "source_system"),
        (LeadRef, {**ID, "source_system": "jane@example.com"}, "source_system"),
        (LeadRejected, {**ID, "source_id": "jane@example.com", "submission_id": UUID, "reasons": []}, "source_id"),
        (OutcomeBatch, {"lead": ID, "outcomes": [{"type": "contacted"}], "recorded_by": "jane@x.com"}, "recorded_by"),
        (OutcomeBatch, {"lead": ID, "outcomes": [{"type": "contacted"}], "recorded_by": "jane.roe"}, "recorded_by"),
        (OutcomeBatch, {"lead": ID, "outcomes": [{"type": "contacted"}], "recorded_by": "user:6145550142"}, "recorded_by"),
        (Outcome, {"type": "contacted", "reason_code": "call_614_555_0142"}, "reason_code"),
        (Outcome, {"type": "contacted", "reason_code": "Jane Roe moved away"}, "reason_code"),
    ],
)  # fmt: skip
def test_what_travels_in_clear_holds_no_contact_and_the_refusal_does_not_quote_it(
    make: type[BaseModel], fields: dict[str, Any], wrong: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        make.model_validate(fields)
    (error,) = refused.value.errors(include_input=False, include_context=False)
    assert error["loc"] == (wrong,)
    assert "0142" not in error["msg"]
    assert "jane" not in error["msg"].lower()


@pytest.mark.parametrize("actor", ["user:7", "import", f"key:{UUID}", UUID, "agent:0055f000", "demo_live-2"])
def test_an_actor_is_a_users_agents_or_keys_id(actor: str) -> None:
    assert OutcomeBatch(lead=LeadRef(**ID), outcomes=[Outcome(type="contacted")], recorded_by=actor)


@pytest.mark.parametrize("code", ["price_too_high", "30_days_no_answer", "lost_2024_05"])
def test_a_reason_is_a_code(code: str) -> None:
    assert Outcome(type="closed_lost", reason_code=code).reason_code == code


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("0612345678", "+33 6 12 34 56 78", True),
        ("6145550142", "(614) 555-0142", True),
        ("L-1042", "+1 614 555 1042", False),
        ("6145550143", "(614) 555-0142", False),
    ],
)
def test_a_number_is_the_same_in_any_notation(one: str, other: str, same: bool) -> None:
    assert same_number(one, other) == same_number(other, one) == same


@pytest.mark.parametrize(
    "entry", [entry for entry in CATALOGUE if entry.topic.kind is Kind.EVENT], ids=lambda entry: entry.topic.type
)
def test_whoever_acted_is_told_by_an_id_in_every_event(entry: Entry) -> None:
    """An `Actor`, a word of a list, or the id of another thing."""
    schema = entry.message.model_json_schema()
    for part in (schema, *schema.get("$defs", {}).values()):
        for name, field in part.get("properties", {}).items():
            if name.endswith("_by"):
                kinds = [kind for kind in field.get("anyOf", [field]) if kind.get("type") != "null"]
                assert all(
                    "$ref" in kind or kind.get("format") == "uuid" or kind["pattern"] == ACTOR["pattern"]
                    for kind in kinds
                ), name
