"""A rate limit's header fields, as draft-ietf-httpapi-ratelimit-headers-10 has them."""

from typing import Final

from contracts.message import Allowance

STATE: Final = "rate"
"""Where a request's state holds the fields that its answer is to have, whatever it becomes."""
_LEADS = "leads"
"""The policy whose quota is one source system's."""


def header_fields(allowance: Allowance, policy: str = _LEADS) -> dict[str, str]:
    """The policy (quota `q` in a window of `w` seconds), and what remains of it (`r`, more in `t` seconds)."""
    return {
        "RateLimit-Policy": f'"{policy}";q={allowance.limit};w={allowance.window_seconds}',
        "RateLimit": f'"{policy}";r={allowance.remaining};t={allowance.reset_seconds}',
    }
