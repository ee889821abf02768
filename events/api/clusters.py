"""Clusters over HTTP: how each is reached, and how its watch goes."""

from __future__ import annotations

from typing import Any

from django_filters import rest_framework as filters
from rest_framework import serializers

from connectors.api.editing import EditApi
from connectors.api.filters import Choices, Search, YesOrNo
from connectors.api.rest import StrictModelSerializer
from events import access
from events.api.cluster_checks import ClusterChecks
from events.models import Access, Cluster, WatchState
from events.remembered import WatchLease
from events.standing import standing


class ClusterSerializer(StrictModelSerializer):
    """A cluster to watch, and how that goes. The kubeconfig is write-only."""

    kubeconfig = serializers.CharField(
        write_only=True, required=False, allow_blank=True, trim_whitespace=False,
        help_text="With access “kubeconfig”. Left out, the stored one stays; with another access it goes.",
    )  # fmt: skip
    kubeconfig_set = serializers.SerializerMethodField()
    watcher = serializers.SerializerMethodField(help_text="Who watches it; empty for nobody.")
    namespaces = serializers.ListField(child=serializers.CharField(max_length=253), required=False)
    watch = serializers.SerializerMethodField(help_text="How the watch stands at this moment, in a word.")
    watch_words = serializers.SerializerMethodField(help_text="The same in a sentence.")
    problems = serializers.DictField(read_only=True, help_text="What cannot be watched, and why.")

    class Meta:
        model = Cluster
        fields = (
            "id", "name", "enabled", "access", "context", "kubeconfig", "kubeconfig_set", "namespaces",
            "watcher", "watch", "watch_words", "state", "state_message", "problems",
            "connected_since", "last_change_at", "heartbeat_at", "lag_seconds", "objects_known",
            "stream_restarts", "nodes_known", "nodes_not_ready", "created_at",
        )  # fmt: skip
        read_only_fields = (
            "state", "state_message", "connected_since", "last_change_at", "heartbeat_at", "lag_seconds",
            "objects_known", "stream_restarts", "nodes_known", "nodes_not_ready", "created_at",
        )  # fmt: skip
        extra_kwargs = {
            "state": {"help_text": "What the watcher wrote last, whether it is still there or not."}
        }

    fleeting = ("watch", "watch_words", "last_change_at", "heartbeat_at", "lag_seconds", "objects_known")

    def get_kubeconfig_set(self, cluster: Cluster) -> bool:
        """Whether one is stored."""
        return cluster.has_kubeconfig

    def get_watcher(self, cluster: Cluster) -> str:
        """The holder of its lease."""
        lease: WatchLease | None = getattr(cluster, "watch_lease", None)
        return lease.holder if lease else ""

    def get_watch(self, cluster: Cluster) -> str:
        """What a watcher wrote counts only while it is heard of."""
        return standing(cluster).word

    def get_watch_words(self, cluster: Cluster) -> str:
        """The sentence."""
        return standing(cluster).words

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Checks that what is said can be used to reach the cluster; what belongs to another access goes."""
        now = self.instance or Cluster()
        chosen = attrs.get("access", now.access)
        if chosen != Access.KUBECONFIG:
            attrs.setdefault("kubeconfig", "")
        if chosen == Access.IN_CLUSTER:
            attrs.setdefault("context", "")
        entered = attrs.get("kubeconfig")
        problems = access.problems(
            chosen,
            attrs.get("context", now.context),
            now.kubeconfig if entered is None else entered,
            entered=bool(entered),
        )
        if problems:
            raise serializers.ValidationError({name: [text] for name, text in problems.items()})
        return attrs


class ClusterFilters(filters.FilterSet):
    """Which clusters to list."""

    search = Search("name")
    name = filters.CharFilter()
    enabled = YesOrNo()
    state = Choices(choices=WatchState.choices)


class ClusterViewSet(ClusterChecks, EditApi):
    """Clusters to watch."""

    queryset = Cluster.objects.select_related("watch_lease")
    serializer_class = ClusterSerializer
    filterset_class = ClusterFilters
    order = ("name",)
