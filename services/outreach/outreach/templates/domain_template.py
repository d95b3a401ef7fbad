"""Templates: plain text with Liquid in it, what is wrong with one, and the message it makes of a lead's values. Pure.

A message never has a gap: a placeholder that comes out empty is an error that names its variables.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from liquid.exceptions import LiquidError, OutputStreamLimitError

from contracts.outreach.templates import MOST_TEMPLATE_CHARACTERS, TemplateFlaw, TemplateFlawCode, TemplatePart
from contracts.taxonomy import SendKind
from outreach.templates.domain_filters import TooLongError
from outreach.templates.domain_flaws import LackingError, TemplateError, flaw, is_control
from outreach.templates.domain_liquid import GapError
from outreach.templates.domain_reading import MOST_TOLD, compiled

MOST_CHARACTERS: Final[Mapping[SendKind, int]] = {
    SendKind.EMAIL: MOST_TEMPLATE_CHARACTERS,
    SendKind.CONNECTION_REQUEST: 300,
    SendKind.LINKEDIN_MESSAGE: 8_000,
    SendKind.SMS: 1_600,
}
"""The longest body of each kind: LinkedIn's own limits, and the ten segments that SMS services join. An emoji counts as two
characters, as it does there (UTF-16)."""
MOST_SUBJECT: Final = 200
"""The longest subject that is sent; mail programs show some seventy characters (RFC 5322, 2.1.1, allows 998)."""
MOST_VALUE: Final = 1_000
"""The longest value that is put into a message."""
_ANY_VALUE: Final = "\ue000"
"""Stands for a value when a template is tried; for private use (Unicode, 23.5), so no filter's argument holds it."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message's texts."""

    subject: str | None
    body: str


def variables(template: str, part: TemplatePart = TemplatePart.BODY, kind: SendKind = SendKind.EMAIL) -> frozenset[str]:
    """The variables that a text uses, in conditions too.

    Raises:
        TemplateError: it is no template.
    """
    return compiled(template, part, kind).names


def all_variables(kind: SendKind, subject: str | None, body: str) -> frozenset[str]:
    """The variables that a template uses, in its subject and its body.

    Raises:
        TemplateError: it is no template.
    """
    return frozenset().union(*(compiled(text, part, kind).names for part, text in _parts(subject, body)))


def check(kind: SendKind, subject: str | None, body: str) -> list[TemplateFlaw]:
    """What is wrong with a template: the first flaws, those of the subject before those of the body."""
    flaws = _subject_flaws(kind, subject)
    for part, text in _parts(subject, body):
        try:
            flaws += compiled(text, part, kind).gaps
        except TemplateError as error:
            flaws += error.flaws
    if not flaws:
        try:
            render(kind, subject, body, dict.fromkeys(all_variables(kind, subject, body), _ANY_VALUE))
        except TemplateError as error:
            flaws += error.flaws
    return flaws[:MOST_TOLD]


def render(kind: SendKind, subject: str | None, body: str, values: Mapping[str, str]) -> Rendered:
    """The message for a lead.

    Parameters:
        values: by variable. Each is written as one line: a value never begins a line of its own, in a header least of all.

    Raises:
        LackingError: a placeholder has nothing to show.
        TemplateError: it is no template, or what it makes is empty or too long for its kind.
    """
    if flaws := _subject_flaws(kind, subject):
        raise TemplateError(flaws)
    texts = {part: _render(text, part, kind, values) for part, text in _parts(subject, body)}
    for part, text in texts.items():
        if found := flaw_of(kind, part, text):
            raise TemplateError([found])
    return Rendered(texts.get(TemplatePart.SUBJECT), texts[TemplatePart.BODY])


def flaw_of(kind: SendKind, part: TemplatePart, text: str) -> TemplateFlaw | None:
    """Why a finished text cannot be sent: it is too long for its kind, or empty."""
    most = MOST_SUBJECT if part is TemplatePart.SUBJECT else MOST_CHARACTERS[kind]
    if (length := _length(text)) > most:
        return flaw(TemplateFlawCode.TOO_LONG, part, f"has {length} characters, and may have {most}")
    if not text.strip():
        return flaw(TemplateFlawCode.EMPTY, part, "comes out empty: write something outside of conditions")
    return None


def _render(text: str, part: TemplatePart, kind: SendKind, values: Mapping[str, str]) -> str:
    read = compiled(text, part, kind)
    if read.template is None:
        return text
    try:
        return read.template.render(dict(_lines({name: values[name] for name in read.names & values.keys()}, part)))
    except GapError as gap:
        raise LackingError(part, gap.line, gap.names) from None
    except (TooLongError, OutputStreamLimitError):
        raise TemplateError(
            [flaw(TemplateFlawCode.TOO_LONG, part, "makes more text than any message may hold")]
        ) from None
    except LiquidError as error:
        raise TemplateError([flaw(TemplateFlawCode.SYNTAX, part, f"cannot be rendered: {error.message}")]) from None


def _lines(values: Mapping[str, str], part: TemplatePart) -> Iterator[tuple[str, str]]:
    """The values that are there, each as one line."""
    for name, value in values.items():
        line = " ".join(value.split())
        if len(line) > MOST_VALUE:
            message = f"would hold a value for {name} of more than {MOST_VALUE} characters"
            raise TemplateError([flaw(TemplateFlawCode.TOO_LONG, part, message, variable=name)])
        if not line.isprintable() and any(map(is_control, line)):  # what is printable has none, and is the rule
            message = f"would hold a value for {name} with a control character in it"
            raise TemplateError([flaw(TemplateFlawCode.CONTROL_CHARACTER, part, message, variable=name)])
        if line:
            yield name, line


def _parts(subject: str | None, body: str) -> Iterator[tuple[TemplatePart, str]]:
    if subject is not None:
        yield TemplatePart.SUBJECT, subject
    yield TemplatePart.BODY, body


def _subject_flaws(kind: SendKind, subject: str | None) -> list[TemplateFlaw]:
    if kind is SendKind.EMAIL and not (subject or "").strip():
        return [flaw(TemplateFlawCode.SUBJECT, TemplatePart.SUBJECT, "is missing: an e-mail must have one")]
    if kind is not SendKind.EMAIL and subject is not None:
        return [flaw(TemplateFlawCode.SUBJECT, TemplatePart.SUBJECT, f"is none of a {kind}: leave it out")]
    return []


def _length(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
