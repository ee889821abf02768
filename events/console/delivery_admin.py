"""The page of a delivery, with the way to the event that it reports."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse

from connectors import ids
from connectors.console.delivery_admin import DeliveryAdmin
from connectors.models import Delivery
from events.models import Event


class EventDeliveryAdmin(DeliveryAdmin):
    """It takes the place of the delivery engine's own, which knows nothing of events."""

    def event_url(self, request: HttpRequest, delivery: Delivery) -> str:
        """The event's page, where there is such an event and it may be seen."""
        event_id = ids.parsed(delivery.message_id)  # None for a test or a digest
        if event_id is None or not request.user.has_perm("events.view_event"):
            return ""
        if not Event.objects.filter(pk=event_id).exists():
            return ""
        return reverse("admin:events_event_change", args=(event_id,))


admin.site.unregister(Delivery)
admin.site.register(Delivery, EventDeliveryAdmin)
