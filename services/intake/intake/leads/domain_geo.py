"""Places as people type them, each with one grouping key."""

import re
from typing import NamedTuple

from contracts.taxonomy import KEY_LENGTH, key
from intake.leads.domain_country import BY_NAME, KEY_OF

_NAMES = """
    AL Alabama; AK Alaska; AZ Arizona; AR Arkansas; CA California; CO Colorado; CT Connecticut; DE Delaware;
    DC District of Columbia; FL Florida; GA Georgia; HI Hawaii; ID Idaho; IL Illinois; IN Indiana; IA Iowa; KS Kansas;
    KY Kentucky; LA Louisiana; ME Maine; MD Maryland; MA Massachusetts; MI Michigan; MN Minnesota; MS Mississippi;
    MO Missouri; MT Montana; NE Nebraska; NV Nevada; NH New Hampshire; NJ New Jersey; NM New Mexico; NY New York;
    NC North Carolina; ND North Dakota; OH Ohio; OK Oklahoma; OR Oregon; PA Pennsylvania; PR Puerto Rico;
    RI Rhode Island; SC South Carolina; SD South Dakota; TN Tennessee; TX Texas; UT Utah; VT Vermont; VA Virginia;
    WA Washington; WV West Virginia; WI Wisconsin; WY Wyoming
"""
_KEY_OF_STATE = {entry.split()[0]: key(" ".join(entry.split()[1:])) for entry in _NAMES.split(";")}
_STATE_BY_NAME = {name: code for code, name in _KEY_OF_STATE.items()}
_STATE_BY_CODE = {code.lower(): code for code in _KEY_OF_STATE}
_SEPARATORS = re.compile(r"[,;/|\n()]|\s[-‐‑‒–—−]+\s|:\s")
_HOUSE = re.compile(r"\d+[a-z]?_\D|(?:apt|apartment|ste|suite|unit|p_?o_box)_\w+$")
_STREET = re.compile(
    r"\d+[a-z]?_.*_(?:ave|avenue|blvd|boulevard|cir|circle|court|ct|dr|drive|highway|hwy|lane|ln|parkway|pkwy|pl|place|rd"
    r"|road|sq|square|st|street|ter|terrace|trail|trl|way)(?:_[news]{1,2})?$"
)
_TAIL = re.compile(r"(?:(?:^|_)\d{5}(?:_\d{4})?)?(?:_(?:usa?|united_states(?:_of_america)?))?$")
"""What follows a state in an address of the USA: the ZIP code, the country."""
_CODE_AT_THE_END = re.compile(r"\b[A-Z]{2}\W*$")
_NO_CITY = frozenset(
    """
        alta baja central east eastern fort ft greater lake lower mount mountain mt new north northern old port rio sierra
        south southern upper west western
    """.split()  # noqa: SIM905 (as a list it would fill a page)
)
"""Before a state's name they make another name of it: Port Washington, Baja California, Sierra Nevada."""
_OTHERWISE_ALONE = frozenset({"la", "washington"})
"""Alone they are as likely the cities: Los Angeles, and Washington, D.C."""
_PARSED_LENGTH = KEY_LENGTH // 2
"""Longer texts are no names of places; and what is made of a shorter one is never cut to become another."""


class Geo(NamedTuple):
    """A place.

    Attributes:
        key: its grouping key; a state behind its city is two letters, ``dublin_oh``, a state alone its name, ``ohio``.
        state: postal code of the state of the USA that it names.
        country: ISO 3166-1 alpha-2 code of the country that it names.
    """

    key: str
    state: str | None = None
    country: str | None = None


def read_geo(text: str, region: str) -> Geo | None:
    """The place that a text names, or None where it holds no letter and no digit.

    Args:
        text: as typed; of a postal address, only the place: a house number with its street in front is left out, and so
            are a ZIP code and the country behind a state of the USA. A key that was made of a place is read as itself.
        region: ISO 3166-1 alpha-2 of where the person or the tenant is. States of the USA are known by their names
            anywhere, by their two letters only where this is ``US``, for most are a country's as well.

    Countries are known by name, in several languages. Whatever else there is stays as it is written: ``Dublin`` and
    ``Dublin, OH`` are two places, and a tenant's aliases make one of those that it knows to be.

    >>> [read_geo(text, "US").key for text in ("Dublin, OH", "Dublin, Ohio 43017", "OH - Dublin", "Dublin, Ireland")]
    ['dublin_oh', 'dublin_oh', 'dublin_oh', 'dublin_ireland']
    """
    geo = _read_once(text, region)
    # What a key shows is a place's as well: a ZIP code in two parts is seen as one only in the key made of them.
    while geo and not geo.state and (again := _read_once(geo.key, region)) and again.key != geo.key:
        geo = again
    return geo


def _read_once(text: str, region: str) -> Geo | None:
    if len(text) > _PARSED_LENGTH and len(whole := key(text)) > _PARSED_LENGTH:
        return Geo(whole)
    parts = [part for piece in _SEPARATORS.split(text) if (part := _part(piece))]
    if not parts:
        return None
    while len(parts) > 1 and (_STREET.match(parts[0]) or (len(parts) > 2 and _HOUSE.match(parts[0]))):
        del parts[0]
    country = _take_country(parts, american=region == "US")
    if country is None or country == "US":
        american = "US" in (country, region)
        found = _split_state(parts, text, american)
        if found:
            city, state = found
            return Geo(f"{city}_{state.lower()}" if city else _KEY_OF_STATE[state], state, "US")
    if country:
        parts.append(KEY_OF[country])
    return Geo("_".join(parts), None, country)


def _part(piece: str) -> str:
    """The key of a part; the dots of ``D.C.`` and ``U.S.A.`` separate nothing."""
    if "." in piece:
        bare = key(piece.replace(".", ""))
        if bare in BY_NAME or bare in _STATE_BY_CODE:
            return bare
    return key(piece)


def _take_country(parts: list[str], *, american: bool) -> str | None:
    """Take the country out of the parts: it stands last, the USA also first."""
    if parts[-1] in BY_NAME and _state(parts[-1], american) is None:
        return BY_NAME[parts.pop()]
    if len(parts) > 1 and BY_NAME.get(parts[0]) == "US":
        return BY_NAME[parts.pop(0)]
    return None


def _split_state(parts: list[str], text: str, american: bool) -> tuple[str, str] | None:
    """City and state of a place in the USA; the city is empty where only the state is named."""
    if not parts:
        return None
    last = _TAIL.sub("", parts[-1], count=1)
    has_tail = last != parts[-1]
    places = [*parts[:-1], last] if last else parts[:-1]
    if not places:
        return None
    if (len(places) > 1 or places[0] not in _OTHERWISE_ALONE) and (state := _state(places[-1], american)):
        return "_".join(places[:-1]), state
    if len(places) > 1 and places[0] not in _OTHERWISE_ALONE and (state := _state(places[0], american)):
        return "_".join(places[1:]), state
    # "or", "me" and "in" end sentences too: two letters are a state in capitals, or in a word made for programs.
    coded = has_tail or len(text.split()) == 1 or _CODE_AT_THE_END.search(text) is not None
    return _split_words("_".join(places).split("_"), american, coded=coded)


def _split_words(words: list[str], american: bool, *, coded: bool) -> tuple[str, str] | None:
    """City and state where nothing separates them; `coded` if the last word may be a state's code."""
    for count in (3, 2, 1):
        name, city = "_".join(words[-count:]), words[:-count]
        if not city or (name in _STATE_BY_CODE and not coded) or (name in _STATE_BY_NAME and city[-1] in _NO_CITY):
            continue
        if state := _state(name, american):
            return "_".join(city), state
    return None


def _state(word: str, american: bool) -> str | None:
    if word in _STATE_BY_NAME:
        return _STATE_BY_NAME[word] if american or word != "georgia" else None
    return _STATE_BY_CODE.get(word) if american else None
