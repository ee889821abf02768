"""Clusters over HTTP: how each is reached, and how its watch goes."""

from __future__ import annotations

from typing import Any

from django_filters import rest_framework as filters
from rest_framework import serializers

from connectors.editing import EditApi
from connectors.filters import YesOrNo
from connectors.rest import StrictModelSerializer
from events import access
from events.cluster_check_api import ClusterChecks
from events.models import Cluster, WatchLease


class ClusterSerializer(StrictModelSerializer):
    """A cluster to watch, and how that goes. The kubeconfig is write-only."""

    kubeconfig = serializers.CharField(
        write_only=True, required=False, allow_blank=True, trim_whitespace=False,
        help_text="With access “kubeconfig”. Left out, the stored one stays.",
    )  # fmt: skip
    kubeconfig_set = serializers.SerializerMethodField()
    watcher = serializers.SerializerMethodField(help_text="Who watches it; empty for nobody.")
    namespaces = serializers.ListField(child=serializers.CharField(max_length=253), required=False)
    problems = serializers.DictField(read_only=True, help_text="What cannot be watched, and why.")

    class Meta:
        model = Cluster
        fields = (
            "id", "name", "enabled", "access", "context", "kubeconfig", "kubeconfig_set", "namespaces",
            "watcher", "state", "state_message", "problems", "connected_since", "last_change_at",
            "heartbeat_at", "lag_seconds", "objects_known", "stream_restarts", "nodes_known",
            "nodes_not_ready", "created_at",
        )  # fmt: skip
        read_only_fields = (
            "state", "state_message", "connected_since", "last_change_at", "heartbeat_at", "lag_seconds",
            "objects_known", "stream_restarts", "nodes_known", "nodes_not_ready", "created_at",
        )  # fmt: skip

    fleeting = ("last_change_at", "heartbeat_at", "lag_seconds", "objects_known")

    def get_kubeconfig_set(self, cluster: Cluster) -> bool:
        """Whether one is stored."""
        return bool(cluster.kubeconfig)

    def get_watcher(self, cluster: Cluster) -> str:
        """The holder of its lease."""
        lease: WatchLease | None = getattr(cluster, "watch_lease", None)
        return lease.holder if lease else ""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Checks that what is said can be used to reach the cluster."""
        now = self.instance or Cluster()
        entered = attrs.get("kubeconfig")
        problems = access.problems(
            attrs.get("access", now.access),
            attrs.get("context", now.context),
            now.kubeconfig if entered is None else entered,
            entered=bool(entered),
        )
        if problems:
            raise serializers.ValidationError({name: [text] for name, text in problems.items()})
        return attrs


class ClusterFilters(filters.FilterSet):
    """Which clusters to list."""

    name = filters.CharFilter()
    enabled = YesOrNo()


class ClusterViewSet(ClusterChecks, EditApi):
    """Clusters to watch."""

    queryset = Cluster.objects.select_related("watch_lease")
    serializer_class = ClusterSerializer
    filterset_class = ClusterFilters
    order = ("name",)
