"""Single rights in words, and the field in which they are chosen."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import Permission
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.text import capfirst
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from kubegraf import roles

VERBS = ("view", "add", "change", "delete")

_MORE = {"auth.add_group", "auth.change_group", "auth.delete_group"}
"""Beyond the roles that are laid down: they are for superusers to give."""


def kind(right: Permission) -> str:
    """What a right is about: “Connectors”."""
    model: Any = right.content_type.model_class()
    if model is None:
        return capfirst(right.content_type.model)
    if hasattr(model, "instance_type"):
        return f"History of {model.instance_type._meta.verbose_name_plural}"
    return capfirst(str(model._meta.verbose_name_plural))


def verb(right: Permission) -> str:
    """One of VERBS where it is one of these; empty otherwise."""
    first = right.codename.partition("_")[0]
    plain = first in VERBS and right.codename == f"{first}_{right.content_type.model}"
    return first if plain else ""


def deed(right: Permission) -> str:
    """What it gives the right to do with that."""
    return verb(right) or right.name.removeprefix("Can ")


def held(request: HttpRequest | None, by: str) -> QuerySet[Permission]:
    """What the role (`by` is “group”) or the person (“user”) whose page this is has already."""
    match = request.resolver_match if request else None
    pk = match.kwargs.get("object_id") if match else None
    return Permission.objects.filter(**{f"{by}__pk": pk}) if pk else Permission.objects.none()


def to_choose(already: QuerySet[Permission]) -> QuerySet[Permission]:
    """Those that something asks for, for Django makes four for every table; and what is there `already`."""
    named = [
        name.partition(".") for name in set().union(*(r.permissions for r in roles.ROLES.values()), _MORE)
    ]
    asked = Q(pk__in=already.values("pk"))
    for app, _, codename in named:
        asked |= Q(content_type__app_label=app, codename=codename)
    rights = Permission.objects.filter(asked).select_related("content_type")
    return rights.order_by("content_type__app_label", "content_type__model", "pk")


class RightsField(forms.ModelMultipleChoiceField[Permission]):
    """Rights to choose from, each by what it is about and what may be done with that."""

    def __init__(self, among: QuerySet[Permission], **more: Any) -> None:
        super().__init__(among, widget=UnfoldAdminCheckboxSelectMultipleWidget, required=False, **more)

    def label_from_instance(self, obj: Permission) -> str:
        """“Connectors: view”."""
        return f"{kind(obj)}: {deed(obj)}"
