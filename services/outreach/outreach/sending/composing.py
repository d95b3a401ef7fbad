"""What is written to whom: what is personal is revealed by intake once a message is claimed, and kept nowhere."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from chassis.unit_of_work import Database, Row
from contracts.intake.privacy import MOST_REVEALED, PersonalField, Revealed, RevealPii, RevealState, Revelation
from contracts.intake.texts import RevealTexts
from contracts.outreach.accounts import Transport
from contracts.taxonomy import CHANNEL_OF, Channel, Purpose, SendKind
from outreach.sending import store_messages
from outreach.templates import domain_template, domain_values, store
from outreach.templates.domain_flaws import TemplateError
from outreach.unsubscribing import Links

Reveal = Callable[[str, RevealPii | RevealTexts], Awaitable[Any]]
"""Has intake show what is personal of a tenant's: a `Revelation`, or `RevealedTexts`."""

_ADDRESS = {
    Channel.EMAIL: PersonalField.EMAIL,
    Channel.LINKEDIN: PersonalField.LINKEDIN_URL,
    Channel.SMS: PersonalField.PHONE,
}
LACKING = "values_lacking"
"""Why a message is skipped whose template needs what its lead has not, and has no default for it."""
NO_ADDRESS = "no_address"
"""Why one is skipped whose address intake does not have any more."""
NO_TEMPLATE = "no_template"
"""Why one is skipped that nothing is written for, and that somebody would get."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What one message says, and where it goes.

    Attributes:
        unsubscribe_url: where one POST unsubscribes the person (RFC 8058); e-mails have it where the gateway is reached from outside.
    """

    address: str = field(repr=False)
    body: str = field(repr=False)
    subject: str | None = field(default=None, repr=False)
    follows: tuple[str, ...] = ()
    unsubscribe_url: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class _Text:
    """A template's version, which never changes."""

    subject: str | None
    body: str
    variables: tuple[str, ...]


class Composer:
    """Writes messages.

    Parameters:
        reveal: asks intake.
        links: makes e-mails' links to unsubscribe.
    """

    def __init__(self, database: Database, reveal: Reveal, links: Links) -> None:
        self._database = database
        self._reveal = reveal
        self._links = links
        self._texts: dict[tuple[str, UUID, int], _Text] = {}

    async def compose(self, tenant: str, rows: Sequence[Row]) -> dict[UUID, Letter | str]:
        """What these messages of one tenant say, by their ids; of one that cannot be written, why, as a word for programs.

        Raises:
            ProblemError: intake does not answer, or refuses.
            KeysUnavailableError: the key service is away, and links to unsubscribe cannot be made.
            TenantKeyError: they cannot be made for this tenant.
        """
        texts = await self._texts_of(tenant, rows)
        given = await self._given_texts(tenant, [row["message_id"] for row in rows if row["has_text"]])
        personal = [row for row in rows if _is_shown_to(row)]
        letters: dict[UUID, Letter | str] = {row["message_id"]: Letter("", "") for row in rows if not _is_shown_to(row)}
        shown = await self._shown(tenant, personal, texts) if personal else {}
        mails = [row for row in personal if SendKind(row["kind"]) is SendKind.EMAIL]
        urls = await self._links.of(self._database, tenant, [row["message_id"] for row in mails])
        threads = await self._threads(tenant, [row["message_id"] for row in mails if row["step"] > 1])
        for row in personal:
            id_ = row["message_id"]
            text = given.get(id_) if row["has_text"] else texts.get(id_)
            letter = _letter(row, shown.get(row["lead_id"]), text, urls.get(id_))
            letters[id_] = (
                replace(letter, follows=threads[id_]) if isinstance(letter, Letter) and id_ in threads else letter
            )
        return letters

    async def _threads(self, tenant: str, followups: Sequence[UUID]) -> dict[UUID, tuple[str, ...]]:
        """What these messages follow, for people's mail programs to show them beneath it."""
        if not followups:
            return {}
        async with self._database.begin(tenant) as uow:
            return await store_messages.before(uow, tenant, followups)

    async def _given_texts(self, tenant: str, messages: Sequence[UUID]) -> dict[UUID, str]:
        """What messages say of which intake keeps the words; nothing of one whose person was erased."""
        found: dict[UUID, str] = {}
        left = list(messages)
        while left:
            asked = left[:MOST_REVEALED]
            shown = await self._reveal(tenant, RevealTexts(text_ids=asked, purpose=Purpose.SEND_MESSAGE))
            found |= {view.text_id: view.text for view in shown.texts if view.text is not None}
            deferred = [view.text_id for view in shown.texts if view.state is RevealState.DEFERRED]
            left = deferred + left[MOST_REVEALED:]
        return found

    async def _shown(self, tenant: str, rows: Sequence[Row], texts: Mapping[UUID, _Text]) -> dict[UUID, Revealed]:
        """What intake shows of these messages' leads: their addresses, and what the templates use."""
        uses = {variable for row in rows if (text := texts.get(row["message_id"])) for variable in text.variables}
        fields = {_ADDRESS[CHANNEL_OF[SendKind(row["kind"])]] for row in rows}
        if domain_values.takes_a_name(uses):
            fields.add(PersonalField.NAME)
        if domain_values.metadata_of(uses):
            fields.add(PersonalField.METADATA)
        left = list(dict.fromkeys(row["lead_id"] for row in rows))
        found: dict[UUID, Revealed] = {}
        while left:
            views = await self._revealed(tenant, left[:MOST_REVEALED], sorted(fields))
            found |= {view.lead_id: view for view in views if view.state is not RevealState.DEFERRED}
            deferred = [view.lead_id for view in views if view.state is RevealState.DEFERRED]
            left = deferred + left[MOST_REVEALED:]
        for view in [view for view in found.values() if view.left_out]:
            for wide in view.left_out:
                (alone,) = await self._revealed(tenant, [view.lead_id], [wide])
                found[view.lead_id] = found[view.lead_id].model_copy(update={wide.value: getattr(alone, wide.value)})
        return found

    async def _revealed(
        self, tenant: str, leads: Sequence[UUID], fields: Sequence[PersonalField]
    ) -> Sequence[Revealed]:
        ask = RevealPii(lead_ids=list(leads), purpose=Purpose.SEND_MESSAGE, fields=list(fields))
        shown: Revelation = await self._reveal(tenant, ask)
        return shown.leads

    async def _texts_of(self, tenant: str, rows: Sequence[Row]) -> dict[UUID, _Text]:
        """The texts of the messages that have a template, by message."""
        wanted = {(tenant, row["variant"], row["variant_version"]) for row in rows if row["variant"]}
        if unknown := wanted - self._texts.keys():
            async with self._database.begin(tenant) as uow:
                for key in unknown:
                    found = await store.version(uow, tenant, key[1], key[2])
                    assert found
                    self._texts[key] = _Text(found["subject"], found["body"], tuple(found["variables"]))
        return {
            row["message_id"]: self._texts[tenant, row["variant"], row["variant_version"]]
            for row in rows
            if row["variant"]
        }


def _letter(row: Row, view: Revealed | None, text: _Text | str | None, unsubscribe_url: str | None) -> Letter | str:
    kind = SendKind(row["kind"])
    address = getattr(view, _ADDRESS[CHANNEL_OF[kind]], None) if view else None
    if not view or not address:
        return NO_ADDRESS
    if text is None:
        return NO_TEMPLATE
    if isinstance(text, str):
        subject, body = parted(kind, text)
        return Letter(address, body, subject, unsubscribe_url=unsubscribe_url)
    values = domain_values.values(view.name, row["attribution"], {**row["lead_metadata"], **(view.metadata or {})})
    if row["sender_name"]:
        values[domain_values.SENDER_NAME] = row["sender_name"]
    if unsubscribe_url:
        values[domain_values.UNSUBSCRIBE_URL] = unsubscribe_url
    try:
        made = domain_template.render(kind, text.subject, text.body, values)
    except TemplateError:
        return LACKING
    return Letter(address, made.body, made.subject, unsubscribe_url=unsubscribe_url)


def as_text(subject: str | None, body: str) -> str:
    """What a message says, as intake keeps it: of an e-mail the subject, an empty line and the body."""
    return body if subject is None else f"{subject}\n\n{body}"


def parted(kind: SendKind, text: str) -> tuple[str | None, str]:
    """Subject and body of what `as_text` made."""
    if kind is not SendKind.EMAIL:
        return None, text
    subject, _, body = text.partition("\n\n")
    return subject, body


def _is_shown_to(row: Row) -> bool:
    """Whether anything personal is needed: the sandbox contacts nobody, and is shown nothing that nothing is written with."""
    return row["transport"] != Transport.SANDBOX or row["variant"] is not None or row["has_text"]
