"""API tokens over HTTP. The token itself is in the answer to its making, and never again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.api.filters import Search, YesOrNo
from connectors.api.rest import Api, StrictModelSerializer, Word
from connectors.message import iso
from kubegraf import tokens
from kubegraf.models import ApiToken, Scope


class ApiTokenSerializer(StrictModelSerializer):
    """A token, without its text."""

    owner = serializers.CharField(source="user.username", read_only=True)
    scope = Word("TokenScope", Scope.choices, required=False)
    begins_with = serializers.CharField(source="shown", read_only=True)
    state = Word("TokenState", ["valid", "expired", "revoked"], read_only=True)

    class Meta:
        model = ApiToken
        fields: tuple[str, ...] = (
            "id", "name", "owner", "scope", "begins_with", "state", "created_at", "expires_at",
            "last_used_at", "revoked_at",
        )  # fmt: skip
        read_only_fields = ("last_used_at", "revoked_at")

    def validate_expires_at(self, value: Any) -> Any:
        """A time to come, or null for never."""
        if value is not None and value <= timezone.now():
            raise serializers.ValidationError("This is in the past.")
        return value


class NewApiTokenSerializer(ApiTokenSerializer):
    """A token that was just made, with its text."""

    token = serializers.CharField(read_only=True, help_text="To be kept: it is not shown again.")

    class Meta(ApiTokenSerializer.Meta):
        fields = (*ApiTokenSerializer.Meta.fields, "token")


class ApiTokenFilters(filters.FilterSet):
    """Which tokens to list."""

    search = Search("name", "user__username")
    owner = filters.CharFilter(field_name="user__username")
    scope = filters.ChoiceFilter(choices=Scope.choices)
    revoked = YesOrNo(field_name="revoked_at", lookup_expr="isnull", exclude=True)


class ApiTokenViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, mixins.DestroyModelMixin, Api):
    """One's own tokens, and everybody's for whoever may view tokens. Nobody makes one for somebody else."""

    queryset = ApiToken.objects.all()
    serializer_class = ApiTokenSerializer
    filterset_class = ApiTokenFilters
    permission_classes = (IsAuthenticated,)

    def get_queryset(self) -> QuerySet[ApiToken]:
        """Those that one may see; of others it is not even said that they are."""
        return tokens.visible_to(self.request.user)

    @extend_schema(request=ApiTokenSerializer, responses={201: NewApiTokenSerializer}, filters=False)
    def create(self, request: Request) -> Response:
        """Makes a token of one's own; its text is in this answer alone."""
        asked = ApiTokenSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        self._outlived_by(request.auth, asked.validated_data.get("expires_at"))
        user: Any = request.user
        token, text = tokens.issue(user, **asked.validated_data)
        data = {**ApiTokenSerializer(token).data, "token": text}
        return Response(data, status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})

    def _outlived_by(self, caller: Any, expires_at: datetime | None) -> None:
        """Raises ValidationError where the token that is asked for would last longer than the one that asks.

        Whoever finds one that ends would have one for ever.
        """
        ends = caller.expires_at if isinstance(caller, ApiToken) else None
        if ends is not None and (expires_at is None or expires_at > ends):
            words = f"The token you call with ends at {iso(ends)}, and makes none that lasts longer."
            raise serializers.ValidationError({"expires_at": [words]})

    @extend_schema(responses={204: OpenApiResponse(description="It opens nothing any more.")}, filters=False)
    def destroy(self, request: Request, pk: str) -> Response:
        """Revokes a token. It stays on record."""
        token: ApiToken = self.get_object()
        if not tokens.may_revoke(request.user, token):
            raise PermissionDenied("This token is somebody else's.")
        tokens.revoke(token)
        return Response(status=status.HTTP_204_NO_CONTENT)
