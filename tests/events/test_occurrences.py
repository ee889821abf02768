"""What merely happened is remembered for as long as there is room."""

from __future__ import annotations

from datetime import timedelta

import pytest

from events import occurrences
from events.occurrences import TOGETHER, Occurrences
from tests.making import WHEN, make_event


def test_what_was_seen_longest_ago_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(occurrences, "KNOWN", 2)
    seen = Occurrences()

    assert [seen.is_new(name) for name in ("a", "b", "a", "c")] == [True, True, False, True]

    assert [seen.is_new(name) for name in ("a", "c", "b")] == [False, False, True]


@pytest.mark.parametrize(
    ("later", "told_as_one"),
    [(timedelta(0), True), (TOGETHER - timedelta(seconds=1), True), (TOGETHER, False), (-TOGETHER, False)],
)
def test_what_happens_within_a_minute_after_the_first_is_told_with_it(
    later: timedelta, told_as_one: bool
) -> None:
    seen = Occurrences()
    first = make_event(first_seen=WHEN)
    assert seen.join(first) is None

    told = seen.join(make_event(first_seen=WHEN + later))

    assert (told is first) is told_as_one


@pytest.mark.parametrize(
    "other", [{"event_type": "pod_oom_restart"}, {"namespace": "shop"}, {"subject": "Deployment/other"}]
)
def test_what_happens_to_another_or_is_of_another_type_is_told_by_itself(other: dict[str, str]) -> None:
    seen = Occurrences()
    seen.join(make_event(first_seen=WHEN))

    assert seen.join(make_event(first_seen=WHEN, **other)) is None
