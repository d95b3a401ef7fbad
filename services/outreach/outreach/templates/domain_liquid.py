"""Liquid as far as messages need it, and what is asked of the expressions it reads. Pure.

Of its tags there are `TAGS`. Every variable is a text, so there is nothing to loop over and nothing to assign; and of the standard
tags ``case`` renders a block as often as a value stands in its ``when``, which no limit counts when it is nested. Files are out of
reach: ``include`` and ``render`` are not known.
"""

from collections.abc import Iterator
from functools import cache
from typing import Final, TextIO

from liquid import Environment, RenderContext
from liquid.ast import Node
from liquid.builtin import content, illegal
from liquid.builtin.expressions import Path
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags.if_tag import IfTag
from liquid.builtin.tags.unless_tag import UnlessTag
from liquid.expression import Expression
from liquid.template import BoundTemplate
from liquid.token import Token
from liquid.undefined import UNDEFINED, is_undefined

from contracts.outreach.templates import MOST_TEMPLATE_CHARACTERS
from outreach.templates.domain_filters import FILTERS, text_of
from outreach.templates.domain_flaws import line_at

TAGS: Final = ("if", "elsif", "else", "endif", "unless", "endunless")
MOST_NESTED: Final = 10
"""How deep conditions may lie in each other."""


class GapError(Exception):
    """A placeholder comes out empty."""

    def __init__(self, node: Node, names: set[str]) -> None:
        super().__init__()
        self.line = line_of(node)
        self.names = names


class _Placeholder(OutputNode):
    """A ``{{ }}``; with a variable in it, it comes out as something or not at all."""

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        text = text_of(self.expression.evaluate(context))
        if not text.strip() and (names := set(names_in(self.expression))):
            lacking = {name_of(path) for path in paths_in(self.expression) if is_undefined(path.evaluate(context))}
            raise GapError(self, lacking or names)
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
    block_nesting_limit = MOST_NESTED + 1
    context_depth_limit = 10
    template_class = _Template

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        del extra
        for tag in (content.Literal, _PlaceholderTag, illegal.Illegal, IfTag, UnlessTag):
            self.add_tag(tag)
        for name, filter_ in FILTERS.items():
            self.add_filter(name, filter_.apply)


@cache
def liquid() -> Environment:
    """The one Liquid; it holds nothing of what it renders."""
    return _Liquid()


def within(expression: Expression) -> Iterator[Expression]:
    """An expression and all that is in it."""
    yield expression
    for child in expression.children():
        yield from within(child)


def paths_in(expression: Expression) -> Iterator[Path]:
    """Each mention of a variable."""
    return (found for found in within(expression) if isinstance(found, Path))


def names_in(expression: Expression) -> Iterator[str]:
    """The variable of each mention."""
    return map(name_of, paths_in(expression))


def name_of(path: Path) -> str:
    """The variable that is meant, in dots: ``metadata["pets"]`` is ``metadata.pets``."""
    return ".".join(map(str, path.path))


def line_of(node: Node) -> int:
    """The line that a placeholder or tag stands in, from 1."""
    return line_at(node.token.source, node.token.start_index)
