"""What campaigns are compared by, and what came of one."""

from uuid import uuid4

import pytest

from contracts.outreach.campaigns import Audience, NewStep, NewVariant
from contracts.taxonomy import Intent, SendKind, Tier
from intake.memory.domain_fingerprint import parts
from outreach.campaigns.domain_outline import outcome, outline

TEXTS = [uuid4() for _ in range(12)]
LONG = tuple(NewStep(variants=(NewVariant(template_id=text),)) for text in TEXTS)


def shared(
    one: tuple[Audience, tuple[NewStep, ...], str | None], other: tuple[Audience, tuple[NewStep, ...], str | None]
) -> float:
    ours, theirs = (parts(outline(*each).about()["request"]) for each in (one, other))
    return len(ours & theirs) / len(ours | theirs)


def test_versions_weights_and_days_make_no_other_outreach_of_a_campaign() -> None:
    text = TEXTS[0]
    first = (NewStep(variants=(NewVariant(template_id=text),)),)
    second = (NewStep(delay_days=3, variants=(NewVariant(template_id=text, version=2, weight=7),)),)
    assert outline(Audience(), first, "loan") == outline(Audience(), second, "loan")


def test_a_step_more_is_similar_and_others_to_whom_the_same_is_sent_are_not() -> None:
    web = Audience(source_key="web", intent=Intent.BUYER)
    assert shared((web, LONG, "loan"), (web, LONG[:-1], "loan")) >= 0.8
    assert shared((web, LONG, "loan"), (Audience(source_key="fair", intent=Intent.BUYER), LONG, "loan")) < 0.8
    for other in ((NewStep(kind=SendKind.SMS),), (NewStep(condition=Audience(tier=Tier.A)),)):
        assert shared((web, (NewStep(),), "loan"), (web, other, "loan")) < 0.8


@pytest.mark.parametrize(
    ("sent", "going_on", "status"),
    [(0, True, "no_action"), (0, False, "no_action"), (3, True, "partial"), (3, False, "completed")],
)
def test_what_came_of_a_campaign_is_told_by_what_was_sent_and_who_is_left(
    sent: int, going_on: bool, status: str
) -> None:
    assert outcome(sent=sent, going_on=going_on) == status
