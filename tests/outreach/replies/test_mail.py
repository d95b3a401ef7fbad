"""What comes in is told apart, belongs to the message it is about, and does no harm whatever it is made of."""

import base64
import time
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.taxonomy import ReplyClass
from outreach.replies.complaint import Complaint
from outreach.replies.delivery_report import Action, Delivery
from outreach.replies.domain_classify import Classification, classify
from outreach.replies.mail import IncomingMail, MailKind, read_mail, verp_recipient
from outreach.replies.mime import MAX_BYTES

MAILS = {path.stem: path.read_bytes() for path in sorted((Path(__file__).parent / "mails").glob("*.eml"))}


def read(name: str) -> IncomingMail:
    return read_mail(MAILS[name])


def classified(mail: IncomingMail) -> Classification:
    return classify(mail.text, subject=mail.subject, headers=mail.headers, received_on=date(2026, 12, 22), region="GB")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("apple_mail_forwarded_dsn", MailKind.REPLY),
        ("exchange_dsn", MailKind.DELIVERY_REPORT),
        ("exim_dsn", MailKind.DELIVERY_REPORT),
        ("gmail_dsn", MailKind.DELIVERY_REPORT),
        ("gmail_forwarded_bounce", MailKind.REPLY),
        ("gmail_out_of_office", MailKind.AUTO_REPLY),
        ("gmail_reply", MailKind.REPLY),
        ("html_reply", MailKind.REPLY),
        ("inline_reply", MailKind.REPLY),
        ("list_bounce", MailKind.AUTO_REPLY),
        ("newsletter", MailKind.OTHER),
        ("outlook_com_complaint", MailKind.COMPLAINT),
        ("outlook_out_of_office", MailKind.AUTO_REPLY),
        ("outlook_reply", MailKind.REPLY),
        ("postfix_delayed", MailKind.DELIVERY_REPORT),
        ("postfix_dsn", MailKind.DELIVERY_REPORT),
        ("qmail_bounce", MailKind.DELIVERY_REPORT),
        ("read_receipt", MailKind.AUTO_REPLY),
        ("yahoo_arf", MailKind.COMPLAINT),
    ],
)
def test_what_comes_in_is_told_apart(name: str, kind: MailKind) -> None:
    assert read(name).kind is kind
    assert read_mail(MAILS[name].replace(b"\n", b"\r\n")) == read(name), "line ends as on the wire"


def test_every_sample_is_told_apart_above() -> None:
    (mark,) = test_what_comes_in_is_told_apart.pytestmark  # type: ignore[attr-defined]
    assert {name for name, _ in mark.args[1]} == set(MAILS)


@pytest.mark.parametrize(
    ("name", "delivery"),
    [
        (
            "exchange_dsn",
            Delivery(
                Action.FAILED,
                "5.1.10",
                "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient ann@contoso.example not found by SMTP address lookup",
                "ann@contoso.example",
            ),
        ),
        (
            "exim_dsn",
            Delivery(
                Action.FAILED,
                "5.1.1",
                "550 5.1.1 <frank@example.net>: Recipient address rejected: User unknown",
                "frank@example.net",
            ),
        ),
        (
            "postfix_delayed",
            Delivery(
                Action.DELAYED,
                "4.4.1",
                "connect to mx.example.org[192.0.2.25]:25: Connection timed out",
                "erin@example.org",
            ),
        ),
        (
            "qmail_bounce",
            Delivery(
                Action.FAILED, None, "550 no mailbox here by that name Giving up on 192.0.2.5.", "gina@example.com"
            ),
        ),
    ],
)
def test_a_delivery_report_tells_what_became_of_the_message(name: str, delivery: Delivery) -> None:
    assert read(name).deliveries == (delivery,)


def test_a_report_of_several_recipients_tells_of_each() -> None:
    mail = read("postfix_dsn")
    told = [(each.status, each.recipient, each.original_recipient) for each in mail.deliveries]
    assert told == [
        ("4.2.2", "carol@example.org", "carol.smith@example.org"),
        ("5.7.1", "dave@example.org", "dave@example.org"),
    ]
    assert mail.envelope_id == "m7f3"
    assert mail.deliveries[1].diagnostic is not None
    assert mail.deliveries[1].diagnostic.endswith("[198.51.100.7] blocked using zen.spamhaus.example")


def test_a_diagnostic_of_several_lines_is_whole() -> None:
    (delivery,) = read("gmail_dsn").deliveries
    assert delivery.diagnostic is not None
    assert delivery.diagnostic.startswith("550-5.1.1 The email account")
    assert delivery.diagnostic.endswith("gsmtp")


def test_a_report_in_words_is_read_whatever_its_other_headers_hold() -> None:
    raw = MAILS["qmail_bounce"].replace(b"From: MAILER", b"From: Zustellsystem K\xc3\xb6ln <MAILER", 1)
    raw = raw.replace(b"DAEMON@mx.example.com\n", b"DAEMON@mx.example.com>\n", 1)
    assert [each.recipient for each in read_mail(raw).deliveries] == ["gina@example.com"]


@pytest.mark.parametrize(
    ("name", "message_ids"),
    [
        ("exchange_dsn", ["m-0001"]),
        ("gmail_dsn", ["m-0002"]),
        ("postfix_dsn", ["m-0003"]),
        ("postfix_delayed", ["m-0004"]),
        ("exim_dsn", ["m-0005"]),
        ("qmail_bounce", ["m-0006"]),
        ("yahoo_arf", ["m-0007"]),
        ("outlook_com_complaint", ["m-0008"]),
        ("outlook_reply", ["m-0010", "m-0009"]),
        ("gmail_reply", ["m-0011"]),
        ("outlook_out_of_office", ["m-0013"]),
        ("read_receipt", ["m-0016"]),
        ("newsletter", []),
    ],
)
def test_what_comes_in_belongs_to_the_message_it_is_about(name: str, message_ids: list[str]) -> None:
    assert read(name).belongs_to == tuple(f"<{each}@agency.example>" for each in message_ids)


@pytest.mark.parametrize(
    ("name", "message_ids"),
    [("gmail_dsn", ["m-0002"]), ("qmail_bounce", ["m-0006"]), ("yahoo_arf", ["m-0007"]), ("gmail_reply", [])],
)
def test_a_report_has_the_message_with_it_that_it_is_about(name: str, message_ids: list[str]) -> None:
    assert read(name).returned == tuple(f"<{each}@agency.example>" for each in message_ids)


def test_of_a_thread_the_latest_message_is_the_likeliest() -> None:
    raw = b"References: <m-1@a.b>\r\n <m-2@a.b> <m-3@a.b>\r\nMessage-ID: <m-4@a.b>\r\n\r\nYes"
    assert read_mail(raw).belongs_to == ("<m-3@a.b>", "<m-2@a.b>", "<m-1@a.b>")


def test_an_address_with_a_tag_tells_the_message_or_the_person() -> None:
    assert read("gmail_reply").tags == ("m9a1",)
    assert read("postfix_dsn").tags == ("m7f3",)
    (tag,) = read("exim_dsn").tags
    assert verp_recipient(tag) == "frank@example.net"
    assert verp_recipient("Ann.B=x=Example.com") == "ann.b=x@example.com"
    assert [verp_recipient(each) for each in ("m7f3", "", "=example.com", "ann=", "ann=local")] == [None] * 5


def test_a_complaint_names_who_complained_if_the_provider_does() -> None:
    assert read("yahoo_arf").complaint == Complaint("abuse", ("hana@yahoo.example",))
    assert read("outlook_com_complaint").complaint == Complaint("abuse", ("ivan@outlook.example",))
    without = read_mail(MAILS["yahoo_arf"].replace(b"Original-Rcpt-To", b"X-Removed"))
    assert without.complaint == Complaint("abuse", ("hana@yahoo.example",)), "the original's own header tells"


@pytest.mark.parametrize("kind", [b"not-spam", b"auth-failure"])
def test_a_report_that_nobody_complains_with_is_no_complaint(kind: bytes) -> None:
    mail = read_mail(MAILS["yahoo_arf"].replace(b"Feedback-Type: abuse", b"Feedback-Type: " + kind))
    assert mail.complaint is None
    assert mail.kind is not MailKind.COMPLAINT


def test_a_report_that_somebody_passes_on_is_a_reply_of_theirs() -> None:
    report = MAILS["exchange_dsn"]
    forwarded = (
        b"From: Ann <ann@example.com>\nTo: sam@agency.example\nSubject: Re: Your house\nIn-Reply-To: <m-0001@agency.example>\n"
        b'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="outer"\n\n--outer\nContent-Type: text/plain\n\n'
        b"I got this, what does it mean?\n\n--outer\nContent-Type: message/rfc822\n\n" + report + b"\n--outer--\n"
    )
    mail = read_mail(forwarded)
    assert mail.kind is MailKind.REPLY
    assert mail.deliveries == ()
    assert mail.text == "I got this, what does it mean?"


@pytest.mark.parametrize("name", ["apple_mail_forwarded_dsn", "gmail_forwarded_bounce", "list_bounce"])
def test_what_people_and_lists_pass_on_of_a_report_tells_of_nobody(name: str) -> None:
    assert read(name).deliveries == ()
    assert read(name).returned == ()


def test_a_subject_makes_no_report_of_what_a_person_passes_on() -> None:
    raw = MAILS["qmail_bounce"].replace(b"From: MAILER-DAEMON@", b"From: gina.other@", 1)
    assert read_mail(raw).kind is MailKind.DELIVERY_REPORT, "nobody is to answer it: a server wrote it"
    passed_on = raw.replace(b"Return-Path: <>", b"Return-Path: <gina.other@mx.example.com>", 1)
    assert read_mail(passed_on).deliveries == ()


def test_a_report_is_one_by_its_outermost_type() -> None:
    raw = (
        MAILS["postfix_dsn"]
        .replace(b"From: MAILER-DAEMON@", b"From: someone@", 1)
        .replace(b"Return-Path: <>", b"Return-Path: <s@a.example>")
    )
    assert len(read_mail(raw).deliveries) == 2
    for other in (b"multipart/mixed;", b"multipart/report; report-type=disposition-notification;"):
        changed = raw.replace(b"multipart/report; report-type=delivery-status;", other, 1)
        assert [each.status for each in read_mail(changed).deliveries if each.recipient == "carol@example.org"] == []


def test_what_is_new_in_a_reply_is_told_without_history_signature_or_markup() -> None:
    assert read("gmail_reply").text == "Not interested, thanks."
    assert read("outlook_reply").text.endswith("Could you call me on Monday? We are in Köln.")
    assert read("html_reply").text == "Bonjour Sam,\n\nje suis intéressée & prête."
    assert read("inline_reply").text == "Yes, in spring.\n\nPlease do, after 5pm."


def test_headers_are_read_in_every_encoding() -> None:
    mail = read("outlook_reply")
    assert (mail.subject, mail.sender) == ("Re: Your house in Köln", "juergen@contoso.example")
    assert mail.sent_at == datetime(2026, 12, 22, 12, tzinfo=UTC)
    raw = read_mail("Subject: Re: Köln\nFrom: Jürgen <j@example.com>\n\nJa".encode())
    assert (raw.subject, raw.sender) == ("Re: Köln", "j@example.com")


@pytest.mark.parametrize(
    ("name", "expected", "returns_on"),
    [
        ("outlook_reply", ReplyClass.INTERESTED, None),
        ("gmail_reply", ReplyClass.NOT_INTERESTED, None),
        ("html_reply", ReplyClass.INTERESTED, None),
        ("outlook_out_of_office", ReplyClass.OUT_OF_OFFICE, date(2027, 1, 5)),
        ("gmail_out_of_office", ReplyClass.OUT_OF_OFFICE, date(2027, 1, 7)),
        ("read_receipt", ReplyClass.AUTO_REPLY, None),
    ],
)
def test_a_mail_is_read_and_classified(name: str, expected: ReplyClass, returns_on: date | None) -> None:
    found = classified(read(name))
    assert (found.reply_class, found.returns_on) == (expected, returns_on)
    assert not found.needs_person


def test_nothing_personal_is_in_what_is_logged_of_a_mail() -> None:
    for mail in map(read_mail, MAILS.values()):
        shown = repr(mail)
        assert "house" not in shown
        for personal in (mail.sender, mail.text, mail.subject, *(each.recipient for each in mail.deliveries)):
            assert not personal or personal not in shown


def nested(depth: int) -> bytes:
    return b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (level, level) for level in range(depth)
    )


BOMBS = {
    "parts in parts": b"Subject: Re: x\n" + nested(5_000),
    "as deep as is looked at, and long": b"Subject: Re: x\n" + nested(31) + b"\n" * MAX_BYTES,
    "mails in mails": b"Content-Type: message/rfc822\n\n" * 3_000,
    "many parts": b'Content-Type: multipart/mixed; boundary="b"\n\n' + b"--b\n\nx\n" * 60_000,
    "many headers": b"X-Header: x\n" * 100_000 + b"\n",
    "a long header": b"To: " + b"a@b.c, " * 200_000 + b"\n\n",
    "a folded header": b"References:" + b" <a@b>\n" * 100_000 + b"\n\n",
    "comments in an address": b"From: " + b"(" * 500_000 + b"\n\n",
    "comments in failed addresses": b"X-Failed-Recipients: " + b"(" * 500_000 + b"\n\n",
    "comments in our addresses": b"To: " + b"((" * 200_000 + b"\n\n",
    "encoded words": b"Subject: " + b"=?utf-8?q?x?= " * 50_000 + b"\n\n",
    "parameters": b"Content-Type: text/plain" + b"; a*0*=x" * 50_000 + b"\n\nx",
    "html": b"Content-Type: text/html\n\n" + b"<!--" * 120_000,
    "unfinished tags": b"Content-Type: text/html\n\n" + b"<a " * 160_000,
    "quoted html": b"Content-Type: text/html\n\n" + b"<blockquote>" * 40_000 + b"x",
    "punycode": b'Content-Type: text/plain; charset="punycode"\n\n' + b"a" * 500_000,
    "punycode in a report": b'From: mailer-daemon@x.y\nContent-Type: text/plain; charset="punycode"\n\n' + b"a\xff" * 250_000,
    "parts of a report": b'From: mailer-daemon@x.y\nContent-Type: multipart/mixed; boundary="b"\n\n' + b"--b\n\nx\n" * 60_000,
    "one line of a report": b"From: mailer-daemon@example.com\nSubject: failure notice\n\nYour message\n" + b"a" * 500_000,
    "many lines of a report": b"From: mailer-daemon@example.com\nSubject: failure notice\n\n" + b"<a@b.c>:\n" * 50_000,
    "blocks of a report": b"Content-Type: message/delivery-status\n\n" + b"Action: failed\nFinal-Recipient: rfc822; a@b.c\n\n" * 9_000,
    "base64": b"Content-Transfer-Encoding: base64\n\n" + base64.encodebytes(b"On x wrote " * 30_000),
    "attributions": b"Subject: Re: x\n\n" + b"On a <b@c.d>\n" * 20_000,
    "spaces": b"Subject: Re: x\n\n" + b" " * 500_000,
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_no_mail_takes_long(name: str) -> None:
    began = time.process_time()
    mail = read_mail(BOMBS[name])
    assert time.process_time() - began < 3, "seconds of the processor's own time"
    assert len(mail.text) <= 20_000
    assert len(mail.deliveries) <= 100


def test_a_mail_that_is_too_long_or_too_deep_is_read_as_far_as_it_goes_and_says_so() -> None:
    deep = read_mail(BOMBS["parts in parts"])
    assert (deep.kind, deep.text, deep.cut) == (MailKind.REPLY, "", True)
    long = read_mail(MAILS["gmail_reply"].rstrip() + b"\n" + b"x" * MAX_BYTES)
    assert (long.text, long.cut) == ("Not interested, thanks.", True)
    assert not read("gmail_reply").cut


PIECES = [
    b"\n", b"\r", b"\0", b"\xff\xfe", b"\n\n", b"=?", b"?=", b"=?x?q?=zz?=", b"=?utf-8?b?//8?=", b";", b":", b"<", b">", b'"', b"(", b"--", b"=",
    b"boundary=", b"charset=", b"; charset=punycode", b"; charset=\xff", b"; charset*=utf-8''%ff", b"; charset*0=x; charset*2=y",
    b"; boundary*=''%", b"Content-Type: multipart/mixed\n", b"Content-Type: message/delivery-status\n\n", b"Content-Type: message/rfc822\n\n",
    b"Content-Transfer-Encoding: x-uuencode\n", b"Content-Transfer-Encoding: base64\n", b"Date: 99\n", b"To: \n", b"To: @,;:<>\n",
    b"Date: Mon, 99 Foo 99999 99:99:99 +9999\n", b"From: mailer-daemon@x.y\n", b"Final-Recipient: rfc822;\n", b"Action: \n", "\u2028".encode(),
]  # fmt: skip


@given(
    st.sampled_from(sorted(MAILS)),
    st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 200), st.sampled_from(PIECES) | st.binary(max_size=20)), max_size=8
    ),
)
def test_no_harm_that_comes_to_a_mail_on_its_way_raises(name: str, harm: list[tuple[float, int, bytes]]) -> None:
    raw = MAILS[name]
    for where, dropped, put in harm:
        at = int(where * len(raw))
        raw = raw[:at] + put + raw[at + dropped :]
    mail = read_mail(raw)
    classified(mail)
    hash(mail.belongs_to)


@pytest.mark.parametrize(
    "charset",
    ["charset*=x'y'z", "charset=punycode", "charset=idna", "charset=rot13", "charset=zlib", "charset=\xff", "charset="],
)
def test_a_character_set_that_is_none_harms_nothing(charset: str) -> None:
    raw = f"From: mailer-daemon@x.y\nSubject: failure notice\nContent-Type: text/plain; {charset}\n\n".encode("latin-1")
    assert read_mail(raw + b"Yes \xc3\xa4" * 50_000).text.startswith("Yes")


@given(st.binary() | st.lists(st.sampled_from(PIECES)).map(b"".join))
def test_no_bytes_raise(raw: bytes) -> None:
    classified(read_mail(raw))
