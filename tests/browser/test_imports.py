"""A file is imported by somebody who looks at it first, and taken back."""

from playwright.async_api import expect

from tests.browser.window import Window

CSV = (
    b"Lead Id,Name,E-mail,Stage\nL-1,Zebedee Quark,zebedee@example.com,contacted\n"
    b"L-2,Ann Bell,ann@example.com,\n,Nobody,,\n"
)


async def test_a_file_is_mapped_checked_imported_and_taken_back(operator: Window) -> None:
    page = operator.page
    await operator.go("/imports")
    await expect(page.get_by_text("No imports yet")).to_be_visible()
    await page.get_by_label("CSV file").set_input_files({"name": "leads.csv", "mimeType": "text/csv", "buffer": CSV})
    await page.get_by_role("button", name="Upload").click()
    await expect(page.get_by_role("combobox", name="E-mail", exact=True)).to_have_value("E-mail")
    await page.get_by_role("combobox", name="Outcome", exact=True).select_option("Stage")
    await page.get_by_role("button", name="Map columns").click()
    await page.get_by_role("button", name="Show the first rows").click()
    await expect(page.get_by_text("Zebedee Quark")).to_be_visible()
    await page.get_by_role("button", name="Check", exact=True).click()
    await expect(page.locator("#errors")).to_contain_text("source_id")
    await operator.look("import-ready")
    await page.get_by_role("button", name="Start the import").click()
    await expect(page.get_by_role("heading", name="Take it back")).to_be_visible()
    await expect(page.get_by_text("completed", exact=True)).to_be_visible()
    await operator.look("import-done")
    await page.get_by_label("I am sure").check()
    await page.get_by_role("button", name="Take it back").click()
    await expect(page.get_by_text("Taken back: 2 leads withdrawn, 0 stay, 1 outcomes voided.")).to_be_visible()
    await operator.go("/imports")
    await expect(page.get_by_role("link", name="leads.csv")).to_be_visible()
    await operator.look("imports")
