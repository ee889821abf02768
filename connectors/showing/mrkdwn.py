"""Slack's markup, as Slack draws it. https://docs.slack.dev/messaging/formatting-message-text"""

from __future__ import annotations

import re
from collections.abc import Iterator

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from connectors.showing.links import link, may_follow

# A mark counts where a word begins and ends, and not within one.
_EDGES = r"(?<![\w{0}]){0}(?=[^\s{0}])([^{0}\n]*[^\s{0}]){0}(?![\w{0}])"
_MARKUP = re.compile(
    r"```\n?(?P<block>.+?)\n?```"
    r"|`(?P<code>[^`\n]+)`"
    r"|<(?P<link>[^<>\n]+)>"
    rf"|(?P<bold>{_EDGES.format(re.escape('*'))})"
    rf"|(?P<italic>{_EDGES.format('_')})"
    rf"|(?P<strike>{_EDGES.format('~')})",
    re.DOTALL,
)
_TAGS = {"bold": "b", "italic": "i", "strike": "s"}


def plain(text: object) -> str:
    """Text without markup, its three entities read as Slack reads them. Not escaped."""
    return str(text).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def html(text: object) -> SafeString:
    """Text with markup. Line breaks stay, for a style that keeps them."""
    return _joined(_parts(str(text)))


def _joined(parts: Iterator[SafeString]) -> SafeString:
    return format_html_join("", "{}", ((part,) for part in parts))


def _parts(text: str) -> Iterator[SafeString]:
    end = 0
    for found in _MARKUP.finditer(text):
        yield format_html("{}", plain(text[end : found.start()]))
        yield _drawn(found)
        end = found.end()
    yield format_html("{}", plain(text[end:]))


def _drawn(found: re.Match[str]) -> SafeString:
    kind = found.lastgroup or ""
    if kind == "block":
        return format_html('<pre class="kgp-code" tabindex="0">{}</pre>', plain(found["block"]))
    if kind == "code":
        return format_html("<code>{}</code>", plain(found["code"]))
    if kind == "link":
        return _reference(found["link"])
    # What is between the marks may hold markup of other kinds.
    return format_html("<{0}>{1}</{0}>", _TAGS[kind], html(found[kind][1:-1]))


def _reference(inner: str) -> SafeString:
    """What stands in angle brackets: an address, a mention, a date."""
    target, _, words = inner.partition("|")
    if target.startswith(("@", "#", "!")):
        if target.startswith("!date^"):
            return format_html("{}", plain(words))
        name = plain(words) or target.lstrip("!@#")
        return format_html('<span class="kgp-mention">{}{}</span>', target[0].replace("!", "@"), name)
    address = plain(target)
    if not may_follow(address):
        return format_html("{}", f"<{plain(inner)}>")
    return link(address, plain(words) or address)
