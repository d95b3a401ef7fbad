"""Free text can be read whatever keys come and go: that of outcomes, and that of orders which wait for their lead."""

import pytest

from chassis.keys import tenant_keys
from contracts.message import PLATFORM
from contracts.operations import RotateKeys, RunJob
from contracts.outcomes import VoidOutcome
from tests.outcomes.desk import Desk, accepted, of_source, order


async def test_notes_of_outcomes_and_of_waiting_orders_are_sealed_anew_and_read_as_they_were(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenant_keys, "HEARD_OF_SECONDS", 0.0)
    known, late = accepted("1"), accepted("20240002")
    await desk.arrive(known)
    [[result]] = await desk.results(*await desk.give(order(of_source("1"), "contacted", notes="Two dogs.")))
    await desk.ask(VoidOutcome(lead_id=known.lead_id, outcome_id=result.outcome_id, reason="No, a dog."))
    waits = await desk.give(order(of_source("20240002"), "contacted", "appointment_set", notes="Three cats."))
    await desk.results(*waits, waiting=True)

    rotated = await desk.platform.caller.ask(desk.tenant, RotateKeys(), of="outcomes")
    assert rotated.sealing_keys == 2
    ran = await desk.platform.caller.ask(PLATFORM, RunJob(job="reseal"), of="outcomes", seconds=30)
    assert ran.counts == {"resealed": 4, "left": 0, "unopened": 0, "keys_dropped": 1}

    await desk.arrive(late)
    await desk.results(*waits)
    (outcome,) = await desk.history(known.lead_id)
    assert outcome.void
    assert (outcome.notes, outcome.void.reason) == ("Two dogs.", "No, a dog.")
    assert [outcome.notes for outcome in await desk.history(late.lead_id)] == ["Three cats."] * 2
