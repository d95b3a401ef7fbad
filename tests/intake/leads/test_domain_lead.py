"""A submission becomes a lead with everything usable in it, and nothing of it leaks."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.gateway import TenantSettings
from contracts.intake.leads import LeadSubmission
from contracts.personal import is_contact, looks_like_pii
from contracts.taxonomy import Band, Intent, Tier, Timeline
from contracts.values import Attribution
from intake.leads.domain_lead import CLOCK_SKEW, NormalLead, Rejection, changed_fields, normalise

RECEIVED = datetime(2026, 3, 4, 12, tzinfo=UTC)
SETTINGS = TenantSettings()
KEY = b"k" * 32
WHOLE: dict[str, Any] = {
    "full_name": "JANE MCDONALD",
    "phone": "(614) 410-1234 x5",
    "email": "Jane@Example.com",
    "linkedin_url": "linkedin.com/in/jane",
    "source": "Google Ads",
    "geo": "Dublin, OH",
    "country": "USA",
    "time_zone": "America/Chicago",
    "intent": "buying",
    "timeline": "0-30 days",
    "price": "$350k",
    "budget": 250_000,
    "tier": "hot",
    "product_interest": "home loan",
    "partner": "ACME Bank",
    "created_at": RECEIVED - timedelta(days=3),
    "last_activity_at": RECEIVED - timedelta(days=1),
    "notes": " call (614) 410-1234 ",
    "metadata": {"utm_source": "google", "city": "Dublin"},
}
UNUSABLE: list[tuple[str, Any, str]] = [
    ("full_name", "???", "no_letters"),
    ("phone", "395-557-1028", "not_a_phone"),
    ("email", "jane-at-example", "not_an_email"),
    ("linkedin_url", "janes-page", "not_a_profile"),
    ("source", "from 614-410-1234", "pii_in_key"),
    ("source", "https://example.com/?utm_source=jane%40example.com", "pii_in_key"),
    ("geo", "near jane@example.com", "pii_in_key"),
    ("country", "Utopia", "not_a_country"),
    ("time_zone", "EST", "not_a_time_zone"),
    ("product_interest", "!!!", "no_letters"),
    ("partner", "partner +1 614 410 1234", "pii_in_key"),
    ("intent", "both", "not_an_intent"),
    ("timeline", "someday", "not_a_timeline"),
    ("price", "a lot", "not_an_amount"),
    ("budget", -1, "not_an_amount"),
    ("tier", "lukewarm", "not_a_tier"),
    ("created_at", RECEIVED + CLOCK_SKEW + timedelta(seconds=1), "in_future"),
    ("created_at", datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))), "too_early"),
    ("last_activity_at", RECEIVED + timedelta(days=1), "in_future"),
]


def submission(**fields: Any) -> LeadSubmission:
    return LeadSubmission(source_system="web", source_id="s1", **fields)


def normal(*, strict: bool = False, received: datetime = RECEIVED, key: bytes = KEY, **fields: Any) -> NormalLead:
    lead = normalise(submission(**fields), SETTINGS, received, strict=strict, digest_key=key)
    assert isinstance(lead, NormalLead)
    return lead


def rejected(*, strict: bool = False, **fields: Any) -> list[str]:
    rejection = normalise(submission(**fields), SETTINGS, RECEIVED, strict=strict, digest_key=KEY)
    assert isinstance(rejection, Rejection)
    return [f"{flaw.field}: {flaw.code}" for flaw in rejection.reasons]


@pytest.mark.parametrize("strict", [True, False])
def test_a_whole_submission_becomes_a_whole_lead(strict: bool) -> None:
    lead = normal(strict=strict, **WHOLE)
    assert (lead.name, lead.phone, lead.phone_extension) == ("Jane McDonald", "+16144101234", "5")
    assert (lead.email, lead.linkedin_url) == ("jane@example.com", "https://www.linkedin.com/in/jane/")
    assert lead.attribution == Attribution(
        source_key="google_ads",
        geo_key="dublin_oh",
        intent=Intent.BUYER,
        timeline=Timeline.DAYS_0_30,
        price_band=Band.FROM_300K,
        budget_band=Band.FROM_200K,
        tier=Tier.A,
        product_interest="home_loan",
        partner="acme_bank",
    )
    assert lead.time_zone == "America/Chicago"
    assert (lead.created_at, lead.last_activity_at) == (WHOLE["created_at"], WHOLE["last_activity_at"])
    assert (lead.notes, lead.clear_metadata, lead.private_metadata) == (
        "call (614) 410-1234",
        {"utm_source": "google"},
        {"city": "Dublin"},
    )
    assert lead.warnings == []


def test_a_number_is_read_in_the_tenants_region() -> None:
    lead = normalise(
        submission(phone="020 7183 8750"), TenantSettings(region="GB"), RECEIVED, strict=True, digest_key=KEY
    )
    assert isinstance(lead, NormalLead)
    assert lead.phone == "+442071838750"


@pytest.mark.parametrize(
    ("country", "typed", "number"),
    [
        ("GB", "020 7183 8750", "+442071838750"),
        ("Deutschland", "030 901820", "+4930901820"),
        ("GB", "(614) 410-1234", "+16144101234"),
        ("GB", "+1 614 410 1234", "+16144101234"),
        ("Utopia", "(614) 410-1234", "+16144101234"),
        (None, "020 7183 8750", None),
    ],
)
def test_a_number_is_read_in_the_person_s_country_before_the_tenant_s(
    country: str | None, typed: str, number: str | None
) -> None:
    assert normal(full_name="Jane", phone=typed, country=country).phone == number


def test_a_place_is_read_in_the_person_s_country_before_the_tenant_s() -> None:
    assert normal(full_name="Jane", geo="Atlanta, Georgia").attribution.geo_key == "atlanta_ga"
    assert normal(full_name="Jane", geo="Batumi, Georgia", country="GE").attribution.geo_key == "batumi_georgia"


@pytest.mark.parametrize(
    ("fields", "zone"),
    [
        ({"time_zone": "europe/berlin", "phone": "(614) 410-1234"}, "Europe/Berlin"),
        ({"time_zone": "EST", "phone": "(614) 410-1234"}, "America/New_York"),
        ({"phone": "(614) 410-1234", "geo": "Denver, CO", "country": "FR"}, "America/New_York"),
        ({"phone": "(800) 410-1234", "geo": "Denver, CO"}, "America/Denver"),
        ({"geo": "Denver, Colorado", "country": "FR"}, "America/Denver"),
        ({"geo": "Miami, FL"}, None),
        ({"geo": "Lyon, France"}, "Europe/Paris"),
        ({"geo": "Lyon", "country": "FR"}, "Europe/Paris"),
        ({"geo": "Houston, TX", "country": "US"}, None),
        ({"geo": "Lyon"}, None),
        ({"geo": "near jane@example.com, OH"}, None),
        ({}, None),
    ],
)
def test_the_time_zone_is_the_given_one_or_the_phone_s_or_the_place_s(fields: dict[str, str], zone: str | None) -> None:
    assert normal(full_name="Jane", **fields).time_zone == zone


def test_metadata_names_the_source_only_where_the_source_is_missing_and_the_tenant_allows_it() -> None:
    campaign = {"utm_source": "Google", "utm_medium": "cpc"}
    assert normal(full_name="Jane", metadata=campaign).attribution.source_key == "google"
    assert normal(full_name="Jane", metadata=campaign, source="Open House").attribution.source_key == "open_house"
    assert normal(full_name="Jane", metadata=campaign, source="???").attribution.source_key is None
    private = normalise(
        submission(full_name="Jane", metadata=campaign),
        TenantSettings(metadata_allowed=frozenset()),
        RECEIVED,
        strict=True,
        digest_key=KEY,
    )
    assert isinstance(private, NormalLead)
    assert private.attribution.source_key is None


@pytest.mark.parametrize(("field", "value", "code"), UNUSABLE)
def test_what_is_unusable_is_dropped_with_a_warning_or_refused_when_strict(field: str, value: Any, code: str) -> None:
    fields = {"full_name": "Jane Roe", "email": "jane@example.com"} | {field: value}
    flaws = normal(**fields).warnings
    assert [(flaw.field, flaw.code) for flaw in flaws] == [(field, code)]
    assert rejected(strict=True, **fields) == [f"{field}: {code}"]
    assert str(value) not in flaws[0].message
    assert not looks_like_pii(flaws[0].message)
    assert normal(**fields).attribution == Attribution()


def test_a_strict_refusal_names_every_unusable_field() -> None:
    assert rejected(strict=True, phone="1", email="x", tier="E", full_name="Jane") == [
        "phone: not_a_phone",
        "email: not_an_email",
        "tier: not_a_tier",
    ]


@pytest.mark.parametrize("contact", [{"full_name": "Jane"}, {"phone": "614-410-1234"}, {"email": "jane@example.com"}])
def test_any_one_of_name_phone_and_email_makes_a_lead(contact: dict[str, str]) -> None:
    assert normal(strict=True, **contact).warnings == []


@pytest.mark.parametrize("strict", [True, False])
def test_without_name_phone_and_email_there_is_no_lead(strict: bool) -> None:
    assert rejected(strict=strict, linkedin_url="linkedin.com/in/jane") == ["full_name: no_contact"]
    assert rejected(strict=strict, full_name=" ", phone="12") == ["phone: not_a_phone", "full_name: no_contact"]


def test_a_blank_text_counts_as_not_given() -> None:
    blank = normal(full_name="Jane", phone=" ", source="", metadata={})
    assert blank.warnings == []
    assert blank.digest == normal(full_name=" Jane ").digest


def test_a_time_that_was_not_given_or_is_unusable_is_none() -> None:
    assert normal(full_name="Jane").created_at is None
    assert normal(full_name="Jane", created_at=datetime(1753, 1, 1, tzinfo=UTC)).created_at is None


def test_a_clock_that_runs_a_little_ahead_counts_as_now() -> None:
    lead = normal(full_name="Jane", created_at=RECEIVED + CLOCK_SKEW, last_activity_at=RECEIVED + CLOCK_SKEW)
    assert (lead.created_at, lead.last_activity_at, lead.warnings) == (RECEIVED, RECEIVED, [])


@pytest.mark.parametrize(
    "value",
    [
        "call 614-410-1234",
        "jane%40example.com",
        6144101234,
        6144101234.0,
        "x" * 501,
        "a\0b",
        {"a": 1},
        ["a"],
        float("nan"),
    ],
)
def test_metadata_that_may_not_be_clear_is_sealed_with_a_warning(value: Any) -> None:
    lead = normal(strict=True, full_name="Jane", metadata={"utm_term": value})
    assert (lead.clear_metadata, lead.private_metadata) == ({}, {"utm_term": value})
    assert [(flaw.field, flaw.code) for flaw in lead.warnings] == [("metadata.utm_term", "pii_in_metadata")]


@pytest.mark.parametrize("value", ["campaign_2024_05", 5, 0.25, True, None])
def test_metadata_the_tenant_allows_stays_clear(value: Any) -> None:
    lead = normal(full_name="Jane", metadata={"utm_term": value})
    assert (lead.clear_metadata, lead.private_metadata, lead.warnings) == ({"utm_term": value}, {}, [])


def test_the_digest_does_not_depend_on_when_or_in_which_order_it_came() -> None:
    again = normal(received=RECEIVED + timedelta(days=9), **dict(reversed(WHOLE.items())))
    assert again.digest == normal(**WHOLE).digest


@pytest.mark.parametrize(
    ("field", "same"),
    [
        ("created_at", WHOLE["created_at"].astimezone(timezone(timedelta(hours=-5)))),
        ("budget", 250_000.0),
        ("metadata", {"city": "Dublin", "utm_source": "google"}),
    ],
)
def test_an_equal_value_has_the_same_digest(field: str, same: Any) -> None:
    assert normal(**WHOLE | {field: same}).digest == normal(**WHOLE).digest


def test_a_number_and_a_text_of_other_meaning_differ() -> None:
    assert normal(full_name="Jane", price=16).digest != normal(full_name="Jane", price="10").digest


@pytest.mark.parametrize("field", WHOLE)
@pytest.mark.parametrize("how", ["other", "gone"])
def test_an_update_names_the_field_that_changed(field: str, how: str) -> None:
    other = {"budget": 1, "created_at": RECEIVED, "last_activity_at": RECEIVED, "metadata": {"city": "Rome"}}
    after = {name: value for name, value in WHOLE.items() if name != field}
    if how == "other":
        after[field] = other.get(field, "something else")
    before, changed = normal(**WHOLE), normal(**after)
    assert changed_fields(before.field_digests, changed.field_digests) == [field]
    assert changed.digest != before.digest


def test_a_digest_cannot_be_guessed_without_the_key_nor_compared_between_leads_and_fields() -> None:
    lead = normal(full_name="Jane", notes="Jane")
    other = normalise(
        LeadSubmission(source_system="we", source_id="bs1", full_name="Jane"),
        SETTINGS,
        RECEIVED,
        strict=True,
        digest_key=KEY,
    )
    assert isinstance(other, NormalLead)
    digests = [
        lead.field_digests["full_name"],
        lead.field_digests["notes"],
        other.field_digests["full_name"],
        normal(full_name="Jane", key=b"q" * 32).field_digests["full_name"],
    ]
    assert len(set(digests)) == 4
    assert {len(digest) for digest in digests} == {8}
    assert len(lead.digest) == 32


@pytest.mark.parametrize("key", [b"", b"k" * 15, b"k" * 65])
def test_a_digest_key_of_another_length_is_refused(key: bytes) -> None:
    with pytest.raises(ValueError, match="16 to 64 bytes"):
        normal(full_name="Jane", key=key)


TEXT = st.none() | st.text(max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
STORABLE = st.characters(codec="utf-8", exclude_characters="\0")
SUBMISSIONS = st.builds(
    LeadSubmission,
    source_system=st.text(STORABLE, min_size=1, max_size=100).filter(lambda text: not is_contact(text)),
    source_id=st.text(STORABLE, min_size=1, max_size=200).filter(lambda text: not is_contact(text)),
    price=TEXT | st.integers() | st.floats(),
    budget=TEXT | st.integers() | st.floats(),
    created_at=st.none() | st.datetimes(timezones=st.timezones()),
    last_activity_at=st.none() | st.datetimes(timezones=st.just(UTC)),
    metadata=st.dictionaries(st.sampled_from(["utm_source", "utm_term", "x"]), JSON, max_size=3),
    **dict.fromkeys(
        [
            "full_name",
            "phone",
            "email",
            "linkedin_url",
            "source",
            "geo",
            "country",
            "time_zone",
            "intent",
            "timeline",
            "tier",
            "product_interest",
        ],
        TEXT,
    ),
    partner=TEXT,
    notes=TEXT,
)


@given(SUBMISSIONS)
def test_any_submission_is_taken_or_rejected_and_strictness_only_decides_which(sent: LeadSubmission) -> None:
    lenient = normalise(sent, SETTINGS, RECEIVED, strict=False, digest_key=KEY)
    strict = normalise(sent, SETTINGS, RECEIVED, strict=True, digest_key=KEY)
    if isinstance(lenient, Rejection):
        assert isinstance(strict, Rejection)
        assert strict.reasons == lenient.reasons
        return
    refused = [flaw for flaw in lenient.warnings if flaw.code != "pii_in_metadata"]
    assert strict == (Rejection(refused) if refused else lenient) or "nan" in repr(sent)
    assert lenient.clear_metadata.keys() | lenient.private_metadata.keys() == sent.metadata.keys()
    assert lenient.created_at is None or lenient.created_at <= RECEIVED
    for clear in (lenient.attribution.source_key, lenient.attribution.geo_key, *lenient.clear_metadata.values()):
        assert not (isinstance(clear, str) and looks_like_pii(clear))
