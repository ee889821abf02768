"""What is data to the receiver, and whatever cannot be drawn: the JSON, indented."""

from __future__ import annotations

import json
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString


def html(content: Any) -> SafeString:
    """The JSON for people. It can be reached by keyboard, because it may have to be scrolled."""
    text = json.dumps(content, indent=2, ensure_ascii=False, default=str)
    return format_html('<pre class="kgp-json" tabindex="0">{}</pre>', text)


def unknown(part: Any) -> SafeString:
    """A part of a message that we do not know how to draw: shown as it is, rather than dropped."""
    return format_html(
        '<div class="kgp-unknown"><span class="kgp-note">Not drawn here</span>{}</div>', html(part)
    )
