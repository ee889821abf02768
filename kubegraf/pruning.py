"""Prunes the whole record by age: deliveries with attempts, events, the history, and sessions that ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.sessions.models import Session
from django.utils import timezone

from connectors.history import prune as prune_history
from connectors.pruning import prune_deliveries
from events.pruning import keeping, prune_events, still_open

BATCH = 500

PAUSE = 0.1
"""Seconds between two transactions. Whoever waits for SQLite's one lock looks for it every 100 ms."""


@dataclass(slots=True)
class Pruned:
    """How many were deleted. `finished` is false if the time was up before all were."""

    deliveries: int = 0
    events: int = 0
    history: int = 0
    sessions: int = 0
    finished: bool = True


def prune(keep: timedelta | None = None, *, dry_run: bool = False, seconds: float | None = None) -> Pruned:
    """Deletes what has been over for longer than `keep`, by default KUBEGRAF_KEEP_DAYS.

    The history of who changed what is kept for KUBEGRAF_HISTORY_DAYS, whatever `keep` says.

    What occurred is never kept for less than that: the watch leaves out occurrences that are older, and
    would report a younger one again, which its object still shows. `seconds` is about how long it may take.
    """
    now = timezone.now()
    before = now - (keeping() if keep is None else keep)
    occurred_before = min(before, now - keeping())
    deadline = None if seconds is None else time.monotonic() + seconds
    pruned = Pruned()
    for number in _unhurried(prune_deliveries(before, still_open, dry_run=dry_run)):
        pruned.deliveries += number
        if _is_over(deadline):
            pruned.finished = False
            return pruned
    for number in _unhurried(prune_events(before, occurred_before, dry_run=dry_run)):
        pruned.events += number
        if _is_over(deadline):
            pruned.finished = False
            return pruned
    for number in _unhurried(prune_history(now - timedelta(days=settings.HISTORY_DAYS), dry_run=dry_run)):
        pruned.history += number
        if _is_over(deadline):
            pruned.finished = False
            return pruned
    for number in _unhurried(_prune_sessions(now, dry_run=dry_run)):
        pruned.sessions += number
        if _is_over(deadline):
            pruned.finished = False
            return pruned
    return pruned


def _prune_sessions(before: datetime, *, dry_run: bool) -> Iterator[int]:
    """Deletes sessions of which nobody has signed out, and sign-ins that nobody has come back from."""
    over = Session.objects.filter(expire_date__lt=before).order_by("expire_date")
    if dry_run:
        yield over.count()
        return
    while keys := list(over.values_list("pk", flat=True)[:BATCH]):
        Session.objects.filter(pk__in=keys).delete()
        yield len(keys)


def _unhurried(batches: Iterator[int]) -> Iterator[int]:
    pause = threading.Event()
    for number in batches:
        yield number
        pause.wait(PAUSE)


def _is_over(deadline: float | None) -> bool:
    return deadline is not None and time.monotonic() >= deadline
