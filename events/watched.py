"""Which event types are found here; the others are known only where another system reports them."""

from __future__ import annotations

from functools import cache

from events import cluster_health, connector_health, refused_caller
from events.detection import all_detectors


@cache
def watched_types() -> frozenset[str]:
    """Those that a detector looks for, and those that no watched object tells."""
    by_detectors = {detector.event_type for detector in all_detectors()}
    beside = {cluster_health.EVENT_TYPE, connector_health.EVENT_TYPE, refused_caller.EVENT_TYPE}
    return frozenset({*by_detectors, *beside})
