"""All that is known of a person, gathered from intake and from every service that holds something of a lead."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from chassis.caller import Caller
from chassis.keys import TenantKey
from chassis.unit_of_work import UnitOfWork
from contracts.aggregator.events import ListEvents
from contracts.intake.privacy import ExportEntry, ExportKind
from contracts.message import Envelope, ProblemCode, ProblemError, R, Request
from contracts.outcomes import OutcomeHistory
from contracts.outreach.people import ListSuppressions, OutreachHistory, SuppressionView
from contracts.outreach.sending import LeadMessages
from intake.distribution import store as distribution
from intake.enrichment.exporting import contacts_of
from intake.leads import store as leads
from intake.memory import store_actions
from intake.privacy import revealing, store_audit, store_export, store_texts, texts
from intake.privacy.domain_export import AROUND, ROOM, Place, in_parts, size_of
from intake.routing import store_decisions

_CHUNK: Final = 50
_BEFORE: Final = "before/"
"""Of messages, how the place begins from which on another system's follow."""
_SECONDS: Final = 2.0
"""How long a page is gathered: whoever asks waits, and may ask for the next."""

Chunk = tuple[Sequence[BaseModel | dict[str, Any]], str]
"""Some of a lead's entries of one kind, and behind what the next begin; empty where there are no more."""


@dataclass(frozen=True, slots=True)
class Exporter:
    """Gathers one person's export within a unit of work."""

    uow: UnitOfWork
    key: TenantKey
    ask: Caller
    cause: Envelope

    async def page(self, lead_ids: Sequence[UUID], begin: Place | None) -> tuple[list[ExportEntry], Place | None]:
        """The entries from a place on that fit into a page, and where the next page begins, if there is one.

        Raises:
            ProblemError: `unavailable`, a service that may hold something does not answer.
        """
        entries: list[ExportEntry] = []
        used, deadline = 0, monotonic() + _SECONDS
        place = begin or Place(lead_ids[0], ExportKind.LEAD)
        while True:
            chunk, behind = await self._sources[place.kind](place.lead_id, place.after)
            begun = len(entries)
            contents = [content for found in chunk for content in in_parts(to_jsonable_python(found))]
            for number, content in enumerate(contents[place.skip :], place.skip):
                used += size_of(content) + AROUND
                if begun and used > ROOM:
                    # Whole, the chunk fits into a page; counted in, what stops waiting meanwhile would be missing from it.
                    return entries[:begun], place
                if entries and used > ROOM:
                    return entries, Place(place.lead_id, place.kind, place.after, number)
                entries.append(ExportEntry(kind=place.kind, lead_id=place.lead_id, content=content))
            following = Place(place.lead_id, place.kind, behind) if behind else _next(place, lead_ids)
            if following is None or monotonic() > deadline:
                return entries, following
            place = following

    @property
    def _sources(self) -> dict[ExportKind, Callable[[UUID, str], Awaitable[Chunk]]]:
        return {
            ExportKind.LEAD: self._lead,
            ExportKind.SUBMISSION: self._submissions,
            ExportKind.MERGE: self._merges,
            ExportKind.ASSIGNMENT: self._assignments,
            ExportKind.REVEAL: self._reveals,
            ExportKind.WORK: self._work,
            ExportKind.DECISION: self._decisions,
            ExportKind.CONTACT: self._contacts,
            ExportKind.ACTION: self._actions,
            ExportKind.TEXT: self._texts,
            ExportKind.OUTCOME: self._outcomes,
            ExportKind.MESSAGE: self._messages,
            ExportKind.EVENT: self._events,
        }

    async def _lead(self, lead_id: UUID, _: str) -> Chunk:
        row = await leads.lead(self.uow, self.key.tenant, lead_id)
        sealed = (await store_audit.sealed(self.uow, self.key.tenant, [lead_id])).get(lead_id)
        if row is None or sealed is None:
            return [], ""
        own = {name: value for name, value in row.items() if name not in ("digest", "field_digests")}
        personal = {f"personal_{name}": value for name, value in revealing.personal_of(sealed, self.key).items()}
        return [{**own, **personal, "suppressions": await self._suppressions(lead_id)}], ""

    async def _suppressions(self, lead_id: UUID) -> list[SuppressionView]:
        """What the suppression ledger says of who is reached by way of the lead."""
        found: list[SuppressionView] = []
        cursor = None
        while page := await self._known(ListSuppressions(lead_id=lead_id, cursor=cursor, limit=200)):
            found += page.suppressions
            if (cursor := page.next_cursor) is None:
                break
        return found

    async def _submissions(self, lead_id: UUID, after: str) -> Chunk:
        rows = await store_export.submissions(self.uow, self.key.tenant, lead_id, _id(after), _CHUNK)
        return _chunk(rows, "submission_id")

    async def _merges(self, lead_id: UUID, after: str) -> Chunk:
        rows = await store_export.merges(self.uow, self.key.tenant, lead_id, _id(after), _CHUNK)
        return _chunk(rows, "merge_id")

    async def _assignments(self, lead_id: UUID, after: str) -> Chunk:
        only = {"lead_id": lead_id}
        rows = await distribution.page(self.uow, self.key.tenant, only, None, _id(after), _CHUNK)
        return _chunk(rows, "assignment_id")

    async def _reveals(self, lead_id: UUID, after: str) -> Chunk:
        rows = await store_audit.reveals(self.uow, self.key.tenant, {"lead_id": lead_id}, _id(after), _CHUNK)
        return _chunk(rows, "reveal_id")

    async def _work(self, lead_id: UUID, _: str) -> Chunk:
        row = await store_export.work(self.uow, self.key.tenant, lead_id)
        return [dict(row)] if row else [], ""

    async def _decisions(self, lead_id: UUID, after: str) -> Chunk:
        rows = await store_decisions.of_lead(self.uow, self.key.tenant, lead_id, _id(after), _CHUNK)
        return _chunk(rows, "decision_id")

    async def _contacts(self, lead_id: UUID, _: str) -> Chunk:
        tokens = await store_export.tokens_of_person(self.uow, self.key.tenant, lead_id)
        return await contacts_of(self.uow, self.key, tokens) if tokens else [], ""

    async def _actions(self, lead_id: UUID, after: str) -> Chunk:
        ids = await store_export.ids_of(self.uow, self.key.tenant, [lead_id])
        rows = await store_actions.of_entities(self.uow, self.key.tenant, ids, _id(after), _CHUNK)
        return _chunk(rows, "action_id")

    async def _texts(self, lead_id: UUID, after: str) -> Chunk:
        rows = await store_texts.of_lead(self.uow, self.key.tenant, lead_id, _id(after), _CHUNK)
        return [texts.exported(row, self.key) for row in rows], _chunk(rows, "text_id")[1]

    async def _outcomes(self, lead_id: UUID, after: str) -> Chunk:
        history = await self._known(OutcomeHistory(lead_id=lead_id, cursor=after or None, limit=_CHUNK))
        return ([*history.waiting, *history.outcomes], history.next_cursor or "") if history else ([], "")

    async def _messages(self, lead_id: UUID, after: str) -> Chunk:
        if after.startswith(_BEFORE):
            return await self._sent_before(lead_id, after.removeprefix(_BEFORE))
        ask = LeadMessages(lead_id=lead_id, cursor=after or None, limit=_CHUNK)
        page = await self.ask.ask(self.key.tenant, ask, cause=self.cause)
        return page.messages, page.next_cursor or _BEFORE

    async def _sent_before(self, lead_id: UUID, after: str) -> Chunk:
        page = await self._known(OutreachHistory(lead_id=lead_id, cursor=after or None, limit=_CHUNK))
        if page is None:
            return [], ""
        # What LeadLoop sent itself is a message, and what was sent to a lead that this one stands for is with that one.
        before = [entry for entry in page.entries if entry.message_id is None and entry.lead_id == lead_id]
        return before, f"{_BEFORE}{page.next_cursor}" if page.next_cursor else ""

    async def _events(self, lead_id: UUID, after: str) -> Chunk:
        ask = ListEvents(lead_id=lead_id, cursor=after or None, limit=_CHUNK)
        page = await self.ask.ask(self.key.tenant, ask, cause=self.cause)
        return page.events, page.next_cursor or ""

    async def _known(self, ask: Request[R]) -> R | None:
        """What a service holds of a lead; none where it has never heard of the lead."""
        try:
            return await self.ask.ask(self.key.tenant, ask, cause=self.cause)
        except ProblemError as error:
            if error.problem.code is ProblemCode.NOT_FOUND:
                return None
            raise


def _next(place: Place, lead_ids: Sequence[UUID]) -> Place | None:
    """The next kind of the same lead, or the next lead."""
    kinds = list(ExportKind)
    number = kinds.index(place.kind) + 1
    if number < len(kinds):
        return Place(place.lead_id, kinds[number])
    later = [lead_id for lead_id in lead_ids if lead_id > place.lead_id]
    return Place(later[0], kinds[0]) if later else None


def _chunk(rows: Sequence[Any], key: str) -> Chunk:
    return [dict(row) for row in rows], str(rows[-1][key]) if len(rows) == _CHUNK else ""


def _id(after: str) -> UUID | None:
    return UUID(after) if after else None
