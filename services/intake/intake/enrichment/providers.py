"""What a provider is to a run, and which there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from chassis.unit_of_work import Row
from contracts.intake.providers import CsvSettings, HttpSettings, PatternSettings
from contracts.message import ProblemCode, ProblemError
from contracts.taxonomy import EnrichmentStep, ProviderKind
from intake.enrichment.csv_provider import CsvProvider
from intake.enrichment.csv_tables import Tables
from intake.enrichment.domain_found import FIELDS
from intake.enrichment.domain_run import Price
from intake.enrichment.domain_template import NAMESPACES, Known, placeholders, texts
from intake.enrichment.pattern_provider import PatternProvider
from intake.enrichment.settings import ProviderSettings

AnyProviderSettings = HttpSettings | CsvSettings | PatternSettings
_CLASSES: dict[ProviderKind, type[AnyProviderSettings]] = {
    ProviderKind.HTTP: HttpSettings,
    ProviderKind.CSV: CsvSettings,
    ProviderKind.PATTERN: PatternSettings,
}
_ESSENTIAL = {
    EnrichmentStep.FIND_COMPANIES: ({"name"}, {"domain"}),
    EnrichmentStep.FIND_CONTACTS: ({"full_name"}, {"first_name", "last_name"}, {"email"}, {"linkedin_url"}),
    EnrichmentStep.ENRICH_EMAILS: ({"email"},),
}


class Provider(Protocol):
    """Answers what a run asks.

    Attributes:
        price: what a call costs.
        repeatable: whether a call of which nobody knows what came may be made again.
    """

    price: Price
    repeatable: bool

    def about(self, known: Known) -> str | None:
        """All that decides the answer, as a text, so that it can be remembered; none where an answer is not worth it.

        Raises:
            NothingToAskError: a value is missing that must be there.
        """

    async def ask(self, known: Known, trusted: Mapping[str, float], call: UUID) -> Sequence[Mapping[str, Any]]:
        """The results, by our names of fields; nothing in them has been checked.

        Parameters:
            trusted: confidences of patterns in the company's domain, where others than the provider's own are known.
            call: the same when the call is made again.

        Raises:
            NothingToAskError: a value is missing that must be there.
            ProviderError: the call failed.
        """


@dataclass(frozen=True, slots=True)
class Providers:
    """Makes providers of what tenants set."""

    settings: ProviderSettings
    tables: Tables = field(default_factory=Tables)

    def of(self, tenant: str, row: Row) -> Provider:
        """The provider of a stored row."""
        set_ = read(row)
        if isinstance(set_, HttpSettings):
            from intake.enrichment.http_provider import (
                HttpProvider,
            )  # its client is loaded where somebody has such a provider

            return HttpProvider(tenant, set_, self.settings)
        if isinstance(set_, CsvSettings):
            return CsvProvider(tenant, set_, self.settings, self.tables)
        return PatternProvider(set_)


def read(row: Row) -> AnyProviderSettings:
    """A provider's settings, of its stored row (kind, settings)."""
    return _CLASSES[row["kind"]].model_validate(row["settings"])


def check(provider: AnyProviderSettings) -> None:
    """Whether a provider can be asked at some step.

    Raises:
        ProblemError: `invalid`.
    """
    if isinstance(provider, PatternSettings):
        return
    if unknown := sorted(provider.fields.keys() - {name for names in FIELDS.values() for name in names}):
        known = "; ".join(f"{step} has {', '.join(names)}" for step, names in FIELDS.items())
        raise _invalid(f"unknown fields: {', '.join(unknown)}. {known}", "fields")
    try:
        _namespaces(provider)
    except ValueError as error:
        raise _invalid(str(error), str(kind_of(provider))) from None


def check_step(name: str, provider: AnyProviderSettings, step: EnrichmentStep) -> None:
    """Whether a provider can be asked at this step.

    Raises:
        ProblemError: `invalid`.
    """
    field = f"providers.{step}"
    if isinstance(provider, PatternSettings):
        if step is not EnrichmentStep.ENRICH_EMAILS:
            raise _invalid(f"{name} makes e-mail addresses: it cannot {step}", field)
        return
    if not any(needed <= provider.fields.keys() for needed in _ESSENTIAL[step]):
        needed = ", or ".join(" and ".join(sorted(names)) for names in _ESSENTIAL[step])
        raise _invalid(f"{name} cannot {step}: its fields must have {needed}", field)
    if late := sorted(_namespaces(provider) - set(NAMESPACES[step])):
        raise _invalid(f"{name} asks with {', '.join(late)}, which {step} does not know", field)


def kind_of(provider: AnyProviderSettings) -> ProviderKind:
    return next(kind for kind, class_ in _CLASSES.items() if isinstance(provider, class_))


def _namespaces(provider: HttpSettings | CsvSettings) -> set[str]:
    if isinstance(provider, HttpSettings):
        templates = [provider.url, *provider.query.values(), *texts(provider.body)]
    else:
        templates = [*provider.match.values()]
    return {namespace for template in templates for namespace, _ in placeholders(template)}


def _invalid(message: str, field: str) -> ProblemError:
    return ProblemError(ProblemCode.INVALID, message, field)
