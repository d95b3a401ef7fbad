"""Replay: the numbers made anew from the events."""

from typing import ClassVar

from contracts.message import Kind, Reply, Request, Topic


class ReplayReport(Reply):
    """What a replay found."""

    events: int
    """How many events were read."""
    rows: int
    """How many rows of the weekly table they made."""
    differences: list[str]
    """The rows that had been otherwise before."""


class Replay(Request[ReplayReport]):
    """Rebuild a tenant's projections from its events, compare them with the live ones, and swap them in."""

    topic: ClassVar = Topic("aggregator", Kind.REQUEST, "replay")
