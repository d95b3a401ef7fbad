"""Where a template may have nothing to show: which variables surely have a value at each place of it. Pure."""

from collections.abc import Iterable, Iterator

from liquid.ast import BlockNode, Node
from liquid.builtin.expressions import BooleanExpression, FilteredExpression, Path, StringLiteral
from liquid.builtin.expressions.logical import (
    ContainsExpression,
    EqExpression,
    LogicalAndExpression,
    LogicalOrExpression,
    NeExpression,
)
from liquid.builtin.expressions.primitive import Nil
from liquid.builtin.output import OutputNode
from liquid.builtin.tags.if_tag import IfNode
from liquid.builtin.tags.unless_tag import UnlessNode
from liquid.expression import Expression

from contracts.outreach.templates import TemplateFlaw, TemplateFlawCode, TemplatePart
from outreach.templates.domain_flaws import flaw
from outreach.templates.domain_liquid import line_of, name_of, names_in


def gaps(nodes: Iterable[Node], present: frozenset[str], part: TemplatePart) -> Iterator[TemplateFlaw]:
    """The placeholders that may have nothing to show, where these variables surely have a value."""
    for node in nodes:
        if isinstance(node, IfNode | UnlessNode):
            holds = isinstance(node, IfNode)
            yield from gaps(_block(node.consequence), present | _present(node.condition, holds), part)
            otherwise = present | _present(node.condition, not holds)
            for alternative in node.alternatives:
                yield from gaps(_block(alternative.block), otherwise | _present(alternative.expression, True), part)
                otherwise |= _present(alternative.expression, False)
            if node.default:
                yield from gaps(_block(node.default), otherwise, part)
        elif isinstance(node, OutputNode):
            for name in sorted(_lacking(node.expression, present)):
                message = f'shows {name}, which leads may lack: write {{{{ {name} | default: "…" }}}}, or put it inside {{% if {name} %}}'
                yield flaw(TemplateFlawCode.NO_DEFAULT, part, message, line_of(node), name)


def _block(node: Node) -> list[Node]:
    return list(node.nodes) if isinstance(node, BlockNode) else [node]


def _lacking(expression: Expression, present: frozenset[str]) -> set[str]:
    """The variables for want of which a placeholder may have nothing to show."""
    if not isinstance(expression, FilteredExpression):
        return set(names_in(expression)) - present
    lacking = set(names_in(expression.left)) - present
    for each in expression.filters or ():
        needed = {name for argument in each.args for name in names_in(argument.value)} - present
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
        return frozenset({name_of(condition)} if holds else ())
    if isinstance(condition, ContainsExpression):
        return frozenset((*names_in(condition.left), *names_in(condition.right)) if holds else ())
    if isinstance(condition, EqExpression | NeExpression):
        sides = (condition.left, condition.right)
        equal = holds is isinstance(condition, EqExpression)
        with_nothing = any(isinstance(side, Nil) for side in sides)
        with_text = any(isinstance(side, StringLiteral) for side in sides)
        if (with_text and equal) or (with_nothing and not equal):
            return frozenset(name for side in sides for name in names_in(side))
    return frozenset()
