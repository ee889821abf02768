"""The API's collections under one roof: /api/v1/."""

from __future__ import annotations

from rest_framework.routers import DefaultRouter

from connectors.api import ProviderViewSet
from connectors.delivery_api import DeliveryViewSet
from events.api import EventViewSet
from events.cluster_api import ClusterViewSet
from events.connector_api import ConnectorViewSet
from events.event_type_api import EventTypeViewSet
from events.silence_api import SilenceViewSet
from events.subscription_api import SubscriptionViewSet
from kubegraf.history_api import HistoryViewSet
from kubegraf.overview_api import OverviewViewSet
from kubegraf.people_api import PersonViewSet
from kubegraf.role_api import RoleViewSet
from kubegraf.token_api import ApiTokenViewSet

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
