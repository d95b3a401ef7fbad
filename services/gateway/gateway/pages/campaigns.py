"""Campaigns: how each goes, its steps and how their variants do, making one, and pausing, resuming and ending it."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contracts.gateway.access import Scope
from contracts.intake.memory import ActionRecall
from contracts.message import ProblemError
from contracts.message import Request as Ask
from contracts.outreach.campaigns import (
    MOST_STEPS,
    ArchiveCampaign,
    BusinessHours,
    CampaignSettings,
    CampaignState,
    CampaignView,
    CheckCampaign,
    CreateCampaign,
    GetCampaign,
    JudgeVariants,
    ListCampaigns,
    PauseCampaign,
    ResumeCampaign,
    Step,
    VariantJudgement,
)
from contracts.outreach.templates import ListTemplates, TemplateSummary
from contracts.taxonomy import Intent, SendKind, Tier
from gateway.domain_outreach import CAMPAIGN_STATES, KINDS
from gateway.gate import Admitted, Principal, needs
from gateway.pages.called import template_names
from gateway.pages.dashboard import time_zone
from gateway.pages.forms import invalid
from gateway.pages.once import once
from gateway.pages.panel import panel
from gateway.pages.sign_in import see_other
from gateway.pages.win_rates import Chosen
from gateway.problems import STATUS
from gateway.rendering import page

router = APIRouter(prefix="/t/{tenant}/campaigns")

ROWS_SHOWN: Final = 50
_PATIENCE_SECONDS: Final = 5.0
"""Longer than the overview's: whoever comes here came for this."""
VARIANTS_SHOWN: Final = 3
"""How many variants of a step the form has room for; the API takes ten."""
DAYS: Final = [(1, "Mon"), (2, "Tue"), (3, "Wed"), (4, "Thu"), (5, "Fri"), (6, "Sat"), (7, "Sun")]


class CampaignForm(BaseModel):
    """The form that makes a campaign: of each step one value in each of the lists, of its variants `VARIANTS_SHOWN`.

    What outreach takes decides what is right in it.
    """

    model_config = ConfigDict(extra="forbid")

    title: str = ""
    source_key: Chosen[str] = None
    geo_key: Chosen[str] = None
    intent: Chosen[str] = None
    tier: Chosen[str] = None
    kind: Annotated[list[str], Field(max_length=MOST_STEPS)] = [SendKind.EMAIL.value]
    delay_days: Annotated[list[str], Field(max_length=MOST_STEPS)] = ["0"]
    only_intent: Annotated[list[str], Field(max_length=MOST_STEPS)] = [""]
    only_tier: Annotated[list[str], Field(max_length=MOST_STEPS)] = [""]
    template: Annotated[list[str], Field(max_length=MOST_STEPS * VARIANTS_SHOWN)] = [""] * VARIANTS_SHOWN
    weight: Annotated[list[str], Field(max_length=MOST_STEPS * VARIANTS_SHOWN)] = ["1"] * VARIANTS_SHOWN
    offer: Chosen[str] = None
    rotation_set: str = CampaignSettings.model_fields["rotation_set"].default
    daily_cap: str = str(CampaignSettings.model_fields["daily_cap"].default)
    opens: str = BusinessHours.model_fields["opens"].default
    closes: str = BusinessHours.model_fields["closes"].default
    weekdays: Annotated[list[int], Field(max_length=7)] = []
    holidays: Chosen[str] = None
    stop_for_company: bool = False
    once: str = ""
    """See `gateway.pages.once`."""
    do: str = ""
    """What the button says that was pressed: ``start``, ``proceed`` (start it although a similar one is known) and ``draft`` make it,
    ``add`` and ``drop-<step>`` change the form."""

    def steps(self) -> list[dict[str, Any]]:
        """What was typed of each step, from the first."""
        return [
            {
                "kind": kind,
                "delay_days": _at(self.delay_days, n, "0"),
                "intent": _at(self.only_intent, n),
                "tier": _at(self.only_tier, n),
                "variants": [
                    (_at(self.template, n * VARIANTS_SHOWN + v), _at(self.weight, n * VARIANTS_SHOWN + v, "1"))
                    for v in range(VARIANTS_SHOWN)
                ],
            }
            for n, kind in enumerate(self.kind)
        ]

    def with_steps(self, steps: Sequence[dict[str, Any]]) -> "CampaignForm":
        """The same form with other steps."""
        variants = [variant for step in steps for variant in step["variants"]]
        return self.model_copy(
            update={
                "kind": [step["kind"] for step in steps], "delay_days": [step["delay_days"] for step in steps],
                "only_intent": [step["intent"] for step in steps], "only_tier": [step["tier"] for step in steps],
                "template": [template for template, _ in variants], "weight": [weight for _, weight in variants],
            }
        )  # fmt: skip

    def order(self, campaign_id: UUID, actor: str) -> CreateCampaign:
        """What is asked of outreach: a campaign of this id.

        Raises:
            ProblemError: `invalid`.
        """
        given: dict[str, Any] = {
            "title": self.title.strip(),
            "audience": {"source_key": self.source_key, "geo_key": self.geo_key, "intent": self.intent, "tier": self.tier},
            "steps": [_ordered(step) for step in self.steps()],
            "settings": {
                "offer": self.offer, "rotation_set": self.rotation_set, "daily_cap": self.daily_cap,
                "hours": {"opens": self.opens, "closes": self.closes, "weekdays": self.weekdays, "holidays": self.holidays},
                "stop_for_company": self.stop_for_company,
            },
            "start": self.do in ("start", "proceed"), "proceed_anyway": self.do == "proceed",
            "campaign_id": campaign_id, "actor": actor,
        }  # fmt: skip
        try:
            return CreateCampaign.model_validate(given)
        except ValidationError as error:
            raise invalid(error) from None


_NEW_STEP: Final = {
    "kind": SendKind.EMAIL.value,
    "delay_days": "3",
    "intent": "",
    "tier": "",
    "variants": [("", "1")] * VARIANTS_SHOWN,
}


@router.get("")
async def campaigns(
    principal: Admitted, request: Request, cursor: Annotated[str | None, Query(max_length=200)] = None
) -> Response:
    return await _list(principal, request, cursor)


@router.get("/new", dependencies=[needs(Scope.OUTREACH_WRITE)])
async def new_campaign(request: Request, principal: Admitted, like: UUID | None = None) -> Response:
    """The form for a new campaign; with `like` as another one is."""
    form = CampaignForm(weekdays=[1, 2, 3, 4, 5])
    if like:
        form = _as_typed(await principal.ask(GetCampaign(campaign_id=like)))
    return await _form(request, principal, form)


@router.post("/new")
async def make_campaign(principal: Admitted, form: Annotated[CampaignForm, Form()], request: Request) -> Response:
    """Make it; or only show the form again: with one step more or less, as the button says, or with a similar campaign that is known."""
    if form.do not in ("start", "proceed", "draft"):
        steps = [step for number, step in enumerate(form.steps(), 1) if f"drop-{number}" != form.do]
        more = [_NEW_STEP] if form.do == "add" or not steps else []
        return await _form(request, principal, form.with_steps([*steps, *more][:MOST_STEPS]))
    try:
        async with once(request, principal) as key:
            order = form.order(key.made_id, principal.actor)
            if form.do == "start" and not (key.done and await _is_made(principal, key.made_id)):
                recall = await _recall(principal, order)
                if recall.similar_action_found:
                    return await _form(request, principal, form, recall=recall)
            made = await principal.ask(order)
    except ProblemError as error:
        return await _form(request, principal, form, error)
    return see_other(_home(principal, made.campaign_id))


@router.get("/{campaign_id}")
async def campaign(principal: Admitted, campaign_id: UUID, request: Request) -> Response:
    return await _detail(principal, campaign_id, request)


@router.post("/{campaign_id}/pause")
async def pause_campaign(principal: Admitted, campaign_id: UUID, request: Request) -> Response:
    return await _do(principal, campaign_id, PauseCampaign(campaign_id=campaign_id, actor=principal.actor), request)


@router.post("/{campaign_id}/resume")
async def resume_campaign(
    principal: Admitted, campaign_id: UUID, request: Request, proceed_anyway: Annotated[bool, Form()] = False
) -> Response:
    order = ResumeCampaign(campaign_id=campaign_id, actor=principal.actor, proceed_anyway=proceed_anyway)
    return await _do(principal, campaign_id, order, request)


@router.post("/{campaign_id}/archive")
async def archive_campaign(principal: Admitted, campaign_id: UUID, request: Request) -> Response:
    return await _do(principal, campaign_id, ArchiveCampaign(campaign_id=campaign_id, actor=principal.actor), request)


async def _do(principal: Principal, campaign_id: UUID, asked: Ask[Any], request: Request) -> Response:
    try:
        await principal.ask(asked)
    except ProblemError as error:
        return await _detail(principal, campaign_id, request, error)
    return see_other(_home(principal, campaign_id))


async def _is_made(principal: Principal, campaign_id: UUID) -> bool:
    """Whether the form was sent before, and there is what it makes: that is no other campaign to be told of."""
    return (await panel(principal, GetCampaign(campaign_id=campaign_id))).reply is not None


async def _recall(principal: Principal, campaign: CreateCampaign | CampaignView) -> ActionRecall:
    """What is remembered of a campaign like this one; nothing where it cannot be asked, which keeps nobody from starting it."""
    about = CheckCampaign.model_validate(
        campaign.model_dump(include={"audience", "steps"}) | {"offer": campaign.settings.offer}
    )
    found = await panel(principal, about)
    return found.reply or ActionRecall(similar_action_found=False)


async def _list(principal: Principal, request: Request, cursor: str | None) -> Response:
    found, zone = await asyncio.gather(
        panel(principal, ListCampaigns(limit=ROWS_SHOWN, cursor=cursor), _PATIENCE_SECONDS),
        time_zone(request, principal.tenant),
    )
    return page(
        "campaigns.html", principal=principal, found=found, first=cursor is None, zone=zone, now=datetime.now(UTC), **_WORDS,
    )  # fmt: skip


async def _detail(
    principal: Principal, campaign_id: UUID, request: Request, wrong: ProblemError | None = None
) -> Response:
    found, results, zone = await asyncio.gather(
        principal.ask(GetCampaign(campaign_id=campaign_id)),
        panel(principal, JudgeVariants(campaign_id=campaign_id), _PATIENCE_SECONDS),
        time_zone(request, principal.tenant),
    )
    may = Scope.OUTREACH_WRITE in principal.allowed
    recall = await _recall(principal, found) if may and found.state is CampaignState.DRAFT else None
    names = await template_names(principal, {variant.template_id for step in found.steps for variant in step.variants})
    return page(
        "campaign.html", STATUS[wrong.problem.code] if wrong else HTTPStatus.OK, principal=principal, campaign=found,
        results=results, judged=_by_step(results.reply), names=names, zone=zone, now=datetime.now(UTC),
        recall=recall, wrong=wrong.problem.message if wrong else "", **_WORDS,
    )  # fmt: skip


async def _form(
    request: Request, principal: Principal, form: CampaignForm, wrong: ProblemError | None = None,
    recall: ActionRecall | None = None,
) -> Response:  # fmt: skip
    templates, zone = await asyncio.gather(
        panel(principal, ListTemplates(limit=200)), time_zone(request, principal.tenant)
    )
    found = templates.reply.templates if templates.reply else []
    return page(
        "campaign_form.html", STATUS[wrong.problem.code] if wrong else HTTPStatus.OK, principal=principal, form=form,
        steps=form.steps(), template_choices=[("", "No text (sandbox only)"), *map(_offered, found)],
        more_templates=[("", "None"), *map(_offered, found)], some=bool(found),
        intents=[("", "All"), *((each.value, each.value.capitalize() + "s") for each in Intent)],
        tiers=[("", "All"), *((each.value, each.value) for each in Tier)], most=MOST_STEPS,
        recall=recall, zone=zone, wrong=wrong.problem.message if wrong else "", **_WORDS,
    )  # fmt: skip


def _by_step(judged: VariantJudgement | None) -> dict[int, Any]:
    return {step.step: step for step in judged.steps} if judged else {}


def _offered(template: TemplateSummary) -> tuple[str, str]:
    return str(template.template_id), f"{template.name} (version {template.version}, {KINDS[template.kind]})"


def _ordered(step: dict[str, Any]) -> dict[str, Any]:
    variants = [{"template_id": template, "weight": weight} for template, weight in step["variants"] if template]
    condition = {"intent": step["intent"] or None, "tier": step["tier"] or None}
    return {"kind": step["kind"], "delay_days": step["delay_days"], "variants": variants, "condition": condition}


def _as_typed(like: CampaignView) -> CampaignForm:
    """A campaign as the form for one like it shows it: with the newest versions of its templates."""
    settings, hours = like.settings, like.settings.hours
    form = CampaignForm(
        title=like.title, **like.audience.model_dump(mode="json"), offer=settings.offer, rotation_set=settings.rotation_set,
        daily_cap=str(settings.daily_cap), opens=hours.opens, closes=hours.closes, weekdays=sorted(hours.weekdays),
        holidays=hours.holidays, stop_for_company=settings.stop_for_company,
    )  # fmt: skip
    return form.with_steps(list(map(_step_as_typed, like.steps)))


def _step_as_typed(step: Step) -> dict[str, Any]:
    variants = [(str(variant.template_id), str(max(variant.weight, 1))) for variant in step.variants[:VARIANTS_SHOWN]]
    return {
        "kind": step.kind.value, "delay_days": str(step.delay_days), "intent": step.condition.intent or "",
        "tier": step.condition.tier or "", "variants": variants + [("", "1")] * (VARIANTS_SHOWN - len(variants)),
    }  # fmt: skip


def _at(values: Sequence[str], n: int, otherwise: str = "") -> str:
    return values[n] if n < len(values) else otherwise


def _home(principal: Principal, campaign_id: UUID) -> str:
    return f"/t/{principal.tenant}/campaigns/{campaign_id}"


_WORDS: Final[dict[str, Any]] = {"kinds": KINDS, "states": CAMPAIGN_STATES, "days": DAYS}
