"""What is wrong with a template, or with what it makes for a lead, in words for people. Pure."""

import unicodedata
from collections.abc import Iterable

from contracts.outreach.templates import TemplateFlaw, TemplateFlawCode, TemplatePart


class TemplateError(Exception):
    """A text is no template, or makes no message.

    Attributes:
        flaws: what is wrong, one or more; without any of a lead's values.
    """

    def __init__(self, flaws: Iterable[TemplateFlaw]) -> None:
        self.flaws = list(flaws)
        super().__init__("; ".join(flaw.message for flaw in self.flaws))


class LackingError(TemplateError):
    """There is no message for this lead, for it lacks what a placeholder needs.

    Attributes:
        variables: which it lacks, sorted.
    """

    def __init__(self, part: TemplatePart, line: int, variables: Iterable[str]) -> None:
        self.variables = tuple(sorted(set(variables)))
        super().__init__(
            TemplateFlaw(
                code=TemplateFlawCode.LACKING, part=part, line=line, variable=name,
                message=f"{name} has no value for this lead in line {line} of the {part}: "
                "give it a default, or write the sentence inside an if that asks for it",
            )
            for name in self.variables
        )  # fmt: skip


def flaw(
    code: TemplateFlawCode, part: TemplatePart, message: str, line: int | None = None, variable: str | None = None
) -> TemplateFlaw:
    """A flaw; its message says where it is, and goes on with `message`."""
    where = f"the {part}, line {line}," if line else f"the {part}"
    return TemplateFlaw(code=code, part=part, message=f"{where} {message}", line=line, variable=variable)


def is_control(character: str) -> bool:
    """Whether no text of a person holds it: control characters, halves of characters, and separators of lines."""
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")


def line_at(text: str, at: int) -> int:
    """The line of a character, from 1."""
    return text.count("\n", 0, at) + 1
