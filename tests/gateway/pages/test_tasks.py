"""Tasks: the follow-ups that are due, what keeps them, and whose leads wait for oneself."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from contracts.intake.distribution import AssignLead, UpsertAgent
from contracts.intake.routing import PublishRouting, SaveRoutingDraft
from contracts.outreach.activity import ListActivity
from contracts.outreach.sending import LeadMessages, SendState
from contracts.taxonomy import Role
from gateway.pages import tasks
from tests.gateway.conftest import Gateway, Tenancy
from tests.gateway.pages.working import contacted, new_lead, read, signed_in, text_of


@pytest.fixture
async def followups(gateway: Gateway, acme: Tenancy) -> dict[UUID, UUID]:
    """Leads that were sent a first message, with the second to each, which is due in three days."""
    leads = await contacted(gateway, acme, 3)
    found = {}
    for lead in leads:
        messages = (await gateway.platform.caller.ask(acme.name, LeadMessages(lead_id=lead))).messages
        (found[lead],) = [message.message_id for message in messages if message.step == 2]
    return found


async def state_of(gateway: Gateway, acme: Tenancy, lead: UUID, message: UUID) -> SendState:
    messages = (await gateway.platform.caller.ask(acme.name, LeadMessages(lead_id=lead))).messages
    return next(each.state for each in messages if each.message_id == message)


async def test_follow_ups_are_shown_when_they_are_due_and_skipped_one_by_one_or_by_ticks(
    gateway: Gateway, acme: Tenancy, followups: dict[UUID, UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/t/{acme.name}/tasks"
    of_first, of_second, of_third = followups.values()
    third = list(followups)[2]
    async with signed_in(gateway, acme.name, Role.OPERATOR) as browser:
        assert "No follow-up is due today" in await read(browser, path)
        week = await read(browser, path, due="week")
        for message in followups.values():
            assert f'name="message_ids" value="{message}"' in week
        assert "Hello" in week, "the campaign by its title"
        assert "overdue" not in week

        nothing = await browser.post(f"{path}/skip", data={"due": "week"})
        assert nothing.status_code == 400
        assert "No follow-up was ticked" in nothing.text
        done = await browser.post(
            f"{path}/skip", data={"due": "week", "one": str(of_first), "message_ids": str(of_third)}
        )
        assert (done.status_code, done.headers["location"]) == (303, f"{path}?due=week")
        ticked = await browser.post(f"{path}/skip", data={"due": "today", "message_ids": [str(of_second)]})
        assert ticked.headers["location"] == path
        states = [await state_of(gateway, acme, *each) for each in followups.items()]
        assert states == ["skipped", "skipped", "queued"]
        again = await browser.post(f"{path}/skip", data={"due": "week", "one": str(of_first)})
        assert again.status_code == 409

        async with gateway.platform.sql() as sql:  # as time passes, and nobody sends it
            await sql.execute("update outreach.account set state = 'paused' where tenant_id = $1", acme.name)
            await sql.execute(
                "update outreach.send_queue set due_at = $2 where message_id = $1", of_third, datetime.now(UTC) - timedelta(days=1)
            )  # fmt: skip
        page = text_of(await read(browser, path))
        assert third.hex[-6:] in page
        assert "overdue" in page
        assert "waits for: account may send" in page
    async with signed_in(gateway, acme.name, Role.AGENT) as browser:
        assert "Skip<" not in await read(browser, path)
        assert (await browser.post(f"{path}/skip", data={"one": str(of_third)})).status_code == 403


async def test_follow_ups_that_are_ticked_are_put_off_and_due_on_another_day(
    gateway: Gateway, acme: Tenancy, followups: dict[UUID, UUID]
) -> None:
    path = f"/t/{acme.name}/tasks"
    first, second, third = followups.values()

    async def due() -> dict[UUID, datetime | None]:
        found = await gateway.platform.caller.ask(acme.name, ListActivity(message_ids=list(followups.values())))
        return {entry.message_id: entry.at for entry in found.entries if entry.message_id}

    before = await due()
    async with signed_in(gateway, acme.name, Role.OPERATOR) as browser:
        assert "Put off the ticked" in await read(browser, path, due="week")
        nothing = await browser.post(f"{path}/postpone", data={"due": "week"})
        assert nothing.status_code == 400 and "No follow-up was ticked" in nothing.text
        form = {"due": "week", "message_ids": [str(first), str(second)], "days": "7"}
        done = await browser.post(f"{path}/postpone", data=form)
        assert (done.status_code, done.headers["location"]) == (303, f"{path}?due=week")
        after = await due()
        assert {id_: (after[id_] or before[id_]) - before[id_] for id_ in before} == {  # type: ignore[operator]
            first: timedelta(days=7), second: timedelta(days=7), third: timedelta(),
        }  # fmt: skip
        week = await read(browser, path, due="week")
        assert f'value="{third}"' in week and f'value="{first}"' not in week
        assert (await browser.post(f"{path}/postpone", data=form | {"days": "90"})).status_code == 400
        clicked = form | {"message_ids": [str(third)], "once": "4f0c"}
        for _ in range(2):
            assert (await browser.post(f"{path}/postpone", data=clicked)).status_code == 303
        assert (await due())[third] == before[third] + timedelta(days=7), "a double click is one"  # type: ignore[operator]
        far = await browser.post(f"{path}/postpone", data=form | {"days": "60"})
        assert far.status_code == 400 and "at most 60 days" in far.text
    async with signed_in(gateway, acme.name, Role.AGENT) as browser:
        assert "Put off" not in await read(browser, path, due="week")
        assert (await browser.post(f"{path}/postpone", data=form)).status_code == 403


async def test_a_follow_up_that_cannot_be_skipped_keeps_no_other_from_it(
    gateway: Gateway, acme: Tenancy, followups: dict[UUID, UUID]
) -> None:
    path, left = f"/t/{acme.name}/tasks/skip", next(iter(followups.values()))
    async with signed_in(gateway, acme.name, Role.OPERATOR) as browser:
        await browser.post(path, data={"one": str(left)})
        some = await browser.post(path, data={"due": "week", "message_ids": list(map(str, followups.values()))})
        assert some.status_code == 409 and "1 of 3 are as they were: " in text_of(some.text)
        assert {await state_of(gateway, acme, *each) for each in followups.items()} == {"skipped"}


async def test_a_page_of_follow_ups_leads_to_the_next(
    gateway: Gateway, acme: Tenancy, followups: dict[UUID, UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "ROWS_SHOWN", 2)
    async with signed_in(gateway, acme.name) as browser:
        page = await read(browser, f"/t/{acme.name}/tasks", due="week")
        following = page.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
        rest = await read(browser, following)
        shown = [message for message in followups.values() if f'value="{message}"' in page]
        assert len(shown) == 2
        assert [message for message in followups.values() if f'name="message_ids" value="{message}"' in rest] == [
            message for message in followups.values() if message not in shown
        ]


async def test_an_agent_sees_their_leads_and_is_done_with_them(gateway: Gateway, acme: Tenancy) -> None:
    ask = gateway.platform.caller.ask
    rules = {"rules": [{"name": "all", "priority": 1, "when": {}, "workspace": "ohio"}], "workspaces": {"ohio": {}}}
    draft = await ask(acme.name, SaveRoutingDraft(configuration=rules, actor="user:1"))
    await ask(acme.name, PublishRouting(version=draft.version, expected=None, actor="user:1"))
    user = await gateway.user(acme.name, Role.AGENT)
    await ask(acme.name, UpsertAgent(user_id=f"user:{user}", workspaces=["ohio"], capacity=0))
    lead = await new_lead(acme)
    await ask(
        acme.name, AssignLead(lead_id=lead, user_id=f"user:{user}", actor="user:1", override=True, workspace="ohio")
    )
    path = f"/t/{acme.name}/tasks"
    async with gateway.client() as browser:
        browser.headers["Accept"] = "text/html"
        await gateway.sign_in(browser, acme.name, user)
        assert f"{path}/leads/{lead}/done" in await read(browser, path)
        done = await browser.post(f"{path}/leads/{lead}/done")
        assert (done.status_code, done.headers["location"]) == (303, path)
        assert "No lead is yours" in await read(browser, path)
        assert (await browser.post(f"{path}/leads/{lead}/done")).status_code == 409, "nobody owns it any more"
    async with signed_in(gateway, acme.name, Role.AGENT) as other:
        assert "No lead is yours" in await read(other, path)
