"""Messages as they will look where they go: HTML made of a preview, for pages of ours.

What is shown may come from a cluster, or from anybody who posts: every text is escaped, links lead to web and
mail addresses alone, nothing is loaded from elsewhere, and what cannot be drawn is shown as the JSON it is.
The looks are in `kubegraf/static/kubegraf/previews.css`.
"""

from __future__ import annotations

from collections.abc import Callable

from django.utils.html import format_html
from django.utils.safestring import SafeString

from connectors.message import JSONDict
from connectors.provider import Preview
from connectors.showing import adaptive_card, issue, mail, raw, slack

_DRAWN: dict[str, Callable[[JSONDict], SafeString]] = {
    "slack": slack.html,
    "adaptive_card": adaptive_card.html,
    "markdown": issue.html,
    "email": mail.html,
    "json": raw.html,
}


def show(preview: Preview) -> SafeString:
    """The message as its service would draw it; a format that is not known, as JSON."""
    draw: Callable[[JSONDict], SafeString] = _DRAWN.get(preview.format, raw.html)
    name = preview.format.replace("_", "-") if preview.format in _DRAWN else "json"
    return format_html('<div class="kgp kgp-{}">{}</div>', name, draw(preview.content))
