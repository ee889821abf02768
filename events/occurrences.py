"""What merely happened: each occurrence once, and those of one workload that come together told as one."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta

from events.models import Event

# How many occurrences are remembered in memory; the database knows the others.
KNOWN = 50_000
# After one was told, others of its type and workload are on record, and nobody is told, for this long: when
# a node's worth of pods restarts, people hear of it once for each workload.
TOGETHER = timedelta(seconds=60)


class Occurrences:
    """Of one cluster: which have been seen, and which was told last of each type and subject."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, None] = OrderedDict()
        self._told: dict[tuple[str, str, str], Event] = {}

    def __contains__(self, fingerprint: str) -> bool:
        """Whether this occurrence has been seen before by this process."""
        return fingerprint in self._known

    def is_new(self, fingerprint: str) -> bool:
        """Whether this occurrence is seen for the first time by this process; it is then known."""
        if fingerprint in self._known:
            self._known.move_to_end(fingerprint)
            return False
        self._known[fingerprint] = None
        if len(self._known) > KNOWN:
            self._known.popitem(last=False)
        return True

    def join(self, event: Event) -> Event | None:
        """The event that was told a moment ago of the same type and workload, and tells of this one, too.

        None if there is none: this one is then the one that is told.
        """
        key = (event.event_type, event.namespace, event.subject)
        told = self._told.get(key)
        if told is not None and timedelta(0) <= event.first_seen - told.first_seen < TOGETHER:
            return told
        self._told[key] = event
        return None

    def tick(self, now: datetime) -> None:
        """Forgets what was told too long ago to matter."""
        for key, event in list(self._told.items()):
            if now - event.first_seen >= TOGETHER:
                del self._told[key]
