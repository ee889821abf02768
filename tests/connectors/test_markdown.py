"""A message in Markdown: readable, and without any effect. Judged by a CommonMark parser."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from connectors.markdown import BREAK, block, code, prose, report, title, unlinked, update
from connectors.message import Recommendation, Status
from tests.connectors.providers.conversing import a_message

GFM = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def rendered(markdown: str) -> str:
    return GFM.render(markdown)


def shown(markdown: str) -> str:
    """What a reader sees: no tags, no invisible breaks."""
    text = html.unescape(re.sub(r"<[^>]*>", "", rendered(markdown)))
    return text.replace(BREAK, "").replace("\u00a0", " ").strip()


TRICKS = [
    "<script>alert(1)</script>",
    "<!-- kubegraf:key=0 -->",
    "![x](https://example.com/track.png) [y](https://example.com)",
    "**bold** _it_ ~~no~~ `code`",
    "# heading",
    "- item",
    "1. item",
    "1) item",
    "> quote",
    "```\nfence\n```",
    "a\n===\nb\n---",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "$x^2$ &amp; &lt;b&gt;",
    "    indented",
    "+ plus\n\n* star",
    "[^1]: note",
    "back\\slash",
    "مرحبا بالعالم 🔥",
]


@pytest.mark.parametrize("trick", TRICKS)
def test_prose_shows_what_was_written_and_makes_nothing_of_it(trick: str) -> None:
    out = rendered(prose(trick))
    assert set(re.findall(r"<(\w+)", out)) <= {"p", "br"}
    assert re.sub(r"\s+", " ", shown(prose(trick))) == re.sub(r"\s+", " ", trick).strip()


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=80))
def test_no_text_becomes_markup(text: str) -> None:
    assert set(re.findall(r"<(\w+)", rendered("> " + prose(text)))) <= {"blockquote", "p"}


@pytest.mark.parametrize(
    "text",
    [
        "@octocat",
        "ask @myorg/team now",
        "see #12",
        "myorg/my-repo#12",
        "GH-12",
        "fixes #12",
        "closes https://github.com/myorg/my-repo/issues/12",
        "https://github.example.com/myorg/my-repo/pull/3",
    ],
)
def test_mentions_and_references_are_broken_but_readable(text: str) -> None:
    for out in (unlinked(text), prose(text)):
        assert not re.search(r"@\w|#\d|GH-\d|://github", out)
    assert unlinked(text).replace(BREAK, "") == text


@given(st.text(alphabet="` ab@#<", min_size=1, max_size=30))
def test_a_code_span_holds_any_value(value: str) -> None:
    line = " ".join(value.split())
    assert rendered(code(value)) == f"<p><code>{html.escape(line or '–', quote=False)}</code></p>\n"


@given(st.text(alphabet="`~ ab\n/", max_size=60))
def test_a_block_holds_any_value_and_no_order_to_a_bot(value: str) -> None:
    out = block(value)
    assert rendered(out).startswith("<pre><code>")
    assert rendered(out).count("<pre>") == 1
    assert not re.search(r"^/", out, re.MULTILINE)


def test_a_report_says_everything() -> None:
    message = a_message(
        title="@all `x`", count=3, details={"restart_count": 5, "last_error": "one\ntwo `@octocat`"}
    )
    assert report(message, 60_000) == (
        "🔴 **Critical** · `pod_crash_loop`\n\n"
        "> Pod has restarted 5 times in the last 10 minutes\n\n"
        "- **Cluster:** `production`\n"
        "- **Namespace:** `default`\n"
        "- **Resource:** `Pod/my-app-123`\n"
        "- **Severity:** `Critical`\n"
        "- **Status:** `Firing`\n"
        "- **Time:** `15 Jan 2025, 10:30:00 UTC`\n"
        "- **Count:** `3`\n\n"
        "[Open in KubeGraf](<https://kubegraf.example.com/admin/events/event/1/>)\n\n"
        "### What you can do\n\n"
        "Check pod logs\n\n"
        "  ```sh\n  kubectl logs my-app-123 -n default\n  ```\n\n"
        "### Details\n\n"
        "- **Restart count:** `5`\n\n"
        "**Last error:**\n\n"
        "  ```\n  one\n  two `@octocat`\n  ```"
    )


def test_an_update_names_the_title_and_a_resolved_one_recommends_nothing() -> None:
    out = update(a_message(status=Status.RESOLVED), 60_000)
    assert out.startswith(
        "✅ **Resolved** · `pod_crash_loop`\n\n**Resolved: Pod my-app-123 in crash loop**\n\n"
    )
    assert "What you can do" not in out


@pytest.mark.parametrize("limit", [1_000, 5_000, 65_536])
def test_a_report_is_kept_within_its_limit_and_no_fence_is_left_open(limit: int) -> None:
    message = a_message(
        description="<" * 20_000,
        details={f"log_{number}": "```\nline\n" * 600 for number in range(60)},
        recommendations=tuple(Recommendation(f"Do {number}", "```" * 2_000) for number in range(10)),
    )
    out = report(message, limit)
    assert len(out) <= limit
    assert out.endswith("*… shortened*")
    assert rendered(out).rstrip().endswith("<p><em>… shortened</em></p>")


def test_a_title_is_shortened_on_one_line() -> None:
    assert len(title(a_message(title="x @y\r\n" * 5_000), 256)) <= 256
    assert "\n" not in title(a_message(title="a\r\nb"), 256)
