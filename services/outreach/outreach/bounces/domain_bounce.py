"""Whose fault it is that an e-mail was refused or came back.

A mail system answers with three things: a reply code (RFC 5321, 4.2), an enhanced status (RFC 3463; registry: IANA, SMTP Enhanced
Status Codes) and words. The codes are used loosely: large providers answer ``550 5.1.1``, "no such mailbox", to what they
take for spam, and ``550`` to nearly everything. So the words are heard first, those that speak of the sender before those that speak
of the recipient, then the status, then the code. Only a recipient's fault suppresses the person: whatever is in doubt is
somebody else's.
"""

import re
from dataclasses import dataclass, replace

from contracts.taxonomy import Fault


@dataclass(frozen=True, slots=True)
class Bounce:
    """What an answer says.

    Attributes:
        reason: why, as a word for programs (`contracts.values.Slug`).
        permanent: whether the system said that trying again is of no use (5xx, or a status that begins with 5). Only a
            permanent answer is the recipient's fault.
        seconds: after how long to come back at the earliest, if it says so; at most a day.
    """

    reason: str
    fault: Fault
    permanent: bool
    seconds: float | None = None


def of_reply(code: int, text: str, *, to_recipient: bool = True) -> Bounce:
    """What a reply of 400 or more says.

    Args:
        text: its lines without the code, joined by newlines; an enhanced status at their beginning is understood.
        to_recipient: whether the system knew the recipient by then; what it says to a greeting, a login or a sender is never the
            recipient's fault.
    """
    bounce = _judge(code, None, text)
    if bounce.fault is Fault.RECIPIENT and not to_recipient:
        return replace(bounce, reason="sender_refused", fault=Fault.POLICY)
    return bounce


def of_report(status: str | None, diagnostic: str | None) -> Bounce:
    """What a delivery status notification says of one recipient (RFC 3464, 2.3.4 and 2.3.6).

    Args:
        status: the field ``Status``, such as ``5.1.1``.
        diagnostic: the field ``Diagnostic-Code``, such as ``smtp; 550 5.1.1 User unknown``. Where the two differ, it is the
            closer to the truth: it is what the recipient's system said.
    """
    said = (diagnostic or "").partition(";")
    text = (said[2] if said[1] and " " not in said[0].strip() else diagnostic or "").strip()
    replied = _CODE.match(text)
    return _judge(int(replied[1]) if replied else None, status, text[replied.end() :] if replied else text)


# Of the words, the first rule that fits says it: what is said of the sender goes before what is said of the recipient, as
# in "550 5.1.1 User unknown, sender's reputation too low". What a pattern leaves open between two words spans about a clause.
_WORDS: tuple[tuple[str, Fault, re.Pattern[str]], ...] = tuple(
    (reason, fault, re.compile(pattern))
    for reason, fault, pattern in (
        ("not_allowed", Fault.POLICY, r"resolver\.rst|delivery restriction"),
        ("mail_loop", Fault.TRANSIENT, r"\b(mail|routing|forwarding) loop|too many hops|hop count exceeded"),
        (
            "mailbox_busy",
            Fault.TRANSIENT,
            r"receiving (e?mail|messages) (at a rate|too quickly)|(recipient|user|mailbox).{0,60}receiving (rate|limit)",
        ),
        (
            "account_blocked",
            Fault.REPUTATION,
            r"\b(your|sender'?s?|sending) (e-?mail )?account.{0,40}(disabled|suspended|blocked|locked|restricted|compromised)"
            r"|bad outbound sender|banned send(er|ing)(?! ip)|traffic not accepted",
        ),
        (
            "authentication_failed",
            Fault.POLICY,
            r"\b(spf|dkim|dmarc|arc)\b|unauthenticated|not authenticated|sender (id|authentication)|authentication (check|result)"
            r"|pass authentication|required authentication level|reverse.?(dns|hostname|lookup)|\brdns\b|\bptr\b"
            r"|cannot find your (reverse )?hostname",
        ),
        (
            "listed",
            Fault.REPUTATION,
            r"spamhaus|spamcop|barracuda|sorbs|uceprotect|abuseat|\bcbl\b|surriel|invaluement|mailspike|senderscore"
            r"|\b(dns|r|s|u)bls?\b|(block|black|deny) ?-?list|\blisted (in|at|by|on)\b|\bis listed\b|banned sending ip"
            r"|\bb?l[0-9]{6}\b|\bs3[0-9]{3}\b"
            r"|\b(ip|ips|host|server|network|address(es)?|client host) .{0,50}\b(blocked|banned|denied access)",
        ),
        (
            "reputation_low",
            Fault.REPUTATION,
            r"reputation|\baup#|\b(sender|you) (is|are|has been|have been) (blocked|banned)|not trusted|blocked by the recipient"
            r"|user complaints|policy restrictions.{0,60}abuse|abus(e|ive)\b|\btss?0[0-9]\b|\bs77[0-9]{3}\b|\b(hvu|rly|dyn):",
        ),
        (
            "spam_content",
            Fault.REPUTATION,
            r"\bspam|\bjunk\b|unsolicited|\buc?be\b|\buce\b|\bbulk (e?mail|messages?)|phish|suspicious (content|message|url|link)"
            r"|suspected|low-reputation|url.{0,30}(blocked|black)|scored? too high|\bscore of\b|content (reject|filter|block|is not accept)"
            r"|(rejected|blocked) (due to|because of|for|by) (\w+ ){0,3}content|message (contains?|has) (\w+ ){0,3}content",
        ),
        (
            "rate_limited",
            Fault.REPUTATION,
            r"rate.?limit|throttl|unusual(ly high)? rate|too (many|much) (?!hops)|(sending|outbound|daily|hourly|message|submission)"
            r" ?(user |e?mail |message |recipient )?(limit|quota|rate)\b|exceed\w* (\w+ ){0,4}"
            r"(connections|messages|recipients|e?mails|rate|sending|per (minute|hour|day))|(messages|e?mails) per (minute|hour|day)"
            r"|slow down|unexpected volume|sent too|excessive",
        ),
        ("relay_denied", Fault.POLICY, r"\brelay(ing|ed)?\b(?! recipient table)"),
        (
            "hello_refused",
            Fault.POLICY,
            r"\b(helo|ehlo)\b",
        ),
        (
            "sender_refused",
            Fault.POLICY,
            r"\bsender('s)?\b.{0,40}(reject|refus|verif|denied|not (owned|found|exist|allowed|valid)|unknown|invalid|domain|address)"
            r"|from address|return.?path|envelope.?(from|sender)|\bmail from(:| command| address)|bad sender|sendasdenied|sending domain|not owned by",
        ),
        (
            "login_failed",
            Fault.POLICY,
            r"authenticat\w+ (failed|failure|required|unsuccessful|credentials|is required|rejected)|must authenticate"
            r"|username and password|log ?in (via|to|with|first)|invalid log ?in|login (denied|failed)|app(lication)?-specific password"
            r"|smtpclientauthentication",
        ),
        (
            "tls_required",
            Fault.POLICY,
            r"starttls|\btls\b.{0,20}required|requires? (tls|encryption)|encryption (is )?required",
        ),
        (
            "content_refused",
            Fault.POLICY,
            r"virus|malware|malicious|security issue|attachment|executable|dangerous|banned content|bare <?(lf|cr)|malformed|not rfc|rfc ?5322"
            r"|(header|from:|date:|message-id).{0,30}(missing|invalid|multiple|duplicate|required)|missing .{0,20}header",
        ),
        (
            "mailbox_full",
            Fault.TRANSIENT,
            r"(mail|in)box.{0,40}(\bfull|exceed|over|quota|size limit)|over ?-?quota|quota.{0,20}(exceed|full)|\bis full\b"
            r"|exceed\w* (\w+ ){0,4}(storage|quota|disk|space)|(out of|not enough|insufficient) (mailbox )?(storage|space|quota)"
            r"|storage (limit|quota|allocation)|quota ?exceeded",
        ),
        (
            "too_large",
            Fault.POLICY,
            r"too (large|big|long)|size (limit|exceed)|exceed\w* (\w+ ){0,5}(size|limit)|larger than|(maximum|max) (message )?size",
        ),
        (
            "greylisted",
            Fault.TRANSIENT,
            r"gr[ae]y.?-?list|\bretry in \d|try again in \d|come back (later|in)|wait \d+",
        ),
        ("address_not_supported", Fault.POLICY, r"smtputf8|internationali[sz]ed|non-ascii"),
        (
            "not_allowed",
            Fault.POLICY,
            r"not (authori[sz]ed|permitted|allowed) (to|by)|only (accepts?|allows?|members)|restricted"
            r"|(not|no longer) accept(ing)? (any )?(e?mail|messages?) from|will not accept|client host rejected|approved senders|moderat",
        ),
        (
            "mailbox_unknown",
            Fault.RECIPIENT,
            r"recip(ient)?notfound|nosuchuser|userunknown|s2017062302",
        ),
        (
            "unreachable",
            Fault.TRANSIENT,
            r"connection (timed out|refused|reset|was lost)|timed? ?out|unreachable|no route|(could not|unable to|cannot) connect|lost connection"
            r"|time expired|message expired|retry time|failing for a long time|delivery temporarily suspended|name service error.{0,80}try again",
        ),
        (
            "system_unavailable",
            Fault.TRANSIENT,
            r"temporar|try (again|it) later|try later|currently (unavailable|unable)|(internal|local|system|server|configuration|database|lookup) "
            r"(error|problem|failure)|shutting down|insufficient (system|disk)|resources|overload|busy|not (yet )?verified|unverified",
        ),
        ("refused", Fault.POLICY, r"policy (reason|violation)"),
        (
            "mailbox_disabled",
            Fault.RECIPIENT,
            r"(account|mailbox|user|recipient|(?<!ip )address)\b.{0,60}\b(disabled|inactive|deactivated|closed|discontinued|not active)"
            r"|(disabled|inactive|deactivated) (account|mailbox|user|recipient|address)"
            r"|\bno longer (active|valid|available|in use|exists?|employed|works?|with|at|here|on)\b",
        ),
        (
            "domain_unknown",
            Fault.RECIPIENT,
            r"\bnxdomain\b|null ?-?mx|(host|domain)( name| or domain name)? not found|no such domain|unknown domain\b"
            r"|domain\b.{0,60}(does ?n.?t exist|does not exist|not found|has no (mx|mail))"
            r"|(host|domain)\b.{0,60}does(n.t| not) accept (any )?e?mail\b(?! from)",
        ),
        (
            "mailbox_unknown",
            Fault.RECIPIENT,
            r"(user|recipient|mailbox|account|address|alias|local.?part)( name)? (is )?(unknown|not known)"
            r"|unknown (user|recipient|mailbox|address|account|local|or illegal alias)"
            r"|no such (user|mailbox|recipient|address|account|person|local|alias|name)|no (mailbox|user|account|recipient)\b.{0,12}\b(by|with|here|found)"
            r"|(user|recipient|mailbox|account|(?<!ip )address|alias)\b.{0,60}(not found|n.t exist|not exist|is invalid|not recogni[sz]ed"
            r"|cannot be found|could(n.t| not) be found|not a valid|not valid|not listed)"
            r"|invalid (recipient|mailbox|user\b)|not a (valid|known) (user|mailbox|recipient|address|account)"
            r"|doesn.t have an? \S+ account|not our customer|address unknown|bad destination mailbox|recipient not found",
        ),
    )
)

_STATUSES: dict[str, tuple[str, Fault]] = {
    "1.1": ("mailbox_unknown", Fault.RECIPIENT),
    "1.2": ("domain_unknown", Fault.RECIPIENT),
    "1.3": ("address_invalid", Fault.POLICY),
    "1.6": ("mailbox_unknown", Fault.RECIPIENT),
    "1.7": ("sender_refused", Fault.POLICY),
    "1.8": ("sender_refused", Fault.POLICY),
    "1.10": ("domain_unknown", Fault.RECIPIENT),  # RFC 7505: it says that it takes no mail
    "2.1": ("mailbox_disabled", Fault.RECIPIENT),
    "2.2": ("mailbox_full", Fault.TRANSIENT),
    "2.3": ("too_large", Fault.POLICY),
    "3.4": ("too_large", Fault.POLICY),
    "4.5": ("rate_limited", Fault.REPUTATION),  # Gmail: the daily limit of an account
    "4.6": ("mail_loop", Fault.TRANSIENT),
    "4.14": ("mail_loop", Fault.TRANSIENT),  # Exchange
    "6.7": ("address_not_supported", Fault.POLICY),
    "7.3": ("login_failed", Fault.POLICY),  # Exchange
    "7.8": ("login_failed", Fault.POLICY),
    "7.9": ("login_failed", Fault.POLICY),
    "7.13": ("login_failed", Fault.POLICY),
    "7.14": ("login_failed", Fault.POLICY),  # Gmail
    "7.27": ("sender_refused", Fault.POLICY),  # RFC 7505
    "7.28": ("rate_limited", Fault.REPUTATION),  # Gmail
    "7.509": ("authentication_failed", Fault.POLICY),  # Exchange, as the following
    "7.515": ("authentication_failed", Fault.POLICY),
    "7.232": ("rate_limited", Fault.REPUTATION),
    "7.233": ("rate_limited", Fault.REPUTATION),
}
_SUBJECTS: dict[str, tuple[str, Fault]] = {
    "3": ("system_unavailable", Fault.TRANSIENT),
    "4": ("unreachable", Fault.TRANSIENT),
    "5": ("protocol_error", Fault.POLICY),
    "6": ("content_refused", Fault.POLICY),
}
_MAY_PASS = frozenset({"5", "6"})
"""What a temporary status of these subjects says is no fault of the message's."""
_CODES: dict[int, tuple[str, Fault]] = {
    421: ("system_unavailable", Fault.TRANSIENT),
    530: ("login_failed", Fault.POLICY),
    534: ("login_failed", Fault.POLICY),
    535: ("login_failed", Fault.POLICY),
    538: ("login_failed", Fault.POLICY),
    552: ("mailbox_full", Fault.TRANSIENT),
    556: ("domain_unknown", Fault.RECIPIENT),  # RFC 7504: the domain takes no mail
}
_TOLD_WITHOUT_WORDS = frozenset({530, 534, 535, 538})
"""These are about logging in, whatever else is said."""

_CODE = re.compile(r"\s*#?([45]\d\d)(?=[\s#-]|$)[\s-]*")
_STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?!\.?\d)")
_ADDRESS = re.compile(r"<?[^\s<>@]+@[^\s<>@,;]+>?")
_LINE_START = re.compile(r"(?<!\S)[45]\d\d-(?=\D|[45]\.)")
_EXCHANGE_DENIES = re.compile(r"recipient address rejected: access denied")
_DENIAL = re.compile(r"reject|block|denied|deny|refus|polic|prohibit|filter|abus|not accept|security|disallow")
_RECIPIENT_REJECTED = re.compile(r"\b(recipient|address|user|mailbox)( address)? (was )?(rejected|refused|denied)")
_COME_BACK = re.compile(r"\b(?:in|after|wait|for)[\s:]+(?:at least )?(\d{1,5}) ?(s\b|sec|m\b|min|h\b|hour)")
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600}
_DAY_SECONDS = 86_400
_READ = 2_000
"""So many characters of an answer are read; the rest is advice, addresses of help pages, and the message itself."""


def _judge(code: int | None, status: str | None, text: str) -> Bounce:
    # The recipient's own address says nothing of why: spam@…, unknown.user@….
    words = _ADDRESS.sub(" ", text[:_READ].lower())
    found = _STATUS.search(words)
    # The status within the words is the recipient's system's; a relay's own is often 5.0.0.
    of_status = found or _STATUS.fullmatch((status or "").strip())
    words = " ".join(_LINE_START.sub(" ", _STATUS.sub(" ", words)).split())
    permanent = code >= 500 if code is not None else of_status is not None and of_status[1] == "5"
    reason, fault = _reason(code, f"{of_status[2]}.{of_status[3]}" if of_status else None, words, permanent)
    if fault is Fault.RECIPIENT and not permanent:
        fault = Fault.TRANSIENT
    return Bounce(reason, fault, permanent, _seconds(words))


def _reason(code: int | None, detail: str | None, words: str, permanent: bool) -> tuple[str, Fault]:
    if code in _TOLD_WITHOUT_WORDS:
        return _CODES[code]
    if detail == "4.1" and _EXCHANGE_DENIES.search(words):
        # Exchange Online says so, and only so, of an address that its directory does not hold (edge blocking).
        return "mailbox_unknown", Fault.RECIPIENT
    for reason, fault, pattern in _WORDS:
        if pattern.search(words):
            return reason, fault
    unexplained = ("refused", Fault.POLICY) if permanent else ("deferred", Fault.TRANSIENT)
    told = _by_status(detail, permanent) or (_CODES.get(code) if code else None) or unexplained
    if _DENIAL.search(_RECIPIENT_REJECTED.sub(" ", words)) and told[1] in (Fault.RECIPIENT, Fault.TRANSIENT):
        # The words forbid something, and the status speaks of something else: a filter that hides what it is.
        return unexplained
    return told


def _by_status(detail: str | None, permanent: bool) -> tuple[str, Fault] | None:
    if detail is None:
        return None
    subject, _, number = detail.partition(".")
    if subject == "7":
        if 20 <= int(number) <= 26 or number in ("29", "30"):  # RFC 7372 and RFC 8617
            return "authentication_failed", Fault.POLICY
        if 500 <= int(number) <= 508 or number == "511" or 700 <= int(number) <= 799:
            return "account_blocked", Fault.REPUTATION
        if 600 <= int(number) <= 699:
            return "listed", Fault.REPUTATION
    if subject in _MAY_PASS and not permanent:
        return None
    return _STATUSES.get(detail) or _SUBJECTS.get(subject)


def _seconds(words: str) -> float | None:
    said = _COME_BACK.search(words)
    return float(min(int(said[1]) * _UNIT_SECONDS[said[2][0]], _DAY_SECONDS)) if said else None
