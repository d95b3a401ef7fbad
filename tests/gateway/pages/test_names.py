"""Every list of leads shows their names to who asks for them, or it is said here why not."""

import re
from collections.abc import Iterator
from typing import Final

from gateway.rendering import TEMPLATES

WITHOUT_NAMES: Final = {
    "audit_reveals.html": "an auditor sees who was shown what, and no person",
    "import.html": "leads that stay when an import is taken back: what holds them is looked at, not who they are",
    "message.html": "one message; the page of its lead reveals it",
    "routing_version.html": "where leads would go by other rules: nobody works on them there",
}


def lists() -> Iterator[tuple[str, str]]:
    """The templates that link to leads, and their texts."""
    for name in TEMPLATES.list_templates():
        assert TEMPLATES.loader is not None
        text, _, _ = TEMPLATES.loader.get_source(TEMPLATES, name)
        if "ui.lead(" in text or "/leads/{{ lead.lead_id }}" in text:
            yield name, text


def test_every_list_of_leads_offers_their_names() -> None:
    silent = {name for name, text in lists() if "ui.show_names(" not in text}
    assert silent - {"lead.html"} == WITHOUT_NAMES.keys()
    for name, text in lists():
        links = re.findall(r"ui\.lead\([^)]*\)", text)
        assert name in silent or all(link.endswith(", names)") for link in links), name
