"""What a writer adds to a mail, without what they quote and without their signature.

It goes line by line and takes time by the length. What is cut is what mail programs add in known shapes; where a shape is
not known, the text stays whole, since a wish to be left alone must not be cut.
"""

import html
import re
from typing import Final

LONGEST_TEXT: Final = 20_000
"""The characters of a mail's text that are looked at."""
_LONGEST_LINE = 1_000

_WROTE = re.compile(
    r"^(on\b.{5,300}\bwrote|am\b.{5,300}\bschrieb\b.{0,200}|le\b.{5,300}\ba écrit|el\b.{5,300}\bescribió|il\b.{5,300}\bha scritto"
    r"|op\b.{5,300}\bschreef\b.{0,200}|em\b.{5,300}\bescreveu|.{3,200}<[^<>\s]+@[^<>\s]+>.{0,60}\b(wrote|schrieb|a écrit|escribió))\s*:$",
    re.IGNORECASE,
)
_OPENS_WROTE = re.compile(r"^(on|am|le|el|il|op|em)\b.{5,}|.*<[^<>\s]+@[^<>\s]+>", re.IGNORECASE)
_SEPARATOR = re.compile(
    r"^([-_]{2,} ?(original message|forwarded message|ursprüngliche nachricht|originalnachricht|weitergeleitete nachricht"
    r"|message d'origine|message transféré|message original|mensaje original|mensaje reenviado|reply above this line.*) ?[-_]{2,}"
    r"|begin forwarded message:|anfang der weitergeleiteten nachricht:|début du message (réexpédié|transféré)\s*:"
    r"|#{2,}[- ].*reply above.*|please (type|reply) above this line.*|_{20,})$",
    re.IGNORECASE,
)
_HEADER_LINE = re.compile(
    r"^[*_ ]*(from|sent|date|to|cc|subject|von|gesendet|datum|an|betreff|de|envoyé|à|objet|enviado|enviado el|fecha|para|asunto)"
    r"[*_ ]*\s?:[*_ ]*\s",
    re.IGNORECASE,
)
_FIRST_HEADER = re.compile(r"^[*_ ]*(from|von|de)[*_ ]*\s?:[*_ ]*\s", re.IGNORECASE)
_DEVICE = re.compile(
    r"^(sent from (my|mail|yahoo|outlook|the)\b.*|get outlook for .*|sent (via|with|using) .{1,40}|gesendet (von|mit) .*"
    r"|von meinem \w+ gesendet.*|envoyé (de|depuis|à partir) .*|enviado (desde|de) .*)$",
    re.IGNORECASE,
)
_SIGN_OFF = re.compile(
    r"^(with )?((best|kind|warm|kindest|warmest|many) )?(regards|wishes)( and thanks)?[,.!]*$|^(yours )?(sincerely|truly|faithfully)( yours)?[,.!]*$"
    r"|^(mit )?(freundliche|beste|viele|herzliche|liebe)[nr]? (grüße|grüßen|gruß|grüsse|grüssen|gruss)[,.!]*$"
    r"|^((bien )?cordialement|(sincères|meilleures) salutations)[,.!]*$|^(un saludo|saludos( cordiales)?|atentamente)[,.!]*$",
    re.IGNORECASE,
)
_POSTSCRIPT = re.compile(r"^p\.? ?s\.?\b", re.IGNORECASE)
_LONGEST_SIGNATURE: Final = 25
"""The lines after a sign-off that may be a signature; after more of them it was none."""


def new_text(text: str) -> str:
    """What the writer wrote.

    A history below it is cut at the line that introduces it (`On … wrote:`, a block of From, Sent, To and Subject, a
    separator); quoted lines are left out wherever they stand, so that answers between and below them stay. A signature is cut at
    `-- ` (RFC 3676, 4.3) or at a sign-off like `Kind regards,`, a postscript after it stays.
    """
    lines = [line.rstrip()[:_LONGEST_LINE] for line in text[:LONGEST_TEXT].replace("\r", "").split("\n")]
    kept: list[str] = []
    index = 0
    while index < len(lines):
        line = lines[index].strip().replace("\u00a0", " ")
        if line.startswith(">"):
            index += 1
            continue
        height = _introduces(lines, index)
        if height:
            following = next((each for each in lines[index + height :] if each.strip()), "")
            if not following.lstrip().startswith(">"):
                break
            index += height
            continue
        if _SEPARATOR.match(line) or _heads_history(lines, index):
            break
        if not _DEVICE.match(line):
            kept.append(line)
        index += 1
    return re.sub(r"\n{3,}", "\n\n", "\n".join(_without_signature(kept))).strip()


def _introduces(lines: list[str], index: int) -> int:
    """How many lines the sentence takes that introduces a quotation at this line, 0 if there is none."""
    first = lines[index].strip()
    if not _OPENS_WROTE.match(first[:300]):
        return 0
    sentence = ""
    for height in range(1, 4):
        if index + height > len(lines):
            return 0
        sentence = f"{sentence} {lines[index + height - 1].strip()}".strip()
        if _WROTE.match(sentence):
            return height
    return 0


def _heads_history(lines: list[str], index: int) -> bool:
    """Whether the headers of the message before are copied here, as Outlook does without quoting it."""
    if not _FIRST_HEADER.match(lines[index].strip() + " "):
        return False
    near = [line.strip() + " " for line in lines[index : index + 8] if line.strip()][:5]
    return sum(_HEADER_LINE.match(line) is not None for line in near) >= 3


def _without_signature(lines: list[str]) -> list[str]:
    for index, line in enumerate(lines):
        if line not in ("--", "—") and not _SIGN_OFF.match(line):
            continue
        wrote_before = any(each.strip() for each in lines[:index])
        rest = lines[index + 1 :]
        if line not in ("--", "—") and (
            not wrote_before or sum(bool(each.strip()) for each in rest) > _LONGEST_SIGNATURE
        ):
            continue
        postscript = next((n for n, each in enumerate(rest) if _POSTSCRIPT.match(each)), len(rest))
        return lines[:index] + rest[postscript:]
    return lines


_LONGEST_HTML: Final = 200_000
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)([^<>]*)>")
_UNSEEN = frozenset({"head", "script", "style", "title", "template"})
_ENDS_LINE = frozenset(
    {"br", "p", "div", "tr", "li", "ul", "ol", "table", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "blockquote"}
)
_CITES = re.compile(
    r"gmail_quote|yahoo_quoted|moz-cite-prefix|protonmail_quote|divRplyFwdMsg|appendonsend|OLK_SRC_BODY_SECTION",
    re.IGNORECASE,
)


def text_of_html(markup: str) -> str:
    """The text of a mail's HTML; what it quotes stands in lines that begin with `>`.

    The standard library's parser takes time by the square of the length for some markup, and anybody may send it.
    """
    markup = _without_comments(markup[:_LONGEST_HTML])
    lines: list[str] = []
    words: list[str] = []
    depth = 0
    unseen: str | None = None
    end = 0

    def finish() -> None:
        line = " ".join(html.unescape("".join(words)).split())
        words.clear()
        lines.append(f"> {line}" if depth and line else line)

    for tag in _TAG.finditer(markup):
        if unseen is None:
            words.append(" ".join(re.split(r"[ \t\r\n]+", markup[end : tag.start()])))
        end = tag.end()
        closes, name = bool(tag[1]), tag[2].lower()
        if unseen is not None:
            if (closes and name == unseen) or (name == "body" and unseen == "head"):
                unseen = None
        elif name in _UNSEEN and not closes:
            unseen = name
        elif name == "hr" or (name == "div" and not closes and _CITES.search(tag[3])):
            finish()
            if name == "div" and not depth and "cite-prefix" not in tag[3] and "gmail_quote" not in tag[3]:
                lines.append("-----Original Message-----")
        elif name == "blockquote":
            finish()
            depth = max(0, depth - 1) if closes else depth + 1
        elif name in _ENDS_LINE:
            finish()
    if unseen is None:
        words.append(markup[end:].replace("\n", " "))
    finish()
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _without_comments(markup: str) -> str:
    kept: list[str] = []
    start = 0
    while (opened := markup.find("<!", start)) >= 0:
        kept.append(markup[start:opened])
        mark = "-->" if markup.startswith("<!--", opened) else ">"
        closed = markup.find(mark, opened)
        if closed < 0:
            return "".join(kept)
        start = closed + len(mark)
    kept.append(markup[start:])
    return "".join(kept)
