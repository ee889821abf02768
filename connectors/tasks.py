"""What Celery runs: shells around `connectors.engine.send`, and the wake-up that starts them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from functools import partial

from celery import shared_task
from django.utils import timezone

from connectors.engine import claim, quarantine, send, set_back
from connectors.engine.due import due
from connectors.engine.wakeups import WakeUps
from connectors.handover import Handover


class _Busy:
    """Which connectors this process is sending through, so that one of them takes one thread, not all.

    A request that comes while its connector is busy is kept as a mark, and the busy thread goes round again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked_again: dict[int, bool] = {}

    def enter(self, connector_id: int) -> bool:
        """Whether the caller may work on it; if not, whoever does is told to go round again."""
        with self._lock:
            if connector_id in self._asked_again:
                self._asked_again[connector_id] = True
                return False
            self._asked_again[connector_id] = False
            return True

    def leave(self, connector_id: int) -> bool:
        """Whether the caller may stop; if not, it was asked again meanwhile and goes round once more."""
        with self._lock:
            if self._asked_again[connector_id]:
                self._asked_again[connector_id] = False
                return False
            del self._asked_again[connector_id]
            return True

    def abandon(self, connector_id: int) -> None:
        """The caller stops, whatever was asked."""
        with self._lock:
            del self._asked_again[connector_id]


_busy = _Busy()


# What is late has been done by others: the sweeper wakes again whatever is due.
@shared_task(name="connectors.tasks.deliver", expires=30)
def deliver(connector_id: int) -> None:
    """Sends what is due through one connector; hands on to a new task after its share of time.

    While there is more than one batch, another worker is called to help.
    """
    if not _busy.enter(connector_id):
        return
    try:
        later = partial(wake_later, connector_id)
        help_ = partial(calls_for_help.ask, connector_id)
        more = send.deliver(connector_id, later=later, more=help_)
        while not more:
            if _busy.leave(connector_id):
                return
            more = send.deliver(connector_id, later=later, more=help_)
    except BaseException:
        _busy.abandon(connector_id)
        raise
    _busy.abandon(connector_id)
    wake({connector_id})


@shared_task(name="connectors.tasks.sweep")
def sweep() -> None:
    """Wakes every connector that has something due: what a lost task or a dead worker left, and retries.

    Leases of dead senders are ended first. What was on its way through a connector that has since been
    deleted is cancelled.
    """
    set_back.mend()
    quarantine.bury()
    claim.cancel_orphans()
    wake(
        due(timezone.now())
        .filter(connector__enabled=True, connector__paused_at=None)
        .order_by()
        .values_list("connector__pk", flat=True)
        .distinct()
    )


def wake(connector_ids: Iterable[int]) -> None:
    """Tells the workers, now or in a moment, that these connectors have work.

    A connector is named once for each message, as far as that is known: what there is much of is not asked
    for as often. If the broker is away, the sweeper does it later.
    """
    for connector_id, messages in Counter(connector_ids).items():
        wake_ups.ask(connector_id, messages)


handover = Handover()


def hold_up() -> str:
    """What holds up what has just been asked for, as a sentence to follow others; "" where nothing does."""
    if not handover.waits:
        return ""
    return " The broker does not answer at the moment: when it does, what waits goes out by itself."


def _send(connector_id: int) -> None:
    handover.to_broker(connector_id, partial(deliver.delay, connector_id))


wake_ups = WakeUps(_send)
# Seldom: whoever was called a moment ago either helps already or has no time.
calls_for_help = WakeUps(_send, seconds=0.5)

LATER_AT_MOST = 10.0
"""Seconds."""


def wake_later(connector_id: int, seconds: float) -> None:
    """Tells the workers that a connector may send again in so many seconds; no thread is kept for that.

    What is further away is left to the sweeper: a broker hands a task that waits long to a second worker.
    """
    if seconds > LATER_AT_MOST:
        return
    handover.to_broker(connector_id, partial(deliver.apply_async, (connector_id,), countdown=seconds))
