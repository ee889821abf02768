"""The check of a cluster over HTTP: of one that is stored, and of what somebody is about to store."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.api import query
from connectors.api.rest import StrictSerializer, Word
from events import access
from events.cluster.checkup import Answer, Reviewed
from events.cluster.local import Contexts, contexts
from events.models import Access, Cluster
from events.rights import check_cluster


class ClusterDraftSerializer(StrictSerializer):
    """How a cluster would be reached, and what of it would be watched."""

    access = Word("Access", Access.choices)
    context = serializers.CharField(  # type: ignore[assignment]  # the metaclass takes it out of the class
        max_length=253, required=False, allow_blank=True, default=""
    )
    kubeconfig = serializers.CharField(
        write_only=True, required=False, allow_blank=True, trim_whitespace=False, default="",
        help_text="With access “kubeconfig”. It is used for this check, and not kept.",
    )  # fmt: skip
    namespaces = serializers.ListField(
        child=serializers.CharField(max_length=253), required=False, default=list, max_length=100
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Checks that it can be tried."""
        text = attrs["kubeconfig"]
        problems = access.problems(attrs["access"], attrs["context"], text, entered=bool(text))
        if problems:
            raise serializers.ValidationError({name: [words] for name, words in problems.items()})
        return attrs


class ReviewedSerializer(serializers.Serializer[Reviewed]):
    """A right that is needed, and whether it is there."""

    resource = serializers.CharField(source="name", help_text="As kubectl names it.")
    verbs = serializers.ListField(child=serializers.CharField(), source="right.verbs")
    namespace = serializers.CharField(source="right.namespace", help_text="Empty for the whole cluster.")
    purpose = serializers.CharField(source="right.purpose", help_text="What it is needed for.")
    answer = Word("RightAnswer", [(answer.value, answer.value) for answer in Answer])
    missing = serializers.ListField(child=serializers.CharField(), help_text="The verbs that are missing.")
    commands = serializers.ListField(
        child=serializers.CharField(), help_text="Lines for a shell that grant it; empty where it is there."
    )


class CheckupSerializer(serializers.Serializer[Any]):
    """What the check of a cluster found. `error` is empty where the cluster was reached."""

    fine = serializers.BooleanField(help_text="Whether all is as it should be.")
    words = serializers.CharField(help_text="The whole in a sentence.")
    error = serializers.CharField()
    server = serializers.CharField()
    version = serializers.CharField()
    ready = serializers.BooleanField(allow_null=True, help_text="Null where the server does not tell.")
    account = serializers.CharField(help_text="Who we are there; empty where it is not told.")
    remarks = serializers.ListField(child=serializers.CharField())
    rights = ReviewedSerializer(many=True)
    seconds = serializers.FloatField(help_text="How long it took.")


class ContextsSerializer(serializers.Serializer[Contexts]):
    """The contexts that there are on the server, as far as the web process can read them."""

    names = serializers.ListField(child=serializers.CharField())
    current = serializers.CharField(help_text="The one that is taken where none is named; empty for none.")
    where = serializers.CharField(help_text="The file.")
    problem = serializers.CharField(help_text="Why they are not known; empty where they are.")


class ClusterChecks(viewsets.GenericViewSet[Any]):
    """The actions of a collection of clusters that look one over. They take a few seconds at most."""

    permission_of_action = {
        "checkup": "change",
        "checkup_draft": "add",
        "contexts": ("events.add_cluster", "events.change_cluster"),
    }

    @extend_schema(responses=ContextsSerializer, filters=False)
    @action(detail=False, pagination_class=None)
    def contexts(self, request: Request) -> Response:
        """The contexts of the server's kubeconfig, to choose one of with access “context”."""
        query.check(request.GET, ())
        return Response(ContextsSerializer(contexts()).data)

    @extend_schema(operation_id="v1_clusters_check", request=None, responses=CheckupSerializer)
    @action(detail=True, methods=["post"], url_path="check")
    def checkup(self, request: Request, pk: str) -> Response:
        """Reaches the stored cluster and asks which rights are missing there. Changes nothing."""
        cluster: Cluster = self.get_object()
        return Response(CheckupSerializer(check_cluster(cluster)).data)

    @extend_schema(
        operation_id="v1_clusters_check_draft",
        request=ClusterDraftSerializer,
        responses=CheckupSerializer,
        filters=False,
    )
    @action(detail=False, methods=["post"], url_path="check")
    def checkup_draft(self, request: Request) -> Response:
        """The same for a cluster that is not stored. Nothing of it is kept."""
        serializer = ClusterDraftSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        return Response(CheckupSerializer(check_cluster(Cluster(**serializer.validated_data))).data)
