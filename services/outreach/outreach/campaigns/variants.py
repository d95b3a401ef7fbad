"""How the variants of a step do against each other, and what becomes of one that annoys too many people.

It gets weight 0: those that it would have been given get another of the step's, also where they wait in the queue already
(`sending.claiming`). Where a step has no other the campaign is paused instead.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork
from contracts.outreach import campaigns as messages
from contracts.outreach.campaigns import Step
from outreach.accounts import guarding, store_guard
from outreach.accounts.domain_guard import Level
from outreach.campaigns import store_variants
from outreach.sending.facts import steps_of
from outreach.sending.queueing import name_of
from outreach.templates.domain_variant import Judged, Judgement, Sign, Standing, Tally, judge

_LATELY: Final = timedelta(hours=1)
"""Variants by which somebody was annoyed for so long are looked at each time, as `accounts.guarding` does."""


async def judged(uow: UnitOfWork, tenant: str, campaign_id: UUID, given: Sequence[Any]) -> list[messages.StepJudgement]:
    """How the variants of a campaign with these steps do, of those steps that have any."""
    rows = await store_variants.counts(uow, tenant, campaign_id)
    return [_view(number, step, _judge(number, step, rows)) for number, step in _tried(given)]


async def guard(uow: UnitOfWork, tenant: str) -> int:
    """Stop the variants that surely annoy too many people; returns how many that are."""
    stopped = 0
    for campaign_id in await store_variants.annoying(uow, tenant, _LATELY):
        steps = await store_variants.running(uow, tenant, campaign_id)
        if steps is None:
            continue
        # As a person had the campaign go on, knowing what they knew, only what was sent since then stops anything.
        since = await store_guard.resumed_at(uow, tenant, Level.CAMPAIGN, str(campaign_id))
        rows = await store_variants.counts(uow, tenant, campaign_id, since)
        for number, step in _tried(steps):
            found = _judge(number, step, rows).variants
            stopped += await _stop(uow, tenant, campaign_id, number, step, found)
    return stopped


async def _stop(
    uow: UnitOfWork, tenant: str, campaign_id: UUID, number: int, step: Step, found: dict[str, Judged]
) -> int:
    going = [each for each in step.variants if each.weight]
    bad = {name for name, each in found.items() if each.standing is Standing.STOPPED}
    left = [each for each in going if name_of(each) not in bad]
    stopped = 0
    for index, each in enumerate(step.variants):
        if not each.weight or name_of(each) not in bad:
            continue
        stopped += 1
        if left:
            await store_variants.weigh(uow, tenant, campaign_id, number - 1, index, 0)
    if stopped and not left:
        worst = found[name_of(going[0])]
        assert worst.annoys
        term = next(term for term in worst.terms if term.startswith(worst.annoys.value))
        why = f"step {number} has no variant left that does not annoy too many people: {term}"
        await guarding.stop_campaign(uow, tenant, campaign_id, worst.annoys.value, why)
    return stopped


def _tried(given: Sequence[Any]) -> list[tuple[int, Step]]:
    return [(number, step) for number, step in enumerate(steps_of(given), 1) if step.variants]


def _judge(number: int, step: Step, rows: Sequence[RowMapping]) -> Judgement:
    counted = {(row["variant"], row["variant_version"]): row for row in rows if row["step"] == number}
    tallies = {}
    for variant in step.variants:
        row = counted.get((variant.template_id, variant.version))
        tallies[name_of(variant)] = Tally(row["sent"], **{sign: row[sign] for sign in Sign}) if row else Tally(0)
    return judge(tallies)


def _view(number: int, step: Step, found: Judgement) -> messages.StepJudgement:
    by_name = {name_of(variant): variant for variant in step.variants}
    winner = by_name[found.winner].template_id if found.winner else None
    views = []
    for name, variant in by_name.items():
        each = found.variants[name]
        rates = {
            sign.value: messages.VariantRate(count=rate.count, share=rate.share, low=rate.low, high=rate.high)
            for sign, rate in each.rates.items()
        }
        assert variant.version
        views.append(
            messages.VariantView(
                template_id=variant.template_id, version=variant.version, weight=variant.weight,
                standing=each.standing.value, sent=each.sent, why=list(each.terms), **rates,
            )
        )  # fmt: skip
    return messages.StepJudgement(step=number, winner=winner, reason=found.reason, variants=views)
