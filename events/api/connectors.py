"""Connectors over HTTP as people know them: with the events that they receive, as files, and copied.

A connector's JSON may say in its `config` which events it receives. The delivery engine knows nothing of
events, so the collection of connectors that understands this stands here, above the engine's own.
"""

from __future__ import annotations

import re
from typing import Any

from django.db import transaction
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.api.connectors import ConnectorSerializer as PlainConnectorSerializer
from connectors.api.connectors import ConnectorViewSet as PlainConnectorViewSet
from connectors.api.query import Query
from connectors.api.rest import Conflict
from connectors.message import JSONDict, Message
from connectors.models import Connector
from connectors.versions import version_of
from events.api.subscriptions import refusal
from events.files import cloning, exporting, importing, seed_format
from events.latest import last_event
from events.routing.subscription_keys import KEYS, Wrong

_FILE = OpenApiResponse(
    {"type": "object", "additionalProperties": True}, "As POST connectors/import/ takes it."
)
_REFERENCES = OpenApiParameter(
    "references", bool, description="Put env:KUBEGRAF_SECRET_… in place of each secret; else it is left out."
)


class ConnectorSerializer(PlainConnectorSerializer):
    """A connector whose config may also say which events it receives.

    `events`, `conditions`, `severity`, `namespaces`, `clusters` and `schedule` in it become its subscription.
    A new connector that says nothing of events receives them all, unless `subscribe` is false.
    """

    subscriptions = serializers.PrimaryKeyRelatedField[Any](many=True, read_only=True)
    subscribe = serializers.BooleanField(
        write_only=True, required=False, help_text="False: a new connector gets no subscription yet."
    )

    class Meta(PlainConnectorSerializer.Meta):
        fields = (*PlainConnectorSerializer.Meta.fields, "subscriptions", "subscribe")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Takes what is said of events out of the config. Raises ValidationError with all that is wrong."""
        config = attrs.get("config") or {}
        said: JSONDict = {}
        errors: JSONDict = {}
        for name in seed_format.IN_CONFIG:
            if name in config:
                try:
                    said[KEYS[name].field] = KEYS[name].read(config[name])
                except Wrong as error:
                    errors[name] = refusal(error)
        if "config" in attrs:
            rest = {name: value for name, value in config.items() if name not in seed_format.IN_CONFIG}
            attrs = {**attrs, "config": rest}
        try:
            attrs = super().validate(attrs)
        except serializers.ValidationError as error:
            found: Any = error.detail
            errors = {**found["config"], **errors}
        if errors:
            raise serializers.ValidationError({"config": errors})
        return {**attrs, "said": said}

    def create(self, validated_data: dict[str, Any]) -> Connector:
        """The connector and its subscription, or neither."""
        said, wanted = validated_data.pop("said"), validated_data.pop("subscribe", True)
        with transaction.atomic():
            connector = super().create(validated_data)
            if said or wanted:
                self._subscribe(connector, said)
        return connector

    def update(self, instance: Connector, validated_data: dict[str, Any]) -> Connector:
        """The connector and, where something is said of events, its subscription."""
        said = validated_data.pop("said")
        validated_data.pop("subscribe", None)
        with transaction.atomic():
            connector: Connector = super().update(instance, validated_data)
            if said:
                self._subscribe(connector, said)
        return connector

    def _subscribe(self, connector: Connector, said: JSONDict) -> None:
        try:
            subscription = importing.subscribe(connector, said)
        except importing.CannotSubscribe as error:
            raise serializers.ValidationError({"config": [str(error)]}) from None
        right = "events.change_subscription" if subscription.pk else "events.add_subscription"
        if not self.context["request"].user.has_perm(right):
            raise PermissionDenied(f"What is said of events needs the permission {right}.")
        subscription.save()


class StepSerializer(serializers.Serializer[Any]):
    """What a file asks for one connector."""

    name = serializers.CharField(source="connector.name")
    id = serializers.IntegerField(source="connector.pk", allow_null=True)
    verb = serializers.CharField(help_text="created, changed or unchanged")
    changes = serializers.ListField(child=serializers.CharField(), help_text="In words, without secrets.")


class ConnectorViewSet(PlainConnectorViewSet):
    """Connectors. PATCH merges `config` with what is stored; PUT replaces it, except for stored secrets."""

    queryset = Connector.objects.prefetch_related("subscriptions")
    serializer_class = ConnectorSerializer
    permission_of_action = {**PlainConnectorViewSet.permission_of_action, "clone": "add"}

    def version(self, row: Any) -> str:
        """With its subscriptions: what is said of events changes them, and deleting it deletes them."""
        return version_of(row, *row.subscriptions.all())

    def last_message(self, request: Request) -> Message | None:
        """The last event on record; else what was last delivered."""
        return last_event(request.user) or super().last_message(request)

    @extend_schema(
        operation_id="connectors_import",
        request={"application/json": {"type": "object", "additionalProperties": True}},
        parameters=[OpenApiParameter("dry_run", bool, description="Only tell what would change.")],
        responses=StepSerializer(many=True),
        filters=False,
    )
    @action(detail=False, methods=["post"], url_path="import", pagination_class=None)
    def import_file(self, request: Request) -> Response:
        """Brings connectors to what a file says: one connector, a list, or `{"connectors": […]}`."""
        if not request.user.has_perms(importing.RIGHTS):
            raise PermissionDenied(f"An import needs the permissions {', '.join(importing.RIGHTS)}.")
        dry_run = Query(request.GET, "dry_run").yes("dry_run")
        try:
            steps = importing.bring_in(seed_format.parse(request.data), dry_run=dry_run, guard=True)
        except seed_format.SeedError as error:
            raise serializers.ValidationError(_placed(error.errors)) from None
        return Response(StepSerializer(steps, many=True).data)

    @extend_schema(
        operation_id="connectors_export_all", parameters=[_REFERENCES], responses=_FILE, filters=False
    )
    @action(detail=False, methods=["get"], url_path="export", pagination_class=None)
    def export_all(self, request: Request) -> Response:
        """Every connector with its subscriptions, as a file; those whose type is gone are left out."""
        return Response(_exported(request, list(self.get_queryset())).document)

    @extend_schema(operation_id="connectors_export", parameters=[_REFERENCES], responses=_FILE, filters=False)
    @action(detail=True, methods=["get"])
    def export(self, request: Request, pk: str) -> Response:
        """This connector with its subscriptions, as a file."""
        exported = _exported(request, [self.get_object()])
        if exported.left_out:
            raise Conflict("The type of this connector is there no more, so that no file can say it.")
        return Response(exported.document)

    @extend_schema(request=None, responses={201: None}, filters=False)
    @action(detail=True, methods=["post"])
    def clone(self, request: Request, pk: str) -> Response:
        """A disabled copy with the same subscriptions; its secrets are copied, and stay as unreadable."""
        if not request.user.has_perms(cloning.RIGHTS):
            raise PermissionDenied(f"Copying needs the permissions {', '.join(cloning.RIGHTS)}.")
        try:
            copy = cloning.clone(self.get_object())
        except cloning.CannotClone as error:
            raise Conflict(str(error)) from None
        return Response(self.get_serializer(copy).data, status.HTTP_201_CREATED)


def _placed(errors: list[str]) -> JSONDict:
    """A file's errors, each of which begins with its place, as nested as the file."""
    found: JSONDict = {}
    for error in errors:
        place, _, text = error.partition(": ") if _PLACE.match(error) else ("", "", error)
        inner = found
        for name in re.findall(r"[^.\[\]]+", place):
            inner = inner.setdefault(name, {})
        inner.setdefault("", []).append(text)
    return found


_PLACE = re.compile(r"[\w.\[\]-]+: ")


def _exported(request: Request, connectors: list[Connector]) -> exporting.Exported:
    if not request.user.has_perms(exporting.RIGHTS):
        raise PermissionDenied(f"An export needs the permissions {', '.join(exporting.RIGHTS)}.")
    references = Query(request.GET, "references").yes("references")
    return exporting.export(connectors, references=references)
