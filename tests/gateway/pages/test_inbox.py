"""The inbox: what waits for somebody, what it says on request and for a purpose, and what is done about it with one click."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import pytest

from contracts.intake.privacy import ListReveals
from contracts.outreach.people import ListSuppressions
from contracts.outreach.replies import ListReplies, ReplyView
from contracts.taxonomy import Role
from gateway.pages import inbox
from tests.gateway.conftest import Gateway, Tenancy
from tests.gateway.pages.working import answer, contacted, read, signed_in, text_of
from tests.waiting import until

UNSURE = "Blue <b>seventeen</b>."


@dataclass
class Desk:
    """A tenant whose leads were written to, and answered."""

    gateway: Gateway
    tenancy: Tenancy
    messages: dict[UUID, UUID]

    @property
    def path(self) -> str:
        return f"/t/{self.tenancy.name}/inbox"

    async def reply(self, reply_id: UUID) -> ReplyView:
        found = await self.gateway.platform.caller.ask(self.tenancy.name, ListReplies(limit=200))
        return next(reply for reply in found.replies if reply.reply_id == reply_id)


@pytest.fixture(scope="module")
async def desk(gateway: Gateway) -> AsyncIterator[Desk]:
    made = await gateway.tenant("inbox")
    async with made.client:
        yield Desk(gateway, made, await contacted(gateway, made, 5))


@pytest.fixture(scope="module")
async def unsure(desk: Desk) -> list[ReplyView]:
    """Replies of which no rule knows what they say, the first taken first."""
    return [await answer(desk.gateway, desk.tenancy, message, UNSURE) for message in list(desk.messages.values())[:3]]


async def test_what_a_reply_says_is_shown_on_request_for_a_purpose_and_audited(
    desk: Desk, unsure: list[ReplyView]
) -> None:
    async with signed_in(desk.gateway, desk.tenancy.name, Role.AGENT) as browser:
        page = await read(browser, desk.path)
        assert "seventeen" not in page
        assert "No rule knows what it says." in page
        assert page.count('class="reply"') == 3
        form = {"reply_ids": [str(reply.reply_id) for reply in unsure], "purpose": "work_lead", "show": "open"}
        shown = await browser.post(f"{desk.path}/reveal", data=form)
        assert shown.status_code == 200, shown.text
        assert shown.text.count("Blue &lt;b&gt;seventeen&lt;/b&gt;.") == 3
        assert shown.headers["cache-control"] == "no-store"
        assert "seventeen" not in await read(browser, desk.path)
        refused = await browser.post(f"{desk.path}/reveal", data=form | {"purpose": "fraud_check"})
        assert refused.status_code == 403
        assert "seventeen" not in refused.text
        named = await browser.post(desk.path)
        assert named.text.count(">Zebedee Quark</a>") == 3
        assert "Zebedee" not in page
    audit = await desk.gateway.platform.caller.ask(desk.tenancy.name, ListReveals())
    assert [(row.purpose, row.role) for row in audit.reveals] == [("work_lead", "agent")] * 6
    async with signed_in(desk.gateway, desk.tenancy.name, Role.VIEWER) as browser:
        page = await read(browser, desk.path)
        assert "Show what they say" not in page
        assert "Classify<" not in page
        assert (await browser.post(f"{desk.path}/reveal", data=form)).status_code == 403
        assert (await browser.post(f"{desk.path}/{unsure[0].reply_id}/handled", data={})).status_code == 403


async def test_a_reply_is_classified_handled_stopped_and_suppressed_with_one_click_each(
    desk: Desk, unsure: list[ReplyView]
) -> None:
    away_lead, away_message = list(desk.messages.items())[3]
    away = await answer(desk.gateway, desk.tenancy, away_message, "I am out of the office until further notice.")
    async with signed_in(desk.gateway, desk.tenancy.name, Role.AGENT) as browser:

        async def click(what: str, **form: str) -> None:
            done = await browser.post(f"{desk.path}/{what}", data={"show": "open", **form})
            assert (done.status_code, done.headers.get("location")) == (303, desk.path), done.text

        await click(f"{unsure[0].reply_id}/classify", reply_class="not_interested", returns_on="")
        said = await desk.reply(unsure[0].reply_id)
        assert (said.reply_class, said.needs_person) == ("not_interested", False)
        assert said.classified_by
        await click(f"{unsure[1].reply_id}/handled")
        handled = await desk.reply(unsure[1].reply_id)
        assert (handled.reply_class, handled.needs_person, handled.handled_by is None) == (None, False, False)
        assert (await desk.reply(away.reply_id)).sequence_goes_on
        await click(f"{away.reply_id}/stop")
        assert not (await desk.reply(away.reply_id)).sequence_goes_on

        page = await read(browser, desk.path)
        assert page.count('class="reply"') == 1
        assert "Suppress<" not in page, "an agent does not"
        assert (await browser.post(f"{desk.path}/suppress", data={"lead_id": str(away_lead)})).status_code == 403
        every = text_of(await read(browser, desk.path, show="all"))
        for what in ("Says: not interested said by a person", "handled", "Says: out of office", "the sequence is over"):
            assert what in every, what
        gone = await browser.post(f"{desk.path}/{desk.tenancy.key_id}/handled", data={})
        assert gone.status_code == 404
        assert "no such reply" in gone.text
    async with signed_in(desk.gateway, desk.tenancy.name, Role.OPERATOR) as browser:
        assert "Suppress<" in await read(browser, desk.path)
        done = await browser.post(f"{desk.path}/suppress", data={"lead_id": str(away_lead), "show": "all"})
        assert (done.status_code, done.headers["location"]) == (303, f"{desk.path}?show=all")
    ledger = await desk.gateway.platform.caller.ask(desk.tenancy.name, ListSuppressions(lead_id=away_lead))
    assert [entry.reason for entry in ledger.suppressions] == ["request"]


async def test_pages_hold_each_reply_once_and_a_form_comes_back_to_its_page(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "ROWS_SHOWN", 2)
    message = list(desk.messages.values())[4]
    for _ in range(3):
        await answer(desk.gateway, desk.tenancy, message, UNSURE)
    async with signed_in(desk.gateway, desk.tenancy.name) as browser:
        page, seen = await read(browser, desk.path), 0
        while True:
            seen += page.count('class="reply"')
            _, found, following = page.partition('rel="next" href="')
            if not found:
                break
            address = following.partition('"')[0].replace("&amp;", "&")
            page = await read(browser, address)
            assert f'name="cursor" value="{address.rpartition("cursor=")[2]}"' in page
        waiting = (await desk.gateway.platform.caller.ask(desk.tenancy.name, ListReplies(needs_person=True))).replies
        assert seen == len(waiting) > 2
        last = await browser.post(
            f"{desk.path}/{waiting[-1].reply_id}/handled", data={"show": "open", "cursor": str(waiting[0].reply_id)}
        )
        assert last.headers["location"] == f"{desk.path}?cursor={waiting[0].reply_id}"


async def test_where_nobody_waits_the_page_says_so_and_the_number_goes_with_it(gateway: Gateway, acme: Tenancy) -> None:
    (message,) = (await contacted(gateway, acme, 1)).values()
    async with signed_in(gateway, acme.name, Role.AGENT) as browser:
        assert "No reply waits for anybody" in await read(browser, f"/t/{acme.name}/inbox")
        assert "No replies yet" in await read(browser, f"/t/{acme.name}/inbox", show="all")
        reply = await answer(gateway, acme, message, UNSURE)

        async def counted() -> int:
            return int((await acme.client.get(acme.path("/dashboard/stats"))).json()["kpis"]["replies_needing_action"])

        await until(lambda: _is(counted, 1), what="the reply's way into the numbers")
        await browser.post(f"/t/{acme.name}/inbox/{reply.reply_id}/handled", data={})
        await until(lambda: _is(counted, 0), what="the reply's way out of them")


async def _is(counted: object, number: int) -> bool:
    return await counted() == number  # type: ignore[operator]
