"""A tenant sees and redrives its own dead letters alone."""

from contracts.intake.leads import SubmitLead
from contracts.message import PLATFORM
from contracts.operations import ListDeadLetters
from contracts.taxonomy import Role
from tests.gateway.conftest import Gateway, Tenancy
from tests.gateway.test_api import assert_problem
from tests.waiting import until

LETTERS = "/services/intake/dead-letters"


async def buried(gateway: Gateway, tenancy: Tenancy, count: int) -> list[int]:
    """The numbers of the tenant's dead letters, the newest first, once that many commands were sent that nobody can read."""
    stream = gateway.platform.operator.jetstream()
    for number in range(count):
        await stream.publish(SubmitLead.topic.subject(tenancy.name), b'{"zebedee.quark@example.com": %d}' % number)

    async def all_there() -> list[int]:
        found = (await tenancy.client.get(tenancy.path(LETTERS))).json()["dead_letters"]
        return [letter["dead_letter_id"] for letter in found] if len(found) == count else []

    return await until(all_there, what="the dead letters")


async def test_a_tenant_sees_and_redrives_its_own_dead_letters_alone(
    gateway: Gateway, acme: Tenancy, anyone: Tenancy
) -> None:
    (theirs,) = await buried(gateway, anyone, 1)
    ours = await buried(gateway, acme, 3)
    first = (await acme.client.get(acme.path(LETTERS), params={"limit": 2})).json()
    second = (await acme.client.get(acme.path(LETTERS), params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [each["dead_letter_id"] for each in first["dead_letters"] + second["dead_letters"]] == ours
    assert second["next_cursor"] is None
    assert {each["tenant"] for each in first["dead_letters"]} == {acme.name}
    assert sum(first["counts"].values()) == 3 and "zebedee" not in str(first)

    async def redrive(*ids: int) -> int:
        done = await acme.client.post(acme.path(f"{LETTERS}/redrive"), json={"dead_letter_ids": ids})
        assert done.status_code == 200, done.text
        return int(done.json()["redriven"])

    assert await redrive(theirs) == 0, "another tenant's are none"
    assert await redrive(ours[0], theirs) == 1
    assert await redrive() == 3, "all that there are, the one that came back among them"
    left = (await anyone.client.get(anyone.path(LETTERS))).json()["dead_letters"]
    assert [(each["dead_letter_id"], each["redriven_at"]) for each in left] == [(theirs, None)]
    everybodys = await gateway.platform.caller.ask(PLATFORM, ListDeadLetters(limit=1000), of="intake")
    assert {acme.name, anyone.name} <= {each.tenant for each in everybodys.dead_letters}


async def test_an_operator_redrives_and_an_agent_does_not_even_look(gateway: Gateway, acme: Tenancy) -> None:
    for role, seen, redriven in ((Role.OPERATOR, 200, 200), (Role.AUDITOR, 200, 403), (Role.AGENT, 403, 403)):
        async with gateway.client() as browser:
            await gateway.sign_in(browser, acme.name, await gateway.user(acme.name, role))
            assert (await browser.get(acme.path(LETTERS))).status_code == seen
            assert (await browser.post(acme.path(f"{LETTERS}/redrive"), json={})).status_code == redriven


async def test_how_jobs_stand_is_told_and_nothing_of_what_they_did_for_others(acme: Tenancy) -> None:
    found = (await acme.client.get(acme.path("/services/notifier/jobs"))).json()["jobs"]
    assert {"missing_outcomes", "sweep"} <= {job["job"] for job in found}
    assert all(job.keys() == {"job", "schedule", "state", "started_at", "ended_at"} for job in found)
    assert_problem(await acme.client.get(acme.path("/services/postgres/jobs")), 404, "service")
