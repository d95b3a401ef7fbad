"""A submission made clean: what intake stores of a lead, or why it takes none."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, Final, TypeVar

from contracts.gateway import TenantSettings
from contracts.intake.leads import Flaw, LeadSubmission, Scalar
from contracts.personal import looks_like_pii
from contracts.taxonomy import key
from contracts.values import EARLIEST, Attribution
from intake.leads.domain_amount import read_band
from intake.leads.domain_contact import read_contact
from intake.leads.domain_field import flaw, given_fields, read_field
from intake.leads.domain_geo import Geo, read_geo
from intake.leads.domain_name import read_name
from intake.leads.domain_phone import Phone
from intake.leads.domain_source import source_in_metadata, source_name
from intake.leads.domain_time_zone import read_time_zone, zone_of_country, zone_of_phone, zone_of_state
from intake.leads.domain_timeline import read_timeline
from intake.leads.domain_words import read_intent, read_tier

T = TypeVar("T")

CLOCK_SKEW: Final = timedelta(minutes=5)
"""How far ahead of ours a source's clock may run before its times are taken for mistakes."""
_CLEAR_LENGTH: Final = 500
_SEVEN_DIGITS: Final = 1_000_000
_FIELDS: Final = tuple(name for name in LeadSubmission.model_fields if name not in ("source_system", "source_id"))
_canonical_json: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class NormalLead:
    """All that intake stores of a submission.

    Attributes:
        name: PII, like the six that follow it.
        private_metadata: what may not appear in events in clear; the vault seals it.
        clear_metadata: what may, and does.
        time_zone: the person's, IANA; none where it was not given and neither number nor place tells it for sure.
        created_at: none where it was not given or not usable; the lead keeps the time that it has.
        warnings: what was dropped, and why.
        digest: 32 bytes; the same for the same submission, whenever it was received.
        field_digests: 8 bytes for each field of the submission that was given, see `changed_fields`.
    """

    name: str | None
    phone: str | None
    phone_extension: str | None
    email: str | None
    linkedin_url: str | None
    notes: str | None
    private_metadata: dict[str, Any]
    attribution: Attribution
    time_zone: str | None
    created_at: datetime | None
    last_activity_at: datetime | None
    clear_metadata: dict[str, Scalar]
    warnings: list[Flaw]
    digest: bytes
    field_digests: dict[str, bytes]

    @property
    def personal(self) -> dict[str, Any]:
        """What the vault seals, by name; what was not given is left out."""
        content = {
            "name": self.name,
            "phone": self.phone,
            "phone_extension": self.phone_extension,
            "email": self.email,
            "linkedin_url": self.linkedin_url,
            "notes": self.notes,
            "metadata": self.private_metadata,
        }
        return {name: value for name, value in content.items() if value}


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a submission is no lead: one reason per field, never its value."""

    reasons: list[Flaw]


def normalise(
    submission: LeadSubmission,
    settings: TenantSettings,
    received: datetime,
    *,
    strict: bool,
    digest_key: bytes,
) -> NormalLead | Rejection:
    """Make a submission clean, or say why it cannot be taken.

    Args:
        submission: as the source typed it; white space around a text counts for nothing, a blank text as not given.
        settings: the tenant's, for the region where its phone numbers and places are unless the submission names the
            person's country, and for the metadata it allows in clear.
        received: when the submission came in (aware).
        strict: refuse the submission for anything unusable in it, as HTTP callers are there to correct it. Otherwise
            what is unusable is dropped with a warning, and only a lead without name, phone and e-mail is rejected.
        digest_key: 16 to 64 secret bytes of the tenant's, without which a digest cannot be guessed from its value.

    A time in the future is unusable, but for `CLOCK_SKEW`, which counts as `received`. Metadata that may not appear in
    clear although the tenant allows its name is sealed with a warning, strict or not: nothing of it is lost.

    Raises:
        ValueError: the key has another length.
    """
    given = dict(given_fields(submission, _FIELDS))
    flaws: list[Flaw] = []

    def read(field: str, rule: Callable[[Any], T | None], code: str) -> T | None:
        return read_field(given, field, rule, code, flaws)

    def grouping_key(field: str, name: Callable[[str], str] = str) -> str | None:
        return _grouping_key(field, name(given[field]), flaws) if field in given else None

    def time(field: str) -> datetime | None:
        return _time(field, given[field], received, flaws) if field in given else None

    name = read("full_name", read_name, "no_letters")
    contact = read_contact(given, settings.region, flaws)
    metadata = given.get("metadata", {})
    source_key = grouping_key("source", source_name)
    if "source" not in given:
        source_key = source_in_metadata(metadata, settings.metadata_allowed)
    geo = _geo(given["geo"], contact.region, flaws) if "geo" in given else None
    attribution = Attribution(
        source_key=source_key,
        geo_key=geo.key if geo else None,
        intent=read("intent", read_intent, "not_an_intent"),
        timeline=read("timeline", read_timeline, "not_a_timeline"),
        price_band=read("price", read_band, "not_an_amount"),
        budget_band=read("budget", read_band, "not_an_amount"),
        tier=read("tier", read_tier, "not_a_tier"),
        product_interest=grouping_key("product_interest"),
        partner=grouping_key("partner"),
    )
    time_zone = read("time_zone", read_time_zone, "not_a_time_zone") or _time_zone(contact.phone, geo, contact.country)
    created_at = time("created_at")
    last_activity_at = time("last_activity_at")
    if not (name or contact.phone or contact.email):
        flaws.append(flaw("full_name", "no_contact"))
        return Rejection(flaws)
    if strict and flaws:
        return Rejection(flaws)
    clear, private = _split(metadata, settings.metadata_allowed, flaws)
    digest, field_digests = digests(submission, digest_key)
    return NormalLead(
        name=name,
        phone=contact.phone.e164 if contact.phone else None,
        phone_extension=contact.phone.extension if contact.phone else None,
        email=contact.email,
        linkedin_url=contact.linkedin_url,
        notes=given.get("notes"),
        private_metadata=private,
        attribution=attribution,
        time_zone=time_zone,
        created_at=created_at,
        last_activity_at=last_activity_at,
        clear_metadata=clear,
        warnings=flaws,
        digest=digest,
        field_digests=field_digests,
    )


def changed_fields(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> list[str]:
    """The fields of the submission that differ between two `field_digests` of one lead, in the contract's order."""
    return [field for field in _FIELDS if before.get(field) != after.get(field)]


def _grouping_key(field: str, text: str, flaws: list[Flaw]) -> str | None:
    grouping_key = key(text)
    if looks_like_pii(text):
        flaws.append(flaw(field, "pii_in_key"))
    elif not grouping_key:
        flaws.append(flaw(field, "no_letters"))
    else:
        return grouping_key
    return None


def _geo(text: str, region: str, flaws: list[Flaw]) -> Geo | None:
    return read_geo(text, region) if _grouping_key("geo", text, flaws) else None


def _time_zone(phone: Phone | None, geo: Geo | None, country: str | None) -> str | None:
    """The zone of the number, else of the place, else of the country."""
    zone = zone_of_phone(phone.e164) if phone else None
    if zone is None and geo:
        zone = zone_of_state(geo.state) if geo.state else zone_of_country(geo.country) if geo.country else None
    return zone or (zone_of_country(country) if country and not (geo and (geo.state or geo.country)) else None)


def _time(field: str, time: datetime, received: datetime, flaws: list[Flaw]) -> datetime | None:
    if time > received + CLOCK_SKEW:
        flaws.append(flaw(field, "in_future"))
        return None
    if time < EARLIEST:
        flaws.append(flaw(field, "too_early"))
        return None
    return min(time, received).astimezone(UTC)


def _split(
    metadata: Mapping[str, Any], allowed: frozenset[str], flaws: list[Flaw]
) -> tuple[dict[str, Scalar], dict[str, Any]]:
    clear: dict[str, Scalar] = {}
    private: dict[str, Any] = {}
    for name, value in metadata.items():
        if name in allowed and _may_be_clear(value):
            clear[name] = value
            continue
        private[name] = value
        if name in allowed:
            flaws.append(flaw(f"metadata.{name}", "pii_in_metadata"))
    return clear, private


def _may_be_clear(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= _CLEAR_LENGTH and "\0" not in value and not looks_like_pii(value)
    if isinstance(value, int | float):
        return abs(value) < _SEVEN_DIGITS
    return value is None


def digests(submission: LeadSubmission, digest_key: bytes) -> tuple[bytes, dict[str, bytes]]:
    """Keyed BLAKE2b (RFC 7693) of the submission and of each field given: `NormalLead.digest`, `NormalLead.field_digests`.

    The lead's identity is part of each, so that nobody sees which leads have a value in common.

    Raises:
        ValueError: the key has not 16 to 64 bytes.
    """
    if not 16 <= len(digest_key) <= 64:
        raise ValueError("digest_key must have 16 to 64 bytes")
    identity = f"{len(submission.source_system)}:{submission.source_system}{submission.source_id}\0".encode()
    of_lead = blake2b(identity, key=digest_key, digest_size=8)
    field_digests = {}
    for field, value in given_fields(submission, _FIELDS):
        of_field = of_lead.copy()
        of_field.update(f"{field}\0{_canonical(value)}".encode(errors="surrogatepass"))
        field_digests[field] = of_field.digest()
    whole = b"".join(field.encode() + digest for field, digest in field_digests.items())
    return blake2b(identity + whole, key=digest_key, digest_size=32).digest(), field_digests


def _canonical(value: Any) -> str:
    """One spelling for values that are equal: instants of any time zone, whole numbers with or without a fraction."""
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return repr(value - EARLIEST)
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        # The NUL tells the number 16 from the text "10"; hexadecimal has no limit of length.
        return f"\0{int(value):x}"
    return _canonical_json(value)
