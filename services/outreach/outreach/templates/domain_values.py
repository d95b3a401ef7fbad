"""What a template's variables stand for: what is known of a lead, and who writes to it. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from contracts.taxonomy import SendKind

METADATA: Final = "metadata."
"""How the variables begin that stand for what a lead's source said besides: ``metadata.utm_source``."""
NAMES: Final = ("first_name", "last_name", "full_name")
"""What the person is called; intake reveals it, and it is kept nowhere here."""
ATTRIBUTES: Final = (
    "geo", "product_interest", "source", "intent", "timeline", "tier", "budget_band", "price_band", "partner",
)  # fmt: skip
"""What the lead's outcomes are credited to: words of the taxonomy, and keys such as ``dublin_oh``."""
COMPANY: Final = "company"
"""Where the person works; enrichment sends it as metadata of this name."""
SENDER_NAME: Final = "sender.name"
"""What is shown beside the account's address."""
UNSUBSCRIBE_URL: Final = "unsubscribe_url"
"""Where one click unsubscribes the person."""
SENDERS: Final = frozenset({SENDER_NAME, UNSUBSCRIBE_URL})
"""What comes from the account and the message, and so is there whatever a lead lacks."""

_LEADS: Final = (*NAMES, COMPANY, *ATTRIBUTES)
_KEYS: Final = {"geo": "geo_key", "source": "source_key"}
_NO_PERSONS_WORD: Final = frozenset('.,;:&+/()[]"0123456789@')


def known(kind: SendKind) -> tuple[str, ...]:
    """The variables that a message of a kind may use, besides ``metadata.<name>``."""
    return (*_LEADS, SENDER_NAME, UNSUBSCRIBE_URL) if kind is SendKind.EMAIL else (*_LEADS, SENDER_NAME)


def is_known(name: str, kind: SendKind) -> bool:
    """Whether a message of the kind may use the variable."""
    return name in known(kind) or (name.startswith(METADATA) and len(name) > len(METADATA))


def takes_a_name(variables: Iterable[str]) -> bool:
    """Whether what the person is called is needed for them."""
    return any(name in NAMES for name in variables)


def metadata_of(variables: Iterable[str]) -> set[str]:
    """The fields of a lead's metadata that are needed for them."""
    return {
        COMPANY if name == COMPANY else name.removeprefix(METADATA)
        for name in variables
        if name == COMPANY or name.startswith(METADATA)
    }


def values(full_name: str | None, attribution: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, str]:
    """What is known of a lead, by variable; what it lacks is left out.

    Parameters:
        full_name: as the vault has it.
        attribution: by the names that `contracts.values.Attribution` has for it.
        metadata: what its source said besides; of it only texts, numbers and truth values can be written.
    """
    found: dict[str, Any] = {f"{METADATA}{name}": value for name, value in metadata.items()}
    found |= {name: attribution.get(_KEYS.get(name, name)) for name in ATTRIBUTES}
    found[COMPANY] = metadata.get(COMPANY)
    if full_name:
        first, last = first_and_last(full_name)
        found |= {"full_name": full_name, "first_name": first, "last_name": last}
    return {name: text for name, value in found.items() if (text := _text(value)).strip()}


def first_and_last(full_name: str) -> tuple[str | None, str | None]:
    """The first and the last name of a person, as far as the name leaves no doubt (ADR 0014): a wrong one reads worse than none.

    One word may be either. Commas turn names around, dots end titles and initials, signs join two people: of such a name both are
    unknown. Of three words and more the last may be the second part of a surname.

    >>> first_and_last("Ada Example"), first_and_last("Ana de la Cruz"), first_and_last("Dr. Ada Example")
    (('Ada', 'Example'), ('Ana', None), (None, None))
    """
    words = full_name.split()
    if len(words) < 2 or _NO_PERSONS_WORD & set(full_name) or len(words[0]) < 2:
        return None, None
    return words[0], words[1] if len(words) == 2 else None


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else ""
