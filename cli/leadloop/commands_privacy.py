"""``leadloop lead, audit``: what is known of a person, that it be forgotten, and who was shown it.

`leadloop.main` says what each command does.
"""

import json
import os
import sys
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from pydantic_core import to_jsonable_python

from chassis.caller import Caller
from contracts.intake.erasure import EraseLead, ErasureCertificate, ErasureResult, GetErasureCertificate
from contracts.intake.privacy import ExportEntry, ExportLead, ListReveals, RevealView
from leadloop.app import Common, Tenant
from leadloop.commands_tenants import check_known
from leadloop.installation import Installation
from leadloop.output import Answer, CommandError, print_rows
from leadloop.patience import polled

_CONFIRMED_SECONDS = 30.0
"""How long others are waited for that drop what they hold; afterwards they still do."""
_ANSWER_SECONDS = 60.0


async def export_lead(
    lead_id: UUID, /, *, tenant: Tenant, out: Path | None = None, common: Common = Common()
) -> Answer:
    """``leadloop lead export``.

    Args:
        lead_id: a lead of the person.
        tenant: whose lead it is.
        out: a new file, which only its owner may read; standard output by default.
    """
    found: dict[str, Any] = {"lead_id": lead_id, "exported_at": datetime.now(UTC), "entries": []}
    async with Installation(common.open()).asking() as caller:
        await check_known(caller, tenant, "intake")
        cursor = None
        while True:
            page = await caller.ask(tenant, ExportLead(lead_id=lead_id, cursor=cursor), seconds=_ANSWER_SECONDS)
            found["person_id"] = page.person_id
            found["entries"] += page.entries
            if (cursor := page.next_cursor) is None:
                break
    found["entries"] = _whole(found["entries"])
    text = json.dumps(to_jsonable_python(found), indent=2, ensure_ascii=False)
    if out is None:
        return Answer(found, [text])
    _write(out, text)
    count = len(found["entries"])
    return Answer({"file": str(out), "entries": count}, [f"{count} entries, all that is known of the person, in {out}"])


def _whole(entries: Iterable[ExportEntry]) -> list[ExportEntry]:
    """The entries, with each value that follows in parts back in its place."""
    whole: list[ExportEntry] = []
    text = ""
    for entry in entries:
        match entry.content:
            case {"part_of": str(name), "part": number, "parts": count, "json": str(piece)}:
                text += piece
                if number == count:
                    whole[-1].content[name] = json.loads(text)
                    text = ""
            case content:
                content.pop("in_parts", None)
                whole.append(entry)
    return whole


def _write(path: Path, text: str) -> None:
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text + "\n")
    except FileExistsError:
        raise CommandError(f"{path} is there already: remove it, or name another file") from None


async def erase_lead(
    lead_id: UUID,
    /,
    *,
    tenant: Tenant,
    reason: str = "subject_request",
    yes: bool = False,
    common: Common = Common(),
) -> Answer:
    """``leadloop lead erase``.

    Args:
        lead_id: a lead of the person; all the person's leads are erased.
        tenant: whose lead it is.
        reason: why, as a word for programs; it stays in the certificate.
        yes: do not ask whether it is meant.
    """
    request = EraseLead(lead_id=lead_id, reason=reason)
    async with Installation(common.open()).asking() as caller:
        await check_known(caller, tenant, "intake")
        if not yes:
            _confirm(lead_id, tenant)
        erased = await caller.ask(tenant, request, seconds=_ANSWER_SECONDS)
        certificate = await polled(lambda: _certificate(caller, tenant, erased), _is_complete, _CONFIRMED_SECONDS)
    return Answer(certificate.model_dump(), _said(erased, certificate), ok=certificate.complete)


def _confirm(lead_id: UUID, tenant: str) -> None:
    if not sys.stdin.isatty():
        raise CommandError("this cannot be undone, and there is nobody to ask whether it is meant: say --yes")
    print(f"erase the person of lead {lead_id} of {tenant}, with all their leads, for good? [yes/no] ", end="",
          file=sys.stderr, flush=True)  # fmt: skip
    if sys.stdin.readline().strip() != "yes":
        raise CommandError("nothing was erased")


async def _certificate(caller: Caller, tenant: str, erased: ErasureResult) -> ErasureCertificate:
    return await caller.ask(tenant, GetErasureCertificate(erasure_id=erased.erasure_id))


def _is_complete(certificate: ErasureCertificate) -> bool:
    return certificate.complete


def _said(erased: ErasureResult, certificate: ErasureCertificate) -> list[str]:
    when = f"{certificate.erased_at:%Y-%m-%d %H:%M} UTC"
    before = ": nothing changed, the person had been erased before" if erased.already else ""
    lines = [
        f"erasure {certificate.erasure_id} of {when}{before}",
        f"intake: {_counts(certificate.erased)}",
    ]
    for one in certificate.confirmations:
        done = (
            f"confirmed {one.confirmed_at:%H:%M:%S}: {_counts(one.dropped)}"
            if one.confirmed_at
            else "not confirmed yet"
        )
        lines.append(f"{one.service}: {done}")
    if not certificate.complete:
        ask = json.dumps({"erasure_id": str(certificate.erasure_id)})
        lines.append(f"look again later: leadloop ask intake get_erasure_certificate --tenant TENANT '{ask}'")
    lines += [f"stays: {one.what} ({one.why}), until {one.until}" for one in certificate.remains]
    return lines


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{kind.replace('_', ' ')} {count}" for kind, count in counts.items()) or "nothing"


async def export_audit(
    *,
    tenant: Tenant,
    since: datetime | None = None,
    format: Literal["csv", "json"] = "csv",
    common: Common = Common(),
) -> Answer:
    """``leadloop audit export``.

    Args:
        tenant: whose.
        since: only from this moment on; UTC, unless it says otherwise.
        format: a CSV file with a header, or a JSON array.
    """
    if since and since.tzinfo is None:
        since = since.replace(tzinfo=UTC)
    async with Installation(common.open()).asking() as caller:
        await check_known(caller, tenant, "intake")
        rows = _reveals(caller, tenant, since)
        return await print_rows(RevealView, rows, as_json=common.json or format == "json")


async def _reveals(caller: Caller, tenant: str, since: datetime | None) -> AsyncIterator[RevealView]:
    cursor = None
    while True:
        ask = ListReveals(since=since, limit=500, cursor=cursor)
        page = await caller.ask(tenant, ask, seconds=_ANSWER_SECONDS)
        for row in page.reveals:
            yield row
        if (cursor := page.next_cursor) is None:
            return
