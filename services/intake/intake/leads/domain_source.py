"""Where a lead came from, out of what sources say of it: a word, a campaign's parameters, a referrer's address."""

import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import unquote_plus

from contracts.personal import looks_like_pii
from contracts.taxonomy import key

_UTM_SOURCE = re.compile(r"(?:^|[?&#])utm_source=([^&#\s]+)", re.IGNORECASE)
_ADDRESS = re.compile(
    r"(https?://)?((?:[^\s/?#@:.]+\.)+(?:xn--[a-z0-9-]+|[^\W\d_]{2,63}))\.?(?::\d+)?(?:[/?#].*)?",
    re.IGNORECASE | re.DOTALL,
)
_BRAND = re.compile(
    r"(?:^|\.)(aol|baidu|bing|craigslist|duckduckgo|ecosia|facebook|google|instagram|linkedin|msn|nextdoor|perplexity"
    r"|pinterest|quora|realtor|reddit|redfin|snapchat|tiktok|trulia|twitter|whatsapp|yahoo|yandex|yelp|youtube|zillow)"
    r"\.(?:com?\.)?[a-z]{2,3}$"
)
"""Search engines, networks and portals that answer under many hosts: of countries, for telephones, for redirects."""
_SHORT = {
    "chat.openai.com": "chatgpt", "chatgpt.com": "chatgpt", "fb.com": "facebook", "fb.me": "facebook",
    "g.co": "google", "goo.gl": "google", "lnkd.in": "linkedin", "m.me": "facebook", "redd.it": "reddit",
    "t.co": "twitter", "wa.me": "whatsapp", "x.com": "twitter", "youtu.be": "youtube",
}  # fmt: skip
_PREFIX = re.compile(r"^(?:www\d?|m)\.(?=.*\.)")
_METADATA = ("utm_source", "referrer", "referer", "utm_medium")


def read_source(text: str) -> str:
    """The source's grouping key: that of `source_name`; empty where the text holds no letter and no digit.

    >>> read_source("Open House"), read_source("https://www.google.co.uk/search?q=homes")
    ('open_house', 'google')
    """
    return key(source_name(text))


def source_name(text: str) -> str:
    """What of a source's text names the source, the text itself unless it is an address or has campaign parameters.

    Of these, `utm_source` names it wherever it occurs; else the host does, without ``www.``, and the well-known search
    engines, networks and portals by their own name. Neither path nor query goes on: they may hold anything. A host
    without ``http://`` counts where it is well known or begins with ``www.``, for ``v1.beta`` is no address.

    `utm_medium` is not part of the name: ``google`` is one source, paid or not, as the event-sourced dashboard has it.
    """
    if "utm_source=" in text.lower() and (found := _UTM_SOURCE.search(text)):
        named = unquote_plus(found[1]).strip()
        if key(named):
            return named
    if "." not in text:
        return text
    address = _ADDRESS.fullmatch(text.strip())
    if address is None:
        return text
    host = address[2].lower()
    if brand := _BRAND.search(host):
        return brand[1]
    bare = _PREFIX.sub("", host)
    if bare in _SHORT:
        return _SHORT[bare]
    return bare if address[1] or bare != host else text


def source_in_metadata(metadata: Mapping[str, Any], clear: Collection[str]) -> str | None:
    """The grouping key of a source that only the metadata names, by `utm_source`, the referrer or else `utm_medium`.

    Nothing is taken from a field that is not in `clear`, those that may go on as they are, nor from a value that seems to
    hold a telephone number or an e-mail address.
    """
    for field in _METADATA:
        value = metadata.get(field)
        if field in clear and isinstance(value, str):
            name = source_name(value)
            if (found := key(name)) and not looks_like_pii(name):
                return found
    return None
