"""Only what is surely the recipient's fault is taken for it: in doubt nobody is suppressed."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.taxonomy import Fault
from contracts.values import SLUG_PATTERN
from outreach.bounces.domain_bounce import of_reply, of_report

R, P, T, S = Fault.RECIPIENT, Fault.POLICY, Fault.TRANSIENT, Fault.REPUTATION

# Answers as the systems named give them; the addresses are made up.
REPLIES = [
    # Gmail
    (550, "5.1.1 The email account that you tried to reach does not exist. Please try\n5.1.1 double-checking the recipient's email "
     "address for typos or\n5.1.1 unnecessary spaces. For more information, go to\n5.1.1  https://support.google.com/mail/?p=NoSuchUser "
     "d2e1a72fcca58-7fe - gsmtp", R, "mailbox_unknown"),
    (550, "5.2.1 The email account that you tried to reach is inactive. For more information, go to\n"
     "5.2.1  https://support.google.com/mail/?p=DisabledUser h5 - gsmtp", R, "mailbox_disabled"),
    (450, "4.2.1 The user you are trying to contact is receiving mail at a rate that\n4.2.1 prevents additional messages from being "
     "delivered. Please resend your\n4.2.1 message at a later time.", T, "mailbox_busy"),
    (552, "5.2.2 The recipient's inbox is out of storage space and inactive. Please direct the recipient to "
     "https://support.google.com/mail/?p=OverQuotaPerm", T, "mailbox_full"),
    (452, "4.2.2 The recipient's inbox is out of storage space.", T, "mailbox_full"),
    (550, "5.7.26 Your email has been blocked because the sender is unauthenticated.\n5.7.26 Gmail requires all senders to authenticate "
     "with either SPF or DKIM.", P, "authentication_failed"),
    (550, "5.7.26 This mail is unauthenticated, which poses a security risk to the\n5.7.26 sender and Gmail users, and has been blocked.",
     P, "authentication_failed"),
    (550, "5.7.1 [192.0.2.7      12] Our system has detected that this message is\n5.7.1 likely unsolicited mail. To reduce the amount of "
     "spam sent to Gmail,\n5.7.1 this message has been blocked.", S, "spam_content"),
    (421, "4.7.28 Gmail has detected an unusual rate of unsolicited mail originating from your IP address.", S, "spam_content"),
    (550, "5.4.5 Daily user sending limit exceeded. For more information on Gmail sending limits go to", S, "rate_limited"),
    (421, "4.7.0 [192.0.2.7 15] Our system has detected that this message is suspicious due to the very low reputation of the sending "
     "domain.", S, "reputation_low"),
    (550, "5.7.25 [192.0.2.7] The IP address sending this message does not have a PTR record setup", P, "authentication_failed"),
    (535, "5.7.8 Username and Password not accepted. For more information, go to\n5.7.8  https://support.google.com/mail/?p=BadCredentials",
     P, "login_failed"),
    (534, "5.7.14 <https://accounts.google.com/signin/continue?sarp=1> Please log in via your web browser", P, "login_failed"),
    (534, "5.7.9 Application-specific password required.", P, "login_failed"),
    (552, "5.7.0 This message was blocked because its content presents a potential\n5.7.0 security issue.", P, "content_refused"),
    (552, "5.3.4 Your message exceeded Google's message size limits.", P, "too_large"),
    (530, "5.7.0 Must issue a STARTTLS command first", P, "login_failed"),
    # Outlook, Exchange
    (550, "5.5.0 Requested action not taken: mailbox unavailable (S2017062302). [AM7EUR03FT014.eop-EUR03.prod.protection.outlook.com]",
     R, "mailbox_unknown"),
    (550, "5.4.1 Recipient address rejected: Access denied. [AM5EUR02FT036.eop-EUR02.prod.protection.outlook.com]", R, "mailbox_unknown"),
    (550, "5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup", R, "mailbox_unknown"),
    (550, "5.1.1 RESOLVER.ADR.ExRecipNotFound; not found", R, "mailbox_unknown"),
    (550, "5.7.1 Unfortunately, messages from [192.0.2.7] weren't sent. Please contact your Internet service provider since part of their "
     "network is on our block list (S3150).", S, "listed"),
    (550, "5.7.606 Access denied, banned sending IP [192.0.2.7]. To request removal from this list please visit", S, "listed"),
    (550, "5.7.511 Access denied, banned sender[192.0.2.7]. To request removal from this list please forward this message", S, "account_blocked"),
    (550, "5.7.708 Service unavailable. Access denied, traffic not accepted from this IP.", S, "account_blocked"),
    (550, "5.1.8 Access denied, bad outbound sender. For more information please go to", S, "account_blocked"),
    (550, "5.7.501 Access denied, spam abuse detected.", S, "reputation_low"),
    (550, "5.7.509 Access denied, sending domain example.com does not pass DMARC verification", P, "authentication_failed"),
    (550, "5.7.515 Access denied, sending domain example.com doesn't meet the required authentication level.", P, "authentication_failed"),
    (451, "4.7.500 Server busy. Please try again later from [192.0.2.7]. (S77719)", S, "reputation_low"),
    (451, "4.7.650 The mail server [192.0.2.7] has been temporarily rate limited due to IP reputation.", S, "reputation_low"),
    (550, "5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required; Delivery restriction check failed because the "
     "sender was not authenticated when sending to this group", P, "not_allowed"),
    (550, "5.7.1 RESOLVER.RST.NotAuthorized; not authorized", P, "not_allowed"),
    (550, "5.2.2 STOREDRV.Deliver; mailbox full. The following information should help identify the cause", T, "mailbox_full"),
    (554, "5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded", T, "mailbox_full"),
    (550, "5.4.310 DNS domain nowhere.example does not exist [Message=InfoDomainNonexistent]", R, "domain_unknown"),
    (550, "5.7.57 SMTP; Client was not authenticated to send anonymous mail during MAIL FROM", P, "authentication_failed"),
    (535, "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.", P, "login_failed"),
    (554, "5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied", P, "sender_refused"),
    (452, "4.5.3 Recipients belong to multiple regions ATTR38", T, "deferred"),
    (550, "5.7.232 Your message can't be sent because your trial tenant has exceeded its daily limit for sending email to external "
     "recipients", S, "rate_limited"),
    # Yahoo, AOL
    (554, "delivery error: dd This user doesn't have a yahoo.com account (ann@yahoo.com) [0] - mta1234.mail.bf1.yahoo.com", R,
     "mailbox_unknown"),
    (554, "30 Sorry, your message to ann@yahoo.com cannot be delivered. This mailbox is disabled (554.30).", R, "mailbox_disabled"),
    (552, "1 Requested mail action aborted, mailbox not found", R, "mailbox_unknown"),
    (421, "4.7.0 [TSS04] Messages from 192.0.2.7 temporarily deferred due to unexpected volume or user complaints - 4.16.55.1; see "
     "https://postmaster.yahooinc.com/error-codes", S, "reputation_low"),
    (553, "5.7.1 [BL21] Connections will not be accepted from 192.0.2.7, because the ip is in Spamhaus's list; see "
     "http://postmaster.yahoo.com/550-bl23.html", S, "listed"),
    (554, "5.7.9 Message not accepted for policy reasons. See https://postmaster.yahooinc.com/error-codes", P, "refused"),
    (550, "5.7.9 This mail has been blocked because the sender is unauthenticated. DMARC", P, "authentication_failed"),
    (521, "5.2.1 :  AOL will not accept delivery of this message.", P, "not_allowed"),
    # Postfix
    (550, "5.1.1 <ann@example.com>: Recipient address rejected: User unknown in virtual mailbox table", R, "mailbox_unknown"),
    (550, "5.1.1 <ann@example.com>: Recipient address rejected: User unknown in relay recipient table", R, "mailbox_unknown"),
    (550, "5.1.1 <spam.blocked@example.com>: Recipient address rejected: User unknown in local recipient table", R, "mailbox_unknown"),
    (450, "4.1.1 <ann@example.com>: Recipient address rejected: unverified address: Address lookup failed", T, "system_unavailable"),
    (550, "5.1.2 <ann@nowhere.example>: Recipient address rejected: Domain not found", R, "domain_unknown"),
    (450, "4.1.2 <ann@nowhere.example>: Recipient address rejected: Domain not found", T, "domain_unknown"),
    (550, "5.1.8 <sales@nowhere.example>: Sender address rejected: Domain not found", P, "sender_refused"),
    (553, "5.7.1 <sales@example.com>: Sender address rejected: not owned by user bob", P, "sender_refused"),
    (454, "4.7.1 <ann@example.com>: Relay access denied", P, "relay_denied"),
    (554, "5.7.1 <ann@example.com>: Relay access denied", P, "relay_denied"),
    (554, "5.7.1 <ann@example.com>: Recipient address rejected: Access denied", P, "refused"),
    (554, "5.7.1 Service unavailable; Client host [192.0.2.7] blocked using zen.spamhaus.org; https://www.spamhaus.org/query/ip/192.0.2.7",
     S, "listed"),
    (550, "5.7.1 Service unavailable, Client host [192.0.2.7] blocked using Spamhaus. To request removal from this list see "
     "https://www.spamhaus.org/query/ip/192.0.2.7 AS(1450)", S, "listed"),
    (450, "4.7.1 Client host rejected: cannot find your reverse hostname, [192.0.2.7]", P, "authentication_failed"),
    (504, "5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname", P, "hello_refused"),
    (552, "5.2.2 <ann@example.com>: Recipient address rejected: mailbox is full", T, "mailbox_full"),
    (552, "5.3.4 Message size exceeds fixed limit", P, "too_large"),
    (552, "5.2.3 Message exceeds maximum fixed size", P, "too_large"),
    (451, "4.3.0 <ann@example.com>: Temporary lookup failure", T, "system_unavailable"),
    (452, "4.3.1 Insufficient system storage", T, "system_unavailable"),
    (450, "4.2.0 <ann@example.com>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/help/example.com.html", T,
     "greylisted"),
    (451, "4.7.1 Greylisting in action, please come back in 00:05:00", T, "greylisted"),
    (554, "5.4.6 Error: too many hops", T, "mail_loop"),
    (530, "5.7.0 Authentication required", P, "login_failed"),
    (554, "5.7.1 Message blocked due to SPAM content in the message.", S, "spam_content"),
    (421, "4.7.0 mx.example.com Error: too many connections from 192.0.2.7", S, "rate_limited"),
    # Exim
    (550, "No Such User Here", R, "mailbox_unknown"),
    (550, "Verification failed for <sales@example.com>\nNo Such User Here\nSender verify failed", P, "sender_refused"),
    (550, "Unrouteable address", P, "refused"),
    (550, "Unknown user", R, "mailbox_unknown"),
    (550, "JunkMail rejected - mail.example.com [192.0.2.7]:587 is in an RBL, see https://www.spamhaus.org", S, "listed"),
    (550, "High probability of spam", S, "spam_content"),
    (550, "Mailbox quota exceeded / Mailbox voll.", T, "mailbox_full"),
    (550, "relay not permitted", P, "relay_denied"),
    (550, "Domain example.com has exceeded the max emails per hour (101/100 (101%)) allowed. Message discarded.", S, "rate_limited"),
    # Proofpoint, Mimecast, Barracuda, Cisco, Cloudmark, Sophos
    (554, "Blocked - see https://ipcheck.proofpoint.com/?ip=192.0.2.7", P, "refused"),
    (554, "5.7.1 The message from (<sales@example.com>) with the subject of (Hi) matches a profile the Internet community may consider "
     "spam. Please revise your message before resending.", S, "spam_content"),
    (550, "5.1.1 User Unknown - ppops.net", R, "mailbox_unknown"),
    (550, "5.7.0 Local Policy Violation", P, "refused"),
    (421, "4.7.1 <sales@example.com>... Intrusion prevention active for [192.0.2.7]", T, "system_unavailable"),
    (550, "Invalid Recipient - https://community.mimecast.com/docs/DOC-1369#550", R, "mailbox_unknown"),
    (550, "Rejected by header based manually Blocked Senders - https://community.mimecast.com/docs/DOC-1369#550", P, "refused"),
    (554, "Email rejected due to security policies - https://community.mimecast.com/docs/DOC-1369#554", P, "refused"),
    (550, "permanent failure for one or more recipients (ann@example.com:blocked)", P, "refused"),
    (554, "Service unavailable; Client host [mx.example.com] blocked using Barracuda Reputation; http://www.barracudanetworks.com", S,
     "listed"),
    (554, "Your access to this mail system has been rejected due to the sending MTA's poor reputation.", S, "reputation_low"),
    (550, "#5.1.0 Address rejected.", P, "refused"),
    (550, "#5.7.1 Your access to submit messages to this e-mail system has been rejected.", P, "refused"),
    (550, "5.7.1 AUP#1260 Mail rejected", S, "reputation_low"),
    # A system that lies about what it refuses.
    (550, "5.1.1 Message rejected as spam by Content Filtering.", S, "spam_content"),
    (550, "5.1.1 Mail from 192.0.2.7 blocked; your IP has a poor reputation. User unknown.", S, "reputation_low"),
    (550, "5.1.1 Rejected by policy", P, "refused"),
    (550, "5.1.1 sender denied", P, "sender_refused"),
    (550, "5.1.1 Blocked", P, "refused"),
    (550, "5.1.1 unknown user; your host [192.0.2.7] is listed at bl.spamcop.net", S, "listed"),
    (550, "5.1.1 Too many invalid recipients", S, "rate_limited"),
    (550, "5.1.1 Recipient address rejected: DMARC failed, user unknown", P, "authentication_failed"),
    # Little or nothing is said.
    (550, "", P, "refused"),
    (550, "Requested action not taken: mailbox unavailable", P, "refused"),
    (550, "5.1.1", R, "mailbox_unknown"),
    (550, "5.1.1 user unknown", R, "mailbox_unknown"),
    (550, "user unknown", R, "mailbox_unknown"),
    (552, "5.2.2 mailbox full", T, "mailbox_full"),
    (451, "", T, "deferred"),
    (421, "Service not available, closing transmission channel", T, "system_unavailable"),
    (450, "user unknown", T, "mailbox_unknown"),
    (554, "Transaction failed", P, "refused"),
    (556, "Domain does not accept mail (nullMX)", R, "domain_unknown"),
    (550, "5.7.1 Server does not accept mail from you", P, "not_allowed"),
    (553, "5.6.7 address requires SMTPUTF8", P, "address_not_supported"),
    (550, "5.7.1 TLS required", P, "tls_required"),
    (552, "5.7.0 Message contains a virus", P, "content_refused"),
    (550, "We no longer accept mail from your domain", P, "not_allowed"),
    (550, "This account has been suspended", P, "refused"),
    (550, "5.7.1 <mx.example.com[192.0.2.7]>: Client host rejected: unknown host not found", P, "not_allowed"),
    (550, "5.7.1 Your IP address 192.0.2.7 was not found in DNS", P, "refused"),
    (550, "5.2.1 your account has been disabled for sending spam", S, "account_blocked"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "text", "fault", "reason"), REPLIES)
def test_a_reply_is_judged_by_what_it_says(code: int, text: str, fault: Fault, reason: str) -> None:
    bounce = of_reply(code, text)
    assert (bounce.fault, bounce.reason) == (fault, reason)
    assert bounce.permanent == (code >= 500)


REPORTS = [
    ("5.1.1", "smtp; 550 5.1.1 <ann@example.com>: Recipient address rejected: User unknown", R, "mailbox_unknown"),
    ("5.0.0", "smtp; 550-5.1.1 The email account that you tried to reach does not exist. Please try 550-5.1.1 double-checking", R,
     "mailbox_unknown"),
    ("5.1.1", "smtp; 550 5.7.1 Service unavailable, Client host [192.0.2.7] blocked using Spamhaus.", S, "listed"),
    ("5.1.1", None, R, "mailbox_unknown"),
    ("5.2.2", None, T, "mailbox_full"),
    ("5.4.4", "X-Postfix; Host or domain name not found. Name service error for name=nowhere.example type=A: Host not found", R,
     "domain_unknown"),
    ("4.4.3", "X-Postfix; Host or domain name not found. Name service error for name=slow.example type=MX: Host not found, try again", T,
     "unreachable"),
    ("4.4.1", "X-Postfix; connect to mx.example.com[192.0.2.9]:25: Connection timed out", T, "unreachable"),
    ("5.4.7", "smtp; 550 4.4.7 Delivery time expired", T, "unreachable"),
    ("5.0.0", "smtp; 421 4.7.0 Try again later", T, "system_unavailable"),
    ("5.1.10", "smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient ann@example.com not found by SMTP address lookup", R,
     "mailbox_unknown"),
    ("5.7.26", None, P, "authentication_failed"),
    ("5.7.650", None, S, "listed"),
    ("2.1.5", None, T, "deferred"),
    (None, "User unknown", T, "mailbox_unknown"),
    (None, None, T, "deferred"),
    ("not a status", "#< #5.1.1 smtp;550 5.1.1 ann@example.com... User unknown> #SMTP#", R, "mailbox_unknown"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "diagnostic", "fault", "reason"), REPORTS)
def test_a_report_is_judged_by_what_the_recipients_system_said(
    status: str | None, diagnostic: str | None, fault: Fault, reason: str
) -> None:
    bounce = of_report(status, diagnostic)
    assert (bounce.fault, bounce.reason) == (fault, reason)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("4.2.0 Greylisted, please try again in 300 seconds", 300),
        ("4.7.1 try again in 5 minutes", 300),
        ("come back in 2 hours", 7200),
        ("try again in 99999 hours", 86_400),
        ("4.7.0 try again later", None),
    ],
)
def test_how_long_to_wait_is_read_where_it_is_said(text: str, seconds: float | None) -> None:
    assert of_reply(451, text).seconds == seconds


def test_what_is_said_before_the_recipient_was_named_is_never_the_recipients_fault() -> None:
    assert of_reply(550, "5.1.1 user unknown", to_recipient=False).fault is Fault.POLICY


_SAID = [text for _, text, _, _ in REPLIES]


@given(
    st.integers(400, 599), st.one_of(st.text(), st.lists(st.sampled_from(_SAID), min_size=1, max_size=3).map(" ".join))
)
def test_any_answer_has_a_reason_and_no_temporary_one_suppresses(code: int, text: str) -> None:
    bounce = of_reply(code, text)
    assert re.fullmatch(SLUG_PATTERN, bounce.reason)
    assert bounce.permanent or bounce.fault is not Fault.RECIPIENT


@given(
    st.sampled_from([text for _, text, fault, _ in REPLIES if fault is R and "5.4.1" not in text]),
    st.sampled_from(
        ["blocked using zen.spamhaus.org", "looks like spam", "your reputation is too low", "DMARC failed"]
    ),
)
def test_a_word_of_distrust_saves_every_recipient(text: str, distrust: str) -> None:
    assert of_reply(550, f"{text} {distrust}").fault is not Fault.RECIPIENT
    assert of_reply(550, f"{distrust}: {text}").fault is not Fault.RECIPIENT


@given(st.one_of(st.none(), st.text()), st.one_of(st.none(), st.text()))
def test_any_report_can_be_read(status: str | None, diagnostic: str | None) -> None:
    assert re.fullmatch(SLUG_PATTERN, of_report(status, diagnostic).reason)
