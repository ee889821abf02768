"""Markdown as HTML: what GitHub makes of it, and the little of it that Teams knows.

Raw HTML is shown as text, images are not loaded, and links lead to web and mail addresses alone.
"""

from __future__ import annotations

from functools import cache

from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererProtocol
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from connectors.showing.links import may_follow


def github(text: str) -> SafeString:
    """CommonMark with tables and strike-through."""
    return _rendered(_github(), text)


def teams(text: str) -> SafeString:
    """What a card's text may hold: emphasis, links and lists."""
    return _rendered(_teams(), text)


def _rendered(markdown: MarkdownIt, text: str) -> SafeString:
    # The renderer escapes all text: with html=False no markup in it is ever passed on.
    drawn: SafeString = mark_safe(markdown.render(text))  # noqa: S308  # see above, and the hostile tests
    return drawn


@cache
def _github() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("image")
    return _careful(markdown)


@cache
def _teams() -> MarkdownIt:
    known = ["list", "emphasis", "link", "escape", "entity", "newline"]
    return _careful(MarkdownIt("zero", {"html": False}).enable(known))


def _careful(markdown: MarkdownIt) -> MarkdownIt:
    markdown.validateLink = may_follow  # type: ignore[method-assign, assignment]  # as its documentation says
    markdown.add_render_rule("link_open", _link_open)
    return markdown


def _link_open(
    renderer: RendererProtocol, tokens: list[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    tokens[index].attrSet("target", "_blank")
    tokens[index].attrSet("rel", "noopener noreferrer nofollow")
    drawn: str = renderer.renderToken(tokens, index, options, env)  # type: ignore[attr-defined]  # of the HTML one
    return drawn
