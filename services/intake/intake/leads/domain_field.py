"""One field of what was sent: read by its rule, or told what is wrong with it, never quoting the value."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from pydantic import BaseModel

from contracts.intake.leads import Flaw
from contracts.message import ProblemCode, ProblemError
from contracts.taxonomy import Intent, Tier, Timeline
from contracts.values import EARLIEST

T = TypeVar("T")

_MESSAGES: Final = {
    "no_letters": "{field} holds no letter or digit: write it in words, or leave it out",
    "not_a_phone": "{field} is no telephone number in use: check it, and write it with its country code",
    "not_an_email": "{field} is no e-mail address: it takes a name, an at sign and a public domain",
    "not_a_profile": "{field} is no LinkedIn profile: write it like https://www.linkedin.com/in/name/",
    "not_a_country": "{field} is not known: write its code of two letters (ISO 3166-1), like US, or its name in English",
    "not_a_time_zone": "{field} is not in the tz database: write it like America/New_York",
    "not_an_intent": f"{{field}} is not known: write {' or '.join(Intent)}",
    "not_a_timeline": f"{{field}} is not known: write {' or '.join(Timeline)}, or days like '45 days'",
    "not_a_tier": f"{{field}} is not known: write {' or '.join(Tier)}, or hot, warm or cold",
    "not_an_amount": "{field} is no clear amount above zero: write it like $350,000 or 300k-400k",
    "pii_in_key": "{field} seems to hold a telephone number or an e-mail address: send those in phone and email only",
    "pii_in_metadata": "{field} is long, or seems to hold a telephone number or an e-mail address: it is stored sealed",
    "in_future": "{field} lies in the future: check the clock and the time zone of the source",
    "too_early": f"{{field}} lies before {EARLIEST.year}: leave it out where it is not known",
    "no_contact": "full_name, phone and email are missing or unusable: give at least one of them",
}
"""What is wrong with a field and what to do, by the flaw's code; no message quotes the value."""


def given_fields(message: BaseModel, fields: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """Those of the fields that say something, with their values: of a text without the white space around it."""
    for field in fields:
        value = getattr(message, field)
        if isinstance(value, str):
            value = value.strip()
        if value not in (None, "", {}):
            yield field, value


def read_field(
    values: Mapping[str, Any], field: str, rule: Callable[[Any], T | None], code: str, flaws: list[Flaw]
) -> T | None:
    """The field as the rule reads it; none where it was not given, or the rule cannot, which is added to the flaws."""
    if field not in values:
        return None
    value = rule(values[field])
    if value is None:
        flaws.append(flaw(field, code))
    return value


def flaw(field: str, code: str) -> Flaw:
    return Flaw(field=field, code=code, message=_MESSAGES[code].format(field=field))


def refusal(flaws: Sequence[Flaw]) -> ProblemError:
    """What a caller is told who is there to correct it; the first field at fault is named."""
    return ProblemError(ProblemCode.INVALID, "; ".join(each.message for each in flaws), flaws[0].field)
