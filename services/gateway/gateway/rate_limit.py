"""A rate limit's header fields, as draft-ietf-httpapi-ratelimit-headers-10 has them."""

from contracts.message import Allowance

_LEADS = "leads"
"""The policy whose quota is one source system's."""


def header_fields(allowance: Allowance, policy: str = _LEADS) -> dict[str, str]:
    """The policy (quota `q` in a window of `w` seconds), and what remains of it (`r`, more in `t` seconds)."""
    return {
        "RateLimit-Policy": f'"{policy}";q={allowance.limit};w={allowance.window_seconds}',
        "RateLimit": f'"{policy}";r={allowance.remaining};t={allowance.reset_seconds}',
    }
