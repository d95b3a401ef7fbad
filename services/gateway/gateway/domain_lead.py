"""What is told of one lead, in words of ours: what is odd about its outcomes, and why it went where it did. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from contracts.intake.routing import DecisionKind, DecisionView
from contracts.outcomes import REASON_UNKNOWN, Refusal, SequenceWarning
from contracts.taxonomy import Purpose

ODD: Final[Mapping[SequenceWarning, str]] = {
    SequenceWarning.APPOINTMENT_BEFORE_CONTACTED: "an appointment, although nobody had contacted the lead: record that too",
    SequenceWarning.AFTER_INVALID: "the lead had been called invalid: take that back if it is not",
}
"""What is odd about an outcome that was recorded, and what to do."""

NOT_RECORDED: Final[Mapping[str, str]] = {
    Refusal.WON_AFTER_LOST: "the lead was lost already; take that back if it was a mistake",
    Refusal.LOST_AFTER_WON: "the lead was won already; take that back if it was a mistake",
    Refusal.IN_FUTURE: "this lies in the future; record what has happened",
    Refusal.LEAD_REJECTED: "the lead was rejected when it was submitted",
    Refusal.LEAD_UNKNOWN: "no such lead has come",
    REASON_UNKNOWN: "the reason is none of the tenant's; choose one of those, or none",
}
"""Why an outcome was not recorded, and what to do."""

PURPOSES: Final[Mapping[Purpose, str]] = {
    Purpose.WORK_LEAD: "Work on the lead",
    Purpose.SEND_MESSAGE: "Send a message",
    Purpose.VERIFY_IDENTITY: "Verify who they are",
    Purpose.SUPPORT: "Support",
    Purpose.FRAUD_CHECK: "Check for fraud",
    Purpose.SUBJECT_REQUEST: "Answer the person's own request",
}
"""What somebody needs a person's name, address or notes for."""

_WHAT: Final[Mapping[DecisionKind, str]] = {
    DecisionKind.ROUTED: "Routed",
    DecisionKind.UNROUTED: "No rule matched",
    DecisionKind.ROUTED_BY_HAND: "Routed by hand",
    DecisionKind.ASSIGNED: "Assigned",
    DecisionKind.UNASSIGNED: "Taken from its owner",
    DecisionKind.KEPT_BACK: "Kept back for a person",
}


BY: Final = ("by", "user_id", "from_user_id")
"""The facts of a decision that name somebody."""


@dataclass(frozen=True, slots=True)
class Reasons:
    """Why a lead went where it did.

    Attributes:
        rules: each rule that was looked at, in order, and the first field that did not match; none where it matched.
        agents: what each agent's verdict was, as a text, by the agent.
        facts: whatever else was kept of it that is a plain value, by its name.
    """

    what: str
    rules: list[tuple[str, str | None]]
    agents: list[tuple[str, str]]
    facts: list[tuple[str, str]]


def reasons(decision: DecisionView) -> Reasons:
    """The reasons of a decision, by what was kept of it."""
    trace = decision.trace
    route = trace.get("route") or {}
    refused = trace.get("nobody_took_it") or {}
    rules = {**(trace.get("rules") or {}), **(route.get("rules") or {})}
    facts = {**{name: route[name] for name in ("rule", "routing_version") if name in route}, **trace}
    return Reasons(
        what=_WHAT[decision.kind],
        rules=list(rules.items()),
        agents=[*_agents(trace), *_agents(refused)],
        facts=[(name, str(value)) for name, value in facts.items() if isinstance(value, str | int) and value != ""],
    )


def _agents(trace: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for agent, held in (trace.get("eligible") or {}).items():
        yield agent, f"could take it, held {held}"
    for why, agents in (trace.get("verdicts") or {}).items():
        for agent in agents:
            yield agent, why.replace("_", " ")
