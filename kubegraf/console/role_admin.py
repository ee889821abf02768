"""Roles in the console, in words. Those that are laid down in `kubegraf.roles` nobody edits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.models import Group
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from connectors import history
from connectors.console.pages import ConsolePage
from connectors.console.seen import SeenForm
from kubegraf import people, rights, roles


class RoleForm(SeenForm[Group]):
    """A role, by its name and rights."""

    def version_of(self, row: Group) -> str:
        """With the rights that it gives."""
        return roles.version(row)


admin.site.unregister(Group)


@admin.register(Group)
class RolePage(GroupAdmin, ConsolePage[Group]):
    """What people with a role may do."""

    form = RoleForm
    list_display = ("name", "summary", "people_number")
    ordering = ("pk",)
    search_fields = ()
    when_deleted = "Whoever has no other role is shut out of the console."
    filter_horizontal = ()  # two lists side by side, which neither fit a telephone nor have names
    readonly_fields = ("summary", "may_do", "people")

    @admin.display(description="what it is for")
    def summary(self, group: Group) -> str:
        """A sentence."""
        return roles.summary(group)

    @admin.display(description="people", ordering="people_number")
    def people_number(self, group: Any) -> int:
        """How many have it."""
        return int(group.people_number)

    @admin.display(description="may")
    def may_do(self, group: Group) -> SafeString:
        """What it gives the right to, a line for each kind of thing."""
        return format_html(
            '<dl class="kg-facts">{}</dl>',
            format_html_join("", "<dt>{}</dt><dd>{}</dd>", _in_words(group)),
        )

    @admin.display(description="people")
    def people(self, group: Group) -> SafeString | str:
        """Who has it, up to a hundred."""
        holders = list(group.user_set.order_by("username").values_list("pk", "username")[:101])
        if not holders:
            return "Nobody yet."
        rows = ((reverse("admin:auth_user_change", args=(pk,)), name) for pk, name in holders[:100])
        links = format_html_join(", ", '<a class="kg-link" href="{}">{}</a>', rows)
        return format_html("{} and more", links) if len(holders) > 100 else links

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        """With the number of people."""
        return super().get_queryset(request).annotate(people_number=Count("user"))

    def get_fieldsets(self, request: HttpRequest, obj: Group | None = None) -> Any:
        """The words; single rights to choose from only where somebody may choose them."""
        if obj is None:
            return [(None, {"fields": ("name", "permissions")})]
        words = ("name", "summary", "may_do", "people")
        if self.has_change_permission(request, obj):
            single = {"fields": ("permissions",), "classes": ("collapse",)}
            return [(None, {"fields": words}), ("Single rights", single)]
        return [(None, {"fields": words})]

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Our own roles are the same everywhere; and nobody changes one that has rights they lack."""
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or roles.may_edit(request.user, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Ours would be back after the next `migrate`; of the others, the same."""
        allowed = super().has_delete_permission(request, obj)
        return allowed and (obj is None or roles.may_edit(request.user, obj))

    def formfield_for_manytomany(
        self, db_field: Any, request: HttpRequest | None = None, **kwargs: Any
    ) -> Any:
        """Rights in words; the theme's list shows four of some hundred at a time.

        Nobody puts one into a role that they lack.
        """
        given = rights.to_choose(rights.held(request, "group"))
        if request is not None:
            given = given.filter(pk__in=people.rights_to_give(request.user).order_by().values("pk"))
        return rights.RightsField(given, label="May")

    def delete_model(self, request: HttpRequest, obj: Group) -> None:
        """Whoever had no other role is shut out of the console."""
        roles.delete(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Group]) -> None:
        """The same of several."""
        for group in queryset:
            roles.delete(group)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Saves, and tells the history what it gives now."""
        group: Group = form.instance
        before = roles.in_words(group)
        super().save_related(request, form, formsets, change)
        history.tell(group, "rights", before, roles.in_words(group))


def _in_words(group: Group) -> Iterator[tuple[str, str]]:
    """Each kind of thing with what may be done with it."""
    plain: dict[str, list[str]] = defaultdict(list)
    more: dict[str, list[str]] = defaultdict(list)
    for right in group.permissions.select_related("content_type"):
        if verb := rights.verb(right):
            plain[rights.kind(right)].append(verb)
        else:
            more[rights.kind(right)].append(rights.deed(right))
    for kind in sorted({*plain, *more}):
        verbs = sorted(plain[kind], key=rights.VERBS.index)
        yield kind, ", ".join([*verbs, *sorted(more[kind])])
