"""Templates as pages: written and checked, saved as the next version, and shown for a lead with that audited."""

import re
from uuid import uuid4

import httpx

from contracts.intake.privacy import ListReveals
from contracts.outreach.templates import ListTemplates
from tests.gateway.conftest import Gateway
from tests.gateway.pages.conftest import Shop, rows_of, text_of


async def test_the_list_has_the_newest_version_of_each_and_can_be_narrowed_by_kind(
    admin: httpx.AsyncClient, shop: Shop
) -> None:
    here = f"/t/{shop.name}/templates"
    names = [row[0] for row in rows_of((await admin.get(here)).raise_for_status().text)]
    assert {"first", "second"} <= set(names)
    assert "No templates" in (await admin.get(f"{here}?kind=connection_request")).text


async def test_a_text_is_checked_without_being_saved_and_saved_once_nothing_is_wrong(
    admin: httpx.AsyncClient, shop: Shop
) -> None:
    new = f"/t/{shop.name}/templates/new"
    assert "unsubscribe_url" in text_of((await admin.get(new)).text), "what it may use"
    wrong = {"name": "Hello", "kind": "email", "subject": "Dear {{ frist_name }}", "body": "Hi <script>"}
    for do, status in (("check", 200), ("save", 400)):
        refused = await admin.post(new, data=wrong | {"do": do})
        said = text_of(refused.text)
        assert refused.status_code == status and "It cannot be saved like this" in said and "frist_name" in said
        assert "Hi &lt;script&gt;</textarea>" in refused.text and "<script>" not in refused.text.partition("<main")[2]
    good = wrong | {"subject": "Dear {{ first_name | default: 'neighbour' }}"}
    checked = (await admin.post(new, data=good | {"do": "check"})).raise_for_status()
    assert "Dear [first_name]" in text_of(checked.text) and "Uses first_name ; all are known" in text_of(checked.text)
    unnamed = await admin.post(new, data=good | {"do": "save"})
    assert unnamed.status_code == 400 and "Name: " in text_of(unnamed.text), "no capital letters"
    assert "Hello" not in {t.name for t in (await shop.ask(ListTemplates())).templates}
    saved = await admin.post(new, data=good | {"name": "hello", "do": "save"})
    assert saved.status_code == 303
    page = text_of((await admin.get(saved.headers["location"])).text)
    assert "hello, version 1" in page and "Hi <script>" in page
    other_kind = await admin.post(new, data={"name": "hello", "kind": "sms", "body": "Hi", "do": "save"})
    assert other_kind.status_code == 409 and "give this one another name" in other_kind.text


async def test_an_edit_is_the_next_version_and_the_ones_before_stay(admin: httpx.AsyncClient, shop: Shop) -> None:
    new = f"/t/{shop.name}/templates/new"
    saved = await admin.post(new, data={"name": "edited", "kind": "sms", "body": "One", "do": "save"})
    here = saved.headers["location"]
    form = (await admin.get(f"{here}/edit")).raise_for_status().text
    assert "edited, version 2" in form and re.search(r"<textarea[^>]*>\s*One</textarea>", form)
    for body in ("Two", "Three {{ tier | default: 'x' }}", "Three {{ tier | default: 'x' }}"):
        assert (
            await admin.post(f"{here}/edit", data={"name": "edited", "kind": "sms", "body": body, "do": "save"})
        ).status_code == 303
    page = (await admin.get(here)).text
    assert "edited, version 3" in page and [row[0] for row in rows_of(page)] == ["3 shown", "2", "1"]
    assert "Three [tier]" in text_of(page), "with sample values"
    old = text_of((await admin.get(f"{here}?version=1")).text)
    assert "One" in old and "newest is 3" in old and "Edit as version 4" in old
    assert (await admin.get(f"{here}?version=9")).status_code == 404
    assert (await admin.get(f"/t/{shop.name}/templates/{uuid4()}/edit")).status_code == 404


async def test_a_version_is_shown_for_a_lead_and_that_is_audited(
    admin: httpx.AsyncClient, viewer: httpx.AsyncClient, gateway: Gateway, shop: Shop
) -> None:
    text, lead = shop.texts[0], shop.leads[0]
    here = f"/t/{shop.name}/templates/{text.template_id}"
    audited = len((await shop.ask(ListReveals(lead_id=lead))).reveals)
    page = await admin.post(f"{here}/preview", data={"version": "1", "lead_id": f" {lead} "})
    assert page.status_code == 200 and "Hello Ada <i>!" in text_of(page.text) and "Ada <i>" not in page.text
    assert len((await shop.ask(ListReveals(lead_id=lead))).reveals) > audited
    for wrong, status in (("Ada Quark", 400), (str(uuid4()), 404)):
        refused = await admin.post(f"{here}/preview", data={"version": "1", "lead_id": wrong})
        assert (
            refused.status_code == status and refused.text.count(f'value="{wrong}"') == refused.text.count(wrong) == 1
        )
    assert "/preview" not in (await viewer.get(here)).text
    assert (await viewer.post(f"{here}/preview", data={"version": "1", "lead_id": str(lead)})).status_code == 403
