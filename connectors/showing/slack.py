"""A Slack message. https://docs.slack.dev/reference/block-kit/blocks"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from connectors.message import JSONDict
from connectors.showing import mrkdwn, raw
from connectors.showing.links import link

_COLOURS = {"good": "#2eb67d", "warning": "#ecb22e", "danger": "#e01e5a"}


def html(content: JSONDict) -> SafeString:
    """The message beside its sender, as in a channel."""
    blocks = _each(content.get("blocks"), _block)
    # With blocks, `text` is what notifications show; without, it is the message.
    text = "" if blocks or not content.get("text") else _text_line(mrkdwn.html(content["text"]))
    attached = _each(content.get("attachments"), _attachment)
    return format_html(
        '<div class="kgp-avatar" aria-hidden="true">K</div><div class="kgp-message">'
        '<div class="kgp-sender"><b>KubeGraf</b><span class="kgp-app">App</span><time>10:30</time></div>'
        "{}{}{}</div>",
        text,
        blocks,
        attached,
    )


def _each(parts: Any, draw: Callable[[JSONDict], SafeString]) -> SafeString:
    listed: Iterable[Any] = parts if isinstance(parts, list) else []
    return format_html_join(
        "", "{}", ((draw(part) if isinstance(part, dict) else raw.unknown(part),) for part in listed)
    )


def _text_line(text: SafeString) -> SafeString:
    return format_html('<div class="kgp-text">{}</div>', text)


def _text(part: Any) -> SafeString:
    """A text object: plain or with markup."""
    if isinstance(part, str):
        return mrkdwn.html(part)
    if not isinstance(part, dict) or "text" not in part:
        return raw.unknown(part)
    if part.get("type") == "mrkdwn":
        return mrkdwn.html(part["text"])
    return format_html("{}", mrkdwn.plain(part["text"]))


def _block(block: JSONDict) -> SafeString:
    draw = _BLOCKS.get(str(block.get("type")))
    return draw(block) if draw else raw.unknown(block)


def _header(block: JSONDict) -> SafeString:
    return format_html('<div class="kgp-header">{}</div>', _text(block.get("text")))


def _section(block: JSONDict) -> SafeString:
    text = _text_line(_text(block["text"])) if block.get("text") else ""
    fields = block.get("fields")
    grid = (
        format_html(
            '<div class="kgp-fields">{}</div>',
            format_html_join("", "<div>{}</div>", ((_text(field),) for field in fields)),
        )
        if isinstance(fields, list)
        else ""
    )
    beside = _element(block["accessory"]) if isinstance(block.get("accessory"), dict) else ""
    return format_html('<div class="kgp-section">{}{}{}</div>', text, grid, beside)


def _context(block: JSONDict) -> SafeString:
    return format_html('<div class="kgp-context">{}</div>', _each(block.get("elements"), _context_element))


def _context_element(element: JSONDict) -> SafeString:
    if element.get("type") == "image":
        return format_html("<span>[{}]</span>", element.get("alt_text", "image"))
    return format_html("<span>{}</span>", _text(element))


def _divider(block: JSONDict) -> SafeString:
    return format_html('<hr class="kgp-divider">{}', "")


def _actions(block: JSONDict) -> SafeString:
    return format_html('<div class="kgp-actions">{}</div>', _each(block.get("elements"), _element))


def _element(element: JSONDict) -> SafeString:
    if element.get("type") != "button":
        return raw.unknown(element)
    look = {"primary": " kgp-primary", "danger": " kgp-danger"}.get(str(element.get("style")), "")
    words = _text(element.get("text"))
    if element.get("url"):
        return link(str(element["url"]), words, f"kgp-button{look}")
    return format_html('<span class="kgp-button{}">{}</span>', look, words)


def _image(block: JSONDict) -> SafeString:
    return format_html('<div class="kgp-text">[Image: {}]</div>', block.get("alt_text", ""))


_BLOCKS: dict[str, Callable[[JSONDict], SafeString]] = {
    "header": _header,
    "section": _section,
    "context": _context,
    "divider": _divider,
    "actions": _actions,
    "image": _image,
}


def _attachment(part: JSONDict) -> SafeString:
    """What stands beside a coloured bar."""
    title = mrkdwn.plain(part.get("title", ""))
    heading = link(str(part["title_link"]), title) if title and part.get("title_link") else title
    fields = [field for field in part.get("fields") or [] if isinstance(field, dict)]
    return format_html(
        '<div class="kgp-attachment">{}<div>{}{}{}{}</div></div>',
        _bar(str(part.get("color", ""))),
        format_html('<div class="kgp-text"><b>{}</b></div>', heading) if heading else "",
        _text_line(mrkdwn.html(part["text"])) if part.get("text") else "",
        format_html(
            '<div class="kgp-fields">{}</div>',
            format_html_join(
                "",
                "<div><b>{}</b><br>{}</div>",
                ((f.get("title", ""), mrkdwn.html(f.get("value", ""))) for f in fields),
            ),
        )
        if fields
        else "",
        _each(part.get("blocks"), _block),
    )


def _bar(colour: str) -> SafeString:
    """As a picture: an attribute is no style sheet, which a page's policy may forbid."""
    known = _COLOURS.get(colour, colour if colour.startswith("#") else f"#{colour}")
    fill = known if re.fullmatch(r"#[0-9a-fA-F]{3}(?:[0-9a-fA-F]{3})?", known) else "#8d8d8d"
    return format_html(
        '<svg class="kgp-bar" viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden="true">'
        '<rect width="1" height="1" fill="{}"/></svg>',
        fill,
    )
