"""What is kept: connectors, what is to be delivered through them, and every attempt."""

from __future__ import annotations

import json
from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from connectors import presence, registry
from connectors.errors import Reason
from connectors.fields import EncryptedJSONText, Stored
from connectors.history import History
from connectors.ids import uuid7
from connectors.message import FOLLOW_UPS, Message
from connectors.versions import configured


def new_secrets(before: Connector | None, after: Connector) -> list[str]:
    """The names of the secrets that are other ones than before; those that were taken away, too."""
    if isinstance(after.secrets, Stored):
        return []  # left as they are
    old, new = {} if before is None else _by_name(before.secrets), _by_name(after.secrets)
    return [f"config.{name}" for name in sorted({*old, *new}) if old.get(name) != new.get(name)]


def _by_name(secrets: str) -> dict[str, Any]:
    """The column's text by the names in it; whatever else it is, as one secret."""
    try:
        decoded = json.loads(secrets or "{}")
    except (TypeError, ValueError):
        return {"secrets": secrets}
    return decoded if isinstance(decoded, dict) else {"secrets": decoded}


class BreakerState(models.TextChoices):
    """Whether a connector's circuit lets deliveries through."""

    CLOSED = "closed"  # all of them
    OPEN = "open"  # none: the receiver has failed again and again
    HALF_OPEN = "half_open"  # one, to see whether the receiver is back


class Connector(models.Model):
    """One configured way out: a Slack channel, a repository, a service, an address.

    `options` holds what is no secret, `secrets` the rest as one encrypted JSON text;
    `connectors.configuration.setup` puts the two together and takes them apart. A connector is paused by the
    engine when its own answers say that it is broken; deliveries wait until a person has mended it.
    """

    name = models.CharField(max_length=120, unique=True)
    provider = models.CharField("type", max_length=40, choices=registry.choices)
    enabled = models.BooleanField(
        default=False, help_text="Receives events while this is on. Test the connector first."
    )
    options = models.JSONField(default=dict, blank=True)
    secrets = EncryptedJSONText(default="{}", blank=True, editable=False)

    deliver_brief = models.BooleanField(
        "deliver what is already over",
        default=False,
        help_text="Also send what was over before it could be sent first; otherwise such a pair is dropped.",
    )

    rate_per_second = models.FloatField(
        "messages a second at most",
        null=True,
        blank=True,
        validators=(MinValueValidator(0.001), MaxValueValidator(10_000)),
        help_text="Empty for what the service allows.",
    )
    digest_after = models.PositiveIntegerField(
        "digest beyond",
        default=20,
        validators=(MaxValueValidator(100_000),),
        help_text="When more messages than this wait, they are sent as one that lists them; 0 for never."
        " Critical ones are counted apart from the others.",
    )

    # What all workers share of the rate limit (connectors.engine.limits): the tokens that each bucket held at
    # a moment, and until when nobody need ask for one: because somebody will come, or as the service asked.
    tokens = models.JSONField(default=list, editable=False)
    tokens_at = models.DateTimeField(null=True, editable=False)
    held_until = models.DateTimeField(null=True, editable=False)

    # The circuit breaker (connectors.engine.breaker): nothing is sent before `breaker_until`.
    breaker = models.CharField(
        max_length=10, choices=BreakerState, default=BreakerState.CLOSED, editable=False
    )
    failures_in_row = models.PositiveIntegerField(default=0, editable=False)
    breaker_trips = models.PositiveIntegerField(default=0, editable=False)
    breaker_until = models.DateTimeField(null=True, editable=False)

    paused_at = models.DateTimeField(null=True, blank=True, editable=False)
    paused_reason = models.TextField(blank=True, editable=False)
    last_success_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_failure_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_failure = models.TextField(blank=True, editable=False)

    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    history = History(
        tracked=(
            "name",
            "provider",
            "enabled",
            "options",
            "deliver_brief",
            "rate_per_second",
            "digest_after",
        ),
        hidden=("secrets",),
        secrets=new_secrets,
    )

    class Meta:
        ordering = ("name",)
        permissions = (("test_connector", "Can test and resume connectors"),)

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Saves what people edit. How it fares the engine may have written since this was read."""
        if not self._state.adding and kwargs.get("update_fields") is None:
            kwargs["update_fields"] = {field.name for field in configured(self)} | {"updated_at"}
        super().save(*args, **kwargs)

    @transaction.atomic
    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Deletes it when nobody is writing about it. Its deliveries stay on record."""
        presence.leave(self)
        # In the order in which they are locked by those who have not to do with the connector.
        ours = Delivery.objects.filter(connector=self).order_by("pk").select_for_update()
        Delivery.objects.filter(pk__in=ours.values("pk")).update(connector=None)
        return super().delete(*args, **kwargs)


class DeliveryStatus(models.TextChoices):
    """Where a delivery stands. The last three are final."""

    PENDING = "pending"
    SENDING = "sending"  # in a digest
    RETRYING = "retrying"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"


UNSETTLED = (DeliveryStatus.PENDING, DeliveryStatus.SENDING, DeliveryStatus.RETRYING)


class Delivery(models.Model):
    """One message on its way through one connector: a row of the transactional outbox.

    Written in the transaction of what it reports. `id` travels with it and stays the same over retries; it
    is ordered in time, and deliveries of one connector and `key` leave in its order. While it is being sent,
    a sender holds it by a `Lease`. Names are copied in, so that the record outlives the connector.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    connector = models.ForeignKey(
        Connector, null=True, on_delete=models.SET_NULL, related_name="deliveries", db_index=False
    )
    connector_name = models.CharField(max_length=120)
    provider = models.CharField(max_length=40)
    origin = models.CharField(max_length=120, help_text="What asked for it: a subscription, or a test.")

    message = models.JSONField()
    message_id = models.CharField(max_length=64)
    key = models.CharField(max_length=255)
    priority = models.PositiveSmallIntegerField()

    status = models.CharField(max_length=10, choices=DeliveryStatus, default=DeliveryStatus.PENDING)
    attempt_count = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now)

    sent_in = models.ForeignKey(
        "self",
        null=True,
        on_delete=models.SET_NULL,
        related_name="contents",
        db_index=False,
        help_text="The digest by which it was told. While that is on its way, this counts as being sent.",
    )

    remote = models.JSONField(default=dict)
    remote_url = models.TextField(blank=True)
    reason = models.CharField(max_length=20, blank=True, choices=[(r.value, r.value) for r in Reason])
    note = models.TextField(blank=True)

    created_at = models.DateTimeField(default=timezone.now, db_index=True)
    settled_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-created_at",)
        verbose_name_plural = "deliveries"
        indexes = (
            models.Index(
                fields=("connector", "-priority", "id"),
                name="delivery_unsettled",
                condition=Q(status__in=UNSETTLED),
            ),
            models.Index(fields=("connector", "key", "id"), name="delivery_by_key"),
            # Not db_index, which on PostgreSQL makes a second one, for LIKE.
            models.Index(fields=("message_id",), name="delivery_by_message"),
            models.Index(fields=("sent_in",), name="delivery_in_digest", condition=Q(sent_in__isnull=False)),
            models.Index(fields=("status", "-created_at"), name="delivery_by_status"),
            models.Index(fields=("connector", "-created_at"), name="delivery_of_connector"),
        )

    def __str__(self) -> str:
        return f"{self.says('title')} → {self.connector_name}"

    def said(self) -> Message:
        """The frozen message. Raises msgspec.ValidationError if what is on record is none."""
        return Message.from_json(self.message)

    def says(self, name: str) -> str:
        """What the message says under that name; "" where it says nothing, or is no message."""
        said = self.message.get(name) if isinstance(self.message, dict) else None
        return "" if said is None else str(said)

    @property
    def is_follow_up(self) -> bool:
        """Whether it says what became of something told before; False, too, if it cannot be read."""
        return isinstance(self.message, dict) and self.message.get("status") in FOLLOW_UPS

    @property
    def is_unsettled(self) -> bool:
        """Whether it is still on its way."""
        return self.status in UNSETTLED

    @property
    def is_test(self) -> bool:
        """Whether it only tries the connector out; False, too, if it cannot be read."""
        return isinstance(self.message, dict) and bool(self.message.get("test"))


class DeadLetter(Delivery):
    """A delivery that has failed for good, as the admin lists them."""

    class Meta:
        proxy = True
        default_permissions = ()
        ordering = ("-created_at",)


class Outcome(models.TextChoices):
    """How one attempt ended."""

    DELIVERED = "delivered"
    ACCEPTED = "accepted"  # taken by the service, which gives no proof that it was posted
    FAILED = "failed"
    UNKNOWN = "unknown"  # the sender died between call and record


class Attempt(models.Model):
    """One try at one delivery, written when it has ended and never changed; until then there is a `Lease`.

    `exchanges` lists each request and response of the conversation, secrets blanked and bodies cut short.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    delivery = models.ForeignKey(
        Delivery, on_delete=models.CASCADE, related_name="attempts", db_index=False
    )  # found by the index of the constraint below
    number = models.PositiveIntegerField()
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=10, choices=Outcome)
    reason = models.CharField(max_length=20, blank=True, choices=[(r.value, r.value) for r in Reason])
    error = models.TextField(blank=True)
    http_status = models.PositiveSmallIntegerField(null=True)
    exchanges = models.JSONField(default=list)

    class Meta:
        ordering = ("delivery", "number")
        constraints = (models.UniqueConstraint(fields=("delivery", "number"), name="attempt_number"),)

    def __str__(self) -> str:
        return f"attempt {self.number}: {self.outcome}"


class Lease(models.Model):
    """What one sender is sending through one connector, and until when the others leave it alone.

    Written before the first call. `deliveries` are the ids, as they are told, of those that are not yet on
    record as ended. One row for a batch rather than columns of each delivery: a delivery's own row, which is
    wide and has many indexes, is written when it is ordered and when it has ended, and not in between.
    `connectors.engine.leases` knows how it is used.
    """

    token = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Not a foreign key: what is being sent is not stopped when the connector is deleted.
    connector_id = models.BigIntegerField(db_index=True)
    began_at = models.DateTimeField()
    until = models.DateTimeField()
    deliveries = models.JSONField()

    class Meta:
        default_permissions = ()  # nobody is shown them but as deliveries being sent

    def __str__(self) -> str:
        return f"{len(self.deliveries)} deliveries until {self.until}"


class Tally(models.Model):
    """A share of a count: the sum of its rows is the count, and outlives what was counted.

    `connectors.tally` has the counts and what their labels are. Rows are only ever inserted, in the
    transaction of what they count, so that no sender waits for another, and later merged into fewer, which
    changes no sum. A `fresh` row counts for its hour and for the total, a merged one for one of the two:
    `hour` is null in a total. `step` is how long it took, as an index into `connectors.tally.STEPS`.
    """

    name = models.CharField(max_length=20)
    labels = models.CharField(max_length=200)
    step = models.PositiveSmallIntegerField(null=True)
    amount = models.BigIntegerField()
    seconds = models.FloatField(default=0.0)
    # Not a foreign key: what was counted stays counted when the connector is deleted.
    connector_id = models.BigIntegerField(null=True)
    hour = models.DateTimeField(null=True)
    fresh = models.BooleanField(default=True)

    class Meta:
        verbose_name_plural = "tallies"
        default_permissions = ()  # nobody is shown them but in sums
        indexes = (
            models.Index(fields=("connector_id", "hour"), name="tally_of_connector"),
            models.Index(fields=("id",), name="tally_fresh", condition=Q(fresh=True)),
            models.Index(fields=("name",), name="tally_total", condition=Q(hour=None)),
        )

    def __str__(self) -> str:
        return f"{self.amount} {self.name} {self.labels}"
