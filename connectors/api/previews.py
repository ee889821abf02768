"""Previews over the API: of a connector as it is, as somebody would change it, and of a new one."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from connectors import registry
from connectors.api.rest import Conflict, StrictSerializer, Word
from connectors.configuration import setup
from connectors.configuration.drafting import draft
from connectors.errors import SendError
from connectors.message import JSONDict, Message
from connectors.models import Connector
from connectors.provider import Preview
from connectors.samples import NAMES, last_delivered, samples


class PreviewSerializer(serializers.Serializer[Any]):
    """What would be sent, without sending it and without any secret."""

    format = serializers.CharField(help_text="How to show `content`.")
    target = serializers.CharField(help_text="Where it would go, for people.")
    content = serializers.DictField()


class AskedPreviewSerializer(StrictSerializer):
    """What to show, and with which configuration."""

    sample = Word("Sample", [(name, name) for name in NAMES], default="critical")
    config = serializers.DictField(
        required=False, help_text="Laid over what is stored, as PATCH would; nothing is saved."
    )


class NewPreviewSerializer(StrictSerializer):
    """A connector that there is not yet, and what to show."""

    sample = Word("Sample", [(name, name) for name in NAMES], default="critical")
    type = serializers.ChoiceField(choices=registry.choices())
    config = serializers.DictField()


class PreviewActions(GenericViewSet[Any]):
    """The previews of the collection of connectors."""

    permission_of_action: ClassVar[dict[str, Any]] = {"preview": "view", "preview_new": "add"}

    def last_message(self, request: Request) -> Message | None:
        """The sample `last`, for somebody who may see it."""
        return last_delivered(request.user)

    @extend_schema(request=AskedPreviewSerializer, responses=PreviewSerializer, filters=False)
    @action(detail=True, methods=["post"])
    def preview(self, request: Request, pk: str) -> Response:
        """What a sample of an event would look like, without sending it.

        With a `config` it is that of the connector as it would be after a PATCH, and needs the right to
        change it. Of stored secrets a draft uses only that they are there.
        """
        connector: Connector = self.get_object()
        asked = AskedPreviewSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        message = self._sample(request, asked.validated_data["sample"])
        config = asked.validated_data.get("config")
        if config is None:
            return _answer(_stored(connector, message))
        if not request.user.has_perm("connectors.change_connector"):
            raise PermissionDenied("Trying out a change needs connectors.change_connector.")
        return _answer(_drafted(connector, config, message, replace=False))

    @extend_schema(
        operation_id="connectors_preview_new",
        request=NewPreviewSerializer,
        responses=PreviewSerializer,
        filters=False,
    )
    @action(detail=False, methods=["post"], url_path="preview", pagination_class=None)
    def preview_new(self, request: Request) -> Response:
        """What a connector that there is not yet would send."""
        asked = NewPreviewSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        said = asked.validated_data
        connector = Connector(provider=said["type"])
        return _answer(
            _drafted(connector, said["config"], self._sample(request, said["sample"]), replace=True)
        )

    def _sample(self, request: Request, name: str) -> Message:
        last = self.last_message(request) if name == "last" else None
        for sample in samples(last):
            if sample.name == name:
                return sample.message
        raise Conflict("There is no last message yet, or none that you may see.")


def _answer(preview: Preview) -> Response:
    return Response(PreviewSerializer(preview).data)


def _stored(connector: Connector, message: Message) -> Preview:
    """The preview by the configuration in force. Raises Conflict where it cannot be used."""
    try:
        return registry.provider(connector.provider).preview(setup.config_of(connector), message)
    except (SendError, LookupError) as error:
        raise Conflict(str(error)) from None


def _drafted(connector: Connector, config: JSONDict, message: Message, *, replace: bool) -> Preview:
    """The preview of a draft. Raises ValidationError with what is wrong with it, by field."""
    try:
        drafted = draft(connector, config, message, replace=replace)
    except LookupError as error:
        raise Conflict(str(error)) from None
    if drafted.errors or drafted.preview is None:
        raise serializers.ValidationError({"config": drafted.errors})
    return drafted.preview
