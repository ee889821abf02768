"""How the watch of a cluster stands, in a word and in a sentence, for lists and pages alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q
from django.utils import timezone

from connectors import moments
from events.cluster_health import MISSED_BEATS
from events.models import Cluster, WatchState

_LABELS = {
    WatchState.CONNECTING: "connecting",
    WatchState.WATCHING: "watching",
    WatchState.DEGRADED: "incomplete",
    WatchState.UNREACHABLE: "unreachable",
    WatchState.STOPPED: "stopped",
}
_TONES = {
    WatchState.CONNECTING: "info",
    WatchState.WATCHING: "good",
    WatchState.DEGRADED: "warning",
    WatchState.UNREACHABLE: "worst",
    WatchState.STOPPED: "bad",
}

_AMISS = (WatchState.DEGRADED, WatchState.UNREACHABLE, WatchState.STOPPED)


@dataclass(frozen=True, slots=True)
class Standing:
    """`word` is for a badge of that `tone`; `amiss`, whether somebody should look at it."""

    word: str
    words: str
    tone: str
    amiss: bool = False


def standing(cluster: Cluster, now: datetime | None = None) -> Standing:
    """How it stands now. What a watcher wrote counts only while the watcher is heard of."""
    if not cluster.enabled:
        return Standing("switched off", "It is switched off, and not watched.", "neutral")
    now = now or timezone.now()
    heard, state = cluster.heartbeat_at, WatchState(cluster.state)
    if heard is None:
        words = "Nobody has watched it yet. A watcher that runs takes it up within seconds."
        waiting = now - cluster.created_at <= MISSED_BEATS
        return Standing("not watched yet", words, "info" if waiting else "bad", amiss=not waiting)
    if now - heard > MISSED_BEATS:
        silence = moments.span((now - heard).total_seconds())
        words = f"Its watcher has not been heard of for {silence}. Does one run?"
        if state == WatchState.UNREACHABLE and cluster.state_message:
            words += f" The last it said: {cluster.state_message}"
        return Standing("not watched", words, "worst", amiss=True)
    return Standing(
        _LABELS.get(state, state.label),
        _words(cluster, state),
        _TONES.get(state, "neutral"),
        amiss=state in _AMISS,
    )


def amiss(now: datetime) -> Q:
    """The clusters at which somebody should look: those of which `standing` says so."""
    before = now - MISSED_BEATS
    unheard = Q(heartbeat_at=None, created_at__lt=before) | Q(heartbeat_at__lt=before)
    return Q(enabled=True) & (unheard | Q(heartbeat_at__gte=before, state__in=_AMISS))


def _words(cluster: Cluster, state: WatchState) -> str:
    if cluster.state_message:
        return cluster.state_message
    match state:
        case WatchState.WATCHING:
            return "All that is looked for is watched."
        case WatchState.CONNECTING:
            return "The watcher is connecting."
        case WatchState.DEGRADED:
            return f"Watched, but for {', '.join(sorted(cluster.problems)) or 'something'}."
        case WatchState.UNREACHABLE:
            return "Its API server cannot be reached."
        case _:
            return "The watch has stopped."
