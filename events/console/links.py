"""Addresses of the console's lists, filtered: every figure leads to what it counts."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlencode

from django.urls import reverse

from connectors.message import Severity
from events.models import EventStatus, SilenceState


def open_events(*, cluster_id: int | None = None, severity: str = "") -> str:
    """The list of what is open now: of a cluster, of a severity, or all."""
    query = {"status__exact": EventStatus.FIRING.value}
    if severity:
        query["severity__exact"] = Severity(severity).value
    if cluster_id is not None:
        query["cluster__id__exact"] = str(cluster_id)
    return f"{reverse('admin:events_event_changelist')}?{urlencode(query)}"


def events_since(since: datetime, severity: str = "", until: datetime | None = None) -> str:
    """The list of what was first seen since then: of a severity, or all."""
    query = {"since": since.isoformat(timespec="seconds")}
    if until is not None:
        query["until"] = until.isoformat(timespec="seconds")
    if severity:
        query["severity__exact"] = Severity(severity).value
    return f"{reverse('admin:events_event_changelist')}?{urlencode(query)}"


def silences_in_force() -> str:
    """The list of the silences that hold events back now."""
    return f"{reverse('admin:events_silence_changelist')}?{urlencode({'state': SilenceState.IN_FORCE.value})}"


def cluster(pk: int) -> str:
    """The page of a cluster."""
    return reverse("admin:events_cluster_change", args=(pk,))


def event(pk: object) -> str:
    """The page of an event."""
    return reverse("admin:events_event_change", args=(pk,))
