"""What has to be remembered of clusters, beside what happened in them. `events.models` has Django find it."""

from __future__ import annotations

from django.db import models


class Baseline(models.Model):
    """What a detector asked to have remembered of an object, to compare with the next time it is seen."""

    cluster = models.ForeignKey(
        "events.Cluster", on_delete=models.CASCADE, related_name="baselines", db_index=False
    )
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


class Wait(models.Model):
    """Since when a problem is so that has not been opened yet, or an open one seems to be over."""

    fingerprint = models.CharField(max_length=64, primary_key=True)
    cluster = models.ForeignKey("events.Cluster", on_delete=models.CASCADE, related_name="waits")
    event_type = models.CharField(max_length=60)
    namespace = models.CharField(max_length=253, blank=True)
    subject = models.CharField(max_length=320)
    key = models.CharField(max_length=255, blank=True)
    since = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.event_type} of {self.subject} since {self.since}"


class Refused(models.Model):
    """A caller whom a cluster's API server has refused of late, and how often; see `events.refusals`.

    `fingerprint` is that of the event that tells of them, once they are refused often enough.
    """

    fingerprint = models.CharField(max_length=64, primary_key=True)
    cluster = models.ForeignKey("events.Cluster", on_delete=models.CASCADE, related_name="refused")
    last_at = models.DateTimeField()
    record = models.JSONField(default=dict)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.fingerprint[:8]} until {self.last_at}"


class WatchLease(models.Model):
    """Who watches a cluster, and until when, unless it is renewed.

    `token` grows with every leader, so that what a former one still wants to write can be told from what the
    present one does. All times are the database's own. Where leaders are chosen by Kubernetes, the row holds
    the token, and its times say when it was taken.
    """

    cluster = models.OneToOneField(
        "events.Cluster", on_delete=models.CASCADE, primary_key=True, related_name="watch_lease"
    )
    holder = models.CharField(max_length=120, blank=True, help_text="The watcher; empty when released.")
    token = models.PositiveBigIntegerField(default=0)
    renewed_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.holder or 'nobody'} ({self.token})"
