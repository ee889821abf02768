"""Messages as they look where they go: faithful, and harmless whatever is in them."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from typing import Any

import pytest

from connectors import registry
from connectors.configuration import setup
from connectors.example import EXAMPLE
from connectors.message import Message
from connectors.provider import Preview
from connectors.showing import markup, mrkdwn, show

SLUGS = sorted(registry.all_providers())

SCRIPT = "<script>alert(1)</script>"
HOSTILE = [
    SCRIPT,
    '"><img src=x onerror=alert(1)>',
    "[click](javascript:alert(1))",
    "<javascript:alert(1)|click>",
    "![x](https://evil.example.com/pixel.png)",
    "<a href='javascript:alert(1)'>x</a>",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "</textarea></iframe><svg onload=alert(1)>",
    "<!here> <@U123> @channel",
    '[x](https://e.example.com/"onmouseover="alert(1))',
    "[x]: javascript:alert(1)\n\n[x]",
]


def preview_of(slug: str, message: Message) -> Preview:
    """What that provider's declared example makes of a message."""
    provider = registry.provider(slug)
    return provider.preview(setup.validate(slug, provider.example), message)


def slack(*blocks: dict[str, Any], **more: Any) -> str:
    """A Slack message with these blocks."""
    return show(Preview("slack", "#k8s", {"text": "the notification", "blocks": list(blocks), **more}))


def card(*body: dict[str, Any], **more: Any) -> str:
    """An Adaptive Card with this body."""
    return show(Preview("adaptive_card", "a channel", {"body": list(body), **more}))


def harmless(html: str) -> bool:
    """Whether there is nothing in it that a browser would run, load or follow to a script."""
    # What an attribute holds is inert as long as the attribute does not end early, so it is taken out first.
    tags = re.findall(r"<[a-zA-Z/][^>]*>", html)
    names = {re.match(r"</?([a-zA-Z0-9]+)", tag)[1].lower() for tag in tags}  # type: ignore[index]
    attributes = {
        name.lower()
        for tag in tags
        for name in re.findall(r'\s([a-zA-Z-]+)(?==")', re.sub(r'"[^"]*"', '""', tag))
    }
    addresses = [unescape(address) for address in re.findall(r'\shref="([^"]*)"', html)]
    return (
        not names & {"script", "img", "object", "embed", "form", "input", "style", "link", "base", "meta"}
        and not any(name.startswith("on") for name in attributes)
        and not attributes & {"src", "style", "formaction"}
        and all(address.startswith(("https://", "http://", "mailto:")) for address in addresses)
    )


@pytest.mark.parametrize("slug", SLUGS)
def test_every_providers_example_is_drawn_whole(slug: str) -> None:
    html = show(preview_of(slug, EXAMPLE))
    assert "Pod my-app-123 in crash loop" in html
    assert "kgp-unknown" not in html


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("slug", SLUGS)
def test_a_hostile_message_does_no_harm(slug: str, text: str) -> None:
    message = Message.from_json(
        {
            **EXAMPLE.to_json(),
            **dict.fromkeys(("title", "description", "cluster", "namespace", "resource"), text),
            "details": {text: text, "last_error": text},
            "recommendations": [{"action": text, "command": text}],
            "url": "https://kubegraf.example.com/e/1",
        }
    )
    assert harmless(show(preview_of(slug, message)))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_blocks_do_no_harm(text: str) -> None:
    words = {"type": "mrkdwn", "text": text}
    html = slack(
        {"type": "header", "text": words},
        {"type": "section", "text": words, "fields": [words, text, {"a": text}], "accessory": {"type": text}},
        {"type": "actions", "elements": [{"type": "button", "text": words, "url": text, "style": text}]},
        {"type": "context", "elements": [words, {"type": "image", "alt_text": text, "image_url": text}]},
        {"type": text},
        {"type": "image", "image_url": text, "alt_text": text},
        attachments=[
            {"color": text, "title": text, "title_link": text, "text": text, "fields": [{"title": text}]}
        ],
    )
    assert harmless(html)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_cards_do_no_harm(text: str) -> None:
    html = card(
        {"type": "TextBlock", "text": text, "size": text, "color": text},
        {"type": "FactSet", "facts": [{"title": text, "value": text}]},
        {"type": "Container", "style": text, "items": [{"type": text, "url": text}]},
        {"type": "RichTextBlock", "inlines": [text, {"text": text, "fontType": text}]},
        actions=[{"type": "Action.OpenUrl", "title": text, "url": text}, {"type": text}],
    )
    assert harmless(html)


# --- Slack ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("*bold* and _italic_ and ~gone~", "<b>bold</b> and <i>italic</i> and <s>gone</s>"),
        ("2 * 3 * 4, snake_case_name", "2 * 3 * 4, snake_case_name"),
        ("`kubectl *get* pods`", "<code>kubectl *get* pods</code>"),
        ("```a *b*\n<c>```", '<pre class="kgp-code" tabindex="0">a *b*\n&lt;c&gt;</pre>'),
        ("*<https://example.com|there>*", "<b>{there}</b>"),
        ("&lt;b&gt; &amp;amp;", "&lt;b&gt; &amp;amp;"),
        ("<!date^1736937000^{date}|15 Jan 2025>", "15 Jan 2025"),
        ("<!here> <@U1> <#C1|team>", "{@here} {@U1} {#team}"),
        ("<javascript:alert(1)|x>", "&lt;javascript:alert(1)|x&gt;"),
    ],
)
def test_slacks_markup_is_drawn(text: str, html: str) -> None:
    drawn = re.sub(r"<(?:a|span) [^>]*>(.*?)</(?:a|span)>", r"{\1}", mrkdwn.html(text))
    assert drawn == html


def test_with_blocks_the_text_is_only_what_notifications_show() -> None:
    assert "the notification" not in slack({"type": "divider"})
    assert "the notification" in slack()


def test_an_unknown_block_is_shown_as_json() -> None:
    html = slack({"type": "video", "title": "a film"}, {"type": "section", "text": "and text"})
    assert "&quot;title&quot;: &quot;a film&quot;" in html
    assert "and text" in html


@pytest.mark.parametrize(
    ("colour", "fill"),
    [("danger", "#e01e5a"), ("#36a64f", "#36a64f"), ("36a64f", "#36a64f"), ('"/><x', "#8d8d8d")],
)
def test_an_attachment_has_its_colour(colour: str, fill: str) -> None:
    assert f'fill="{fill}"' in slack(attachments=[{"color": colour, "text": "x"}])


# --- The others -----------------------------------------------------------------------------------------


def test_a_card_is_drawn_in_its_style_with_its_button() -> None:
    html = show(
        preview_of("teams", Message.from_json({**EXAMPLE.to_json(), "url": "https://k.example.com/1"}))
    )
    assert "kgp-style-attention kgp-bleed" in html
    assert "<dt><p>Cluster</p>\n</dt><dd><p>production</p>\n</dd>" in html
    assert '<a class="kgp-button" href="https://k.example.com/1"' in html


def test_what_teams_escapes_is_shown_as_it_was_meant() -> None:
    assert (
        markup.teams(r"\*\_a\_\* \<at\>x\</at\> # no heading")
        == "<p>*_a_* &lt;at&gt;x&lt;/at&gt; # no heading</p>\n"
    )


def test_columns_stand_side_by_side() -> None:
    column = {"type": "Column", "items": [{"type": "TextBlock", "text": "left"}]}
    assert 'class="kgp-columns"' in card({"type": "ColumnSet", "columns": [column, column]})


def test_an_unknown_element_is_shown_as_json() -> None:
    assert "&quot;Input.Text&quot;" in card({"type": "Input.Text", "id": "x"})


def test_an_issue_has_tables_and_code_but_no_html_of_its_own() -> None:
    html = markup.github("| a | b |\n|---|---|\n| 1 | `x` |\n\n<b>no</b>\n\n[there](https://example.com)")
    assert "<td><code>x</code></td>" in html
    assert "&lt;b&gt;no&lt;/b&gt;" in html
    assert 'href="https://example.com" target="_blank" rel="noopener noreferrer nofollow"' in html


def test_a_mail_is_shown_in_a_frame_that_may_do_nothing() -> None:
    html = show(preview_of("email", EXAMPLE))
    assert 'sandbox="" srcdoc="&lt;!DOCTYPE html&gt;' in html
    assert "[KubeGraf] Critical: Pod my-app-123 in crash loop (production)" in html


def test_a_mail_without_html_is_shown_as_text() -> None:
    html = show(Preview("email", "a@example.com", {"subject": "s", "text": "<b>", "html": ""}))
    assert "<iframe" not in html
    assert "&lt;b&gt;</pre>" in html


def test_json_is_indented_and_escaped() -> None:
    html = show(Preview("json", "x", {"alert": SCRIPT}))
    assert "{\n  &quot;alert&quot;: &quot;&lt;script&gt;alert(1)&lt;/script&gt;&quot;\n}" in html


def test_an_unknown_format_is_shown_as_json() -> None:
    odd = replace(Preview("json", "x", {"a": 1}), format='"><script>')  # type: ignore[arg-type]
    assert (
        show(odd)
        == '<div class="kgp kgp-json"><pre class="kgp-json" tabindex="0">{\n  &quot;a&quot;: 1\n}</pre></div>'
    )
