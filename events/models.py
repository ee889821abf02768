"""What is kept: the clusters, what happened in them, and who wants to hear of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from connectors import presence
from connectors.fields import EncryptedJSONText, Stored, Unreadable
from connectors.history import History
from connectors.ids import uuid7
from connectors.message import Severity
from connectors.models import Connector
from connectors.versions import configured
from events import remembered  # noqa: F401 - Django finds its tables here
from events.routing.subscription_words import in_words

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

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Saves what people edit. How its watch goes the watcher may have written since this was read."""
        if not self._state.adding and kwargs.get("update_fields") is None:
            kwargs["update_fields"] = {field.name for field in configured(self)}
        super().save(*args, **kwargs)

    @transaction.atomic
    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Deletes it when its watcher is not writing. Its events stay on record."""
        presence.leave(self)
        # In the order in which people lock them who handle several.
        ours = Event.objects.filter(cluster=self).order_by("pk").select_for_update()
        Event.objects.filter(pk__in=ours.values("pk")).update(cluster=None)
        return super().delete(*args, **kwargs)

    @property
    def has_kubeconfig(self) -> bool:
        """Whether one is stored; one that no key decrypts is, too."""
        return bool(self.kubeconfig) or isinstance(self.kubeconfig, Unreadable)


class EventStatus(models.TextChoices):
    """Where an event stands. What merely happened has nothing to resolve."""

    FIRING = "firing"
    RESOLVED = "resolved"
    OCCURRED = "occurred"


class SilenceState(models.TextChoices):
    """Whether a silence holds anything back now."""

    COMING = "coming"
    IN_FORCE = "in_force", "in force"
    OVER = "over"


class Silence(models.Model):
    """A time in which nobody is told of certain events, such as a maintenance window.

    Every matcher must hold; an empty one holds always. It is in force from `starts_at` to `ends_at`, unless
    somebody has ended it before; a silence is never deleted, for it is why people were not told.
    """

    event_types = models.JSONField(default=list, blank=True, help_text="Event types or aliases.")
    clusters = models.JSONField(default=list, blank=True, help_text="Names or patterns of clusters.")
    namespaces = models.JSONField(default=list, blank=True, help_text="Names or patterns such as “prod-*”.")
    resources = models.JSONField(
        default=list, blank=True, help_text="Kind/name, of what it happens to or of its owner; or patterns."
    )
    starts_at = models.DateTimeField("from", default=timezone.now)
    ends_at = models.DateTimeField("to")
    reason = models.CharField(max_length=500, help_text="Why nobody needs to hear of it.")
    created_by = models.CharField("made by", max_length=150, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    ended_at = models.DateTimeField(null=True, editable=False, help_text="When it was ended early.")
    ended_by = models.CharField(max_length=150, blank=True, editable=False)

    history = History(
        tracked=("event_types", "clusters", "namespaces", "resources", "starts_at", "ends_at", "reason")
    )

    class Meta:
        ordering = ("-starts_at", "-pk")
        indexes = (
            models.Index(fields=("ends_at",), condition=Q(ended_at__isnull=True), name="silence_not_over"),
        )

    def __str__(self) -> str:
        return self.reason

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Saves what people edit. That it was ended meanwhile is for `events.silences.end` alone to say."""
        if not self._state.adding and kwargs.get("update_fields") is None:
            names = {field.name for field in self._meta.concrete_fields if not field.primary_key}
            kwargs["update_fields"] = names - {"ended_at", "ended_by"}
        super().save(*args, **kwargs)

    @property
    def over_at(self) -> datetime:
        """When it is or was over, ended early or not."""
        return self.ended_at or self.ends_at

    @property
    def state(self) -> SilenceState:
        """Where it stands now."""
        now = timezone.now()
        if self.over_at <= now:
            return SilenceState.OVER
        return SilenceState.IN_FORCE if self.starts_at <= now else SilenceState.COMING


class Event(models.Model):
    """Something that happened in a cluster, from its first sight to its resolution.

    `fingerprint` names the problem (cluster, type, subject, key). No two open events share one, and no two
    that merely occurred: the database sees to it, however many watchers there are. An event with
    `inhibited_by` or `muted` is on record, but nobody was told; nor is anybody told of one that is `held`,
    until its `silence` is over.

    What somebody has resolved by hand (`resolved_by`) and is still so `lingers`: it is over for people, but
    not for the watch, which does not open it again until it has been `gone` once.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    fingerprint = models.CharField(max_length=64)
    status = models.CharField(max_length=10, choices=EventStatus, default=EventStatus.FIRING)
    event_type = models.CharField(max_length=60)
    severity = models.CharField(max_length=10, choices=SEVERITIES)
    source = models.CharField(
        max_length=20, default="watch", help_text="What reported it: the watch, or the API."
    )

    cluster = models.ForeignKey(
        Cluster, null=True, on_delete=models.SET_NULL, related_name="events", db_index=False
    )
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
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="inhibited", db_index=False
    )

    # What people did with it. Names are copied in, so that the record outlives whoever did it.
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.CharField(max_length=150, blank=True)
    note = models.TextField(blank=True, help_text="What was said when it was acknowledged or resolved.")
    resolved_by = models.CharField(
        max_length=150, blank=True, help_text="Who resolved it by hand; empty where the cluster showed it."
    )
    lingers = models.BooleanField(default=False)
    gone_at = models.DateTimeField(
        null=True, blank=True, help_text="When what was resolved by hand was seen to be over."
    )
    silence = models.ForeignKey(
        Silence, null=True, blank=True, on_delete=models.SET_NULL, related_name="held", db_index=False
    )
    held = models.BooleanField(default=False, help_text="Nobody is told of it before its silence is over.")

    class Meta:
        ordering = ("-first_seen",)
        permissions = (("handle_event", "Can acknowledge and resolve events"),)
        constraints = (
            models.UniqueConstraint(
                fields=("fingerprint",),
                condition=Q(status__in=("firing", "occurred")) | Q(lingers=True),
                name="event_open_once",
            ),
        )
        indexes = (
            models.Index(fields=("status", "-first_seen"), name="event_by_status"),
            models.Index(fields=("cluster", "status"), name="event_open_of_cluster"),
            models.Index(fields=("event_type", "-first_seen"), name="event_by_type"),
            models.Index(
                fields=("inhibited_by",), condition=Q(inhibited_by__isnull=False), name="event_inhibited"
            ),
            models.Index(
                fields=("silence", "-first_seen"), condition=Q(silence__isnull=False), name="event_of_silence"
            ),
            models.Index(
                fields=("silence",), condition=Q(held=True, status="firing"), name="event_held_back"
            ),
            models.Index(fields=("cluster",), condition=Q(lingers=True), name="event_lingering"),
        )

    def __str__(self) -> str:
        return self.title


STILL_SO = Q(status=EventStatus.FIRING) | Q(lingers=True)
"""What its source has yet to see the end of: open events, and those that people have resolved meanwhile."""


class Subscription(models.Model):
    """Which events a connector receives. Every clause must hold; an empty one holds always.

    `conditions` is the plain key-and-value form of the documentation; `events.routing.conditions` says what
    each key means. `schedule` says at which hours the connector is told, as `events.routing.schedule` reads
    it.
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
    schedule = models.JSONField(
        default=dict, blank=True, help_text="The hours in which the connector is told; empty for always."
    )
    begun_at = models.DateTimeField(
        null=True,
        editable=False,
        help_text="When it was last told what was still open as its hours began; empty without hours.",
    )
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
            "schedule",
            "send_resolved",
        )
    )

    class Meta:
        ordering = ("connector__name", "pk")

    def __str__(self) -> str:
        return f"{self.in_words} → {self.connector}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Saves. Where it first gets hours, nothing is owed for those that have begun already.

        Otherwise `begun_at` is left to `events.routing.beginning`, which may have moved it on since this was
        read.
        """
        begins = bool(self.schedule) and self.begun_at is None
        if begins:
            self.begun_at = timezone.now()
        if not self._state.adding:
            fields = kwargs.get("update_fields")
            if fields is None:
                fields = [field.name for field in self._meta.concrete_fields if not field.primary_key]
            kwargs["update_fields"] = {*fields, "begun_at"} if begins else {*fields} - {"begun_at"}
        super().save(*args, **kwargs)

    @property
    def in_words(self) -> str:
        """What it asks for, in a sentence without its connector."""
        return in_words(self)
