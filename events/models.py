"""What is kept: the clusters, what happened in them, who wants to hear of it, and what must be remembered."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone

from connectors.fields import EncryptedJSONText, Stored
from connectors.history import History
from connectors.ids import uuid7
from connectors.message import Severity
from connectors.models import Connector

SEVERITIES = [(severity.value, severity.value) for severity in Severity]


class Access(models.TextChoices):
    """How a cluster is reached."""

    IN_CLUSTER = "in_cluster", "In-cluster service account"
    CONTEXT = "context", "Context of the server's kubeconfig"
    KUBECONFIG = "kubeconfig", "Stored kubeconfig"


class WatchState(models.TextChoices):
    """How the watch of a cluster goes."""

    NEVER = "never", "not watched yet"
    CONNECTING = "connecting"
    WATCHING = "watching"
    DEGRADED = "degraded", "watching, with something missing"
    UNREACHABLE = "unreachable"
    STOPPED = "stopped"


def new_kubeconfig(before: Cluster | None, after: Cluster) -> list[str]:
    """Whether the kubeconfig is another one than before."""
    stands_for_it = isinstance(after.kubeconfig, Stored)  # left as it is
    old = "" if before is None else str(before.kubeconfig)
    return ["kubeconfig"] if not stands_for_it and after.kubeconfig != old else []


class Cluster(models.Model):
    """A cluster to watch, how to reach it, and how that goes.

    `problems` maps what cannot be watched (a plural such as `nodes`) to the reason in words. Nothing that
    happened before `created_at` is reported.
    """

    name = models.CharField(max_length=120, unique=True)
    enabled = models.BooleanField(default=True)
    access = models.CharField(max_length=12, choices=Access, default=Access.CONTEXT)
    context = models.CharField(
        max_length=253, blank=True, help_text="A context of the kubeconfig; empty for its current one."
    )
    kubeconfig = EncryptedJSONText(
        default="", blank=True, editable=False, help_text="Stored encrypted, never shown again."
    )
    namespaces = models.JSONField(
        default=list, blank=True, help_text="Namespaces to watch; empty for all, and for nodes."
    )

    state = models.CharField(max_length=12, choices=WatchState, default=WatchState.NEVER, editable=False)
    state_message = models.TextField(blank=True, editable=False)
    problems = models.JSONField(default=dict, blank=True, editable=False)
    connected_since = models.DateTimeField(null=True, editable=False)
    last_change_at = models.DateTimeField(null=True, editable=False)
    heartbeat_at = models.DateTimeField(null=True, editable=False)
    lag_seconds = models.FloatField(
        "lag",
        null=True,
        editable=False,
        help_text="Seconds from reading a change to having dealt with it: the longest of the last minute"
        " in which something changed.",
    )
    objects_known = models.PositiveIntegerField(default=0, editable=False)
    stream_restarts = models.PositiveIntegerField(
        default=0,
        editable=False,
        help_text="How often a stream broke and was opened again since the watch began.",
    )
    nodes_known = models.PositiveIntegerField(default=0, editable=False)
    nodes_not_ready = models.PositiveIntegerField(default=0, editable=False)
    health = models.JSONField(
        default=dict, blank=True, editable=False, help_text="What events.cluster_health has seen lately."
    )

    created_at = models.DateTimeField(default=timezone.now, editable=False)

    history = History(
        tracked=("name", "enabled", "access", "context", "namespaces"),
        hidden=("kubeconfig",),
        secrets=new_kubeconfig,
    )

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class EventStatus(models.TextChoices):
    """Where an event stands. What merely happened has nothing to resolve."""

    FIRING = "firing"
    RESOLVED = "resolved"
    OCCURRED = "occurred"


class Event(models.Model):
    """Something that happened in a cluster, from its first sight to its resolution.

    `fingerprint` names the problem (cluster, type, subject, key). No two open events share one, and no two
    that merely occurred: the database sees to it, however many watchers there are. An event with
    `inhibited_by` or `muted` is on record, but nobody was told.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    fingerprint = models.CharField(max_length=64)
    status = models.CharField(max_length=10, choices=EventStatus, default=EventStatus.FIRING)
    event_type = models.CharField(max_length=60)
    severity = models.CharField(max_length=10, choices=SEVERITIES)
    source = models.CharField(
        max_length=20, default="watch", help_text="What reported it: the watch, or the API."
    )

    cluster = models.ForeignKey(Cluster, null=True, on_delete=models.SET_NULL, related_name="events")
    cluster_name = models.CharField(max_length=120, blank=True)
    namespace = models.CharField(max_length=253, blank=True)
    resource = models.CharField(max_length=320, blank=True, help_text="Kind/name")
    subject = models.CharField(max_length=320, blank=True, help_text="Kind/name of whom it belongs to.")
    key = models.CharField(max_length=255, blank=True, help_text="Which trouble of the subject.")

    title = models.CharField(max_length=500)
    description = models.TextField(blank=True)
    details = models.JSONField(default=dict, blank=True)
    recommendations = models.JSONField(default=list, blank=True)
    routing = models.JSONField(default=dict, blank=True)
    count = models.PositiveIntegerField(default=1)

    muted = models.CharField(max_length=200, blank=True, help_text="Why nobody was told of it.")

    occurred_at = models.DateTimeField(help_text="When it began or happened, as the cluster tells it.")
    first_seen = models.DateTimeField(default=timezone.now, db_index=True)
    last_seen = models.DateTimeField(default=timezone.now)
    resolved_at = models.DateTimeField(null=True, blank=True)
    inhibited_by = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="inhibited"
    )

    class Meta:
        ordering = ("-first_seen",)
        constraints = (
            models.UniqueConstraint(
                fields=("fingerprint",),
                condition=Q(status__in=("firing", "occurred")),
                name="event_open_once",
            ),
        )
        indexes = (
            models.Index(fields=("status", "-first_seen"), name="event_by_status"),
            models.Index(fields=("cluster", "status"), name="event_open_of_cluster"),
            models.Index(fields=("event_type", "-first_seen"), name="event_by_type"),
        )

    def __str__(self) -> str:
        return self.title


class Subscription(models.Model):
    """Which events a connector receives. Every clause must hold; an empty one holds always.

    `conditions` is the plain key-and-value form of the documentation; `events.conditions` says what each
    key means.
    """

    connector = models.ForeignKey(Connector, on_delete=models.CASCADE, related_name="subscriptions")
    enabled = models.BooleanField(default=True)
    event_types = models.JSONField(
        default=list, blank=True, help_text="Event types or aliases; empty or “all” for every type."
    )
    min_severity = models.CharField(
        "minimum severity", max_length=10, choices=SEVERITIES, default=Severity.INFO.value
    )
    namespaces = models.JSONField(default=list, blank=True, help_text="Names or patterns such as “prod-*”.")
    clusters = models.JSONField(default=list, blank=True, help_text="Names or patterns of clusters.")
    conditions = models.JSONField(default=dict, blank=True)
    send_resolved = models.BooleanField(default=True, help_text="Tell when it is over, too.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    history = History(
        tracked=(
            "connector",
            "enabled",
            "event_types",
            "min_severity",
            "namespaces",
            "clusters",
            "conditions",
            "send_resolved",
        )
    )

    class Meta:
        ordering = ("connector__name", "pk")

    def __str__(self) -> str:
        types = ", ".join(self.event_types) or "all events"
        return f"{types} → {self.connector}"


class Baseline(models.Model):
    """What a detector asked to have remembered of an object, to compare with the next time it is seen."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="baselines", db_index=False)
    event_type = models.CharField(max_length=60)
    kind = models.CharField(max_length=120)
    namespace = models.CharField(max_length=253, blank=True)
    name = models.CharField(max_length=253)
    uid = models.CharField(max_length=64)
    group = models.CharField(max_length=320, blank=True, help_text="Kind/name of the group it belongs to.")
    remembered = models.JSONField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("cluster", "event_type", "uid"), name="baseline_once"),
        )

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}: {self.remembered}"


class WatchLease(models.Model):
    """Who watches a cluster, and until when, unless it is renewed.

    `token` grows with every leader, so that what a former one still wants to write can be told from what the
    present one does. All times are the database's own. Where leaders are chosen by Kubernetes, the row holds
    the token, and its times say when it was taken.
    """

    cluster = models.OneToOneField(
        Cluster, on_delete=models.CASCADE, primary_key=True, related_name="watch_lease"
    )
    holder = models.CharField(max_length=120, blank=True, help_text="The watcher; empty when released.")
    token = models.PositiveBigIntegerField(default=0)
    renewed_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.holder or 'nobody'} ({self.token})"
