"""What is answered where a lead is asked for that is not there."""

from contracts.message import ProblemCode, ProblemError


def no_such_lead(field: str = "lead_id") -> ProblemError:
    """The field of the request names no lead of this tenant; whether another has it is not told."""
    text = "this tenant has no such lead: list_leads and find_leads show those it has"
    return ProblemError(ProblemCode.NOT_FOUND, text, field)
