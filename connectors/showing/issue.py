"""An issue, a comment or a pull request, as GitHub shows it."""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.safestring import SafeString

from connectors.message import JSONDict
from connectors.showing import markup


def html(content: JSONDict) -> SafeString:
    """The title above the first comment."""
    return format_html(
        '<div class="kgp-title">{}</div><div class="kgp-comment"><div class="kgp-by"><b>kubegraf</b>'
        ' opened this just now</div><div class="kgp-body">{}</div></div>',
        content.get("title", ""),
        markup.github(str(content.get("body", ""))),
    )
