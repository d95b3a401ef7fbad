"""Templates: plain text with Liquid in it, what is wrong with one, and the message it makes of a lead's values. Pure.

Of Liquid there is what a message to one person needs: variables, filters that each take a bounded time, and the tags in `TAGS`.
Every variable is a text, so there is nothing to loop over, and nothing to assign; and of the standard tags ``case`` renders a
block as often as a value stands in its ``when``, which no limit counts when it is nested. Files are out of reach: ``include`` and
``render`` are not known.

A message never has a gap: a placeholder that comes out empty is an error that names its variables.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final, TextIO
from urllib.parse import quote_plus

from liquid import Environment, RenderContext
from liquid.ast import BlockNode, Node
from liquid.builtin import content, illegal
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
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags.if_tag import IfNode, IfTag
from liquid.builtin.tags.unless_tag import UnlessNode, UnlessTag
from liquid.exceptions import LiquidError, OutputStreamLimitError
from liquid.expression import Expression
from liquid.template import BoundTemplate
from liquid.token import Token
from liquid.undefined import UNDEFINED, is_undefined

from contracts.outreach_templates import (
    MOST_SUBJECT_CHARACTERS,
    MOST_TEMPLATE_CHARACTERS,
    TemplateFlaw,
    TemplateFlawCode,
    TemplatePart,
)
from contracts.personal import looks_like_pii
from contracts.taxonomy import SendKind
from outreach.templates.domain_values import METADATA, SENDERS, is_known, known

TAGS: Final = ("if", "elsif", "else", "endif", "unless", "endunless")
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
_MOST_MARKUP: Final = 500
"""The longest placeholder or tag: what Liquid's own patterns and its recursion need grows faster than the text does."""
_MOST_NESTED: Final = 10
"""How deep conditions may lie in each other."""
_MOST_BRACKETS: Final = 4
"""How many of them a placeholder or tag may have; one names a field of the metadata."""
_MOST_TOLD: Final = 20
"""How many flaws are told at once."""
_ANY_VALUE: Final = "\ue000"
"""Stands for a value when a template is tried; for private use (Unicode, 23.5), so no filter's argument holds it."""

_OPENING: Final = re.compile(r"\{\{|\{%|\}\}|%\}")
_TAG: Final = re.compile(r"\{%-?\s*(\w*)")
_SAYABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,60}")
_OPENS: Final = {"if": "endif", "unless": "endunless"}
_ALONE: Final = frozenset({"else", "endif", "endunless"})


class TemplateError(Exception):
    """A text is no template, or makes no message.

    Attributes:
        flaws: what is wrong, one or more; without any of a lead's values.
    """

    def __init__(self, flaws: Iterable[TemplateFlaw]) -> None:
        self.flaws = list(flaws)
        super().__init__("; ".join(flaw.message for flaw in self.flaws))


class LackingError(TemplateError):
    """There is no message for this lead, for it lacks what a placeholder needs.

    Attributes:
        variables: which it lacks, sorted.
    """

    def __init__(self, part: TemplatePart, line: int, variables: Iterable[str]) -> None:
        self.variables = tuple(sorted(set(variables)))
        super().__init__(
            TemplateFlaw(
                code=TemplateFlawCode.LACKING, part=part, line=line, variable=name,
                message=f"{name} has no value for this lead in line {line} of the {part}: "
                "give it a default, or write the sentence inside an if that asks for it",
            )
            for name in self.variables
        )  # fmt: skip


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
    return _compiled(template, part, kind).names


def all_variables(kind: SendKind, subject: str | None, body: str) -> frozenset[str]:
    """The variables that a template uses, in its subject and its body.

    Raises:
        TemplateError: it is no template.
    """
    return frozenset().union(*(_compiled(text, part, kind).names for part, text in _parts(subject, body)))


def check(kind: SendKind, subject: str | None, body: str) -> list[TemplateFlaw]:
    """What is wrong with a template: the first flaws, those of the subject before those of the body."""
    flaws = _subject_flaws(kind, subject)
    for part, text in _parts(subject, body):
        try:
            flaws += _compiled(text, part, kind).gaps
        except TemplateError as error:
            flaws += error.flaws
    if not flaws:
        try:
            render(kind, subject, body, dict.fromkeys(all_variables(kind, subject, body), _ANY_VALUE))
        except TemplateError as error:
            flaws += error.flaws
    return flaws[:_MOST_TOLD]


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
    texts = {part: _render(_compiled(text, part, kind), part, values) for part, text in _parts(subject, body)}
    for part, text in texts.items():
        most = MOST_SUBJECT if part is TemplatePart.SUBJECT else MOST_CHARACTERS[kind]
        if (length := _length(text)) > most:
            raise TemplateError(
                [_flaw(TemplateFlawCode.TOO_LONG, part, f"has {length} characters, and may have {most}")]
            )
        if not text.strip():
            raise TemplateError(
                [_flaw(TemplateFlawCode.EMPTY, part, "comes out empty: write something outside of conditions")]
            )
    return Rendered(texts.get(TemplatePart.SUBJECT), texts[TemplatePart.BODY])


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A text that is a template.

    Attributes:
        gaps: the places that may have nothing to show.
    """

    template: BoundTemplate
    names: frozenset[str]
    gaps: tuple[TemplateFlaw, ...]


class _GapError(Exception):
    """A placeholder comes out empty."""

    def __init__(self, node: Node, names: set[str]) -> None:
        super().__init__()
        self.line = _line(node)
        self.names = names


class _Placeholder(OutputNode):
    """A ``{{ }}``; with a variable in it, it comes out as something or not at all."""

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        text = _text(self.expression.evaluate(context))
        if not text.strip() and (names := set(_names(self.expression))):
            lacking = {_name(path) for path in _paths(self.expression) if is_undefined(path.evaluate(context))}
            raise _GapError(self, lacking or names)
        return buffer.write(text)


class _PlaceholderTag(Output):
    node_class = _Placeholder


class _Context(RenderContext):
    """Looks variables up by their whole names: what Liquid adds to them, such as ``size``, ``first`` and ``now``, there is not."""

    def get(self, path: list[object], *, token: Token | None, default: object = UNDEFINED) -> object:
        del default
        name = ".".join(map(str, path))
        return self.globals[name] if name in self.globals else self.env.undefined(name, token=token)


class _Template(BoundTemplate):
    context_class = _Context


class _Liquid(Environment):
    """Liquid as far as messages need it, with every limit set: each of them is none by default."""

    loop_iteration_limit = 100
    local_namespace_limit = 10_000
    output_stream_limit = 4 * MOST_TEMPLATE_CHARACTERS
    block_nesting_limit = _MOST_NESTED + 1
    context_depth_limit = 10
    template_class = _Template

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        del extra
        for tag in (content.Literal, _PlaceholderTag, illegal.Illegal, IfTag, UnlessTag):
            self.add_tag(tag)
        for name, filter_ in FILTERS.items():
            self.add_filter(name, filter_.apply)


class _TooLongError(Exception):
    """A filter would make more text than any message may hold."""


@dataclass(frozen=True, slots=True)
class TextFilter:
    """A filter: a function of a text, bounded in what it takes and makes.

    Attributes:
        make: of the text and the arguments.
        texts: how many texts it takes beside.
        number: whether it takes a whole number before these.
    """

    make: Callable[..., str]
    texts: int = 0
    number: bool = False

    def apply(self, value: object, *arguments: object) -> object:
        """What the filter makes; what is lacking stays lacking, so that a default behind it still stands in."""
        for each in (value, *arguments):
            if is_undefined(each):
                return each
        return _bounded(
            self.make(
                _text(value), *(each if self.number and not at else _text(each) for at, each in enumerate(arguments))
            )
        )


class _Default(TextFilter):
    def apply(self, value: object, *arguments: object) -> object:
        return value if _text(value).strip() else arguments[0]


def _text(value: object) -> str:
    if value is None or is_undefined(value):
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _bounded(text: str) -> str:
    if len(text) > MOST_TEMPLATE_CHARACTERS:
        raise _TooLongError
    return text


def _replace(text: str, old: str, new: str) -> str:
    # Counted before it is made: a text of 20,000 characters can hold as many times another of 20,000.
    if text.count(old) * len(new) > MOST_TEMPLATE_CHARACTERS:
        raise _TooLongError
    return text.replace(old, new) if old else text


def _truncate(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def _truncate_words(text: str, most: int) -> str:
    words = text.split()
    return text if len(words) <= most else f"{' '.join(words[:most])}…"


FILTERS: Final[Mapping[str, TextFilter]] = {
    "default": _Default(str, texts=1),
    "capitalize": TextFilter(str.capitalize),
    "upcase": TextFilter(str.upper),
    "downcase": TextFilter(str.lower),
    "strip": TextFilter(str.strip),
    "append": TextFilter(lambda text, more: text + more, texts=1),
    "prepend": TextFilter(lambda text, more: more + text, texts=1),
    "replace": TextFilter(_replace, texts=2),
    "remove": TextFilter(lambda text, old: _replace(text, old, ""), texts=1),
    "truncate": TextFilter(_truncate, number=True),
    "truncatewords": TextFilter(_truncate_words, number=True),
    "url_encode": TextFilter(quote_plus),
    "words": TextFilter(lambda text: text.replace("_", " ")),
}
"""The filters there are. ``words`` makes words of a key: of ``dublin_oh`` ``dublin oh``."""


@cache
def _liquid() -> Environment:
    return _Liquid()


@lru_cache(maxsize=1024)
def _compiled(text: str, part: TemplatePart, kind: SendKind) -> _Compiled:
    """The template that a text is.

    Raises:
        TemplateError: it is none.
    """
    most = MOST_SUBJECT_CHARACTERS if part is TemplatePart.SUBJECT else MOST_TEMPLATE_CHARACTERS
    if len(text) > most:
        raise TemplateError(
            [_flaw(TemplateFlawCode.TOO_LONG, part, f"has {len(text)} characters, and may have {most}")]
        )
    flaws = list(_control_characters(text, part))
    markups = list(_markups(text, part, flaws))
    _nesting(markups, part, flaws)
    expressions = [(line, found) for line, markup in markups for found in _expressions(line, markup, part, flaws)]
    for line, expression in expressions:
        flaws += _expression_flaws(expression, line, part, kind)
    if flaws:
        raise TemplateError(flaws[:_MOST_TOLD])
    try:
        template = _liquid().from_string(text)
    except LiquidError as error:
        raise TemplateError([_flaw(TemplateFlawCode.SYNTAX, part, f"cannot be read: {error.message}")]) from None
    names = frozenset(name for _, expression in expressions for name in _names(expression))
    return _Compiled(template, names, tuple(_gaps(template.nodes, SENDERS, part)))


def _render(compiled: _Compiled, part: TemplatePart, values: Mapping[str, str]) -> str:
    try:
        return compiled.template.render(
            dict(_lines({name: values[name] for name in compiled.names & values.keys()}, part))
        )
    except _GapError as gap:
        raise LackingError(part, gap.line, gap.names) from None
    except (_TooLongError, OutputStreamLimitError):
        raise TemplateError(
            [_flaw(TemplateFlawCode.TOO_LONG, part, "makes more text than any message may hold")]
        ) from None
    except LiquidError as error:
        raise TemplateError([_flaw(TemplateFlawCode.SYNTAX, part, f"cannot be rendered: {error.message}")]) from None


def _lines(values: Mapping[str, str], part: TemplatePart) -> Iterator[tuple[str, str]]:
    """The values that are there, each as one line."""
    for name, value in values.items():
        line = " ".join(value.split())
        if len(line) > MOST_VALUE:
            message = f"would hold a value for {name} of more than {MOST_VALUE} characters"
            raise TemplateError([_flaw(TemplateFlawCode.TOO_LONG, part, message, variable=name)])
        if any(map(_is_control, line)):
            message = f"would hold a value for {name} with a control character in it"
            raise TemplateError([_flaw(TemplateFlawCode.CONTROL_CHARACTER, part, message, variable=name)])
        if line:
            yield name, line


def _parts(subject: str | None, body: str) -> Iterator[tuple[TemplatePart, str]]:
    if subject is not None:
        yield TemplatePart.SUBJECT, subject
    yield TemplatePart.BODY, body


def _subject_flaws(kind: SendKind, subject: str | None) -> list[TemplateFlaw]:
    if kind is SendKind.EMAIL and not (subject or "").strip():
        return [_flaw(TemplateFlawCode.SUBJECT, TemplatePart.SUBJECT, "is missing: an e-mail must have one")]
    if kind is not SendKind.EMAIL and subject is not None:
        return [_flaw(TemplateFlawCode.SUBJECT, TemplatePart.SUBJECT, f"is none of a {kind}: leave it out")]
    return []


def _flaw(
    code: TemplateFlawCode, part: TemplatePart, message: str, line: int | None = None, variable: str | None = None
) -> TemplateFlaw:
    where = f"the {part}, line {line}," if line else f"the {part}"
    return TemplateFlaw(code=code, part=part, message=f"{where} {message}", line=line, variable=variable)


def _is_control(character: str) -> bool:
    """Whether no text of a person holds it: control characters, halves of characters, and separators of lines."""
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")


def _control_characters(text: str, part: TemplatePart) -> Iterator[TemplateFlaw]:
    allowed = "" if part is TemplatePart.SUBJECT else "\n\t"
    for at, character in enumerate(text):
        if _is_control(character) and character not in allowed:
            what = "a line break" if character in "\n\r" else "a control character"
            where = "a subject is one line" if part is TemplatePart.SUBJECT else "take it out"
            yield _flaw(TemplateFlawCode.CONTROL_CHARACTER, part, f"holds {what}: {where}", _line_at(text, at))
            return


def _markups(text: str, part: TemplatePart, flaws: list[TemplateFlaw]) -> Iterator[tuple[int, str]]:
    """The placeholders and tags of a text with their lines, as Liquid finds them: each ends where it first can."""
    at = 0
    while match := _OPENING.search(text, at):
        line, opening, at = _line_at(text, match.start()), match[0], match.end()
        closing = {"{{": "}}", "{%": "%}"}.get(opening)
        if closing is None:
            flaws.append(_flaw(TemplateFlawCode.SYNTAX, part, f"has a {opening} that closes nothing", line))
            return
        end = text.find(closing, at, at + _MOST_MARKUP)
        inner = text[at:end]
        if end < 0 or "{{" in inner or "{%" in inner:
            message = f"has a {opening} that is not closed with {closing} within {_MOST_MARKUP} characters"
            flaws.append(_flaw(TemplateFlawCode.SYNTAX, part, message, line))
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
            if len(open_) > _MOST_NESTED:
                message = f"has conditions more than {_MOST_NESTED} deep in each other"
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
            flaws.append(_flaw(TemplateFlawCode.SYNTAX, part, message, line))
            return
    for tag, line, _ in open_[-1:]:
        flaws.append(_flaw(TemplateFlawCode.SYNTAX, part, f"has an {tag} without its {_OPENS[tag]}", line))


def _tag(markup: str) -> str | None:
    match = _TAG.match(markup)
    return match[1] if match else None


def _expressions(line: int, markup: str, part: TemplatePart, flaws: list[TemplateFlaw]) -> Iterator[Expression]:
    """What a placeholder shows or a tag asks; read by itself, so that each flaw has its line."""
    tag = _tag(markup)
    if tag in _ALONE:
        if markup.strip("{}%- \t\n") != tag:
            flaws.append(_flaw(TemplateFlawCode.SYNTAX, part, f"has something behind {tag}", line))
        return
    if tag is not None and tag not in TAGS:
        return  # told already
    if markup.count("[") > _MOST_BRACKETS:
        flaws.append(_flaw(TemplateFlawCode.SYNTAX, part, "has brackets in brackets; write metadata.<name>", line))
        return
    alone = (
        markup
        if tag is None
        else f"{markup}{{% endunless %}}"
        if tag == "unless"
        else f"{markup.replace('elsif', 'if', 1)}{{% endif %}}"
    )
    try:
        (node,) = (node for node in _liquid().from_string(alone).nodes if not isinstance(node, content.ContentNode))
    except (LiquidError, ValueError) as error:
        why = error.message if isinstance(error, LiquidError) else "it is empty"
        flaws.append(_flaw(TemplateFlawCode.SYNTAX, part, f"cannot be read: {why}", line))
        return
    yield from node.expressions()


def _expression_flaws(expression: Expression, line: int, part: TemplatePart, kind: SendKind) -> Iterator[TemplateFlaw]:
    """What an expression has that templates have not."""
    for found in _within(expression):
        if isinstance(found, Path):
            yield from _name_flaws(found, line, part, kind)
        elif isinstance(found, FilteredExpression):
            for each in found.filters or ():
                yield from _filter_flaws(each, line, part)
        elif not isinstance(found, _EXPRESSIONS):
            message = "compares or counts; ask whether there is a value, or compare texts with ==, != and contains"
            yield _flaw(TemplateFlawCode.SYNTAX, part, message, line)


_EXPRESSIONS: Final = (
    BooleanExpression, LogicalAndExpression, LogicalOrExpression, EqExpression, NeExpression, ContainsExpression,
    StringLiteral, IntegerLiteral, FloatLiteral, TrueLiteral, FalseLiteral, Nil,
)  # fmt: skip


def _name_flaws(path: Path, line: int, part: TemplatePart, kind: SendKind) -> Iterator[TemplateFlaw]:
    if not all(isinstance(segment, str) for segment in path.path):
        yield _flaw(TemplateFlawCode.SYNTAX, part, "takes a part of a variable, and every variable is a text", line)
    elif not is_known((name := _name(path)), kind):
        # What is written there may be anything; only what looks like a variable's name is said again.
        said = f" {name}" if _SAYABLE.fullmatch(name) and not looks_like_pii(name) else ""
        message = f"uses a variable{said} that there is not; there are {', '.join(known(kind))} and {METADATA}<name>"
        yield _flaw(TemplateFlawCode.UNKNOWN_VARIABLE, part, message, line, said.strip() or None)


def _filter_flaws(each: Filter, line: int, part: TemplatePart) -> Iterator[TemplateFlaw]:
    known_ = FILTERS.get(each.name)
    if known_ is None:
        message = f"uses a filter that there is not; there are {', '.join(sorted(FILTERS))}"
        yield _flaw(TemplateFlawCode.UNKNOWN_FILTER, part, message, line)
        return
    arguments = [argument.value for argument in each.args]
    takes = known_.texts + known_.number
    if any(isinstance(argument, KeywordArgument) for argument in each.args):
        yield _flaw(TemplateFlawCode.SYNTAX, part, f"gives {each.name} a value by name: leave the name out", line)
    elif len(arguments) != takes:
        yield _flaw(
            TemplateFlawCode.SYNTAX, part, f"gives {each.name} {len(arguments)} values, and it takes {takes}", line
        )
    elif known_.number and not (
        isinstance(arguments[0], IntegerLiteral) and 1 <= arguments[0].value <= MOST_TEMPLATE_CHARACTERS
    ):
        yield _flaw(
            TemplateFlawCode.SYNTAX, part, f"gives {each.name} no number from 1 to {MOST_TEMPLATE_CHARACTERS}", line
        )
    elif (
        known_.texts
        and not known_.number
        and not all(isinstance(argument, Path | StringLiteral) for argument in arguments)
    ):
        yield _flaw(
            TemplateFlawCode.SYNTAX, part, f"gives {each.name} something that is no text: put it in quotes", line
        )
    elif each.name == "default" and isinstance(arguments[0], StringLiteral) and not arguments[0].value.strip():
        message = "has an empty default, which leaves a gap: write the sentence inside an if instead"
        yield _flaw(TemplateFlawCode.NO_DEFAULT, part, message, line)


def _gaps(nodes: Iterable[Node], present: frozenset[str], part: TemplatePart) -> Iterator[TemplateFlaw]:
    """The placeholders that may have nothing to show, where these variables surely have a value."""
    for node in nodes:
        if isinstance(node, IfNode | UnlessNode):
            holds = isinstance(node, IfNode)
            yield from _gaps(_block(node.consequence), present | _present(node.condition, holds), part)
            otherwise = present | _present(node.condition, not holds)
            for alternative in node.alternatives:
                yield from _gaps(_block(alternative.block), otherwise | _present(alternative.expression, True), part)
                otherwise |= _present(alternative.expression, False)
            if node.default:
                yield from _gaps(_block(node.default), otherwise, part)
        elif isinstance(node, OutputNode):
            for name in sorted(_lacking(node.expression, present)):
                message = f'shows {name}, which leads may lack: write {{{{ {name} | default: "…" }}}}, or put it inside {{% if {name} %}}'
                yield _flaw(TemplateFlawCode.NO_DEFAULT, part, message, _line(node), name)


def _block(node: Node) -> list[Node]:
    return list(node.nodes) if isinstance(node, BlockNode) else [node]


def _lacking(expression: Expression, present: frozenset[str]) -> set[str]:
    """The variables for want of which a placeholder may have nothing to show."""
    if not isinstance(expression, FilteredExpression):
        return set(_names(expression)) - present
    lacking = set(_names(expression.left)) - present
    for each in expression.filters or ():
        needed = {name for argument in each.args for name in _names(argument.value)} - present
        # A default replaces what is lacking by what it needs itself; any other filter needs both.
        lacking = (needed if lacking else set()) if each.name == "default" else lacking | needed
    return lacking


def _present(condition: Expression, holds: bool) -> frozenset[str]:
    """The variables that surely have a value where a condition holds, or does not."""
    if isinstance(condition, BooleanExpression):
        return _present(condition.expression, holds)
    if isinstance(condition, LogicalAndExpression | LogicalOrExpression):
        left, right = _present(condition.left, holds), _present(condition.right, holds)
        return left | right if holds is isinstance(condition, LogicalAndExpression) else left & right
    if isinstance(condition, Path):
        return frozenset({_name(condition)} if holds else ())
    if isinstance(condition, ContainsExpression):
        return frozenset((*_names(condition.left), *_names(condition.right)) if holds else ())
    if isinstance(condition, EqExpression | NeExpression):
        sides = (condition.left, condition.right)
        equal = holds is isinstance(condition, EqExpression)
        with_nothing = any(isinstance(side, Nil) for side in sides)
        with_text = any(isinstance(side, StringLiteral) for side in sides)
        if (with_text and equal) or (with_nothing and not equal):
            return frozenset(name for side in sides for name in _names(side))
    return frozenset()


def _within(expression: Expression) -> Iterator[Expression]:
    yield expression
    for child in expression.children():
        yield from _within(child)


def _paths(expression: Expression) -> Iterator[Path]:
    return (found for found in _within(expression) if isinstance(found, Path))


def _names(expression: Expression) -> Iterator[str]:
    return map(_name, _paths(expression))


def _name(path: Path) -> str:
    return ".".join(map(str, path.path))


def _line(node: Node) -> int:
    return _line_at(node.token.source, node.token.start_index)


def _line_at(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def _length(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
