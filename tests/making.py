"""Rows and messages for tests, with what does not matter filled in."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from connectors.configuration.setup import split
from connectors.message import Message, Severity, Status
from connectors.models import Connector, Delivery
from events.models import Cluster, Event, Silence, Subscription

WHEN = datetime(2025, 1, 15, 10, 30, tzinfo=UTC)


def make_message(**more: Any) -> Message:
    """The message of the documentation's payload example."""
    known: dict[str, Any] = {
        "id": "event-1",
        "key": "key-1",
        "event_type": "pod_crash_loop",
        "severity": Severity.CRITICAL,
        "timestamp": WHEN,
        "cluster": "production",
        "namespace": "default",
        "resource": "Pod/my-app-123",
        "title": "Pod my-app-123 in crash loop",
    }
    return Message(**{**known, **more})


def make_resolve(message: Message) -> Message:
    """The message that the thing is over."""
    return Message.from_json({**message.to_json(), "status": Status.RESOLVED.value})


def make_connector(name: str = "hook", provider: str = "webhook", **config: Any) -> Connector:
    """An enabled connector with that configuration."""
    options, secrets = split(provider, config or {"url": "https://hooks.example.com/kubegraf"})
    return Connector.objects.create(
        name=name, provider=provider, enabled=True, options=options, secrets=secrets
    )


def make_subscription(connector: Connector, *event_types: str, **more: Any) -> Subscription:
    """A subscription of that connector to these event types, or to all."""
    return Subscription.objects.create(connector=connector, event_types=list(event_types), **more)


def make_cluster(name: str = "production", **more: Any) -> Cluster:
    """A cluster that was registered long ago."""
    return Cluster.objects.create(**{"name": name, "created_at": datetime(2020, 1, 1, tzinfo=UTC), **more})


def make_event(**more: Any) -> Event:
    """An open event, not saved."""
    known: dict[str, Any] = {
        "fingerprint": "key-1",
        "event_type": "pod_crash_loop",
        "severity": "critical",
        "cluster_name": "production",
        "namespace": "default",
        "resource": "Pod/my-app-123",
        "subject": "Deployment/my-app",
        "key": "app",
        "title": "Pod my-app-123 in crash loop",
        "occurred_at": WHEN,
    }
    return Event(**{**known, **more})


def written(pks: Iterable[uuid.UUID]) -> list[Delivery]:
    """The deliveries of these ids, oldest first."""
    return list(Delivery.objects.filter(pk__in=list(pks)).order_by("id"))


def statuses(connector: Connector) -> list[str]:
    """The states of a connector's deliveries, oldest first."""
    return list(Delivery.objects.filter(connector=connector).order_by("id").values_list("status", flat=True))


def make_silence(**more: Any) -> Silence:
    """A silence of everything, in force since an hour ago and for another."""
    now = timezone.now()
    known: dict[str, Any] = {
        "starts_at": now - timedelta(hours=1),
        "ends_at": now + timedelta(hours=1),
        "reason": "The database is upgraded",
        "created_by": "alice",
    }
    return Silence.objects.create(**{**known, **more})
