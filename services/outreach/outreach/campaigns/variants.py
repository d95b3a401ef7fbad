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
from contracts.outreach.campaigns import Step, Variant
from outreach.accounts import guarding, store_guard
from outreach.accounts.domain_guard import Level
from outreach.campaigns import store_variants
from outreach.sending.facts import steps_of
from outreach.templates.domain_variant import Judged, Judgement, Sign, Standing, Tally, judge

_LATELY: Final = timedelta(hours=1)
"""Variants by which somebody was annoyed for so long are looked at each time, as `accounts.guarding` does."""


async def judged(uow: UnitOfWork, tenant: str, campaign_id: UUID, given: Sequence[Any]) -> list[messages.StepJudgement]:
    """How the variants of a campaign with these steps do, of those steps that have any."""
    rows = await store_variants.counts(uow, tenant, campaign_id)
    return [_view(number, step, _judge(number, step, rows)) for number, step in _tried(given)]


async def guard(uow: UnitOfWork, tenant: str) -> int:
    """Stop the variants that surely annoy too many people; returns how many that are."""
    counted = []
    for campaign_id in await store_variants.annoying(uow, tenant, _LATELY):
        # As a person had the campaign go on, knowing what they knew, only what was heard since then stops anything: over all sends,
        # and over those since, as the many before would hide what comes of the new.
        since = await store_guard.resumed_at(uow, tenant, Level.CAMPAIGN, str(campaign_id))
        windows = [await store_variants.counts(uow, tenant, campaign_id, heard_since=since)]
        if since:
            windows.append(await store_variants.counts(uow, tenant, campaign_id, sent_since=since, heard_since=since))
        counted.append((campaign_id, since, windows))
    stopped = 0
    for campaign_id, since, windows in counted:
        # Locked only now, as whoever pauses it waits for that.
        steps = await store_variants.running(uow, tenant, campaign_id)
        if steps is None or await store_guard.resumed_at(uow, tenant, Level.CAMPAIGN, str(campaign_id)) != since:
            continue
        for number, step in _tried(steps):
            found: dict[str, Judged] = {}
            for rows in windows:
                for name, each in _judge(number, step, rows).variants.items():
                    if each.standing is Standing.STOPPED:
                        found.setdefault(name, each)
            stopped += await _stop(uow, tenant, campaign_id, number, step, found)
    return stopped


async def _stop(
    uow: UnitOfWork, tenant: str, campaign_id: UUID, number: int, step: Step, annoying: dict[str, Judged]
) -> int:
    going = [(index, name) for index, (name, each) in enumerate(_by_name(step).items()) if each.weight]
    bad = [(index, name) for index, name in going if name in annoying]
    if len(bad) < len(going):
        for index, _ in bad:
            await store_variants.weigh(uow, tenant, campaign_id, number - 1, index, 0)
    elif bad:
        worst = annoying[bad[0][1]]
        assert worst.annoys
        term = next(term for term in worst.terms if term.startswith(worst.annoys.value))
        why = f"step {number} has no variant left that does not annoy too many people: {term}"
        await guarding.stop_campaign(uow, tenant, campaign_id, worst.annoys.value, why)
    return len(bad)


def _tried(given: Sequence[Any]) -> list[tuple[int, Step]]:
    return [(number, step) for number, step in enumerate(steps_of(given), 1) if step.variants]


def _by_name(step: Step) -> dict[str, Variant]:
    """A step's variants by what a person calls them: where they stand in it."""
    return {f"variant {place}": variant for place, variant in enumerate(step.variants, 1)}


def _judge(number: int, step: Step, rows: Sequence[RowMapping]) -> Judgement:
    counted = {(row["variant"], row["variant_version"]): row for row in rows if row["step"] == number}
    tallies = {}
    for name, variant in _by_name(step).items():
        row = counted.get((variant.template_id, variant.version))
        tallies[name] = Tally(row["sent"], **{sign: row[sign] for sign in Sign}) if row else Tally(0)
    return judge(tallies)


def _view(number: int, step: Step, found: Judgement) -> messages.StepJudgement:
    by_name = _by_name(step)
    winner = by_name[found.winner] if found.winner else None
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
    return messages.StepJudgement(
        step=number, winner=winner.template_id if winner else None, winner_version=winner.version if winner else None,
        reason=found.reason, variants=views,
    )  # fmt: skip
