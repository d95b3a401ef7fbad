"""A reply is read by rules that can be named, and by a person where they are not sure."""

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.taxonomy import ReplyClass
from outreach.replies.domain_classify import SURE, classify
from tests.outreach.replies.replies import table

AUTO_REPLIED = {"auto-submitted": "auto-replied"}
RECEIVED = date(2026, 12, 22)


@pytest.mark.parametrize(("expected", "text"), table())
def test_a_reply_is_read_as_its_writer_means_it_or_left_to_a_person(expected: str | None, text: str) -> None:
    found = classify(text)
    if expected is None:
        assert found.needs_person, found
    else:
        assert found.reply_class == expected, found
        assert not found.needs_person, found
        assert found.rules


def test_the_table_has_every_class_many_times() -> None:
    classes = [expected for expected, _ in table()]
    assert len(classes) > 250
    assert all(classes.count(each) >= 10 for each in [None, *(each.value for each in ReplyClass)])


def test_case_courtesies_and_typography_change_nothing() -> None:
    for _, text in table():
        plain = classify(text)
        for other in (
            text.upper(),
            f"Hi Sam,\n\n{text}\n\nThanks,\nAlex",
            text.replace("'", "’"),
            f"   {text}\r\n\r\n",
        ):
            found = classify(other)
            assert found.reply_class == plain.reply_class, (other, found)
            assert found.needs_person == plain.needs_person, (other, found)


@given(
    st.text(),
    st.text(),
    st.dictionaries(st.sampled_from(["auto-submitted", "precedence", "return-path", "x-autoreply"]), st.text()),
)
def test_any_text_is_read_without_an_error(text: str, subject: str, headers: dict[str, str]) -> None:
    found = classify(text, subject=subject, headers=headers, received_on=RECEIVED)
    assert 0 <= found.confidence <= 1
    assert found.needs_person == (found.reply_class is None or found.confidence < SURE)
    assert found.reply_class is None or found.rules


WORDS = [text for expected, text in table() if expected == "unsubscribe"]


@given(
    st.sampled_from(
        [
            "unsubscribe",
            "stop",
            "remove me",
            "opt out",
            "take me off your list",
            "stop emailing me",
            "abmelden",
            "désabonnez-moi",
        ]
    ),
    st.sampled_from([str.lower, str.upper, str.title, str]),
    st.sampled_from(["", "!", ".", "!!!", " \n", "\n\n-- \n", "…"]),
    st.sampled_from(["", " ", "\n", "\t", "> "]),
)
def test_a_wish_to_be_left_alone_that_is_all_of_the_text_is_always_heard(word, spell, after, before) -> None:  # type: ignore[no-untyped-def]
    found = classify(before + spell(word) + after)
    assert found.reply_class is ReplyClass.UNSUBSCRIBE
    assert not found.needs_person


@given(st.sampled_from(WORDS), st.sampled_from([text for expected, text in table() if expected == "interested"]))
def test_a_wish_to_be_left_alone_wins_over_interest(wish: str, interest: str) -> None:
    if len(wish.split()) == 1:
        return  # `baja` is a wish as a clause, but `quit` is one as the whole text only
    for both in (f"{interest}\n{wish}", f"{wish}\n{interest}"):
        found = classify(both)
        assert found.reply_class is ReplyClass.UNSUBSCRIBE, (both, found)


@given(st.sampled_from([text for expected, text in table() if expected == "interested"]))
def test_interest_and_a_refusal_at_once_are_a_persons_to_read(interest: str) -> None:
    found = classify(f"{interest}\nActually we are not interested.")
    assert found.needs_person
    assert found.reply_class is not ReplyClass.INTERESTED


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("Unsubscribe", "asks_to_unsubscribe"),
        ("I would not be interested in a call.", "negates_interest"),
        ("Please don't stop sending these", "negates_unsubscribe"),
        ("Yeah right, I'm so interested", "may_be_sarcastic"),
        ("How did you get my email?", "asks_where_from"),
        ("She has left the company.", "person_has_left"),
    ],
)
def test_the_rules_that_fired_are_named(text: str, rule: str) -> None:
    assert rule in classify(text).rules


@pytest.mark.parametrize(
    ("headers", "subject"),
    [
        (AUTO_REPLIED, "Re: Your house"),
        ({"auto-submitted": 'Auto-Replied; owner-email="x@example.com"'}, None),
        ({"x-autoreply": "yes"}, None),
        ({"x-autorespond": "Re: hello"}, None),
        ({"precedence": "auto_reply"}, None),
        ({}, "Automatic reply: Your house"),
        ({}, "Automatische Antwort: Ihr Haus"),
        ({}, "Réponse automatique : votre maison"),
        ({}, "Respuesta automática: su casa"),
        ({"content-type": "multipart/report; report-type=disposition-notification"}, "Read: Your house"),
    ],
)
def test_what_a_machine_answers_is_no_sign_of_interest(headers: dict[str, str], subject: str | None) -> None:
    text = "Thank you for your interest! We'd love to hear more. Call us at any time."
    found = classify(text, subject=subject, headers=headers)
    assert found.reply_class is ReplyClass.AUTO_REPLY
    assert not found.needs_person


@pytest.mark.parametrize(
    "headers", [{}, {"auto-submitted": "no"}, {"auto-submitted": "No (really)"}, {"x-auto-response-suppress": "None"}]
)
def test_headers_of_a_person_change_nothing(headers: dict[str, str]) -> None:
    assert classify("Tell me more.", subject="Re: Your house", headers=headers).reply_class is ReplyClass.INTERESTED


def test_what_people_write_through_a_helpdesk_is_a_persons_to_read() -> None:
    headers = {"auto-submitted": "auto-generated", "x-auto-response-suppress": "All", "precedence": "bulk"}
    for text in ("We are not interested.", "Bob will see to it."):
        found = classify(text, headers=headers)
        assert found.reply_class is ReplyClass.AUTO_REPLY
        assert found.needs_person
    assert not classify("We have received your email.", headers=headers).needs_person
    assert not classify("I am out of the office.", headers=headers).needs_person


def test_the_subject_that_somebody_answers_says_nothing_of_them() -> None:
    for subject in ("Re: On vacation in Spain?", "AW: Urlaub am Meer", "RE: Automatic reply: Your house"):
        assert classify("Tell me more.", subject=subject).reply_class is ReplyClass.INTERESTED


def test_an_advertisement_at_the_end_of_an_automatic_answer_unsubscribes_nobody() -> None:
    text = "I am away until 5 January.\n\nUnsubscribe from our newsletter at example.com"
    assert classify(text, headers=AUTO_REPLIED).reply_class is ReplyClass.OUT_OF_OFFICE
    text = "Yes, call me tomorrow.\n\nClick here to unsubscribe"
    assert classify(text).reply_class is ReplyClass.INTERESTED


def test_a_machine_that_asks_to_be_left_alone_is() -> None:
    text = "This mailbox is no longer used. Please remove this address from your mailing list."
    assert classify(text, headers=AUTO_REPLIED).reply_class is ReplyClass.UNSUBSCRIBE


def test_an_automatic_answer_tells_that_somebody_has_left_or_is_away() -> None:
    left = classify("Maria is no longer with Example Ltd. Please contact info@example.com.", headers=AUTO_REPLIED)
    assert left.reply_class is ReplyClass.WRONG_PERSON
    away = classify("I am out of the office. Please contact my colleague Maria instead.", headers=AUTO_REPLIED)
    assert away.reply_class is ReplyClass.OUT_OF_OFFICE
    by_subject = classify("Back soon!", subject="Out of Office: Re: Your house")
    assert by_subject.reply_class is ReplyClass.OUT_OF_OFFICE
    assert by_subject.rules == ("subject_out_of_office",)


def test_an_absence_has_its_return_date() -> None:
    text = "I am out of the office and will be back on 01/05/2027."
    found = classify(text, received_on=RECEIVED, region="US")
    assert (found.reply_class, found.returns_on) == (ReplyClass.OUT_OF_OFFICE, date(2027, 1, 5))
    assert classify(text).returns_on is None
    assert classify("Call me on Monday", received_on=RECEIVED).returns_on is None
    by_subject = classify("Bye!", subject="Out of office until 5 January", received_on=RECEIVED)
    assert by_subject.returns_on == date(2027, 1, 6)


def test_a_very_long_text_takes_no_time() -> None:
    for text in (
        "not " * 100_000,
        "a" * 500_000,
        "please don't " * 50_000,
        "(" * 100_000,
        "no " * 100_000 + "interested",
    ):
        classify(text)


def test_no_rule_is_named_twice() -> None:
    from outreach.replies import domain_classify

    names = [
        each.rule.name for each in (*domain_classify._BY_TEXT, *domain_classify._BY_SUBJECT, *domain_classify._LIMITING)
    ]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z_]+", name) for name in names)
