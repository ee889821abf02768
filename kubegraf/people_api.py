"""People and roles over HTTP, by the rules of the console (`kubegraf.people`, `kubegraf.roles`)."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from typing import Any

from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.models import Group, User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db.models import Count
from django_filters import rest_framework as filters
from rest_framework import mixins, serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.editing import EditApi
from connectors.filters import YesOrNo
from connectors.rest import Api, StrictModelSerializer
from connectors.versions import version_of
from kubegraf import people, roles

LONGEST_PASSWORD = 4096
"""Characters. More is no password."""


class RoleNames(serializers.ListField):
    """Roles by name, as they are listed everywhere."""

    child = serializers.CharField(max_length=150)

    def to_representation(self, data: Any) -> list[str]:
        """The names."""
        return [group.name for group in roles.in_order(data.all())]


class PersonSerializer(StrictModelSerializer):
    """Somebody who may sign in. The password is write-only."""

    roles = RoleNames(
        source="groups",
        required=False,
        max_length=100,
        help_text="Their names. Nobody gives one that has rights they lack, or changes their own.",
    )
    password = serializers.CharField(
        write_only=True,
        required=False,
        allow_null=True,
        trim_whitespace=False,
        max_length=LONGEST_PASSWORD,
        help_text="Left out, it stays; null takes it away. Without one they sign in by OpenID Connect alone.",
    )

    class Meta:
        model = User
        fields = (
            "id", "username", "email", "first_name", "last_name", "is_active", "roles", "password",
            "is_superuser", "last_login", "date_joined",
        )  # fmt: skip
        read_only_fields = ("is_superuser", "last_login", "date_joined")

    fleeting = ("last_login",)

    def validate_username(self, value: str) -> str:
        """As Django keeps it. Raises ValidationError where a name differs from another's in case alone."""
        name = User.normalize_username(value)
        person: User | None = self.instance
        if person is not None and name == person.username:
            return name
        others = User.objects.filter(username__iexact=name)
        if (others if person is None else others.exclude(pk=person.pk)).exists():
            raise serializers.ValidationError("A user with that username already exists.")
        return name

    def validate_roles(self, names: list[str]) -> list[Group]:
        """The roles of these names. Raises ValidationError, by their places in the list."""
        known = {group.name: group for group in Group.objects.filter(name__in=names)}
        held = set() if self.instance is None else {group.name for group in self.instance.groups.all()}
        giver = self.context["request"].user
        errors: dict[Any, list[str]] = {}
        for place, name in enumerate(names):
            if name not in known:
                errors[place] = ["There is no such role."]
            elif name not in held and not roles.may_give(giver, known[name]):
                errors[place] = ["This role has rights that you lack; you cannot give it."]
        if errors:
            raise serializers.ValidationError(errors)
        return list(known.values())

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Checks the whole as it will be. Raises ValidationError, by field."""
        errors = self._of_oneself(attrs)
        if attrs.get("password") is not None:
            whole = copy(self.instance) if self.instance else User()
            for name in ("username", "email", "first_name", "last_name"):
                setattr(whole, name, attrs.get(name, getattr(whole, name)))
            try:
                validate_password(attrs["password"], whole)
            except ValidationError as error:
                errors["password"] = error.messages
        if errors:
            raise serializers.ValidationError(errors)
        return attrs

    def _of_oneself(self, attrs: dict[str, Any]) -> dict[str, list[str]]:
        person: User | None = self.instance
        if person is None or person.pk != self.context["request"].user.pk:
            return {}
        old: dict[str, Any] = {"is_active": person.is_active, "is_superuser": person.is_superuser}
        new = {name: attrs.get(name, value) for name, value in old.items()}
        old["roles"] = set(person.groups.all())
        new["roles"] = set(attrs.get("groups", old["roles"]))
        return {name: [people.OF_ONESELF] for name in people.NOT_OF_THEMSELVES if new[name] != old[name]}

    def create(self, validated_data: dict[str, Any]) -> User:
        """Somebody new, with their roles."""
        groups: Iterable[Group] = validated_data.pop("groups", ())
        password = validated_data.pop("password", None)
        person = User(**validated_data)
        person.set_password(password)
        person.save(force_insert=True)
        roles.give(person, groups)
        return person

    def update(self, instance: User, validated_data: dict[str, Any]) -> User:
        """The same person, with what is new of them. A new password ends their sessions."""
        groups = validated_data.pop("groups", None)
        if "password" in validated_data:
            password = validated_data.pop("password")
            if password is not None or instance.has_usable_password():
                instance.set_password(password)
        for name, value in validated_data.items():
            setattr(instance, name, value)
        instance.save()
        if groups is not None:
            roles.give(instance, groups)
        return instance


class PersonFilters(filters.FilterSet):
    """Which people to list."""

    username = filters.CharFilter()
    email = filters.CharFilter(lookup_expr="iexact")
    role = filters.CharFilter(field_name="groups__name", help_text="The name of a role that they have.")
    is_active = YesOrNo()


class PersonViewSet(EditApi):
    """People who may sign in. Nobody changes or deletes whoever may do more than they."""

    queryset = User.objects.prefetch_related("groups")
    serializer_class = PersonSerializer
    filterset_class = PersonFilters
    order = ("username",)

    def version(self, row: Any) -> str:
        """Theirs and that of their roles; to sign in changes nothing of it."""
        configured: User = copy(row)
        configured.last_login = None
        return version_of(configured, *roles.in_order(row.groups.all()))

    def get_object(self) -> Any:
        """The person. Raises PermissionDenied where the caller may not do to them what they are about to."""
        person: User = super().get_object()
        user = self.request.user
        if self.action == "destroy" and person.pk == user.pk:
            raise PermissionDenied("Nobody deletes themselves.")
        may = {"destroy": people.may_delete}.get(self.action, people.may_change)
        if self.action != "retrieve" and not may(user, person):
            raise PermissionDenied("They may do more than you.")
        return person

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Adds somebody. It takes the rights to add and to change people."""
        if not people.may_add(request.user):
            raise PermissionDenied("Adding people takes the right to change them, too.")
        return super().create(request, *args, **kwargs)

    def perform_update(self, serializer: Any) -> None:
        """Whoever changes their own password in a session keeps that session, and no other."""
        person: User = serializer.save()
        request = self.request
        if "password" in serializer.validated_data and request.auth is None and person.pk == request.user.pk:
            update_session_auth_hash(request._request, person)


class RoleSerializer(serializers.ModelSerializer[Any]):
    """A role: what it is for, and every right that it gives."""

    summary = serializers.SerializerMethodField(help_text="What it is for, in a sentence.")
    built_in = serializers.SerializerMethodField(help_text="Whether it is the same everywhere.")
    rights = serializers.SerializerMethodField(help_text="As app.codename.")
    people = serializers.IntegerField(source="people_number", help_text="How many have it.")

    class Meta:
        model = Group
        fields = ("id", "name", "summary", "built_in", "rights", "people")

    def get_summary(self, group: Group) -> str:
        """A sentence."""
        return roles.summary(group)

    def get_built_in(self, group: Group) -> bool:
        """Whether it is one of those laid down in `kubegraf.roles`."""
        return group.name in roles.ROLES

    def get_rights(self, group: Group) -> list[str]:
        """Their names, sorted."""
        return sorted(f"{right.content_type.app_label}.{right.codename}" for right in group.permissions.all())


class RoleViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, Api):
    """Roles to give, to read. `/people/?role=` has who has one."""

    queryset = Group.objects.annotate(people_number=Count("user")).prefetch_related(
        "permissions__content_type"
    )
    serializer_class = RoleSerializer
    order = ("pk",)
