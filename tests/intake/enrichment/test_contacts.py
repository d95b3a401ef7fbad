"""Contacts are personal: what a run holds of them is sealed, nothing of them gets out but as leads, and they are forgotten."""

import json
import logging
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import structlog

from chassis import logs
from chassis.keys import TenantKeys, key_service
from chassis.unit_of_work import Database
from contracts.intake.enrichment import ContactsSubmitted, ListCompanies, ListRuns, SubmitContacts
from contracts.intake.erasure import EraseLead, GetErasureCertificate
from contracts.intake.leads import ListLeads
from contracts.message import ProblemError
from contracts.operations import RunJob
from intake.enrichment import contents
from tests.intake.enrichment.scene import Scene, answer
from tests.intake.enrichment.web import Answer, Asked

PERSONAL = ("canary", "@best.test", "@acme.test")


async def submit(scene: Scene, run_id: Any, **more: Any) -> ContactsSubmitted:
    return await scene.ask(SubmitContacts(run_id=run_id, actor="user:7", **more))


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


@pytest.fixture
def logging_as_a_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    root, configuration = logging.getLogger(), structlog.get_config()
    monkeypatch.setattr(root, "handlers", root.handlers[:])
    monkeypatch.setattr(root, "level", root.level)
    logs.configure("intake", "DEBUG")
    yield
    structlog.configure(**configuration)
    structlog.contextvars.clear_contextvars()


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
                      await submit(scene, run.run_id, limit=1))
    )  # fmt: skip
    out += await rows(scene) + "".join(capfd.readouterr())
    assert "acme.test" in out
    assert [word for word in PERSONAL if word in out.lower()] == []


async def test_contacts_become_leads_once_and_only_the_vault_holds_them_then(scene: Scene) -> None:
    await scene.three_providers()
    run = await scene.executed()
    first = await submit(scene, run.run_id, limit=2)
    assert (first.counts, first.remaining) == ({"accepted": 2}, 1)
    assert (await submit(scene, run.run_id)).counts == {"accepted": 1}
    again = await submit(scene, run.run_id)
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
    assert (await submit(scene, second.run_id)).counts in ({"updated": 3}, {"duplicate": 3}), "the same people"
    assert len((await scene.ask(ListLeads())).leads) == 3


async def test_those_without_an_address_may_stay_and_a_run_under_way_is_not_submitted(scene: Scene) -> None:
    await scene.three_providers()
    run = await scene.executed("budget_exhausted", budget=Decimal("0.30"))
    assert (await submit(scene, run.run_id, only_with_email=True)).counts == {"accepted": 1}
    await scene.resume(run.run_id, budget=Decimal(1))
    done = await scene.standing(run.run_id, "succeeded")
    assert (done.contacts, done.emails) == (3, 3)
    assert (await submit(scene, run.run_id, only_with_email=True)).counts == {"accepted": 2}
    await scene.sql("update intake.enrichment_run set status = 'running', claimed_by = gen_random_uuid(), "
                    "due_at = now() + interval '1 hour' where tenant_id = $1", scene.tenant)  # fmt: skip
    with pytest.raises(ProblemError, match="under way"):
        await submit(scene, run.run_id)


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
    assert (await submit(scene, run.run_id)).counts == {}


@pytest.fixture
async def database(scene: Scene) -> AsyncIterator[Database]:
    opened = Database("intake", scene.platform.settings("intake").database_url)
    yield opened
    await opened.close()


async def test_whoever_is_erased_is_forgotten_in_every_run_and_in_what_is_remembered(
    scene: Scene, database: Database
) -> None:
    await scene.three_providers()
    runs = [await scene.executed(), await scene.executed()]
    assert (await submit(scene, runs[0].run_id)).counts == {"accepted": 3}
    async with database.begin(scene.tenant) as uow:
        key = await TenantKeys(key_service(scene.platform.settings("intake").kms_uri)).of(uow, scene.tenant)
    token = key.token("email_token", "ada@acme.test")
    (lead,) = await scene.sql(
        "select lead_id from intake.lead where tenant_id = $1 and email_token = $2", scene.tenant, token
    )
    erased = await scene.ask(EraseLead(lead_id=lead["lead_id"]))
    certificate = await scene.ask(GetErasureCertificate(erasure_id=erased.erasure_id))
    assert certificate.erased["enrichment_contacts"] == 2
    async with database.begin(scene.tenant) as uow:
        left = await uow.execute(
            "select sealed, run_id from enrichment_item where tenant_id = :tenant and sealed is not null",
            tenant=scene.tenant,
        )
        names = [contents.open_(key, row.sealed, contents.contact(row.run_id))["full_name"] for row in left]
        remembered = await uow.execute("select key, value from memory where tenant_id = :t", t=scene.tenant)
        answers = [json.dumps(contents.open_(key, bytes.fromhex(row.value["sealed"]), row.key)) for row in remembered]
    assert not await scene.sql(
        "select from intake.enrichment_token where tenant_id = $1 and token = $2", scene.tenant, token
    )
    assert sorted(names) == ["Bob Canary", "Eve Canary"]
    assert len(answers) == 3 and not [each for each in answers if "ada" in each.lower()]
    assert (await submit(scene, runs[1].run_id)).counts == {"updated": 2}
