"""A mail, as a mail reader shows it."""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.safestring import SafeString

from connectors.message import JSONDict


def html(content: JSONDict) -> SafeString:
    """The subject, the HTML part in a frame that runs no scripts and opens nothing, and the plain text."""
    plain = format_html('<pre class="kgp-json" tabindex="0">{}</pre>', content.get("text", ""))
    page = content.get("html", "")
    if not page:
        return format_html('<div class="kgp-title">{}</div>{}', content.get("subject", ""), plain)
    return format_html(
        '<div class="kgp-title">{}</div>'
        # An empty sandbox takes away scripts, forms, windows and the page's own origin.
        '<iframe class="kgp-frame" sandbox="" srcdoc="{}" title="The HTML part of the mail"></iframe>'
        "<details><summary>Plain text, for readers without HTML</summary>{}</details>",
        content.get("subject", ""),
        page,
        plain,
    )
