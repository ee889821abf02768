"""What Celery runs for events: shells around the functions that do it."""

from __future__ import annotations

from celery import shared_task

from events import cluster_health, connector_health, refusals, silences
from events.routing import beginning


@shared_task(name="events.tasks.report_connectors")
def report_connectors() -> None:
    """Has the events on record say which connectors fail now."""
    connector_health.report()


@shared_task(name="events.tasks.check_clusters")
def check_clusters() -> None:
    """Has the events on record say which clusters do not work as a whole now, and whom they refuse."""
    refusals.end()
    cluster_health.report()


@shared_task(name="events.tasks.release_silenced")
def release_silenced() -> None:
    """Tells of what silences held back that have ended since."""
    silences.release()


@shared_task(name="events.tasks.begin_hours")
def begin_hours() -> None:
    """Has connectors whose hours have begun told what is still open."""
    beginning.begin_hours()
