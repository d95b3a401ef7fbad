"""What providers answer, made clean: companies, contacts, e-mail addresses; and how each is known again."""

import re
from collections.abc import Mapping
from typing import Any, Final

from contracts.personal import looks_like_pii
from contracts.taxonomy import EnrichmentStep, key
from intake.leads.domain_email import read_email
from intake.leads.domain_linkedin import read_linkedin

COMPANY: Final = ("name", "domain", "industry", "country", "region", "city", "size", "linkedin_url", "reference")
CONTACT: Final = ("full_name", "first_name", "last_name", "title", "email", "phone", "linkedin_url", "reference")
ADDRESS: Final = ("email", "confidence")
FIELDS: Final = {
    EnrichmentStep.FIND_COMPANIES: COMPANY,
    EnrichmentStep.FIND_CONTACTS: CONTACT,
    EnrichmentStep.ENRICH_EMAILS: ADDRESS,
}
"""What each step's providers may answer; `reference` is a provider's own id, for its next question."""

_LENGTH: Final = 300
_SCHEME: Final = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)

Fields = dict[str, str]


def read_text(value: Any) -> str | None:
    """A short text, without runs of spaces and characters that no database holds; none where the value is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if isinstance(value, int) and abs(value) > 10**30:
        return None
    text = " ".join(str(value).replace("\0", " ").encode(errors="ignore").decode().split())
    return text if text and len(text) <= _LENGTH else None


def read_domain(value: Any) -> str | None:
    """A web site's domain, of an address such as ``https://www.example.com/about`` as well; lower case, in ASCII."""
    text = read_text(value)
    if text is None:
        return None
    host = re.split(r"[/?#:]", _SCHEME.sub("", text), maxsplit=1)[0].lower().removeprefix("www.").rstrip(".")
    address = read_email(f"a@{host}") if "@" not in host else None
    if address is None:
        return None
    try:
        return address.partition("@")[2].encode("idna").decode()
    except UnicodeError:
        return None


def read_company(found: Mapping[str, Any]) -> Fields | None:
    """A company, if it has a name or a domain. Companies are shown, so what looks like a person's number or address is dropped."""
    fields = {name: text for name in COMPANY if (text := read_text(found.get(name))) and not looks_like_pii(text)}
    fields.pop("domain", None)
    if domain := read_domain(found.get("domain")):
        fields["domain"] = domain
    return fields if fields.keys() & {"name", "domain"} else None


def read_contact(found: Mapping[str, Any]) -> Fields | None:
    """A person, if they have a name, an e-mail address or a profile."""
    fields = {name: text for name in CONTACT if (text := read_text(found.get(name)))}
    for name, rule in (("email", read_email), ("linkedin_url", read_linkedin)):
        if (text := fields.pop(name, None)) and (value := rule(text)):
            fields[name] = value
    parts = [fields[name] for name in ("first_name", "last_name") if name in fields]
    if "full_name" not in fields and parts:
        fields["full_name"] = " ".join(parts)
    return fields if fields.keys() & {"full_name", "email", "linkedin_url"} else None


def read_address(found: Mapping[str, Any]) -> tuple[str, float | None] | None:
    """An e-mail address and its confidence from 0 to 1, if one is given; more than 1 is read as per cent."""
    text = read_text(found.get("email"))
    email = read_email(text) if text else None
    if email is None:
        return None
    try:
        confidence = float(str(found.get("confidence")))
    except ValueError:
        return email, None
    share = confidence / 100 if confidence > 1 else confidence
    return email, share if 0 <= share <= 1 else None


def company_identity(company: Fields) -> str:
    """What tells one company from another."""
    return f"domain/{company['domain']}" if "domain" in company else f"name/{key(company['name'])}"


def contact_identity(contact: Fields, company: Fields) -> str:
    """What tells one person from another: their address or profile, or else their name in their company."""
    for name in ("email", "linkedin_url"):
        if name in contact:
            return f"{name}/{contact[name]}"
    return f"name/{key(contact['full_name']) or contact['full_name']}/{company_identity(company)}"
