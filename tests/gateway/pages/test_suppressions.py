"""Suppressions as a page: added by whatever is known of a person, lifted with a reason, and the ledger as CSV in and out."""

import re
from html import unescape

import httpx

from contracts.outreach.people import ListSuppressions, SuppressionReason
from tests.gateway.pages.conftest import Shop, rows_of, text_of


async def entries(shop: Shop) -> list[str]:
    return [str(entry.suppression_id) for entry in (await shop.ask(ListSuppressions(limit=200))).suppressions]


async def test_somebody_is_entered_by_what_is_known_of_them(admin: httpx.AsyncClient, shop: Shop) -> None:
    here = f"/t/{shop.name}/suppressions"
    before = await entries(shop)
    given = {
        "email": "eve@example.com",
        "reason": "request",
        "channel": "email",
        "last_day": "2030-01-01",
        "note": "On <b>",
    }
    assert (await admin.post(f"{here}/add", data=given)).status_code == 303
    added = (await shop.ask(ListSuppressions())).suppressions[0]
    assert (added.reason, added.channel, added.note) == (SuppressionReason.REQUEST, "email", "On <b>")
    assert added.expires_at and added.expires_at.date().isoformat() in ("2030-01-01", "2030-01-02")
    page = (await admin.get(here)).raise_for_status().text
    row = rows_of(page)[0]
    assert row[1].startswith("They asked for it") and row[3] == "E-mail" and row[6] == "holds" and "<b>" not in page
    by_lead = {"lead_id": str(shop.leads[5]), "reason": "do_not_contact"}
    assert (await admin.post(f"{here}/add", data=by_lead)).status_code == 303
    about = rows_of((await admin.get(f"{here}?lead_id={shop.leads[5]}")).text)
    assert [row[1] for row in about] == ["Do not contact"]
    assert len(await entries(shop)) == len(before) + 2
    for wrong in (
        {"reason": "request"},
        {"lead_id": "Eve", "reason": "request"},
        {"email": "e@example.com", "last_day": "soon"},
    ):
        assert (await admin.post(f"{here}/add", data=wrong)).status_code == 400
    assert "eve@example.com" not in page


async def test_an_entry_is_lifted_with_a_reason_and_stays_in_the_ledger(admin: httpx.AsyncClient, shop: Shop) -> None:
    here = f"/t/{shop.name}/suppressions"
    await admin.post(f"{here}/add", data={"email": "lift@example.com", "reason": "bounce"})
    lifting = re.search(r'action="([^"]+/lift)"', (await admin.get(here)).text)
    assert lifting
    silent = await admin.post(unescape(lifting[1]), data={"note": " "})
    assert silent.status_code == 400 and "Say why it is lifted" in silent.text
    lifted = await admin.post(unescape(lifting[1]), data={"note": "A new address."})
    assert (lifted.status_code, lifted.headers["location"]) == (303, here)
    page = (await admin.get(here)).text
    assert "lifted" in rows_of(page)[0][6] and "A new address." in rows_of(page)[0][6]
    assert lifting[1] not in page


async def test_a_complaint_is_never_offered_to_be_lifted(admin: httpx.AsyncClient, shop: Shop) -> None:
    here = f"/t/{shop.name}/suppressions"
    await admin.post(f"{here}/add", data={"email": "spam@example.com", "reason": "complaint"})
    first = (await admin.get(here)).text.partition("<tbody>")[2].partition("</tr>")[0]
    assert "Reported as spam" in first and "/lift" not in first
    entry = (await entries(shop))[0]
    assert (await admin.post(f"{here}/{entry}/lift", data={"note": "x"})).status_code == 409


async def test_a_file_is_tried_then_taken_and_the_ledger_comes_out_as_one(admin: httpx.AsyncClient, shop: Shop) -> None:
    here = f"/t/{shop.name}/suppressions"
    before = await entries(shop)
    rows = "email,reason\nfile1@example.com,unsubscribed\nfile2@example.com,request\n,request\n=cmd@x,luck\n"
    for dry_run, told, more in (("true", "What would become of the file", 0), ("", "What became of the file", 2)):
        sent = {"file": ("them.csv", rows.encode(), "text/csv")}
        page = await admin.post(f"{here}/import", files=sent, data={"dry_run": dry_run} if dry_run else {})
        said = text_of(page.text)
        assert page.status_code == 200 and told in said and "2 taken" in said and "2 refused" in said, said
        assert "Row 3" in said and "Row 4, reason" in said and "=cmd" not in said
        assert len(await entries(shop)) == len(before) + more
    for content in (b"name\nx\n", b"\xff\xfe", b""):
        refused = await admin.post(f"{here}/import", files={"file": ("x.csv", content, "text/csv")})
        assert refused.status_code == 400 and "file" in refused.text
    download = re.search(r'href="([^"]+)" download', (await admin.get(here)).text)
    assert download
    lines = (await admin.get(download[1])).raise_for_status().text.splitlines()
    assert len(lines) == len(before) + 3 and "note" not in lines[0]


async def test_notes_are_shown_to_whom_personal_data_is(
    viewer: httpx.AsyncClient, admin: httpx.AsyncClient, shop: Shop
) -> None:
    here = f"/t/{shop.name}/suppressions"
    await admin.post(f"{here}/add", data={"email": "note@example.com", "reason": "request", "note": "Wrote on Sunday."})
    assert "Wrote on Sunday." in (await admin.get(here)).text
    page = (await viewer.get(here)).raise_for_status().text
    assert "Wrote on Sunday." not in page and 'method="post"' not in page.partition("<main")[2]
    assert (await viewer.post(f"{here}/add", data={"email": "x@example.com"})).status_code == 403
