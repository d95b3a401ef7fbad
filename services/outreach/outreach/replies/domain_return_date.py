"""When somebody who is out of office is back, from the words of their notice."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

FURTHEST: Final = timedelta(days=366)
"""A return further off is none."""
LONGEST: Final = 20_000
"""The characters of a text that are looked at."""
MONTH_FIRST: Final = frozenset({"AS", "FM", "GU", "MH", "MP", "PH", "PR", "PW", "US", "VI"})
"""Where 01/05 is the fifth of January (Unicode CLDR, short dates)."""
EITHER_FIRST: Final = frozenset({"CA"})
"""Where both are in use."""

_MONTHS = {
    number: names.split()
    for number, names in enumerate(
        (
            "january jan januar jänner janvier janv enero ene",
            "february feb februar fevrier fevr fev febrero",
            "march mar märz marz maerz mars marzo",
            "april apr avril avr abril abr",
            "may mai mayo",
            "june jun juni juin junio",
            "july jul juli juillet juil julio",
            "august aug aout agosto ago",
            "september sept sep septembre septiembre setiembre",
            "october oct oktober okt octobre octubre",
            "november nov novembre noviembre",
            "december dec dezember dez decembre diciembre dic",
        ),
        start=1,
    )
}
_WEEKDAYS = {
    number: names.split()
    for number, names in enumerate(
        (
            "monday mon montag lundi lunes",
            "tuesday tues tue dienstag mardi martes",
            "wednesday wed mittwoch mercredi miercoles",
            "thursday thurs thur thu donnerstag jeudi jueves",
            "friday fri freitag vendredi viernes",
            "saturday sat samstag sonnabend samedi sabado",
            "sunday sun sonntag dimanche domingo",
        )
    )
}


_SPELLED_PLAINLY = str.maketrans("–—‑−’", "----'")


def _plain(text: str) -> str:
    """Lower case without accents; each run of spaces one space, so that a phrase may run over the end of a line."""
    composed = unicodedata.normalize("NFKD", text[:LONGEST].casefold())
    plain = "".join(c for c in composed if not unicodedata.combining(c))
    return " ".join(plain.translate(_SPELLED_PLAINLY).split())


_MONTH_OF = {_plain(name): number for number, names in _MONTHS.items() for name in names}
_WEEKDAY_OF = {_plain(name): number for number, names in _WEEKDAYS.items() for name in names}
_MONTH = "|".join(sorted(_MONTH_OF, key=len, reverse=True))
_WEEKDAY = "|".join(sorted(_WEEKDAY_OF, key=len, reverse=True))
_NUMBERS = {
    word: number
    for number, words in {
        1: "one a an einer einem un une una",
        2: "two zwei deux dos couple",
        3: "three drei trois tres",
        4: "four vier quatre cuatro",
        5: "five funf cinq cinco",
        6: "six sechs seis",
        7: "seven sieben sept siete",
        8: "eight acht huit ocho",
        10: "ten zehn dix diez",
        12: "twelve zwolf douze doce",
    }.items()
    for word in words.split()
}
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_YEAR = r"(?:20\d\d)"
_DATE = (
    rf"(?P<iso>(?P<iy>{_YEAR})-(?P<im>0[1-9]|1[0-2])-(?P<id>0[1-9]|[12]\d|3[01]))(?!\d)"
    rf"|(?P<dotted>(?P<dd>{_DAY})\. ?(?P<dm>0?[1-9]|1[0-2])(?:\. ?(?P<dy>{_YEAR}|\d\d)?)?)(?![\d:/])"
    rf"|(?P<slashed>(?P<s1>{_DAY})(?P<sep>[/-])(?P<s2>{_DAY})(?:(?P=sep)(?P<sy>{_YEAR}|\d\d))?)(?![\d:/])"
    rf"|(?P<dmy>(?:the |den |dem |le |el |day )?(?P<md>{_DAY})(?:\.|st|nd|rd|th|er)?,? ?(?:of |de |- ?)?"
    rf"(?P<mm>{_MONTH})\b\.?(?:,? (?:de |del |of )?(?P<my>{_YEAR}))?)"
    rf"|(?P<mdy>(?P<nm>{_MONTH})\b\.? (?:the )?(?P<nd>{_DAY})(?:st|nd|rd|th)?(?![\d:])(?:,? (?P<ny>{_YEAR}))?)"
    rf"|(?P<weekday>(?P<next>next |nachsten |kommenden |am nachsten |le |el proximo |proximo |the following )?(?P<wd>{_WEEKDAY})\b"
    r"(?P<after> prochain| en huit| next week| nachster woche| (?:de )?la semaine prochaine| de la proxima semana)?)"
    r"|(?P<tomorrow>\b(?:tomorrow|morgen|demain|manana)\b)"
    r"|(?P<today>\b(?:today|heute|aujourd'hui|hoy)\b)"
    r"|(?P<nextweek>\b(?:next week|nachste[rn]? woche|la semaine prochaine|la (?:proxima semana|semana que viene))\b)"
    rf"|(?P<span>\b(?:in|for|dans|en|within) (?:about |the next |den nachsten |a )?(?P<n>\d{{1,3}}|{'|'.join(_NUMBERS)})(?: of)? "
    r"(?P<unit>days?|weeks?|months?|tage?n?|wochen?|monate?n?|jours?|semaines?|mois|dias?|semanas?|mes(?:es)?)\b)"
)
_ANY_DATE = re.compile(rf"(?<![\w/.-])(?:(?:{_WEEKDAY})\b[,.]? (?:(?:the|den|dem|le|el|dia) )*)?(?:{_DATE})")
_GAP = r"[^.!?]{0,40}?"
_BACK = re.compile(
    r"\b(?:back|return(?:ing|s)?|resum(?:e|ing)|rejoin(?:ing)?|available again|reachable again|wieder|zuruck|ruckkehr|ab|retour|reviens"
    r"|reviendrai|rentre|rentrerai|a partir d[ue]|vuelta|regreso|regresare|vuelvo|volvere|a partir del?|as of|starting|from"
    r"|until i return|again)\b"
)
"""Words right before the day on which somebody is back."""
_UNTIL = re.compile(
    r"\b(?:until|till|til|through|thru|to and including|up to|bis|jusqu'au|jusqu'a|jusque|hasta|inclusive|ends?|ending|away for|out for"
    r"|leave for|office for|vacation for|holidays? for|last day)\b"
)
"""Words right before the last day of an absence."""
_AWAY = re.compile(
    r"\b(?:out|away|closed|leave|vacation|holidays?|absent|office|abwesend|urlaub|buro|conge|conges|oficina|vacaciones)\b"
)
_BACK_AFTER = re.compile(
    r"[^.!?]{0,40}?\b(?:back|return|available again|wieder|zuruck|de retour|de vuelta|de regreso)\b"
)
"""Words right after the day on which somebody is back: `on 7 January I will be back`, `am 7. Januar wieder`."""
_RANGE = re.compile(
    r",? ?(?:- ?|(?:up to|to|until|till|through|thru|and|bis(?: zum)?|jusqu'au|au|hasta|al|a|y|und|et) "
    r"(?:and including |einschliesslich |the |den |dem |le |el )*)"
)
_REACH: Final = 40
"""The characters between such words and the day."""


@dataclass(frozen=True, slots=True)
class _Found:
    start: int
    end: int
    day: date
    span: bool


def read_return_date(text: str, received_on: date, region: str | None = None) -> date | None:
    """The first day on which somebody is surely back, or None where a notice does not say.

    `Back on 5 January` is that day, `until 5 January` the day after. A weekday is the next one after the day the notice
    came; `next Monday` is that of the week after. A day without a year is the nearest such day. Where a text names several days, the
    latest on which somebody says to be back counts. In doubt it is the later: of 01/05 where the region writes either
    first or is unknown. A day in the past or more than `FURTHEST` off is none. Never raises.

    Args:
        received_on: when the notice came.
        region: the tenant's ISO 3166-1 alpha-2 code, for days like 01/05.
    """
    plain = _plain(text)
    dates = list(_dates(plain, received_on, region))
    back: list[date] = []
    until: list[date] = []
    for index, found in enumerate(dates):
        before = _sentence_before(plain, found.start)
        if index and _joined(plain, dates[index - 1], found):
            until.append(_after(found.day))
            continue
        follows = plain[found.end : found.end + _REACH]
        starts_range = index + 1 < len(dates) and _joined(plain, found, dates[index + 1])
        if starts_range:
            continue
        last_back = _last(_BACK, before)
        last_until = _last(_UNTIL, before)
        if (found.span and _last(_AWAY, before) >= 0 and last_back < 0) or (
            last_until >= 0 and last_until >= last_back
        ):
            until.append(_after(found.day))
        elif last_back >= 0 or _BACK_AFTER.match(follows):
            back.append(found.day)
    for days in (back, until):
        likely = [day for day in days if received_on <= day and day - received_on <= FURTHEST]
        if likely:
            return max(likely)
    return None


def _after(day: date) -> date:
    return day + timedelta(days=1) if day < date.max else day


def _last(pattern: re.Pattern[str], text: str) -> int:
    return max((match.end() for match in pattern.finditer(text)), default=-1)


def _sentence_before(plain: str, start: int) -> str:
    """What stands before a day in its sentence, as far as it can belong to it."""
    before = plain[max(0, start - _REACH) : start]
    end = max(before.rfind(mark) for mark in ("! ", "? ", ". "))
    # `Jan.` and `Mon.` end no sentence.
    return before[end + 1 :] if end >= 0 and len(before[:end].rsplit(" ", 1)[-1]) > 4 else before


def _joined(plain: str, first: _Found, second: _Found) -> bool:
    return _RANGE.fullmatch(plain[first.end : second.start]) is not None


def _dates(plain: str, received_on: date, region: str | None) -> Iterator[_Found]:
    month_first = _writes_month_first(plain, region)
    for match in _ANY_DATE.finditer(plain):
        day = _day(match, received_on, month_first)
        if day is not None:
            yield _Found(match.start(), match.end(), day, match["span"] is not None)


def _day(match: re.Match[str], received_on: date, month_first: bool | None) -> date | None:
    try:
        if match["iso"]:
            return date(int(match["iy"]), int(match["im"]), int(match["id"]))
        if match["dotted"]:
            return _of_parts(int(match["dd"]), int(match["dm"]), match["dy"], received_on)
        if match["dmy"]:
            return _of_parts(int(match["md"]), _MONTH_OF[match["mm"]], match["my"], received_on)
        if match["mdy"]:
            return _of_parts(int(match["nd"]), _MONTH_OF[match["nm"]], match["ny"], received_on)
        if match["slashed"]:
            return _slashed(int(match["s1"]), int(match["s2"]), match["sy"], received_on, month_first)
        if match["weekday"]:
            return _weekday(_WEEKDAY_OF[match["wd"]], received_on, week_after=_means_week_after(match))
        if match["tomorrow"]:
            return received_on + timedelta(days=1)
        if match["today"]:
            return received_on
        if match["nextweek"]:
            return received_on + timedelta(days=7 - received_on.weekday())
        return received_on + timedelta(days=_days_in(match["n"], match["unit"]))
    except (ValueError, OverflowError):  # 31 June; beyond the year 9999
        return None


def _means_week_after(match: re.Match[str]) -> bool:
    return (match["next"] or "").strip() not in ("", "le") or match["after"] is not None


def _days_in(number: str, unit: str) -> int:
    count = int(number) if number.isdigit() else _NUMBERS[number]
    if unit.startswith(("d", "t", "j")):
        return count
    return count * (7 if unit.startswith(("w", "s")) else 31)


def _weekday(weekday: int, received_on: date, *, week_after: bool) -> date:
    if week_after:
        return received_on + timedelta(days=7 - received_on.weekday() + weekday)
    return received_on + timedelta(days=(weekday - received_on.weekday() - 1) % 7 + 1)


def _of_parts(day: int, month: int, year: str | None, received_on: date) -> date | None:
    if year:
        return date(int(year) if len(year) == 4 else 2000 + int(year), month, day)
    near: list[date] = []
    for candidate in (received_on.year - 1, received_on.year, received_on.year + 1):
        try:
            near.append(date(candidate, month, day))
        except ValueError:  # 29 February, or a year no calendar has
            continue
    return min(near, key=lambda each: abs(each - received_on), default=None)


def _slashed(first: int, second: int, year: str | None, received_on: date, month_first: bool | None) -> date | None:
    """The day of two numbers in either order: the one given, unless that day cannot be meant."""
    read: dict[bool, date] = {}
    for order in (True, False):
        day, month = (second, first) if order else (first, second)
        try:
            found = _of_parts(day, month, year, received_on)
        except ValueError:
            continue
        if found is not None and received_on <= found and found - received_on <= FURTHEST:
            read[order] = found
    if month_first is not None and month_first in read:
        return read[month_first]
    return max(read.values(), default=None)


def _writes_month_first(plain: str, region: str | None) -> bool | None:
    """Whether days like 01/05 have the month first, by a day in the same text that leaves no doubt, else by the region."""
    for match in _ANY_DATE.finditer(plain):
        if match["slashed"] and max(int(match["s1"]), int(match["s2"])) > 12:
            return int(match["s2"]) > 12
    code = (region or "").upper()
    return None if not code or code in EITHER_FIRST else code in MONTH_FIRST
