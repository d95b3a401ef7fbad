"""Variants of a template: which of them a person gets, and which of them does best. Pure.

Who gets which is weighted rendezvous hashing: each variant draws a number from (its name, the key), and the highest wins (Thaler and
Ravishankar 1998; the weights after Schindelhauer and Schomaker 2005). So nothing is stored, and a variant that comes takes its share
from the others and moves nobody between them.

Shares are judged by Wilson's interval (1927), which holds for few messages and for shares near zero too. A winner's interval lies
above every other's: stricter than a test of two shares at the same level, as people look while the messages are still leaving.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import blake2b
from math import isfinite, log, sqrt
from typing import Final
from uuid import UUID

MINIMUM_SAMPLE: Final = 200
"""Messages that a variant has sent before anything is said of it: one complaint among fewer would stop it."""
MOST_COMPLAINTS: Final = 0.001
"""The share of complaints above which a variant is stopped; Gmail and Yahoo ask bulk senders to stay below it."""
MOST_UNSUBSCRIBES: Final = 0.02
"""The share of unsubscribes above which a variant is stopped."""
_Z: Final = 1.959963984540054
"""The normal quantile of an interval that holds the true share 95 times of 100."""


class VariantError(ValueError):
    """The variants are none that anybody could be given."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One of the texts that are tried against each other.

    Attributes:
        name: unlike the others'.
        weight: its share, in proportion to the others'; with 0 nobody is given it, as of one that was stopped.
    """

    name: str
    weight: float = 1.0


def assign(variants: Sequence[Variant], key: UUID | str) -> str:
    """The name of the variant that a key gets, always the same whatever the variants' order.

    Parameters:
        key: of the person within what is tried, such as step and lead together: with the lead's id alone the same people would get
            the variant "a" of every step.

    Raises:
        VariantError: there is none with a weight, two have one name, or a weight is negative or no number.
    """
    if len({variant.name for variant in variants}) < len(variants):
        raise VariantError("two variants have one name: give each its own")
    if any(variant.weight < 0 or not isfinite(variant.weight) for variant in variants):
        raise VariantError("a weight is negative or no number: weights are shares such as 1 and 3")
    drawn = [(_draw(variant, str(key)), variant.name) for variant in variants if variant.weight > 0]
    if not drawn:
        raise VariantError("no variant has a weight above 0: there is none to give")
    return max(drawn)[1]


def _draw(variant: Variant, key: str) -> float:
    name = variant.name.encode()
    digest = blake2b(len(name).to_bytes(8, "big") + name + key.encode(errors="surrogatepass"), digest_size=8).digest()
    uniform = ((int.from_bytes(digest, "big") >> 12) + 0.5) / 2**52  # exact in 53 bits, and never 0 or 1
    return -variant.weight / log(uniform)


class Sign(StrEnum):
    """What is counted of a variant's messages."""

    WINS = "wins"
    POSITIVE_REPLIES = "positive_replies"
    COMPLAINTS = "complaints"
    UNSUBSCRIBES = "unsubscribes"


@dataclass(frozen=True, slots=True)
class Tally:
    """What came of a variant's messages.

    Attributes:
        sent: messages that left.
        wins, positive_replies, complaints, unsubscribes: how many of them led to each, a message once.
    """

    sent: int
    positive_replies: int = 0
    wins: int = 0
    complaints: int = 0
    unsubscribes: int = 0


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of a variant's messages, with the interval that holds the true one 95 times of 100."""

    count: int
    of: int
    share: float
    low: float
    high: float


class Standing(StrEnum):
    """What is to become of a variant."""

    TOO_EARLY = "too_early"
    """It has sent too few messages to say."""
    OPEN = "open"
    """Nothing is clear yet."""
    STOPPED = "stopped"
    """It annoys too many people: nobody is to be given it any more."""
    WINNER = "winner"
    """It does clearly better than every other."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A variant and how it does.

    Attributes:
        terms: what the standing was found by, one sentence each.
        annoys: of one that is stopped by what.
    """

    name: str
    sent: int
    standing: Standing
    rates: dict[Sign, Rate]
    terms: tuple[str, ...]
    annoys: Sign | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """How variants do against each other.

    Attributes:
        winner: the one that does clearly best, if one does.
        reason: why it is that one, or why there is none yet.
    """

    winner: str | None
    reason: str
    variants: dict[str, Judged]


def wilson(count: int, of: int) -> Rate:
    """A share with Wilson's interval. What is counted of more than were sent, as where a send was never confirmed, counts as sent.

    Raises:
        VariantError: a count is negative.
    """
    if count < 0 or of < 0:
        raise VariantError("a count is negative")
    of = max(count, of)
    if of == 0:
        return Rate(0, 0, 0.0, 0.0, 1.0)
    share, square = count / of, _Z * _Z
    middle = (share + square / (2 * of)) / (1 + square / of)
    half = _Z * sqrt(share * (1 - share) / of + square / (4 * of * of)) / (1 + square / of)
    return Rate(
        count,
        of,
        share,
        0.0 if count == 0 else max(0.0, middle - half),
        1.0 if count == of else min(1.0, middle + half),
    )


_GUARDS: Final = {Sign.COMPLAINTS: MOST_COMPLAINTS, Sign.UNSUBSCRIBES: MOST_UNSUBSCRIBES}
_GOALS: Final = (Sign.WINS, Sign.POSITIVE_REPLIES)
"""What a winner is better at; wins count before replies, as replies that lead nowhere are worth nothing."""


def judge(tallies: dict[str, Tally]) -> Judgement:
    """How variants do, by name: which are to be stopped, and which one, if any, is the winner.

    Raises:
        VariantError: a count is negative.
    """
    judged = {name: _judged(name, tally) for name, tally in tallies.items()}
    winner, reason = _winner([each for each in judged.values() if each.standing is not Standing.STOPPED])
    if winner:
        best = judged[winner]
        judged[winner] = replace(best, standing=Standing.WINNER, terms=(*best.terms, reason))
    return Judgement(winner, reason, judged)


def _judged(name: str, tally: Tally) -> Judged:
    rates = {sign: wilson(getattr(tally, sign), tally.sent) for sign in Sign}
    enough = tally.sent >= MINIMUM_SAMPLE
    terms = [f"sent {tally.sent}, at least {MINIMUM_SAMPLE} are needed: {'enough' if enough else 'too few to say'}"]
    terms += [f"{_said(sign)} {_shown(rates[sign])}" for sign in _GOALS]
    standing, annoys = Standing.OPEN if enough else Standing.TOO_EARLY, None
    for sign, most in _GUARDS.items():
        exceeded = enough and rates[sign].low > most
        terms.append(
            f"{_said(sign)} {_shown(rates[sign])}, allowed {most:.1%}: {'surely more, stopped' if exceeded else 'not surely more'}"
        )
        if exceeded:
            standing, annoys = Standing.STOPPED, annoys or sign
    return Judged(name, tally.sent, standing, rates, tuple(terms), annoys)


def _winner(running: Sequence[Judged]) -> tuple[str | None, str]:
    """The winner among the variants that are not stopped, and why, or why there is none."""
    if len(running) < 2:
        return None, "there are not two variants to compare"
    if early := sorted(each.name for each in running if each.standing is Standing.TOO_EARLY):
        return (
            None,
            f"{', '.join(early)} {'has' if len(early) == 1 else 'have'} sent fewer than {MINIMUM_SAMPLE} messages",
        )
    for goal in _GOALS:
        best = max(running, key=lambda each: each.rates[goal].low)
        others = [each for each in running if each is not best]
        if all(best.rates[goal].low > each.rates[goal].high for each in others):
            # Of two goals the first is worth more: whoever is surely behind another at wins is no winner by replies.
            if any(each.rates[Sign.WINS].low > best.rates[Sign.WINS].high for each in others):
                return None, f"{best.name} leads at {_said(goal)} and is surely behind another at {_said(Sign.WINS)}"
            next_ = max(each.rates[goal].high for each in others)
            return best.name, (
                f"{_said(goal)} of {best.name} are surely more than every other's: "
                f"its interval begins at {best.rates[goal].low:.2%}, theirs end at {next_:.2%}"
            )
    return None, "the intervals of the best overlap at wins and at positive replies"


def _said(sign: Sign) -> str:
    return sign.replace("_", " ")


def _shown(rate: Rate) -> str:
    return f"{rate.count} of {rate.of}, {rate.share:.2%} ({rate.low:.2%} to {rate.high:.2%})"
