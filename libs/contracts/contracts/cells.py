"""Cells of CSV files, which people open in spreadsheets."""

from typing import Final

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def harmless(text: str) -> str:
    """The text of a cell, behind an apostrophe where a spreadsheet would take it for a formula (OWASP, CSV Injection)."""
    return f"'{text}" if text.startswith(_FORMULA) else text
