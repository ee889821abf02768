"""The API's collections under one roof: /api/v1/."""

from __future__ import annotations

from django.urls import URLPattern, path
from rest_framework.routers import DefaultRouter

from connectors.api.connectors import ProviderViewSet
from connectors.api.deliveries import DeliveryViewSet
from events.api.alertmanager import AlertmanagerViewSet
from events.api.audit import AuditViewSet
from events.api.clusters import ClusterViewSet
from events.api.connectors import ConnectorViewSet
from events.api.event_types import EventTypeViewSet
from events.api.events import EventViewSet
from events.api.silences import SilenceViewSet
from events.api.subscriptions import SubscriptionViewSet
from kubegraf.api.history import HistoryViewSet
from kubegraf.api.overview import OverviewViewSet
from kubegraf.api.people import PersonViewSet
from kubegraf.api.roles import RoleViewSet
from kubegraf.api.tokens import ApiTokenViewSet

router = DefaultRouter()
router.include_format_suffixes = False  # JSON is all there is
router.register("connectors", ConnectorViewSet, "connector")
router.register("subscriptions", SubscriptionViewSet, "subscription")
router.register("events", EventViewSet, "event")
router.register("silences", SilenceViewSet, "silence")
router.register("deliveries", DeliveryViewSet, "delivery")
router.register("clusters", ClusterViewSet, "cluster")
router.register("event-types", EventTypeViewSet, "event-type")
router.register("providers", ProviderViewSet, "provider")
router.register("overview", OverviewViewSet, "overview")
router.register("people", PersonViewSet, "person")
router.register("roles", RoleViewSet, "role")
router.register("tokens", ApiTokenViewSet, "token")
router.register("history", HistoryViewSet, "history")

# Nothing is listed there, and so they are not among what the root lists.
ingest: list[URLPattern] = [
    path("ingest/alertmanager/", AlertmanagerViewSet.as_view({"post": "create"}), name="ingest-alertmanager"),
    # An API server asks for the path alone, without a slash at its end and whatever follows a question mark.
    path("ingest/audit/<int:pk>", AuditViewSet.as_view({"post": "take_in"}), name="ingest-audit"),
]
"""What other systems send in forms of their own."""
