"""The housekeeping that Celery runs: pruning, and merging the tallies."""

from __future__ import annotations

import logging

from celery import shared_task

from connectors import tally
from kubegraf import pruning

logger = logging.getLogger(__name__)

# A task that takes longer than the broker's visibility time-out (300 s) would be given out again.
SHARE_SECONDS = 60.0


@shared_task(name="kubegraf.tasks.prune")
def prune() -> None:
    """Deletes what has been over for longer than KUBEGRAF_KEEP_DAYS; hands on after its share of time."""
    pruned = pruning.prune(seconds=SHARE_SECONDS)
    tally.forget_hours()
    if pruned.deliveries or pruned.events or pruned.history or pruned.sessions:
        words = "pruned %d deliveries, %d events, %d lines of history and %d sessions that were over"
        logger.info(words, pruned.deliveries, pruned.events, pruned.history, pruned.sessions)
    if not pruned.finished:
        prune.delay()


@shared_task(name="kubegraf.tasks.merge_tallies")
def merge_tallies() -> None:
    """Makes few rows of the tallies that have come in."""
    tally.merge()
