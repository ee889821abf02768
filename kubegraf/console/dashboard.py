"""The overview as the console's first page: figures with the way to what they count, charts, and tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from django.http import HttpRequest

from connectors import moments
from connectors.console import links as connector_links
from connectors.console.pages import badge
from connectors.message import Severity
from connectors.models import DeliveryStatus
from connectors.vitals import Vitals, took
from events.console import links as event_links
from events.models import Event
from kubegraf.attention import concerns, first_steps
from kubegraf.overview import ClusterLine, ConnectorLine, Flow, OpenEvents, Overview, Period, overview

JSONDict = dict[str, Any]
Link = Callable[[datetime, str, datetime | None], str]

CONCERNS_SHOWN = 10
LINES_SHOWN = 12
SEVERITIES = [severity.value for severity in Severity]
OUTCOMES = [DeliveryStatus.DELIVERED.value, DeliveryStatus.FAILED.value, DeliveryStatus.CANCELLED.value]
_SPACE = "\N{NO-BREAK SPACE}"
_PERIODS = {Period.DAY: "24 hours", Period.WEEK: "7 days"}


def callback(request: HttpRequest, context: JSONDict) -> JSONDict:
    """What django-unfold asks for the index page's context."""
    asked = request.GET.get("period", "")
    period = Period(asked) if asked in list(Period) else Period.DAY
    return {**context, "overview": shown(overview(request.user, period))}


def shown(found: Overview) -> JSONDict:
    """The overview in the words of its page."""
    several = concerns(found)
    sees_any = any(
        section is not None for section in (found.open, found.deliveries, found.connectors, found.clusters)
    )
    return {
        "sees_any": sees_any,
        "period": {"words": _PERIODS[found.period]},
        "periods": [
            {"value": period.value, "words": words, "current": period is found.period}
            for period, words in _PERIODS.items()
        ],
        "steps": first_steps(found),
        "concerns": [
            {"concern": one, "badge": badge(one.word, tone=one.tone)} for one in several[:CONCERNS_SHOWN]
        ],
        "more_concerns": max(0, len(several) - CONCERNS_SHOWN),
        "tiles": list(_tiles(found)),
        "charts": list(_charts(found)),
        "open": _open(found.open) if found.open else None,
        "connectors": _connectors(found) if found.connectors is not None else None,
        "clusters": _clusters(found.clusters) if found.clusters is not None else None,
    }


# --- Figures --------------------------------------------------------------------------------------------


def _tiles(found: Overview) -> Iterable[JSONDict]:
    words = _PERIODS[found.period]
    if found.open is not None:
        yield {
            "label": "Open events",
            "figure": f"{found.open.total:,}",
            "url": event_links.open_events(),
            "note": _counted(found.open.severities, SEVERITIES) or "nothing is wrong",
        }
    if found.deliveries is not None:
        delivered = found.deliveries.amounts.get(DeliveryStatus.DELIVERED, 0)
        failed = found.deliveries.amounts.get(DeliveryStatus.FAILED, 0)
        first = found.deliveries.slices[0].began
        yield {
            "label": f"Delivered, {words}",
            "figure": _percent(delivered, delivered + failed),
            "url": connector_links.deliveries(first),
            "note": f"{delivered:,} of {delivered + failed:,} arrived"
            if delivered + failed
            else "nothing was sent",
        }
    if found.sending is not None:
        yield _latency(found.sending, found.at)
    if found.connectors is not None and found.deliveries is not None:
        waiting = sum(line.vitals.waiting for line in found.connectors)
        oldest = min(filter(None, (line.vitals.oldest_waiting_at for line in found.connectors)), default=None)
        yield {
            "label": "Waiting to be sent",
            "figure": f"{waiting:,}",
            "url": connector_links.waiting(),
            "note": f"the oldest written {moments.in_words(oldest, found.at)}"
            if oldest
            else "the queue is empty",
        }
    if found.silences:
        yield {
            "label": "Silences in force",
            "figure": f"{found.silences:,}",
            "url": event_links.silences_in_force(),
            "note": "nobody is told of what they match",
        }


def _latency(sending: Vitals, now: datetime) -> JSONDict:
    return {
        "label": "Half sent within, 24 hours",
        "figure": _took(sending.latency_p50),
        "url": connector_links.deliveries(now - Period.DAY.length),
        "note": f"95 of 100 within {_took(sending.latency_p95)}" if sending.attempts else "nothing was tried",
    }


def _took(length: float | None) -> str:
    return "–" if length is None else took(length).replace(" ", _SPACE)


def _percent(part: int, whole: int) -> str:
    """Rounded down, so that 100 % means every one."""
    if not whole:
        return "–"
    return f"100{_SPACE}%" if part == whole else f"{int(1000 * part / whole) / 10:g}{_SPACE}%"


def _counted(amounts: dict[str, int], words: Sequence[str]) -> str:
    return ", ".join(f"{amounts[word]:,} {word}" for word in words if amounts.get(word))


# --- Charts ---------------------------------------------------------------------------------------------


def _charts(found: Overview) -> Iterable[JSONDict]:
    if found.events is not None:
        yield _chart(
            "events",
            "Events",
            "by severity",
            found.events,
            SEVERITIES,
            found.period,
            event_links.events_since,
        )
    if found.deliveries is not None:
        yield _chart(
            "deliveries",
            "Deliveries",
            "by outcome",
            found.deliveries,
            OUTCOMES,
            found.period,
            connector_links.deliveries,
        )


def _chart(
    name: str, title: str, by: str, flow: Flow, words: Sequence[str], period: Period, link: Link
) -> JSONDict:
    """A stacked bar chart, its legend with the way to each, and the same as a table."""
    since = flow.slices[0].began
    labels = [_label(one.began, period) for one in flow.slices]
    datasets = [
        {
            "label": word,
            "data": [one.amounts.get(word, 0) for one in flow.slices],
            "backgroundColor": f"var(--kg-chart-{word})",
        }
        for word in words
    ]
    return {
        "name": name,
        "title": title,
        "total": f"{flow.total:,}",
        "url": link(since, "", None),
        "summary": f"{title} in the last {_PERIODS[period]}, {by}: {_counted(flow.amounts, words) or 'none'}",
        "data": json.dumps({"labels": labels, "datasets": datasets}),
        "options": _OPTIONS,
        "words": words,
        "keys": [
            {"word": word, "amount": f"{flow.amounts.get(word, 0):,}", "url": link(since, word, None)}
            for word in words
        ],
        "rows": [
            {
                "label": label,
                "url": link(one.began, "", one.ended),
                "exact": f"{one.began:%Y-%m-%d %H:%M} UTC",
                "amounts": [f"{one.amounts.get(word, 0):,}" for word in words],
            }
            for label, one in zip(labels, flow.slices, strict=True)
        ],
        "empty": not flow.total,
    }


def _label(began: datetime, period: Period) -> str:
    return f"{began:%H:%M}" if period is Period.DAY else f"{began:%a %H:%M}"


_TICKS = {"maxRotation": 0, "autoSkipPadding": 12, "precision": 0}
_OPTIONS = json.dumps(
    {
        "animation": False,
        "responsive": True,
        "maintainAspectRatio": False,
        "interaction": {"mode": "index", "intersect": False},
        "datasets": {"bar": {"maxBarThickness": 22, "categoryPercentage": 0.85, "barPercentage": 1}},
        "plugins": {"legend": {"display": False}},
        "scales": {
            "x": {"stacked": True, "grid": {"display": False}, "ticks": _TICKS},
            "y": {"stacked": True, "beginAtZero": True, "suggestedMax": 4, "ticks": _TICKS, "grid": {}},
        },
    }
)

# --- Tables ---------------------------------------------------------------------------------------------


def _open(found: OpenEvents) -> JSONDict:
    return {
        "severities": [
            {
                "badge": badge(word, f"{found.severities[word]:,} {word}"),
                "url": event_links.open_events(severity=word),
            }
            for word in SEVERITIES
            if found.severities.get(word)
        ],
        "words": SEVERITIES,
        "clusters": [
            {
                "name": one.name or "no cluster",
                "total": f"{one.total:,}",
                "url": event_links.open_events(cluster_id=one.pk) if one.pk else event_links.open_events(),
                "amounts": [
                    {
                        "word": word,
                        "amount": f"{one.severities.get(word, 0):,}" if one.severities.get(word) else "",
                        "url": event_links.open_events(cluster_id=one.pk, severity=word),
                    }
                    for word in SEVERITIES
                ],
            }
            for one in found.clusters[:LINES_SHOWN]
        ],
        "more_clusters": max(0, len(found.clusters) - LINES_SHOWN),
        "newest": [_event(event) for event in found.newest],
        "url": event_links.open_events(),
    }


def _event(event: Event) -> JSONDict:
    return {
        "title": event.title,
        "url": event_links.event(event.pk),
        "badge": badge(event.severity),
        "where": " / ".join(filter(None, (event.cluster_name, event.namespace))),
        "when": moments.shown(event.first_seen),
    }


def _connectors(found: Overview) -> JSONDict:
    lines, since = found.connectors or [], found.at - Period.DAY.length
    sees_deliveries = found.deliveries is not None
    return {
        "rows": [
            {
                "name": line.connector.name,
                "type": line.connector.get_provider_display(),
                "url": connector_links.connector(line.connector.pk),
                "badge": badge(_state(line)),
                "words": line.health.words,
                "rate": _percent(line.vitals.arrived, line.vitals.attempts),
                "latency": _took(line.vitals.latency_p95),
                "sent_url": connector_links.deliveries(since, connector_id=line.connector.pk)
                if sees_deliveries
                else "",
                "waiting": f"{line.vitals.waiting:,}",
                "waiting_url": connector_links.waiting(line.connector.pk) if sees_deliveries else "",
            }
            for line in lines[:LINES_SHOWN]
        ],
        "more": len(lines) > LINES_SHOWN,
    }


def _state(line: ConnectorLine) -> str:
    return line.health.state.value if line.connector.enabled else "disabled"


def _clusters(lines: Sequence[ClusterLine]) -> JSONDict:
    return {
        "rows": [
            {
                "name": line.cluster.name,
                "url": event_links.cluster(line.cluster.pk),
                "badge": badge(line.standing.word, tone=line.standing.tone),
                "words": line.standing.words,
                "lag": _took(line.cluster.lag_seconds),
                "nodes": f"{line.cluster.nodes_known:,}",
                "down": line.cluster.nodes_not_ready,
                "changed": moments.shown(line.cluster.last_change_at) if line.cluster.last_change_at else "–",
            }
            for line in lines[:LINES_SHOWN]
        ],
        "more": len(lines) > LINES_SHOWN,
    }
