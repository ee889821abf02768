"""Roles over HTTP, by the rules of the console (`kubegraf.roles`)."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group, Permission, User
from django.db.models import Count, OuterRef, Prefetch, Subquery
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.api import query
from connectors.api.editing import EditApi
from connectors.api.rest import StrictModelSerializer
from kubegraf import people, roles
from kubegraf.api.rights import RightNames


class RoleSerializer(StrictModelSerializer):
    """A role: what it is for, and every right that it gives."""

    summary = serializers.SerializerMethodField(help_text="What it is for, in a sentence.")
    built_in = serializers.SerializerMethodField(
        help_text="Whether it is the same everywhere. Nobody changes or deletes one that is."
    )
    rights = RightNames(
        source="permissions",
        required=False,
        help_text="As app.codename; `rights/` has all there are. Nobody gives one that they lack.",
    )
    people = serializers.SerializerMethodField(help_text="How many have it.")

    class Meta:
        model = Group
        fields = ("id", "name", "summary", "built_in", "rights", "people")

    fleeting = ("people",)

    def get_summary(self, group: Group) -> str:
        """A sentence."""
        return roles.summary(group)

    def get_built_in(self, group: Group) -> bool:
        """Whether it is one of those laid down in `kubegraf.roles`."""
        return group.name in roles.ROLES

    @extend_schema_field(int)
    def get_people(self, group: Any) -> int:
        """As the list has asked for all at once; nobody yet has one that was just made."""
        return getattr(group, "people_number", None) or 0

    def validate_rights(self, rights: list[Permission]) -> list[Permission]:
        """Raises ValidationError for those that whoever asks lacks, by their places in the list."""
        giver = self.context["request"].user
        errors: dict[Any, list[str]] = {
            place: ["You lack this right; you cannot give it."]
            for place, right in enumerate(rights)
            if not giver.has_perm(roles.name_of(right))
        }
        if errors:
            raise serializers.ValidationError(errors)
        return rights

    def create(self, validated_data: dict[str, Any]) -> Group:
        """A role that nobody has yet."""
        rights = validated_data.pop("permissions", ())
        group: Group = Group.objects.create(**validated_data)
        roles.set_rights(group, rights)
        return group

    def update(self, instance: Group, validated_data: dict[str, Any]) -> Group:
        """The same role, for everybody who has it."""
        rights = validated_data.pop("permissions", None)
        instance.name = validated_data.get("name", instance.name)
        instance.save()
        if rights is not None:
            roles.set_rights(instance, rights)
        return instance


class RightSerializer(serializers.Serializer[Any]):
    """A right that a role can give."""

    name = serializers.SerializerMethodField(help_text="As app.codename.")
    words = serializers.CharField(source="name", help_text="The same for people.")

    def get_name(self, right: Permission) -> str:
        """app.codename."""
        return roles.name_of(right)


_HOLDERS = User.objects.filter(groups=OuterRef("pk")).order_by().values("groups")


class RoleViewSet(EditApi):
    """Roles to give. `/people/?role=` has who has one."""

    # By a query within: rows that are grouped cannot be locked.
    queryset = Group.objects.annotate(
        people_number=Subquery(_HOLDERS.annotate(amount=Count("pk")).values("amount"))
    ).prefetch_related(Prefetch("permissions", Permission.objects.select_related("content_type")))
    serializer_class = RoleSerializer
    order = ("pk",)
    permission_of_action = {"rights": "view"}

    def version(self, row: Any) -> str:
        """That of its name and its rights."""
        return roles.version(row)

    def get_object(self) -> Any:
        """The role. Raises PermissionDenied where the caller may not do to it what they are about to."""
        group: Group = super().get_object()
        if self.action in self.writing:
            if group.name in roles.ROLES:
                raise PermissionDenied("This role is the same everywhere; make one of your own.")
            if not roles.may_edit(self.request.user, group):
                raise PermissionDenied("This role has rights that you lack.")
        return group

    def perform_destroy(self, instance: Group) -> None:
        """Whoever had no other role is shut out of the console."""
        roles.delete(instance)

    @extend_schema(operation_id="roles_rights", responses=RightSerializer(many=True), filters=False)
    @action(detail=False, pagination_class=None)
    def rights(self, request: Request) -> Response:
        """Every right that the caller may put into a role."""
        query.check(request.GET, ())
        found = people.rights_to_give(request.user).select_related("content_type")
        return Response(RightSerializer(found, many=True).data)
