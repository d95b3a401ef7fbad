"""The taxonomy's words for a person's intent and tier."""

from contracts.taxonomy import Intent, Tier, key

_INTENTS = {
    **dict.fromkeys(
        ("buyer", "buyers", "buy", "buying", "to_buy", "purchase", "purchaser", "purchasing"), Intent.BUYER
    ),
    **dict.fromkeys(("home_buyer", "homebuyer", "looking_to_buy", "wants_to_buy", "want_to_buy"), Intent.BUYER),
    **dict.fromkeys(("seller", "sellers", "sell", "selling", "to_sell", "vendor"), Intent.SELLER),
    **dict.fromkeys(("home_seller", "homeseller", "looking_to_sell", "wants_to_sell", "want_to_sell"), Intent.SELLER),
}
_TIERS = {
    **{tier.lower(): tier for tier in Tier},
    **{f"tier_{tier.lower()}": tier for tier in Tier},
    "hot": Tier.A,
    "warm": Tier.B,
    "cold": Tier.C,
}
"""The temperatures are the outcome-capture plan's."""


def read_intent(text: str) -> Intent | None:
    """Buyer or seller; None for what is neither, and for who is both."""
    return _INTENTS.get(key(text))


def read_tier(text: str) -> Tier | None:
    """The tier from its letter or its temperature."""
    return _TIERS.get(key(text))
