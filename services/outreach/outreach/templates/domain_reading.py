"""A text is read as a template, with every flaw in it, the line of each, and the variables it uses. Pure."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from liquid.builtin import content
from liquid.builtin.expressions import BooleanExpression, FilteredExpression, Path, StringLiteral
from liquid.builtin.expressions.arguments import KeywordArgument
from liquid.builtin.expressions.filtered import Filter
from liquid.builtin.expressions.logical import (
    ContainsExpression,
    EqExpression,
    LogicalAndExpression,
    LogicalOrExpression,
    NeExpression,
)
from liquid.builtin.expressions.primitive import FalseLiteral, FloatLiteral, IntegerLiteral, Nil, TrueLiteral
from liquid.exceptions import LiquidError
from liquid.expression import Expression
from liquid.template import BoundTemplate

from contracts.outreach.templates import (
    MOST_SUBJECT_CHARACTERS,
    MOST_TEMPLATE_CHARACTERS,
    TemplateFlaw,
    TemplateFlawCode,
    TemplatePart,
)
from contracts.personal import looks_like_pii
from contracts.taxonomy import SendKind
from outreach.templates.domain_filters import FILTERS
from outreach.templates.domain_flaws import TemplateError, flaw, is_control, line_at
from outreach.templates.domain_gaps import gaps
from outreach.templates.domain_liquid import MOST_NESTED, TAGS, liquid, name_of, names_in, within
from outreach.templates.domain_values import METADATA, SENDERS, is_known, known

_MOST_MARKUP: Final = 500
"""The longest placeholder or tag: what Liquid's own patterns and its recursion need grows faster than the text does."""
MOST_TOLD: Final = 20
"""How many flaws are told at once."""
_OPENING: Final = re.compile(r"\{\{|\{%|\}\}|%\}")
_TAG: Final = re.compile(r"\{%-?\s*(\w*)")
_SAYABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,60}")
_OPENS: Final = {"if": "endif", "unless": "endunless"}
_ALIKE: Final = {"elsif": "if"}
_ALONE: Final = frozenset({"else", "endif", "endunless"})


@dataclass(frozen=True, slots=True)
class Compiled:
    """A text that is a template.

    Attributes:
        template: none where the text stands for itself, whatever the values.
        gaps: the places that may have nothing to show.
    """

    template: BoundTemplate | None
    names: frozenset[str]
    gaps: tuple[TemplateFlaw, ...]


@lru_cache(maxsize=1024)
def compiled(text: str, part: TemplatePart, kind: SendKind) -> Compiled:
    """The template that a text is.

    Raises:
        TemplateError: it is none.
    """
    most = MOST_SUBJECT_CHARACTERS if part is TemplatePart.SUBJECT else MOST_TEMPLATE_CHARACTERS
    if len(text) > most:
        raise TemplateError([flaw(TemplateFlawCode.TOO_LONG, part, f"has {len(text)} characters, and may have {most}")])
    flaws = list(_control_characters(text, part))
    markups = list(_markups(text, part, flaws))
    _nesting(markups, part, flaws)
    expressions = [(line, found) for line, markup in markups for found in _expressions(line, markup, part, flaws)]
    for line, expression in expressions:
        flaws += _expression_flaws(expression, line, part, kind)
    if flaws:
        raise TemplateError(flaws[:MOST_TOLD])
    try:
        template = liquid().from_string(text)
    except LiquidError as error:
        raise TemplateError([flaw(TemplateFlawCode.SYNTAX, part, f"cannot be read: {error.message}")]) from None
    names = frozenset(name for _, expression in expressions for name in names_in(expression))
    return Compiled(template if markups else None, names, tuple(gaps(template.nodes, SENDERS, part)))


def _control_characters(text: str, part: TemplatePart) -> Iterator[TemplateFlaw]:
    allowed = "" if part is TemplatePart.SUBJECT else "\n\t"
    for at, character in enumerate(text):
        if is_control(character) and character not in allowed:
            what = "a line break" if character in "\n\r" else "a control character"
            where = "a subject is one line" if part is TemplatePart.SUBJECT else "take it out"
            yield flaw(TemplateFlawCode.CONTROL_CHARACTER, part, f"holds {what}: {where}", line_at(text, at))
            return


def _markups(text: str, part: TemplatePart, flaws: list[TemplateFlaw]) -> Iterator[tuple[int, str]]:
    """The placeholders and tags of a text with their lines, as Liquid finds them: each ends where it first can."""
    at = 0
    while match := _OPENING.search(text, at):
        line, opening, at = line_at(text, match.start()), match[0], match.end()
        closing = {"{{": "}}", "{%": "%}"}.get(opening)
        if closing is None:
            flaws.append(flaw(TemplateFlawCode.SYNTAX, part, f"has a {opening} that closes nothing", line))
            return
        end = text.find(closing, at, at + _MOST_MARKUP)
        inner = text[at:end]
        if end < 0 or "{{" in inner or "{%" in inner:
            message = f"has a {opening} that is not closed with {closing} within {_MOST_MARKUP} characters"
            flaws.append(flaw(TemplateFlawCode.SYNTAX, part, message, line))
            return
        at = end + len(closing)
        yield line, text[match.start() : at]


def _nesting(markups: Iterable[tuple[int, str]], part: TemplatePart, flaws: list[TemplateFlaw]) -> None:
    """Note tags that are not known, or stand where they cannot: Liquid itself drops what follows a second ``else``."""
    open_: list[tuple[str, int, bool]] = []  # tag, line, whether its else has come
    for line, markup in markups:
        tag = _tag(markup)
        if tag is None:
            continue
        message = None
        if tag not in TAGS:
            message = f"has a tag that there is not; there are {', '.join(TAGS)}"
        elif tag in _OPENS:
            open_.append((tag, line, False))
            if len(open_) > MOST_NESTED:
                message = f"has conditions more than {MOST_NESTED} deep in each other"
        elif not open_:
            message = f"has an {tag} without an if or unless"
        elif tag in ("elsif", "else"):
            opened, since, had_else = open_.pop()
            open_.append((opened, since, True if tag == "else" else had_else))
            if had_else:
                message = f"has an {tag} after the else"
        elif tag != _OPENS[open_.pop()[0]]:
            message = f"has an {tag} that closes another tag"
        if message:
            flaws.append(flaw(TemplateFlawCode.SYNTAX, part, message, line))
            return
    for tag, line, _ in open_[-1:]:
        flaws.append(flaw(TemplateFlawCode.SYNTAX, part, f"has an {tag} without its {_OPENS[tag]}", line))


def _tag(markup: str) -> str | None:
    match = _TAG.match(markup)
    return match[1] if match else None


def _expressions(line: int, markup: str, part: TemplatePart, flaws: list[TemplateFlaw]) -> Iterator[Expression]:
    """What a placeholder shows or a tag asks; read by itself, so that each flaw has its line."""
    tag = _tag(markup)
    if tag in _ALONE:
        if markup.strip("{}%- \t\n") != tag:
            flaws.append(flaw(TemplateFlawCode.SYNTAX, part, f"has something behind {tag}", line))
        return
    if tag is not None and tag not in TAGS:
        return  # told already
    alone = markup
    if tag is not None:
        alone = f"{markup.replace(tag, _ALIKE.get(tag, tag), 1)}{{% {_OPENS[_ALIKE.get(tag, tag)]} %}}"
    try:
        (node,) = (node for node in liquid().from_string(alone).nodes if not isinstance(node, content.ContentNode))
    except (LiquidError, ValueError) as error:
        why = error.message if isinstance(error, LiquidError) else "it is empty"
        flaws.append(flaw(TemplateFlawCode.SYNTAX, part, f"cannot be read: {why}", line))
        return
    yield from node.expressions()


def _expression_flaws(expression: Expression, line: int, part: TemplatePart, kind: SendKind) -> Iterator[TemplateFlaw]:
    """What an expression has that templates have not."""
    for found in within(expression):
        if isinstance(found, Path):
            yield from _name_flaws(found, line, part, kind)
        elif isinstance(found, FilteredExpression):
            for each in found.filters or ():
                yield from _filter_flaws(each, line, part)
        elif not isinstance(found, _EXPRESSIONS):
            message = "compares or counts; ask whether there is a value, or compare texts with ==, != and contains"
            yield flaw(TemplateFlawCode.SYNTAX, part, message, line)


_EXPRESSIONS: Final = (
    BooleanExpression, LogicalAndExpression, LogicalOrExpression, EqExpression, NeExpression, ContainsExpression,
    StringLiteral, IntegerLiteral, FloatLiteral, TrueLiteral, FalseLiteral, Nil,
)  # fmt: skip


def _name_flaws(path: Path, line: int, part: TemplatePart, kind: SendKind) -> Iterator[TemplateFlaw]:
    if not all(isinstance(segment, str) for segment in path.path):
        yield flaw(TemplateFlawCode.SYNTAX, part, "takes a part of a variable, and every variable is a text", line)
    elif not is_known((name := name_of(path)), kind) or looks_like_pii(name):
        # What is written there may be anything; only what looks like a variable's name is said again.
        said = f" {name}" if _SAYABLE.fullmatch(name) and not looks_like_pii(name) else ""
        message = f"uses a variable{said} that there is not; there are {', '.join(known(kind))} and {METADATA}<name>"
        yield flaw(TemplateFlawCode.UNKNOWN_VARIABLE, part, message, line, said.strip() or None)


def _filter_flaws(each: Filter, line: int, part: TemplatePart) -> Iterator[TemplateFlaw]:
    known_ = FILTERS.get(each.name)
    if known_ is None:
        message = f"uses a filter that there is not; there are {', '.join(sorted(FILTERS))}"
        yield flaw(TemplateFlawCode.UNKNOWN_FILTER, part, message, line)
        return
    arguments = [argument.value for argument in each.args]
    takes = known_.texts + known_.number
    if any(isinstance(argument, KeywordArgument) for argument in each.args):
        yield flaw(TemplateFlawCode.SYNTAX, part, f"gives {each.name} a value by name: leave the name out", line)
    elif len(arguments) != takes:
        yield flaw(
            TemplateFlawCode.SYNTAX, part, f"gives {each.name} {len(arguments)} values, and it takes {takes}", line
        )
    elif known_.number and not (
        isinstance(arguments[0], IntegerLiteral) and 1 <= arguments[0].value <= MOST_TEMPLATE_CHARACTERS
    ):
        yield flaw(
            TemplateFlawCode.SYNTAX, part, f"gives {each.name} no number from 1 to {MOST_TEMPLATE_CHARACTERS}", line
        )
    elif (
        known_.texts
        and not known_.number
        and not all(isinstance(argument, Path | StringLiteral) for argument in arguments)
    ):
        yield flaw(
            TemplateFlawCode.SYNTAX, part, f"gives {each.name} something that is no text: put it in quotes", line
        )
    elif each.name == "default" and isinstance(arguments[0], StringLiteral) and not arguments[0].value.strip():
        message = "has an empty default, which leaves a gap: write the sentence inside an if instead"
        yield flaw(TemplateFlawCode.NO_DEFAULT, part, message, line)
