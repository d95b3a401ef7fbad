"""A person whose leads are merged is contacted by way of the one that stands, and by way of no other beside it."""

from typing import Any
from uuid import UUID

from contracts.intake.leads import LeadSnapshot, LeadUpdated
from contracts.intake.people import LeadMerged, LeadUnmerged
from contracts.outreach.campaigns import Audience
from contracts.taxonomy import Tier
from tests.outreach.scene import Gate, account, arrive, campaign, count, lead, messages, outreach
from tests.platform import Platform
from tests.waiting import until


def gone(merged: LeadSnapshot, into: UUID | None, version: int = 2) -> LeadUpdated:
    """The news that a lead is merged into another."""
    told = {**merged.__dict__, "version": version, "merged_into": into, "changed": ["merged_into"]}
    return LeadUpdated.model_validate(told)


def stands(survivor: LeadSnapshot, merged: LeadSnapshot, **fields: Any) -> LeadMerged:
    """The news that a lead stands for another."""
    told = {**survivor.__dict__, "version": 2, "merged_lead_ids": [merged.lead_id], "merged_by": "user:7", **fields}
    return LeadMerged.model_validate(told)


def parted(survivor: LeadSnapshot, merged: LeadSnapshot) -> tuple[LeadUnmerged, LeadUpdated]:
    told = {**merged.__dict__, "version": 3, "survivor_id": survivor.lead_id, "unmerged_by": "user:7"}
    other = {**survivor.__dict__, "version": 3, "changed": ["merged_leads", "tier"]}
    return LeadUnmerged.model_validate(told), LeadUpdated.model_validate(other)


async def state_of(platform: Platform, tenant: str) -> dict[UUID, str]:
    return {message["lead_id"]: message["state"] for message in await messages(platform, tenant)}


async def test_what_waits_because_another_lead_stands_for_it_leaves_once_it_is_parted(
    platform: Platform, tenant: str
) -> None:
    survivor, merged = lead(), lead()
    gate = Gate(tenant)
    gate.open()
    async with outreach(platform, tenant, gate):
        await campaign(platform, tenant)
        await arrive(platform, tenant, [survivor, merged])
        await arrive(platform, tenant, [gone(merged, survivor.lead_id), stands(survivor, merged)])
        await account(platform, tenant)
        await until(lambda: _ended(platform, tenant, 1), what="the survivor's message is sent")
        await until(lambda: _waits_for(platform, tenant, merged.lead_id, "merged"), what="the other waits")
        assert (await state_of(platform, tenant))[survivor.lead_id] == "sent"

        await arrive(platform, tenant, list(parted(survivor, merged)))
        await until(lambda: _ended(platform, tenant, 2), what="the parted lead's message is sent")


async def test_a_lead_that_arrives_merged_is_not_enrolled_and_one_that_stands_is_by_what_it_is_lent(
    platform: Platform, tenant: str
) -> None:
    survivor, merged = lead(email=False), lead(tier="A")
    async with outreach(platform, tenant):
        await campaign(platform, tenant, audience=Audience(tier=Tier.A))
        lent = {"attribution": merged.attribution, "email_token": merged.email_token}
        newcomer = merged.model_copy(update={"merged_into": survivor.lead_id})
        await arrive(platform, tenant, [survivor, newcomer, stands(survivor, merged, **lent)])
        assert await state_of(platform, tenant) == {survivor.lead_id: "queued"}
        await campaign(platform, tenant)
        await until(lambda: _number(platform, tenant, 2))
        assert set(await state_of(platform, tenant)) == {survivor.lead_id}, (
            "a later campaign reaches the one that stands"
        )


async def test_whoever_was_sent_a_message_is_not_sent_it_again_by_way_of_the_lead_that_stands_now(
    platform: Platform, tenant: str
) -> None:
    gate = Gate(tenant)
    known, queued, newcomer = lead(), lead(tier="A"), lead()
    async with outreach(platform, tenant, gate):
        await account(platform, tenant)
        await campaign(platform, tenant)
        await arrive(platform, tenant, [known])
        await until(lambda: _handed(gate), what="the message is handed over")
        first = [*gate.handed]
        # While it is being sent: a lead that is merged into a newcomer, in one batch and in the order intake tells it.
        await arrive(
            platform, tenant,
            [gone(known, newcomer.lead_id), newcomer, stands(newcomer, known), queued, gone(queued, newcomer.lead_id)],
        )  # fmt: skip
        gate.open()
        await until(lambda: _ended(platform, tenant, 1), what="the message is sent")
        later = {**newcomer.__dict__, "version": 3, "changed": ["tier"]}
        await arrive(platform, tenant, [LeadUpdated.model_validate(later), last := lead()])
        await until(lambda: _ended(platform, tenant, 2), what="another lead's message is sent")
        await until(lambda: count(platform, tenant, "skipped"), what="the newcomer's is skipped")
        states = await state_of(platform, tenant)
        assert {id_ for id_, state in states.items() if state == "sent"} == {known.lead_id, last.lead_id}
        assert states[newcomer.lead_id] == "skipped"
        assert len(gate.handed) == len(set(gate.handed)) == len(first) + 1


async def test_two_leads_of_one_person_are_sent_a_campaign_once(platform: Platform, tenant: str) -> None:
    one = lead()
    same_person, same_address = lead(person_id=one.person_id), lead(email_token=one.email_token)
    gate = Gate(tenant)
    gate.open()
    async with outreach(platform, tenant, gate):
        await account(platform, tenant)
        await campaign(platform, tenant)
        await arrive(platform, tenant, [one, same_person, same_address])
        await until(lambda: _number(platform, tenant, 2, "skipped"))
        await until(lambda: _ended(platform, tenant, 1), what="one is sent")
        assert len(gate.handed) == 1


async def _handed(gate: Gate) -> bool:
    return bool(gate.handed)


async def _waits_for(platform: Platform, tenant: str, lead_id: UUID, what: str) -> bool:
    return any(m["lead_id"] == lead_id and m["waiting_for"] == what for m in await messages(platform, tenant))


async def _number(platform: Platform, tenant: str, number: int, state: str | None = None) -> bool:
    return len([m for m in await messages(platform, tenant) if state in (None, m["state"])]) == number


async def _ended(platform: Platform, tenant: str, number: int) -> bool:
    ended = [await count(platform, tenant, state) for state in ("sent", "failed")]
    return sum(ended) == number
