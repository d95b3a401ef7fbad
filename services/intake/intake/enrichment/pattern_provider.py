"""The provider that makes an e-mail address of a name and a domain, by the pattern that is trusted most there."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from contracts.intake.providers import PatternSettings
from intake.enrichment.domain_found import read_domain
from intake.enrichment.domain_pattern import best_address
from intake.enrichment.domain_run import Price
from intake.enrichment.domain_template import Known, NothingToAskError


class PatternProvider:
    """Answers from what it is given, at no cost; what is trusted changes, so nothing of it is remembered."""

    price = Price()
    repeatable = True

    def __init__(self, settings: PatternSettings) -> None:
        self._settings = settings

    def about(self, known: Known) -> str | None:
        self._domain(known)
        return None

    async def ask(self, known: Known, trusted: Mapping[str, float], call: UUID) -> Sequence[Mapping[str, Any]]:
        contact = {name: str(value) for name, value in known["contact"].items()}
        patterns = {pattern: trusted.get(pattern, own) for pattern, own in self._settings.patterns.items()}
        best = best_address(contact, self._domain(known), patterns, self._settings.least_confidence)
        return [{"email": best[0], "confidence": best[1]}] if best else []

    @staticmethod
    def _domain(known: Known) -> str:
        if domain := read_domain(known["company"].get("domain")):
            return domain
        raise NothingToAskError
