"""The taxonomy's words are known in what people type, and nothing is guessed."""

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.taxonomy import Band, Intent, Tier, Timeline, band
from intake.leads.domain_amount import read_band
from intake.leads.domain_timeline import read_timeline
from intake.leads.domain_words import read_intent, read_tier

SPANS = st.text(alphabet="0123456789 -+<>daysweekmonthkKM$€,.", max_size=16)


@pytest.mark.parametrize("words", [Intent, Tier, Timeline, Band])
def test_each_word_is_read_as_itself(words: type[Intent] | type[Tier] | type[Timeline] | type[Band]) -> None:
    read = {Intent: read_intent, Tier: read_tier, Timeline: read_timeline, Band: read_band}[words]
    assert [read(word.value) for word in words] == list(words)
    assert [read(f"  {word.value.upper()} ") for word in words] == list(words)


@pytest.mark.parametrize(
    ("typed", "intent"),
    [("buy", Intent.BUYER), ("Selling", Intent.SELLER), ("looking to buy", Intent.BUYER), ("both", None), ("", None)],
)
def test_intent(typed: str, intent: Intent | None) -> None:
    assert read_intent(typed) is intent


@pytest.mark.parametrize(
    ("typed", "tier"),
    [("a", Tier.A), ("HOT", Tier.A), ("warm", Tier.B), ("Cold", Tier.C), ("Tier D", Tier.D), ("E", None), ("", None)],
)
def test_tier(typed: str, tier: Tier | None) -> None:
    assert read_tier(typed) is tier


@pytest.mark.parametrize(
    ("typed", "timeline"),
    [
        ("0-30 days", Timeline.DAYS_0_30),
        ("0 – 30", Timeline.DAYS_0_30),
        ("ASAP", Timeline.DAYS_0_30),
        ("30 days", Timeline.DAYS_0_30),
        ("within 2 weeks", Timeline.DAYS_0_30),
        ("31 days", Timeline.DAYS_31_90),
        ("90 days", Timeline.DAYS_31_90),
        ("1-3 months", Timeline.DAYS_31_90),
        ("91 days", Timeline.DAYS_91_180),
        ("3 to 6 Months", Timeline.DAYS_91_180),
        ("180 days", Timeline.DAYS_91_180),
        ("181 days", Timeline.DAYS_180_PLUS),
        ("6+ months", Timeline.DAYS_180_PLUS),
        ("1 year", Timeline.DAYS_180_PLUS),
    ],
)
def test_a_timeline_has_its_bounds_where_the_taxonomy_has_them(typed: str, timeline: Timeline) -> None:
    assert read_timeline(typed) is timeline


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "soon",
        "30",
        "3-6",
        "1 month",
        "3 months",
        "6 months",
        "within 60 days",
        "0-3 months",
        "60-40 days",
        "30+ days",
    ],
)
def test_a_timeline_that_could_be_two_is_none(typed: str) -> None:
    assert read_timeline(typed) is None


@pytest.mark.parametrize(
    ("typed", "amount"),
    [
        ("$350k", 350_000),
        ("350,000", 350_000),
        ("USD 1,250,000.50", 1_250_000),
        ("€ 450.000", 450_000),
        ("450.000,50 €", 450_000),
        ("250'000 CHF", 250_000),
        ("250 000", 250_000),
        ("1.2m", 1_200_000),
        ("1,5 Mio", 1_500_000),
        ("£0.25 million", 250_000),
        ("300000-400000", 350_000),
        ("$200,000 – $250,000", 225_000),
        ("300-400k", 350_000),
        ("１００k", 100_000),
        ("199999.99", Decimal("199999.99")),
        ("under $200k", 1),
        ("550k or more", 550_000),
        (200_000, 200_000),
        (299_999.99, 299_999),
        (10**400, 500_000),
    ],
)
def test_an_amount_has_the_band_of_its_number(typed: str | float, amount: Decimal | int) -> None:
    assert read_band(typed) is band(amount)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "call me",
        "0",
        "-5",
        "$",
        "1.200k",
        "500k-200k",
        "under 300k",
        "300k+",
        "1" * 101,
        "35,00,000",
        0,
        -1,
        0.0,
        math.nan,
        math.inf,
        -math.inf,
    ],
)
def test_an_amount_that_is_none_or_could_be_two_has_no_band(typed: str | float) -> None:
    assert read_band(typed) is None


@given(st.text() | SPANS)
def test_any_text_is_read(typed: str) -> None:
    for read in (read_intent, read_tier, read_timeline, read_band):
        read(typed)


@given(st.integers(1, 2_000_000), st.sampled_from(["{}", "${:,}", "€ {:,}", "{} USD", "{:,}.00"]))
def test_an_amount_is_the_same_however_it_is_written(amount: int, form: str) -> None:
    assert read_band(form.format(amount)) is band(amount)


@given(st.integers(0, 2000))
def test_every_number_of_days_has_the_timeline_that_holds_it(days: int) -> None:
    expected = next(timeline for last, timeline in zip((30, 90, 180, 2000), Timeline, strict=True) if days <= last)
    assert read_timeline(f"{days} days") is expected
