"""Rights over HTTP, as app.codename: those that a role gives, and single ones."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Permission
from rest_framework import serializers

from kubegraf import roles


class RightNames(serializers.ListField):
    """Rights by name. What is said wrong is told by its place in the list."""

    child = serializers.CharField(max_length=201)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=1000, **kwargs)

    def to_representation(self, data: Any) -> list[str]:
        """The names, sorted."""
        return sorted(roles.name_of(right) for right in data.all())

    def to_internal_value(self, data: Any) -> list[Permission]:
        """The rights of these names. Raises ValidationError."""
        names: list[str] = super().to_internal_value(data)
        codenames = {name.partition(".")[2] for name in names}
        found = Permission.objects.filter(codename__in=codenames).select_related("content_type")
        known = {roles.name_of(right): right for right in found}
        errors: dict[Any, list[str]] = {
            place: ["There is no such right."] for place, name in enumerate(names) if name not in known
        }
        if errors:
            raise serializers.ValidationError(errors)
        return [known[name] for name in names]
