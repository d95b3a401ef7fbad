"""A rate limit's header fields, as draft-ietf-httpapi-ratelimit-headers-10 has them."""

from contracts.message import Allowance

_POLICY = '"leads"'
"""The policy's name; its quota is one source system's."""


def header_fields(allowance: Allowance) -> dict[str, str]:
    """The policy (quota `q` in a window of `w` seconds), and what remains of it (`r`, more in `t` seconds)."""
    return {
        "RateLimit-Policy": f"{_POLICY};q={allowance.limit};w={allowance.window_seconds}",
        "RateLimit": f"{_POLICY};r={allowance.remaining};t={allowance.reset_seconds}",
    }
