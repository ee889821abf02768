from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import text
from connectors.message import Severity, Status
from tests.connectors.providers.conversing import a_message


def test_control_characters_and_overrides_of_direction_are_removed() -> None:
    assert text.clean("a\x00b\x1b[31mc\u202edcb\u2066e\x7f") == "ab[31mcdcbe"


def test_right_to_left_text_and_emoji_are_left_alone() -> None:
    assert text.clean("שלום עולם 👩‍👩‍👧 العربية") == "שלום עולם 👩‍👩‍👧 العربية"


def test_every_kind_of_line_break_becomes_a_newline() -> None:
    assert text.clean("a\r\nb\rc\u2028d\x85e\nf") == "a\nb\nc\nd\ne\nf"


def test_one_line_has_no_line_break_and_no_double_space() -> None:
    assert text.one_line(" a\r\nBcc: b \n\n c\t") == "a Bcc: b c"


def test_half_a_surrogate_pair_is_removed() -> None:
    assert text.clean("a\ud83db") == "ab"


def test_text_within_the_limit_is_not_changed() -> None:
    assert text.shorten("exactly ten", 11) == "exactly ten"


def test_text_is_cut_between_words() -> None:
    assert text.shorten("the quick brown fox jumps over the dog", 22) == "the quick brown fox…"


def test_a_long_word_is_cut_inside() -> None:
    assert text.shorten("x" * 100, 10) == "x" * 9 + "…"


def test_a_family_emoji_is_not_cut_in_half() -> None:
    assert text.shorten("ab👩‍👩‍👧cd", 6) == "ab…"


@pytest.mark.parametrize(
    ("value", "limit", "shown"),
    [("a🇪🇺🇫🇷🇩🇪", 5, "a🇪🇺…"), ("🇪🇺🇫🇷🇩🇪", 4, "🇪🇺…"), ("👍🏽👍🏽👍🏽", 4, "👍🏽…"), ("किकिकि", 4, "कि…")],
)
def test_a_flag_a_hand_and_a_syllable_are_not_cut_in_half(value: str, limit: int, shown: str) -> None:
    assert text.shorten(value, limit) == shown


def test_a_letter_keeps_its_accents() -> None:
    assert text.shorten("abce\u0301e\u0301", 6) == "abce\u0301…"


@given(st.text(max_size=200), st.integers(min_value=1, max_value=60))
def test_shortened_text_is_always_within_the_limit(value: str, limit: int) -> None:
    def size(given_text: str) -> int:
        return len(given_text.replace("&", "&amp;"))

    assert size(text.shorten(value, limit, size)) <= limit


@pytest.mark.parametrize(
    ("status", "severity", "mark", "standing"),
    [
        (Status.FIRING, Severity.CRITICAL, "🔴", "Critical"),
        (Status.FIRING, Severity.INFO, "⚪", "Info"),
        (Status.OCCURRED, Severity.CRITICAL, "🟥", "Critical"),
        (Status.ACKNOWLEDGED, Severity.CRITICAL, "👀", "Acknowledged"),
        (Status.RESOLVED, Severity.CRITICAL, "✅", "Resolved"),
    ],
)
def test_each_standing_has_a_mark_and_a_word(
    status: Status, severity: Severity, mark: str, standing: str
) -> None:
    message = a_message(status=status, severity=severity)

    assert (text.mark(message), text.standing(message)) == (mark, standing)


def test_the_headline_says_that_it_is_over() -> None:
    assert text.headline(a_message(status=Status.RESOLVED)) == "Resolved: Pod my-app-123 in crash loop"


def test_the_headline_says_that_it_is_a_test() -> None:
    assert text.headline(a_message(test=True)) == "[Test] Pod my-app-123 in crash loop"


def test_a_message_without_a_title_goes_by_its_type() -> None:
    assert text.headline(a_message(title=" \n")) == "pod_crash_loop"


def test_the_summary_names_the_place() -> None:
    assert text.summary(a_message()) == (
        "Critical: Pod my-app-123 in crash loop (Pod/my-app-123, default, production)"
    )


def test_facts_leave_out_what_is_not_known() -> None:
    assert text.facts(a_message(namespace="", cluster="", count=3)) == [
        ("Resource", "Pod/my-app-123"),
        ("Severity", "Critical"),
        ("Status", "Firing"),
        ("Time", "15 Jan 2025, 10:30:00 UTC"),
        ("Count", "3"),
    ]


def test_a_time_is_told_in_utc() -> None:
    paris = timezone(timedelta(hours=1))

    assert text.moment(datetime(2025, 1, 1, 0, 30, tzinfo=paris)) == "31 Dec 2024, 23:30:00 UTC"
    assert text.moment(datetime(2025, 1, 1, tzinfo=UTC)) == "1 Jan 2025, 00:00:00 UTC"


def test_details_are_in_words_and_do_not_repeat_the_facts() -> None:
    message = a_message(
        details={
            "namespace": "default",
            "restart_count": 5,
            "ready": False,
            "reason": None,
            "containers": ["app", "sidecar"],
            "limits": {"memory": "1Gi", "cpu": 2},
            "ports": {"web": [80, 443]},
        }
    )

    assert text.details(message) == [
        ("Restart count", "5"),
        ("Ready", "no"),
        ("Containers", "app, sidecar"),
        ("Limits", "memory: 1Gi, cpu: 2"),
        ("Ports", '{"web": [80, 443]}'),
    ]


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "https://x.example/a b",
        "https://x.example/|x>",
        "/events/1",
        "https://x/" + "a" * 3000,
    ],
)
def test_what_is_no_followable_link_is_left_out(url: str) -> None:
    assert text.link(a_message(url=url)) == ""


def test_a_link_is_kept_as_it_is() -> None:
    assert text.link(a_message(url="https://x.example/?a=1&b=2")) == "https://x.example/?a=1&b=2"
