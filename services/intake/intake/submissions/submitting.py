"""Submissions become leads: the one path of every lead, by whatever way it came."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import orjson
from uuid_utils.compat import uuid7

from chassis import tenants
from chassis.keys import TenantKey
from chassis.pieces import pieces
from chassis.received import Received
from chassis.unit_of_work import Row, UnitOfWork
from contracts.gateway import TenantSettings
from contracts.intake.leads import (
    Flaw,
    LeadAccepted,
    LeadDuplicated,
    LeadRejected,
    LeadSubmission,
    LeadUpdated,
    LeadVerdict,
    SubmissionResult,
)
from contracts.message import ProblemCode, ProblemError
from contracts.taxonomy import MergePolicy
from intake import locks
from intake.distribution.arriving import begin_anew, route
from intake.leads import aliases, source_ids
from intake.leads import store as leads
from intake.leads.domain_combined import effective
from intake.leads.domain_contact import reached_by
from intake.leads.domain_field import refusal
from intake.leads.domain_lead import NormalLead, Rejection, changed_fields, digests, normalise
from intake.leads.shown import snapshot
from intake.people import review
from intake.people import store as people
from intake.people import store_merges as merges
from intake.people.domain_merge import SUBMITTED_AS, TOKENS
from intake.people.domain_person import Claim, Linking, link
from intake.people.merging import follow
from intake.people.tokens import tokens_of
from intake.routing.placing import Arrival
from intake.routing.published import ready
from intake.submissions import store
from intake.vault import sealing, suppression
from intake.vault import store as vault

Submission = Received[Any]
"""A `LeadSubmission` with its envelope: a command's or a request's."""


@dataclass(slots=True)
class _Candidate:
    """A submission on its way to a verdict: what was read of it, its tokens, and the row of its lead, the old and the new.

    Attributes:
        tokens: by the column that keeps them.
        older_tokens: others by which its phone, e-mail or profile is known, if the tenant's token key was rotated.
        source_id: as the source wrote it, where a token stands for it in `message`.
    """

    message: Submission
    lead: NormalLead | Rejection
    tokens: dict[str, str] = field(default_factory=dict)
    older_tokens: tuple[str, ...] = ()
    source_id: str | None = None
    before: Any = None
    row: dict[str, Any] | None = None
    verdict: LeadVerdict = LeadVerdict.ACCEPTED

    @property
    def key(self) -> tuple[str, str]:
        return self.message.body.source_system, self.message.body.source_id

    @property
    def key_in_clear(self) -> tuple[str, str] | None:
        """As the lead may have been known before it was seen that its id is a contact."""
        return (self.message.body.source_system, self.source_id) if self.source_id else None

    @property
    def taken(self) -> NormalLead:
        """What was read of it, if it is not rejected."""
        assert isinstance(self.lead, NormalLead)
        return self.lead

    @property
    def personal(self) -> dict[str, Any]:
        """What the vault seals."""
        return {**self.taken.personal, **({"source_id": self.source_id} if self.source_id else {})}


async def submit(
    uow: UnitOfWork, key: TenantKey, submissions: Sequence[Submission], *, strict: bool
) -> list[SubmissionResult]:
    """Take one tenant's submissions, in their order; returns the verdict on each.

    Raises:
        ProblemError: `strict`, and a submission is unusable.
        LostRaceError: another unit of work took the same lead or person at the same moment; try again.
    """
    settings = await tenants.settings_of(uow, key.tenant)
    numbers = source_ids.numbers(submissions)
    await locks.taking_in(uow, key.tenant, numbers, merging=settings.merge is not MergePolicy.KEEP_BOTH)
    standing = await store.standing(uow, key.tenant, {system for system, _ in numbers})
    rules = await ready(uow, key.tenant, *standing.published) if standing.published else None
    verdicts: dict[UUID, SubmissionResult] = {}
    candidates = []
    hidden = await source_ids.hide(uow, key, submissions, standing.hiding)
    async for some in pieces(list(zip(submissions, hidden, strict=True))):
        for given, message in some:
            lead = _read(message, settings, key, strict)
            source_id = given.body.source_id if message is not given else None
            candidates.append(_Candidate(message, lead, source_id=source_id))
    for candidate, tokens in zip(
        candidates, await tokens_of(uow, key, [_reached_by(candidate.lead) for candidate in candidates]), strict=True
    ):
        candidate.tokens, candidate.older_tokens = tokens.by_column, tokens.others
    await _rename(uow, key.tenant, candidates)
    if standing.suppressing:
        await _refuse_erased(uow, key, candidates, strict)
    merged: dict[UUID, Row] = {}
    for wave in _waves(candidates):
        await _take(uow, key, settings, wave, strict)
        written = {c.row["lead_id"]: c for c in wave if c.row}
        follows = await follow(
            uow, key.tenant, settings,
            {lead_id: c.row for lead_id, c in written.items() if c.row},
            {lead_id: c.message.envelope for lead_id, c in written.items()},
        )  # fmt: skip
        async for some_of in pieces(wave):
            verdicts |= {each.message.id: _publish(uow, key, settings, each) for each in some_of}
        for event, cause in follows.told:
            uow.publish(key.tenant, event, cause)
        merged = {**{id_: row for id_, row in merged.items() if id_ not in written}, **follows.changed}
    if any(candidate.row for candidate in candidates):
        await route(uow, key.tenant, rules, _arrivals(uow, candidates, merged))
    store.keep_verdicts(uow, key.tenant, [_verdict_row(m, verdicts[m.id]) for m in submissions])
    return [verdicts[message.id] for message in submissions]


def _arrivals(uow: UnitOfWork, candidates: Sequence[_Candidate], merged: Mapping[UUID, Row]) -> Iterator[Arrival]:
    """Each lead that came or changed and stands, once, as the last submission of it left it or merging did."""
    last = {new["lead_id"]: (candidate, new) for candidate in candidates if (new := candidate.row)}
    for lead_id, (candidate, written) in last.items():
        row = merged.get(lead_id, written)
        if row["merged_into"]:
            continue
        if row["combined"]:
            own = row if lead_id in merged else {**row, "metadata": candidate.taken.clear_metadata}
            facts = effective(own)
        else:
            facts = {**candidate.taken.attribution.__dict__, "metadata": candidate.taken.clear_metadata}
        changed = candidate.before is not None or lead_id in merged  # one that stands for others may have their work
        yield Arrival(lead_id, facts, uow.now, candidate.message.envelope, changed=changed)
    for lead_id, row in merged.items():
        if lead_id not in last and not row["merged_into"]:
            yield Arrival(lead_id, effective(row), uow.now, changed=True)


def _read(message: Submission, settings: TenantSettings, key: TenantKey, strict: bool) -> NormalLead | Rejection:
    submission: LeadSubmission = message.body
    lead = normalise(submission, settings, message.wire.received, strict=strict, digest_key=key.token_key)
    if strict and isinstance(lead, Rejection):
        raise refusal(lead.reasons)
    return lead


def _reached_by(lead: NormalLead | Rejection) -> dict[str, str]:
    return {} if isinstance(lead, Rejection) else reached_by(lead.phone, lead.email, lead.linkedin_url)


async def _refuse_erased(uow: UnitOfWork, key: TenantKey, candidates: Sequence[_Candidate], strict: bool) -> None:
    """Reject the candidates whose persons were erased."""
    flaws = await suppression.refusals(uow, key, [_reached_by(candidate.lead) for candidate in candidates])
    for candidate, flaw in zip(candidates, flaws, strict=True):
        if flaw:
            _refuse(candidate, flaw, strict)


def _refuse(candidate: _Candidate, flaw: Flaw, strict: bool) -> None:
    if strict:
        raise ProblemError(ProblemCode.CONFLICT, flaw.message, flaw.field)
    candidate.lead = Rejection([flaw])


async def _rename(uow: UnitOfWork, tenant: str, candidates: Sequence[_Candidate]) -> None:
    """Group the leads' sources and places as the tenant's aliases say."""
    read = [(candidate, lead) for candidate in candidates if isinstance(lead := candidate.lead, NormalLead)]
    if keys := await aliases.renamed(uow, tenant, [lead.attribution for _, lead in read]):
        for candidate, lead in read:
            candidate.lead = replace(lead, attribution=aliases.rename(lead.attribution, keys))


def _waves(candidates: Sequence[_Candidate]) -> Iterator[list[_Candidate]]:
    """Groups in which each lead appears once, the earlier submission of a lead in the earlier group."""
    waiting = list(candidates)
    while waiting:
        wave: dict[tuple[str, str], _Candidate] = {}
        later = []
        for candidate in waiting:
            if candidate.key in wave:
                later.append(candidate)
            else:
                wave[candidate.key] = candidate
        yield list(wave.values())
        waiting = later


async def _take(
    uow: UnitOfWork, key: TenantKey, settings: TenantSettings, wave: Sequence[_Candidate], strict: bool
) -> None:
    """Compare the candidates with what is there, link them to persons, and store what is new of them."""
    in_clear = [candidate.key_in_clear for candidate in wave if candidate.key_in_clear]
    found = await leads.find_leads(uow, key.tenant, [*(candidate.key for candidate in wave), *in_clear])
    changing = []
    for candidate in wave:
        candidate.before = found.get(candidate.key) or found.get(candidate.key_in_clear or candidate.key)
        if candidate.before and candidate.before["suppressed"] and not isinstance(candidate.lead, Rejection):
            _refuse(candidate, suppression.flaw("source_id"), strict)
        candidate.verdict = _verdict(candidate, key)
        if candidate.verdict in (LeadVerdict.ACCEPTED, LeadVerdict.UPDATED):
            changing.append(candidate)
    if not changing:
        return
    linking = await _link(uow, key, settings, changing)
    persons = linking.persons
    keys = await sealing.person_keys(uow, key, set(persons) - linking.new)
    keys |= sealing.new_person_keys(uow, key, linking.new)
    new: list[Row] = []
    known: list[Row] = []
    sealed: dict[UUID, vault.Sealed] = {}
    async for some in pieces(list(zip(changing, persons, strict=True))):
        for candidate, person in some:
            candidate.row = row = _row(uow, candidate, person, key)
            (new if candidate.before is None else known).append(row)
            personal = sealing.seal(candidate.personal, row["lead_id"], key.tenant, keys[person])
            sealed[row["lead_id"]] = row["lead_id"], person, personal
    leads.insert_leads(uow, key.tenant, new)
    leads.update_leads(uow, key.tenant, known)
    vault.keep_new(uow, key.tenant, [sealed[row["lead_id"]] for row in new])
    await sealing.keep(uow, key, [sealed[row["lead_id"]] for row in known])
    review.keep_blocks(uow, key, [_named(candidate) for candidate in changing if _is_renamed(candidate, key)])
    if back := [c.before["lead_id"] for c in changing if c.before and c.before["erased_at"]]:
        await begin_anew(uow, key.tenant, back)


def _is_renamed(candidate: _Candidate, key: TenantKey) -> bool:
    return candidate.before is None or not {"full_name", "geo"}.isdisjoint(_changed(candidate, key))


def _named(candidate: _Candidate) -> review.Named:
    lead = candidate.taken
    assert candidate.row
    return review.Named(candidate.row["lead_id"], lead.name, lead.attribution.geo_key, candidate.before is None)


def _changed(candidate: _Candidate, key: TenantKey) -> list[str]:
    """The fields of the submission that differ from those of the one before, or are read otherwise."""
    was = {name: bytes.fromhex(digest) for name, digest in candidate.before["field_digests"].items()}
    _, now = _comparable_digests(candidate, key)
    changed = {*changed_fields(was, now), *_read_otherwise(candidate, key)}
    return [field for field in LeadSubmission.model_fields if field in changed]


def _read_otherwise(candidate: _Candidate, key: TenantKey) -> Iterator[str]:
    """The fields of which something else is made than the lead has: the tenant's region or what it allows in clear may
    have changed. Not its keys: a lead keeps those that it has."""
    lead, before = candidate.taken, candidate.before
    reached = _reached_by(lead)
    for column in TOKENS:
        was, now = before[column], candidate.tokens.get(column)
        # A token that was made before a rotation may be another than the value's own of today.
        if was != now and not (was and now and was in key.tokens(column, reached[column])):
            yield SUBMITTED_AS[column]
    if lead.clear_metadata != before["metadata"]:
        yield "metadata"


def _verdict(candidate: _Candidate, key: TenantKey) -> LeadVerdict:
    if isinstance(candidate.lead, Rejection):
        return LeadVerdict.REJECTED
    if candidate.before is None:
        return LeadVerdict.ACCEPTED
    digest, _ = _comparable_digests(candidate, key)
    is_same = candidate.before["digest"] == digest and not any(_read_otherwise(candidate, key))
    return LeadVerdict.DUPLICATE if is_same else LeadVerdict.UPDATED


def _comparable_digests(candidate: _Candidate, key: TenantKey) -> tuple[bytes, Mapping[str, bytes]]:
    """The submission's digests, made with the key that those of its lead were made with."""
    if candidate.before["key_generation"] == key.generation:
        return candidate.taken.digest, candidate.taken.field_digests
    return digests(candidate.message.body, key.token_keys[candidate.before["key_generation"]])


async def _link(uow: UnitOfWork, key: TenantKey, settings: TenantSettings, changing: Sequence[_Candidate]) -> Linking:
    """Link each candidate to its person. Leads of persons found to be one change hands, and that is published."""
    claims = [Claim((*c.tokens.values(), *c.older_tokens), _person_before(c)) for c in changing]
    tokens = {token for claim in claims for token in claim.tokens}
    known = await people.known_tokens(uow, key.tenant, tokens)
    persons = {*known.values(), *(claim.person_id for claim in claims if claim.person_id)}
    linking = link(claims, known, uuid7, await merges.persons_apart(uow, key.tenant, persons) if persons else ())
    people.keep_tokens(uow, key.tenant, linking.tokens)
    if linking.merged:
        own = {candidate.before["lead_id"]: candidate for candidate in changing if candidate.before}
        await people.await_new_tokens(uow, key.tenant, linking.merged)
        for row in await leads.change_persons(uow, key.tenant, linking.merged):
            if row["lead_id"] in own:
                own[row["lead_id"]].before = row
            else:
                told = snapshot(row, settings.metadata_allowed)
                uow.publish(key.tenant, LeadUpdated(changed=["person_id"], **told))
        await people.merge_persons(uow, key.tenant, linking.merged)
    return linking


def _person_before(candidate: _Candidate) -> UUID | None:
    """Whose the lead was. Of an erased person nobody is the heir: a lead that may come again is somebody else's."""
    before = candidate.before
    return before["person_id"] if before and not before["erased_at"] else None


def _row(uow: UnitOfWork, candidate: _Candidate, person: UUID, key: TenantKey) -> dict[str, Any]:
    """The lead's row as the submission leaves it; what it does not say of its beginning stays as it was."""
    lead, before, submission = candidate.taken, candidate.before, candidate.message.body
    return {
        "lead_id": before["lead_id"] if before else uuid7(),
        "source_system": submission.source_system,
        "source_id": submission.source_id,
        "version": before["version"] + 1 if before else 1,
        "person_id": person,
        "submission_id": candidate.message.id,
        "digest": lead.digest,
        "field_digests": _json({name: digest.hex() for name, digest in lead.field_digests.items()}),
        "key_generation": key.generation,
        **{column: candidate.tokens.get(column) for column in TOKENS},
        **lead.attribution.__dict__,
        "time_zone": lead.time_zone,
        "created_at": lead.created_at or (before["created_at"] if before else candidate.message.wire.received),
        "last_activity_at": lead.last_activity_at,
        "updated_at": uow.now,
        "warnings": _json([flaw.__dict__ for flaw in lead.warnings]),
        "metadata": _json(lead.clear_metadata),
        "merged_into": before["merged_into"] if before else None,
        "combined": before["combined"] if before else None,
    }


def _publish(uow: UnitOfWork, key: TenantKey, settings: TenantSettings, candidate: _Candidate) -> SubmissionResult:
    """Publish what became of the submission; returns the verdict."""
    tenant, message, row = key.tenant, candidate.message, candidate.row
    if isinstance(candidate.lead, Rejection):
        return _reject(uow, tenant, candidate, candidate.lead)
    if row is None:
        lead_id, version = candidate.before["lead_id"], candidate.before["version"]
        event = LeadDuplicated(
            lead_id=lead_id, version=version, submission_id=message.id,
            source_system=message.body.source_system, source_id=message.body.source_id,
        )  # fmt: skip
        uow.publish(tenant, event, message.envelope)
        return SubmissionResult(verdict=LeadVerdict.DUPLICATE, lead_id=lead_id, version=version)
    told = snapshot(row, settings.metadata_allowed, candidate.lead)
    if candidate.before is None:
        uow.publish(tenant, LeadAccepted(**told), message.envelope)
    else:
        uow.publish(tenant, LeadUpdated(changed=_changed(candidate, key), **told), message.envelope)
    return SubmissionResult(
        verdict=candidate.verdict, lead_id=row["lead_id"], version=row["version"], warnings=candidate.lead.warnings
    )


def _reject(uow: UnitOfWork, tenant: str, candidate: _Candidate, rejection: Rejection) -> SubmissionResult:
    message, before = candidate.message, candidate.before
    event = LeadRejected(
        submission_id=message.id, source_system=message.body.source_system, source_id=message.body.source_id,
        reasons=rejection.reasons,
        lead_id=before["lead_id"] if before else None, version=before["version"] if before else None,
    )  # fmt: skip
    uow.publish(tenant, event, message.envelope)
    return SubmissionResult(verdict=LeadVerdict.REJECTED, warnings=rejection.reasons)


def _verdict_row(message: Submission, submitted: SubmissionResult) -> tuple[Any, ...]:
    reasons: list[Flaw] = submitted.warnings
    return (
        message.id, submitted.verdict.value, submitted.lead_id, submitted.version, message.envelope.correlation_id,
        _json([flaw.__dict__ for flaw in reasons]),
    )  # fmt: skip


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
