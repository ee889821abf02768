"""What people do with events while the watch writes about the same ones."""

from __future__ import annotations

import pytest
from django.utils import timezone

from connectors.message import Severity
from events import handling, record
from events.models import Event
from events.record import Batch, Change, write
from tests.making import make_event
from tests.races.at_once import interrupt

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("rows_are_locked")]


def happen(count: int) -> list[Event]:
    """So many open events, in the order of their ids."""
    events = [make_event(fingerprint=f"problem-{n}", key=str(n)) for n in range(count)]
    write(Batch(new=events))
    return events


def worse(event: Event) -> Change:
    return Change(event.pk, timezone.now(), "Worse", "", Severity.CRITICAL, {}, [], 2)


def test_of_two_events_one_changes_and_one_ends_while_somebody_acknowledges_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = happen(2)
    both = [first.pk, second.pk]
    handled = interrupt(monkeypatch, record, "_resolve", lambda: len(handling.acknowledge(both, "alice")))

    write(Batch(changed=[worse(second)], resolved=[(first.pk, timezone.now())]))

    assert handled() == 1
    rows = Event.objects.order_by("pk").values_list("status", "title", "acknowledged_by")
    assert list(rows) == [("resolved", first.title, ""), ("firing", "Worse", "alice")]


def test_an_event_ends_that_explained_another_while_somebody_resolves_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    explained, explaining = happen(2)
    Event.objects.filter(pk=explained.pk).update(inhibited_by=explaining)
    both = [explained.pk, explaining.pk]
    handled = interrupt(monkeypatch, record, "_released", lambda: len(handling.resolve(both, "alice")))

    write(Batch(resolved=[(explaining.pk, timezone.now())]))

    assert handled() == 1
    rows = Event.objects.order_by("pk").values_list("status", "resolved_by")
    assert list(rows) == [("resolved", "alice"), ("resolved", "")]
