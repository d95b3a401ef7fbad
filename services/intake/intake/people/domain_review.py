"""Which leads may be one person although they share no token: their names are alike and they are in the same place."""

import re
import unicodedata

from contracts.intake.people import ReviewReason

ALIKE = 85
"""How alike two names must be to be looked at by people, of 100: Jon Smith and John Smith are 94, Mary Smith and Mark
Smith 90, Anna Smith and Alan Smith less."""


_WORD = re.compile(r"[^\W_]+")


def spelled(name: str) -> str:
    """A name for comparison: without accents, case and punctuation."""
    if not name.isascii():
        name = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    return " ".join(_WORD.findall(name.casefold()))


def block_of(name: str | None, geo_key: str | None) -> str | None:
    """What two leads have in common if their names are worth comparing: the place, and the initials of the first and the
    last name, whichever is written first. None without a place, or with less than two names."""
    words = spelled(name).split() if name and geo_key else []
    return "\0".join((str(geo_key), *sorted((words[0][0], words[-1][0])))) if len(words) > 1 else None


def likeness(one: str, other: str) -> int:
    """How alike two spelled names are, from 0 to 100; less than `ALIKE` is 0."""
    from rapidfuzz import fuzz  # 3 MiB that a service which has no names to compare does not need

    return int(fuzz.token_sort_ratio(one, other, score_cutoff=ALIKE))


def reasons(score: int) -> list[ReviewReason]:
    """Why two leads of a block may be one person."""
    return [ReviewReason.SAME_NAME if score == 100 else ReviewReason.SIMILAR_NAME, ReviewReason.SAME_PLACE]
