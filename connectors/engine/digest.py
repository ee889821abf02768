"""Many messages sent as one: gathers what waits into a digest, and settles it when the digest is.

A digest is a delivery like any other. Each message in it stays a delivery of its own: `sent_in` names the
digest, and as long as that is on its way its contents count as being sent, which keeps every later message
of their keys behind them. They have no attempts and leave no reference of their own: what is told of them
later is a message of its own.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress

import msgspec
from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from connectors import presence, registry, tally
from connectors.engine import digest_message, leases
from connectors.engine.due import due
from connectors.engine.leased import Leased
from connectors.errors import Reason
from connectors.ids import uuid7
from connectors.message import FOLLOW_UPS, Message
from connectors.models import Connector, Delivery, DeliveryStatus

ORIGIN = "digest"
# What is gathered at a time; the next round takes the rest.
_AT_ONCE = 1_000


def gather(connector: Connector) -> list[Delivery]:
    """Puts what is due into digests, if it is more than the connector's threshold; returns the digests."""
    provider = registry.all_providers().get(connector.provider)
    if provider is None or not provider.digests or not connector.digest_after:
        return []
    fit = (
        due(timezone.now(), connector.pk)
        .filter(sent_in=None)
        # What a sender has died of is not to take others with it.
        .exclude(Q(origin=ORIGIN) | Q(reason=Reason.UNKNOWN))
        .order_by()
    )
    if fit[: connector.digest_after + 1].count() <= connector.digest_after:
        return []
    with transaction.atomic():
        if not presence.staying(Connector, [connector.pk]):
            return []
        leases.lock(connector.pk)
        rows = {
            row.pk: row
            for row in fit.order_by("-priority", "id").select_for_update(skip_locked=True, of=("self",))[
                :_AT_ONCE
            ]
        }
        messages = _messages(rows.values())
        parcels = digest_message.parcels(
            messages, more_than=connector.digest_after, alone=_alone(connector, list(messages.values()))
        )
        return [_send_together(connector, [rows[pk] for pk in parcel]) for parcel in parcels]


def settle(written: Iterable[Leased]) -> None:
    """Settles the contents of each digest among deliveries whose attempt was just recorded.

    They arrived with it, and failed with it when it was tried in vain to the end. One that was refused does
    not speak for its contents: they are sent one by one. To be called in the transaction of the record.
    """
    for delivery in written:
        if delivery.origin != ORIGIN:
            continue
        contents = Delivery.objects.filter(sent_in=uuid.UUID(delivery.id))
        on_the_way = Q(status=DeliveryStatus.SENDING)
        if delivery.status == DeliveryStatus.DELIVERED:
            # Those that settled with it when it failed or was cancelled are told now that it was sent again.
            settled = Q(status__in=(DeliveryStatus.FAILED, DeliveryStatus.CANCELLED))
            told = contents.filter(on_the_way | settled)
            _settle(told, delivery, "Told in a digest.", remote_url=delivery.remote_url)
        elif delivery.status == DeliveryStatus.FAILED and _was_tried_to_the_end(delivery):
            note = f"The digest that was to tell of it failed. {delivery.note}"
            _settle(contents.filter(on_the_way), delivery, note)
        elif delivery.status == DeliveryStatus.FAILED:
            contents.filter(on_the_way).update(
                status=DeliveryStatus.PENDING,
                next_attempt_at=timezone.now(),
                note=f"The digest that was to tell of it was refused. {delivery.note}",
            )


def _settle(contents: QuerySet[Delivery], digest: Leased, note: str, **more: object) -> None:
    """Has these end as their digest did."""
    count = contents.update(
        status=digest.status, reason=digest.reason, note=note, settled_at=timezone.now(), **more
    )
    tally.add(tally.DELIVERIES, [(digest.provider, digest.status)] * count)


def _alone(connector: Connector, messages: Sequence[Message]) -> set[str]:
    """The ids of what must not be put into a digest.

    What was told by a message that left a reference is changed there, or that message would go on saying what
    is no longer so. What became of what was never told is left to the claim, which cancels it.
    """
    told: dict[str, bool] = {}
    arrived = Delivery.objects.filter(
        connector=connector,
        message_id__in={message.id for message in messages},
        status=DeliveryStatus.DELIVERED,
    ).values_list("message_id", "remote")
    for message_id, remote in arrived:
        told[message_id] = told.get(message_id, False) or bool(remote)
    referred = {message_id for message_id, has_reference in told.items() if has_reference}
    return referred | {
        message.id for message in messages if message.status in FOLLOW_UPS and message.id not in told
    }


def _messages(rows: Iterable[Delivery]) -> dict[uuid.UUID, Message]:
    """What they say. One that cannot be read is left to be sent alone, where that ends on its record."""
    messages = {}
    for row in rows:
        with suppress(msgspec.ValidationError):
            messages[row.pk] = row.said()
    return messages


def _send_together(connector: Connector, rows: Sequence[Delivery]) -> Delivery:
    pk = uuid7()
    listed = f"{reverse('admin:connectors_delivery_changelist')}?sent_in={pk}"
    message = digest_message.digest(
        [row.said() for row in rows], name=str(pk), at=timezone.now(), url=settings.PUBLIC_URL + listed
    )
    made = Delivery.objects.create(
        pk=pk,
        connector=connector,
        connector_name=connector.name,
        provider=connector.provider,
        origin=ORIGIN,
        message=message.to_json(),
        message_id=message.id,
        key=message.key,
        priority=message.severity.rank,
    )
    Delivery.objects.filter(pk__in=[row.pk for row in rows]).update(
        status=DeliveryStatus.SENDING, sent_in=made
    )
    return made


def _was_tried_to_the_end(delivery: Leased) -> bool:
    return delivery.attempt_count > len(settings.RETRY_SCHEDULE)
