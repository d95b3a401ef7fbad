"""What is changed of routing: a rule or a workspace at a time, each change a new draft in the place of the one before."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Response
from pydantic import Field, ValidationError

from contracts.intake.routing import GetRouting, NewRoutingRule, RoutingRule, RoutingVersionView
from contracts.intake.workspaces import (
    ChainStep,
    NewWorkspaceConfiguration,
    Pick,
    StepKind,
    WorkspaceConfiguration,
)
from contracts.message import ProblemCode, ProblemError
from contracts.taxonomy import UNKNOWN, Intent, Tier, Timeline
from gateway.gate import Admitted, Principal
from gateway.pages.agents import ABSENCE
from gateway.pages.filled_in import (
    RIGHT,
    Filled,
    Wrong,
    WrongError,
    given,
    number,
    several,
    text,
    words,
    wrong_with,
)
from gateway.pages.routing import Version, save
from gateway.pages.sign_in import see_other
from gateway.rendering import page

router = APIRouter(prefix="/t/{tenant}/routing/versions/{version}")

_KEYS: Final = ("product", "source", "geo")
"""Conditions on keys, of which each takes any number of patterns."""
_WORDS: Final = {
    "intent": [*(each.value for each in Intent), UNKNOWN],
    "tier": [*(each.value for each in Tier), UNKNOWN],
    "timeline": [*(each.value for each in Timeline), UNKNOWN],
}
"""Conditions on words, of which some are chosen."""
_PLAIN_STEPS: Final = frozenset({StepKind.ROUND_ROBIN, StepKind.LOAD_BALANCED, StepKind.MANUAL})
_CHAIN: Final = "say what a step is: round_robin, load_balanced, region, role and which, or manual"
Name = Annotated[str, Field(min_length=1, max_length=64)]


@router.get("/rules")
async def new_rule(principal: Admitted, version: Version) -> Response:
    return await _rule(principal, version, None)


@router.post("/rules")
async def add_rule(principal: Admitted, version: Version, form: Filled) -> Response:
    return await _save_rule(principal, version, None, form)


@router.get("/rules/{rule}")
async def rule(principal: Admitted, version: Version, rule: Name) -> Response:
    return await _rule(principal, version, rule)


@router.post("/rules/{rule}")
async def change_rule(principal: Admitted, version: Version, rule: Name, form: Filled) -> Response:
    return await _save_rule(principal, version, rule, form)


@router.post("/rules/{rule}/delete")
async def delete_rule(principal: Admitted, version: Version, rule: Name) -> Response:
    """A draft without the rule."""

    def without(content: dict[str, Any], found: RoutingVersionView) -> None:
        del content["rules"][_place(found, rule)]

    return await _changed(principal, version, without, lambda wrong: _rule(principal, version, rule, wrong))


@router.get("/workspaces")
async def new_workspace(principal: Admitted, version: Version) -> Response:
    return await _workspace(principal, version, None)


@router.post("/workspaces")
async def add_workspace(principal: Admitted, version: Version, form: Filled) -> Response:
    return await _save_workspace(principal, version, None, form)


@router.get("/workspaces/{workspace}")
async def workspace(principal: Admitted, version: Version, workspace: Name) -> Response:
    return await _workspace(principal, version, workspace)


@router.post("/workspaces/{workspace}")
async def change_workspace(principal: Admitted, version: Version, workspace: Name, form: Filled) -> Response:
    return await _save_workspace(principal, version, workspace, form)


@router.post("/workspaces/{workspace}/delete")
async def delete_workspace(principal: Admitted, version: Version, workspace: Name) -> Response:
    """A draft without the workspace; refused while a rule sends leads there."""

    def without(content: dict[str, Any], found: RoutingVersionView) -> None:
        _configuration(found, workspace)
        del content["workspaces"][workspace]

    return await _changed(principal, version, without, lambda wrong: _workspace(principal, version, workspace, wrong))


async def _save_rule(principal: Principal, version: int, name: str | None, form: Filled) -> Response:
    def with_it(content: dict[str, Any], found: RoutingVersionView) -> None:
        made = _read_rule(form)
        if name is None:
            content["rules"].append(made)
        else:
            content["rules"][_place(found, name)] = made

    return await _changed(principal, version, with_it, lambda wrong: _rule(principal, version, name, wrong, form))


async def _save_workspace(principal: Principal, version: int, name: str | None, form: Filled) -> Response:
    called = name or text(form, "name")

    def with_it(content: dict[str, Any], _: RoutingVersionView) -> None:
        if name is None and called in content["workspaces"]:
            raise WrongError("name", "is a workspace already")
        content["workspaces"][called] = _read_workspace(form)

    return await _changed(principal, version, with_it, lambda wrong: _workspace(principal, version, name, wrong, form))


async def _changed(
    principal: Principal,
    version: int,
    change: Callable[[dict[str, Any], RoutingVersionView], None],
    again: Callable[[Wrong], Awaitable[Response]],
) -> Response:
    """A draft of a version with a change; where that makes no configuration, the form `again`, with what is wrong."""
    found = await _found(principal, version)
    content = _content(found)
    try:
        change(content, found)
        saved = await save(principal, content, found)
    except (ValidationError, ProblemError, WrongError) as error:
        return await again(wrong_with(error, "when"))
    return see_other(f"/t/{principal.tenant}/routing/versions/{saved.version}")


async def _rule(
    principal: Principal, version: int, name: str | None, wrong: Wrong = RIGHT, form: Filled | None = None
) -> Response:
    found = await _found(principal, version)
    rule = found.configuration.rules[_place(found, name)] if name is not None else None
    chosen = {
        field: several(form, field) if form is not None else [str(each) for each in getattr(rule.when, field) or ()] if rule else []
        for field in _WORDS
    }  # fmt: skip
    return page(
        "routing_rule.html",
        wrong.status,
        principal=principal,
        version=found,
        which=name,
        typed=_typed_rule(rule) if form is None else _as_sent(form),
        words=_WORDS,
        chosen=chosen,
        places=[(each, each) for each in sorted(found.configuration.workspaces)],
        sent=[],
        wrong=wrong,
    )


async def _workspace(
    principal: Principal, version: int, name: str | None, wrong: Wrong = RIGHT, form: Filled | None = None
) -> Response:
    found = await _found(principal, version)
    configuration = _configuration(found, name) if name is not None else WorkspaceConfiguration()
    return page(
        "routing_workspace.html",
        wrong.status,
        principal=principal,
        version=found,
        which=name,
        typed=_typed_workspace(configuration) if form is None else _as_sent(form),
        absence=ABSENCE,
        sent=[rule.name for rule in found.configuration.rules if rule.workspace == name],
        wrong=wrong,
    )


def _as_sent(form: Filled) -> dict[str, str]:
    """What was typed, to be typed on."""
    return {key: text(form, key) for key in form}


def _read_rule(form: Filled) -> dict[str, Any]:
    """The rule that was filled in.

    Raises:
        WrongError: a field cannot be read.
        ValidationError: what it says does not hold.
    """
    when = given(**{key: words(text(form, key)) for key in _KEYS})
    when |= given(**{field: list(several(form, field)) for field in _WORDS}, metadata=_read_metadata(form))
    rule = given(
        name=text(form, "name"), priority=number(form, "priority"), workspace=text(form, "workspace"),
        sub_vertical=text(form, "sub_vertical"), when=when,
    )  # fmt: skip
    return NewRoutingRule.model_validate(rule).model_dump(mode="json", exclude_defaults=True)


def _read_metadata(form: Filled) -> dict[str, list[str]]:
    found = {}
    for line in text(form, "metadata").splitlines():
        name, equals, values = line.partition("=")
        if line.strip() and not equals:
            raise WrongError("metadata", "write each field on a line of its own, like utm_source = google | bing")
        if line.strip():
            found[name.strip()] = [value.strip() for value in values.split("|") if value.strip()]
    return found


def _typed_rule(rule: RoutingRule | None) -> dict[str, str]:
    """A rule, as it is typed."""
    if rule is None:
        return {"priority": "100"}
    metadata = "\n".join(f"{name} = {' | '.join(values)}" for name, values in rule.when.metadata.items())
    return {
        "name": rule.name,
        "priority": str(rule.priority),
        "workspace": rule.workspace,
        "sub_vertical": rule.sub_vertical or "",
        "metadata": metadata,
    } | {key: ", ".join(getattr(rule.when, key) or ()) for key in _KEYS}


def _read_workspace(form: Filled) -> dict[str, Any]:
    """How a workspace gives out its leads, as it was filled in.

    Raises:
        WrongError: a field cannot be read.
        ValidationError: what it says does not hold.
    """
    configuration = given(
        chain=[_read_step(line) for line in text(form, "chain").splitlines() if line.strip()],
        sla_minutes=number(form, "sla_minutes"),
        max_reassignments=number(form, "max_reassignments"),
        on_absence=text(form, "on_absence"),
        ramp_hours=text(form, "ramp_hours"),
    )
    return NewWorkspaceConfiguration.model_validate(configuration).model_dump(mode="json", exclude_defaults=True)


def _read_step(line: str) -> dict[str, Any]:
    """A step, as `told` writes it."""
    kind, *more = line.split()
    try:
        step: dict[str, Any] = {"kind": StepKind(kind)}
        if step["kind"] is StepKind.ROLE:
            step["role"] = more.pop(0)
        if more and step["kind"] not in _PLAIN_STEPS:
            step["pick"] = Pick(more.pop(0))
    except (ValueError, IndexError):
        raise WrongError("chain", _CHAIN) from None
    if more:
        raise WrongError("chain", _CHAIN)
    return step


def told(step: ChainStep) -> str:
    """A step of a chain, as it is typed."""
    parts = [step.kind.value, step.role or "", "" if step.kind in _PLAIN_STEPS else step.pick.value]
    return " ".join(part for part in parts if part)


def _typed_workspace(configuration: WorkspaceConfiguration) -> Mapping[str, str]:
    """How a workspace gives out its leads, as it is typed."""
    return {
        "chain": "\n".join(map(told, configuration.chain)),
        "sla_minutes": str(configuration.sla_minutes or ""),
        "max_reassignments": str(configuration.max_reassignments),
        "on_absence": configuration.on_absence.value,
        "ramp_hours": f"{configuration.ramp_hours:g}",
    }


async def _found(principal: Principal, version: int) -> RoutingVersionView:
    return await principal.ask(GetRouting(version=version))


def _content(found: RoutingVersionView) -> dict[str, Any]:
    return {"rules": [], "workspaces": {}} | found.configuration.model_dump(mode="json", exclude_defaults=True)


def _place(found: RoutingVersionView, name: str) -> int:
    """Which of the rules is called so.

    Raises:
        ProblemError: `not_found`.
    """
    for place, rule in enumerate(found.configuration.rules):
        if rule.name == name:
            return place
    raise _no_such(f"version {found.version} has no rule {name}")


def _configuration(found: RoutingVersionView, name: str) -> WorkspaceConfiguration:
    """How a workspace is set up.

    Raises:
        ProblemError: `not_found`.
    """
    if name not in found.configuration.workspaces:
        raise _no_such(f"version {found.version} has no workspace {name}")
    return found.configuration.workspaces[name]


def _no_such(text_: str) -> ProblemError:
    return ProblemError(ProblemCode.NOT_FOUND, text_, "name")
