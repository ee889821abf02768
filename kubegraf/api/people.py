"""People over HTTP, by the rules of the console (`kubegraf.people`, `kubegraf.roles`)."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from typing import Any

from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.models import Group, Permission, User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db.models import Prefetch
from django_filters import rest_framework as filters
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.api.editing import EditApi
from connectors.api.filters import Search, YesOrNo
from connectors.api.rest import StrictModelSerializer
from kubegraf import people, roles
from kubegraf.api.rights import RightNames

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
    rights = RightNames(
        source="user_permissions",
        required=False,
        help_text="Single rights, beyond those of the roles. Superusers alone give them.",
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
            "id", "username", "email", "first_name", "last_name", "is_active", "roles", "rights",
            "is_superuser", "password", "last_login", "date_joined",
        )  # fmt: skip
        read_only_fields = ("last_login", "date_joined")
        extra_kwargs = {
            "is_superuser": {"help_text": "They may do everything. Superusers alone say who is one."}
        }

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
        errors = {**self._beyond_roles(attrs), **self._of_oneself(attrs)}
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

    def _beyond_roles(self, attrs: dict[str, Any]) -> dict[str, list[str]]:
        if self.context["request"].user.is_superuser:
            return {}
        person: User | None = self.instance
        held = set(person.user_permissions.all()) if person else set()
        was = person is not None and person.is_superuser
        changed = {
            "rights": set(attrs.get("user_permissions", held)) != held,
            "is_superuser": attrs.get("is_superuser", was) != was,
        }
        return {name: [people.BEYOND_ROLES] for name, wrong in changed.items() if wrong}

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
        rights: Iterable[Permission] = validated_data.pop("user_permissions", ())
        password = validated_data.pop("password", None)
        person = User(**validated_data)
        person.set_password(password)
        person.save(force_insert=True)
        people.give_rights(person, rights)
        roles.give(person, groups)
        return person

    def update(self, instance: User, validated_data: dict[str, Any]) -> User:
        """The same person, with what is new of them. A new password ends their sessions."""
        groups = validated_data.pop("groups", None)
        rights = validated_data.pop("user_permissions", None)
        if "password" in validated_data:
            password = validated_data.pop("password")
            if password is not None or instance.has_usable_password():
                instance.set_password(password)
        for name, value in validated_data.items():
            setattr(instance, name, value)
        instance.save()
        if rights is not None:
            people.give_rights(instance, rights)
        if groups is not None:
            roles.give(instance, groups)
        roles.let_in(instance)
        return instance


class PersonFilters(filters.FilterSet):
    """Which people to list."""

    search = Search("username", "first_name", "last_name", "email")
    username = filters.CharFilter()
    email = filters.CharFilter(lookup_expr="iexact")
    role = filters.CharFilter(field_name="groups__name", help_text="The name of a role that they have.")
    is_active = YesOrNo()


class PersonViewSet(EditApi):
    """People who may sign in. Nobody changes or deletes whoever may do more than they."""

    queryset = User.objects.prefetch_related(
        "groups", Prefetch("user_permissions", Permission.objects.select_related("content_type"))
    )
    serializer_class = PersonSerializer
    filterset_class = PersonFilters
    order = ("username",)

    def version(self, row: Any) -> str:
        """Theirs and that of their roles and rights."""
        return people.version(row)

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
