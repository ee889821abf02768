"""Which addresses a shown message may link to."""

from __future__ import annotations

import re

from django.utils.html import format_html
from django.utils.safestring import SafeString

_FOLLOWS = re.compile(r"(https?://|mailto:)[^\s<>\"'`\x00-\x1f\x7f]+", re.IGNORECASE)


def may_follow(address: str) -> bool:
    """Whether it is an address of the web or of a mailbox: no script, no data, nothing relative."""
    return bool(_FOLLOWS.fullmatch(address))


def link(address: str, words: SafeString | str, look: str = "kgp-link") -> SafeString:
    """A link that opens beside the page; where it may not be followed, the words alone and the address."""
    if may_follow(address):
        return format_html(
            '<a class="{}" href="{}" target="_blank" rel="noopener noreferrer nofollow">{}</a>',
            look,
            address,
            words,
        )
    return format_html('<span class="{}">{}</span> ({})', look, words, address)
