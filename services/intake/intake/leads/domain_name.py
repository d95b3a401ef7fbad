"""Names of people as they would write them.

Written here rather than left to nameparser, which takes names apart: that costs a hundred times as much, moves the
words of ``SMITH, JOHN``, and makes ``MacHado`` of a Portuguese name. All that is needed is the case of each word.
"""

import re
import unicodedata

_SPACE = re.compile(r"[\s\x00-\x1f\x7f]+")
_PIECE = re.compile(r"[^\s\-./,;&()\"]+")

_PARTICLES = frozenset(
    "af av bin bint binti da das de degli dei del della delle di do dos du ibn ten ter van vom von zu zum zur".split()  # noqa: SIM905 (as a list it would fill a page)
)
_AFTER_A_PARTICLE = frozenset({"'t", "’t", "dem", "den", "der", "het", "la", "las", "le", "los"})
"""Articles: lower case in ``de la Cruz``, but ``Ursula Le Guin`` writes hers with a capital."""
_SUFFIXES = {"ii": "II", "iii": "III", "iv": "IV", "md": "MD", "phd": "PhD"}
_APOSTROPHES = frozenset("'’")


def read_name(text: str) -> str | None:
    """The name in title case, or None where the text holds no letter.

    Only a name typed all in capitals or all in small letters is changed: where a person used both, they knew how they
    write themselves. Runs of white space and control characters become one space either way.

    >>> read_name("MARY  O'BRIEN-MCDONALD"), read_name("maria de la cruz"), read_name("bell hooks MacLeod")
    ("Mary O'Brien-McDonald", 'Maria de la Cruz', 'bell hooks MacLeod')
    """
    name = _SPACE.sub(" ", text).strip()
    if not name.isascii():
        name = unicodedata.normalize("NFC", name)
    if name.isupper() or name.islower():
        # Python lowers the Turkish capital to two characters, the second of which is a dot too many.
        name = _title_case(name.lower().replace("i\u0307", "i"))
    return name if any(map(str.isalpha, name)) else None


def _title_case(lowered: str) -> str:
    words = lowered.split(" ")
    last = len(words) - 1
    cased: list[str] = []
    for position, word in enumerate(words):
        if 0 < position < last and (
            word in _PARTICLES or (word in _AFTER_A_PARTICLE and words[position - 1] in _PARTICLES)
        ):
            cased.append(word)
        elif 0 < position == last and word in _SUFFIXES:
            cased.append(_SUFFIXES[word])
        else:
            cased.append(_PIECE.sub(lambda piece: _capitalised(piece[0]), word))
    return " ".join(cased)


def _capitalised(piece: str) -> str:
    if len(piece) > 3 and piece[1] in _APOSTROPHES:
        return piece[0].capitalize() + piece[1] + piece[2:].capitalize()
    if len(piece) > 4 and piece.startswith("mc"):
        return "Mc" + piece[2:].capitalize()
    return piece.capitalize()
