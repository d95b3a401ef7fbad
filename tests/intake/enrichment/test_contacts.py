"""Contacts are personal: what a run holds of them is sealed, nothing of them gets out but as leads, and they are forgotten in time."""

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from chassis.keys import TenantKeys, key_service
from chassis.unit_of_work import Database
from contracts.intake.enrichment import ListCompanies, ListRuns
from contracts.intake.leads import ListLeads
from contracts.intake.people import FindLeads
from contracts.intake.providers import HttpSettings
from contracts.message import ProblemError
from contracts.operations import RunJob
from intake.enrichment import contents
from tests.intake.enrichment.scene import LONDON, Scene, answer, london
from tests.intake.enrichment.web import Answer, Asked
from tests.platform import Platform

PERSONAL = ("canary", "@best.test", "@acme.test")


async def rows(scene: Scene) -> str:
    """All that the database holds of the tenant, but for what is the vault's."""
    found = []
    for table in (
        "enrichment_run",
        "enrichment_step",
        "enrichment_item",
        "enrichment_provider",
        "memory",
        "action",
        "lead",
    ):
        found += await scene.sql(f"select t::text as row from intake.{table} t where tenant_id = $1", scene.tenant)
    found += await scene.sql(
        "select convert_from(body, 'UTF8') as row from intake.outbox where tenant = $1", scene.tenant
    )
    return "\n".join(row["row"] for row in found)


@pytest.mark.usefixtures("logging_as_a_process")
async def test_nothing_of_a_person_is_in_a_row_event_log_line_or_reply(
    scene: Scene, capfd: pytest.CaptureFixture[str]
) -> None:
    await scene.three_providers()
    garbage = iter([True])

    async def once_garbage(asked: Asked) -> Answer:
        if asked.path == "/find" and next(garbage, False):
            return Answer(raw=b'{"canary": "ada canary"')
        return await answer(asked)

    scene.web.answering = once_garbage
    failed = await scene.executed("failed")
    await scene.resume(failed.run_id)
    run = await scene.standing(failed.run_id, "succeeded")
    out = "\n".join(
        reply.model_dump_json()
        for reply in (failed, run, await scene.ask(ListRuns()), await scene.ask(ListCompanies(run_id=run.run_id)),
                      await scene.submit(run.run_id, limit=1))
    )  # fmt: skip
    out += await rows(scene) + "".join(capfd.readouterr())
    assert "acme.test" in out
    assert [word for word in PERSONAL if word in out.lower()] == []


async def test_contacts_become_leads_once_and_only_the_vault_holds_them_then(scene: Scene) -> None:
    await scene.three_providers()
    run = await scene.executed()
    first = await scene.submit(run.run_id, limit=2)
    assert (first.counts, first.remaining) == ({"accepted": 2}, 1)
    assert (await scene.submit(run.run_id)).counts == {"accepted": 1}
    again = await scene.submit(run.run_id)
    assert (again.counts, again.remaining) == ({}, 0)
    leads = (await scene.ask(ListLeads())).leads
    assert {(lead.source_system, lead.attribution.source_key, lead.attribution.geo_key) for lead in leads} == {
        ("enrichment", "enrichment", "dublin_oh"), ("enrichment", "enrichment", "columbus_oh"),
    }  # fmt: skip
    assert all(lead.has_email for lead in leads)
    assert (await scene.run(run.run_id)).submitted == 3
    assert len(await scene.told("lead_accepted")) == 3
    assert [event["counts"] for event in await scene.told("contacts_became_leads")] == [
        {"accepted": 2},
        {"accepted": 1},
    ]
    left = await scene.sql(
        "select count(*) as n from intake.enrichment_item where tenant_id = $1 and sealed is not null", scene.tenant
    )
    assert left[0]["n"] == 0
    second = await scene.executed()
    assert (await scene.submit(second.run_id)).counts in ({"updated": 3}, {"duplicate": 3}), "the same people"
    assert len((await scene.ask(ListLeads())).leads) == 3


async def test_those_without_an_address_may_stay_and_a_run_under_way_is_not_submitted(scene: Scene) -> None:
    await scene.three_providers()
    run = await scene.executed("budget_exhausted", budget=Decimal("0.30"))
    assert (await scene.submit(run.run_id, only_with_email=True)).counts == {"accepted": 1}
    await scene.resume(run.run_id, budget=Decimal(1))
    done = await scene.standing(run.run_id, "succeeded")
    assert (done.contacts, done.emails) == (3, 3)
    assert (await scene.submit(run.run_id, only_with_email=True)).counts == {"accepted": 2}
    await scene.sql("update intake.enrichment_run set status = 'running', claimed_by = gen_random_uuid(), "
                    "due_at = now() + interval '1 hour' where tenant_id = $1", scene.tenant)  # fmt: skip
    with pytest.raises(ProblemError, match="under way"):
        await scene.submit(run.run_id)


async def test_a_run_is_forgotten_but_for_its_counts_when_the_tenants_time_is_over(scene: Scene) -> None:
    await scene.three_providers()
    run = await scene.executed("budget_exhausted", budget=Decimal("0.30"))
    await scene.platform.caller.ask(scene.tenant, RunJob(job="forget_enrichment"), of="intake")
    assert (await scene.run(run.run_id)).criteria
    await scene.sql("update intake.enrichment_run set ended_at = ended_at - $2::interval where tenant_id = $1",
                    scene.tenant, timedelta(days=30))  # fmt: skip
    await scene.platform.caller.ask(scene.tenant, RunJob(job="forget_enrichment"), of="intake")
    old = await scene.run(run.run_id)
    assert (old.criteria, old.companies, old.contacts, old.cost) == ({}, 2, 3, run.cost)
    (left,) = await scene.sql(
        "select count(*) as n from intake.enrichment_item where tenant_id = $1 and (sealed is not null or tokens <> '{}')",
        scene.tenant,
    )
    assert left["n"] == 0
    assert not await scene.sql("select from intake.enrichment_token where tenant_id = $1", scene.tenant)
    with pytest.raises(ProblemError, match="older than the tenant remembers"):
        await scene.resume(run.run_id)
    assert (await scene.submit(run.run_id)).counts == {}


async def test_a_contact_that_is_rejected_stays_with_the_reason_and_can_be_submitted_again(scene: Scene) -> None:
    await scene.three_providers()
    fields = {"full_name": "name", "linkedin_url": "profile", "email": "mails.0.value"}
    url = f"{scene.web.url}/companies/{{company.domain}}/people"
    await scene.set("people", HttpSettings(url=url, results="people", fields=fields))
    await scene.set("finder", HttpSettings(url=f"{scene.web.url}/find", query={"of": "{contact.linkedin_url}"},
                                           fields={"email": "address"}, price=Decimal(1)))  # fmt: skip

    async def only_a_profile(asked: Asked) -> Answer:
        if asked.path == "/find":
            return Answer({"address": "ada@acme.test"})
        if asked.path.endswith("acme.test/people"):
            return Answer({"people": [{"profile": "https://www.linkedin.com/in/ada-canary/"}]})
        return await answer(asked)

    scene.web.answering = only_a_profile
    run = await scene.executed("budget_exhausted", budget=Decimal("0.50"))
    first = await scene.submit(run.run_id)
    assert (first.counts, first.remaining, first.rejected) == ({"accepted": 1, "rejected": 1}, 0, {"no_contact": 1})
    again = await scene.submit(run.run_id)
    assert (again.counts, again.rejected) == ({}, {"no_contact": 1}), "not again and again"
    details = await scene.run(run.run_id)
    assert (details.submitted, details.rejected) == (1, {"no_contact": 1})
    await scene.resume(run.run_id, budget=Decimal(10))
    assert (await scene.standing(run.run_id, "succeeded")).emails == 2
    now = await scene.submit(run.run_id)
    assert (now.counts, now.remaining, now.rejected) == ({"accepted": 1}, 0, {})
    assert (await scene.run(run.run_id)).submitted == 2
    verdicts = await scene.sql("select verdict from intake.submission where tenant_id = $1", scene.tenant)
    assert sorted(row["verdict"] for row in verdicts) == ["accepted", "accepted", "rejected"]


async def test_the_same_company_person_and_question_of_two_tenants_leave_no_hash_in_common(
    platform: Platform, tenant: str
) -> None:
    keys = TenantKeys(key_service(f"file://{platform.key_file}"))
    database = Database("intake", platform.database_url("leadloop_intake"))
    revision, left = uuid4(), []
    try:
        for each in (tenant, f"other-{tenant}"):
            async with database.begin(each) as uow:
                key = await keys.of(uow, each)
            texts = ("acme.test", "ada canary/acme.test")
            left.append(
                {contents.identity(key, text) for text in texts}
                | {contents.evidence(key, revision, text) for text in texts}
            )
    finally:
        await database.close()
    ours, theirs = left
    assert len(ours) == len(theirs) == 4
    assert not ours & theirs


async def test_a_contact_is_read_as_one_of_the_company_s_country(scene: Scene) -> None:
    await scene.people_with_phones()
    scene.web.answering = london
    await scene.submit((await scene.executed()).run_id)
    (lead,) = (await scene.ask(FindLeads(phone=LONDON))).leads
    assert (lead.attribution.geo_key, lead.time_zone, lead.warnings) == ("london", "Europe/London", [])
