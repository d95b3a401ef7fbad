"""How soon a person means to act, from the words of forms and exports."""

import re
import unicodedata

from contracts.taxonomy import Timeline, key

_AT_ONCE = frozenset({"asap", "as_soon_as_possible", "immediate", "immediately", "now", "right_away", "urgent"})
_FOREVER = 10**9
_DAYS = (
    (Timeline.DAYS_0_30, 0, 30),
    (Timeline.DAYS_31_90, 31, 90),
    (Timeline.DAYS_91_180, 91, 180),
    (Timeline.DAYS_180_PLUS, 181, _FOREVER),
)
"""The first and the last day of each timeline."""
_UNITS = {"d": (1, 1, 1), "w": (7, 7, 7), "m": (28, 30, 31), "y": (365, 365, 366)}
"""Days in a unit: at least, as forms reckon it, at most."""
_SPAN = re.compile(
    r"(?:(?P<within><|≤|within|under|less than|up to|next|in the next)|(?P<over>>|≥|over|more than|after)|in)?"
    r" ?(?P<low>\d{1,4})(?: ?(?:-|to) ?(?P<high>\d{1,4}))? ?(?P<plus>\+)?"
    r" ?(?P<unit>days?|d|weeks?|wks?|w|months?|mos?|m|years?|yrs?|y) ?(?P<more>\+|or more|plus)?"
)
_DASHES = str.maketrans("‐‑‒–—−", "------")


def read_timeline(text: str) -> Timeline | None:
    """The timeline that the text means, or None where it could mean two of them.

    Besides the taxonomy's own words it knows ``ASAP`` and spans with a unit: ``0-30 days``, ``45 days``, ``3 to 6
    months``, ``within 2 weeks``, ``6+ months``. ``6 months`` is none: it may be 181 days or within 180. Nor is a bare
    ``3-6``, whose unit nobody knows.
    """
    spelled = " ".join(unicodedata.normalize("NFKC", text).translate(_DASHES).lower().split())
    bare = spelled.replace(" ", "")
    for timeline in Timeline:
        if bare == timeline:
            return timeline
    if key(spelled) in _AT_ONCE:
        return Timeline.DAYS_0_30
    span = _SPAN.fullmatch(spelled)
    if span is None:
        return None
    first, last = _days(span)
    for timeline, opens, closes in _DAYS:
        if opens <= first <= last <= closes:
            return timeline
    return None


def _days(span: re.Match[str]) -> tuple[int, int]:
    """The first and the last day of a span; a span begins the day after its lower bound, as the taxonomy's do."""
    shortest, usual, longest = _UNITS[span["unit"][0]]
    low = int(span["low"])
    if span["high"]:
        return low * usual + 1, int(span["high"]) * usual
    if span["within"]:
        return 0, low * usual
    if span["over"] or span["plus"] or span["more"]:
        return low * usual + 1, _FOREVER
    return low * shortest, low * longest
