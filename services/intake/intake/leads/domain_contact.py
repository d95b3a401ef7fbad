"""Where a person is reached: the values by which leads are known to be one person's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contracts.intake.leads import Flaw
from intake.leads.domain_country import read_country
from intake.leads.domain_email import read_email
from intake.leads.domain_field import read_field
from intake.leads.domain_linkedin import read_linkedin
from intake.leads.domain_phone import Phone, read_phone


@dataclass(frozen=True, slots=True)
class Contact:
    """What was read of a person's phone, e-mail, profile and country.

    Attributes:
        country: ISO 3166-1 alpha-2; none where it was not given.
        region: in which country what does not say its own is read.
    """

    phone: Phone | None
    email: str | None
    linkedin_url: str | None
    country: str | None
    region: str


def read_contact(values: Mapping[str, Any], region: str, flaws: list[Flaw]) -> Contact:
    """Read ``phone``, ``email``, ``linkedin_url`` and ``country``, as far as given; what cannot be read is a flaw.

    A national number is read as one of the country, else of `region`, the tenant's.
    """
    country = read_field(values, "country", read_country, "not_a_country", flaws)
    regions = (region,) if country in (None, region) else (country, region)
    return Contact(
        phone=read_field(values, "phone", lambda text: read_phone(text, *regions), "not_a_phone", flaws),
        email=read_field(values, "email", read_email, "not_an_email", flaws),
        linkedin_url=read_field(values, "linkedin_url", read_linkedin, "not_a_profile", flaws),
        country=country,
        region=regions[0],
    )


def reached_by(phone: str | None, email: str | None, linkedin_url: str | None) -> dict[str, str]:
    """Those given, by the columns that keep their tokens, which are the kinds of the tokens as well."""
    values = {"phone_token": phone, "email_token": email, "linkedin_token": linkedin_url}
    return {column: value for column, value in values.items() if value}
