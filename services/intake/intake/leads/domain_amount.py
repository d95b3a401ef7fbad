"""Prices and budgets as people type them, in bands."""

import math
import re
import unicodedata
from decimal import Decimal

from contracts.taxonomy import Band, band

_MAX_LENGTH = 100
_CURRENCY = (
    r"(?:(?:us|ca|nz|hk|a|c|s|r)?[$€£¥₹₺₽₩₪₫₴₦₱฿]"
    r"|usd|eur|gbp|cad|aud|nzd|chf|sek|nok|dkk|pln|czk|huf|ron|inr|jpy|cny|krw|mxn|brl|zar|sgd|hkd|aed|try)?"
)
_SCALES = {"k": 10**3, "thousand": 10**3, "m": 10**6, "mm": 10**6, "mn": 10**6, "mio": 10**6, "million": 10**6}
_ONE = rf"{_CURRENCY} ?(\d[\d.,' ]*?) ?({'|'.join(_SCALES)})? ?{_CURRENCY}"
_AMOUNT = re.compile(rf"(<|below|under|less than)? ?(>|from|over|above|more than)? ?{_ONE} ?(\+|or more|and up)?")
_RANGE = re.compile(rf"{_ONE} ?(?:-|to) ?{_ONE}")
_GROUPED = re.compile(r"[1-9]\d{0,2}([.,' ])\d{3}(?:\1\d{3})*(?:(?!\1)[.,]\d\d?)?")
_UNGROUPED = re.compile(r"\d{1,15}(?:[.,]\d{1,9})?")
_SPELLED_ALIKE = str.maketrans("‐‑‒–—−’", "------'")


def read_band(value: str | float) -> Band | None:
    """The band of a number, or of a text such as ``$350k``, ``€ 450.000``, ``1.2m``, ``300-400k``, ``500k+``.

    A range counts as the amount in its middle, which gives the taxonomy's own words back. What is open at one end
    (``under 300k``) has a band only where all of it lies in one. Amounts are in the tenant's currency, whatever sign
    they carry, and above zero, which exports write where nothing is known.
    """
    if not isinstance(value, str):
        return band(value) if 0 < value < math.inf else None
    if len(value) > _MAX_LENGTH:
        return None
    spelled = " ".join(unicodedata.normalize("NFKC", value).translate(_SPELLED_ALIKE).lower().split())
    if found := _AMOUNT.fullmatch(spelled):
        below, over, digits, scale, more = found.groups()
        return _open_band(_amount(digits, scale), below=bool(below), above=bool(over or more))
    if found := _RANGE.fullmatch(spelled):
        low_digits, low_scale, high_digits, high_scale = found.groups()
        low, high = _amount(low_digits, low_scale or high_scale), _amount(high_digits, high_scale)
        return band((low + high) / 2) if low and high and low <= high else None
    return None


def _open_band(amount: Decimal | None, *, below: bool, above: bool) -> Band | None:
    if not amount or (below and above):
        return None
    if below:
        return Band.BELOW_200K if band(amount) is Band.BELOW_200K or amount == 200_000 else None
    if above:
        return Band.FROM_500K if band(amount) is Band.FROM_500K else None
    return band(amount)


def _amount(digits: str, scale: str | None) -> Decimal | None:
    """The amount in whole units; None where a separator could be one of thousands or of decimals (``1.200k``)."""
    grouped = _GROUPED.fullmatch(digits)
    if grouped is None:
        if not _UNGROUPED.fullmatch(digits):
            return None
        return Decimal(digits.replace(",", ".")) * _SCALES.get(scale or "", 1)
    if scale:
        return None
    separator = grouped[1]
    return Decimal(digits.replace(separator, "").replace(",", "."))
