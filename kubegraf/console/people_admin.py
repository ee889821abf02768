"""People in the console: who they are, whether they may come in, and their roles."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from connectors import history
from connectors.console.pages import ConsolePage
from connectors.console.record_filters import other_row
from connectors.console.seen import SeenForm
from kubegraf import people, rights, roles
from kubegraf.models import ApiToken

_HELP = {
    "is_active": "Who is not active cannot sign in, and no API token of theirs opens anything.",
    "is_superuser": "May do everything, whatever the roles.",
    "user_permissions": "Besides those that the roles give.",
}


class RolesField(forms.ModelMultipleChoiceField[Group]):
    """Roles to choose from, each with what it is for."""

    def label_from_instance(self, obj: Group) -> str:
        """The name, and of our own roles what they are for."""
        role = roles.ROLES.get(obj.name)
        return f"{obj.name}: {role.summary}" if role else obj.name


class WithRoles(forms.ModelForm[User]):
    """A form in which roles are given. `giver` is who fills it in."""

    giver: ClassVar[User]

    roles = RolesField(
        queryset=Group.objects.all(),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Somebody without a role cannot enter the console.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields.get("roles")
        if isinstance(field, RolesField):
            groups = [group for group in roles.in_order(Group.objects.all()) if self._may_give(group)]
            field.queryset = Group.objects.filter(pk__in=[group.pk for group in groups])
            field.choices = [(group.pk, field.label_from_instance(group)) for group in groups]
            if self.instance.pk:
                field.initial = list(self.instance.groups.values_list("pk", flat=True))

    def chosen(self) -> list[Group]:
        """The roles as chosen, and those that whoever filled in the form could not have taken away."""
        kept = self.instance.groups.all() if self.instance.pk else ()
        chosen: list[Group] = list(self.cleaned_data["roles"])
        return chosen + [group for group in kept if not self._may_give(group)]

    def _may_give(self, group: Group) -> bool:
        return roles.may_give(self.giver, group)


class PersonForm(SeenForm[User], WithRoles, UserChangeForm):  # type: ignore[misc]  # the theme has no types
    """Somebody who is known."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, words in _HELP.items():
            if name in self.fields:
                self.fields[name].help_text = words
        if self.instance.pk == self.giver.pk:
            for name in people.NOT_OF_THEMSELVES:
                if name in self.fields:
                    self.fields[name].disabled = True
                    self.fields[name].help_text = people.OF_ONESELF

    def version_of(self, row: User) -> str:
        """With their roles and rights."""
        return people.version(row)


class NewPersonForm(WithRoles, UserCreationForm):  # type: ignore[misc]  # the theme's form has no types
    """Somebody new."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["usable_password"]
        field.label = "Signs in"
        field.choices = [("true", "with a password"), ("false", "without one")]
        field.help_text = "Without a password they come in through the sign-in provider alone."


admin.site.unregister(User)


@admin.register(User)
class PersonPage(UserAdmin[User], ConsolePage[User]):
    """Who may sign in, and with which roles."""

    form = PersonForm
    add_form = NewPersonForm
    when_deleted = (
        "What they did stays on record. To shut somebody out for a while, switch “Active” off instead."
    )
    add_form_template = "admin/change_form.html"  # without the hint that there is more after saving
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "name", "email", "roles_shown", "is_active", "last_login")
    list_filter = ("is_active", ("groups", other_row("role", "without a role")))
    search_help_text = "Username, name or e-mail address"
    readonly_fields = ("password_shown", "last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("username", "first_name", "last_name", "email", "is_active")}),
        ("Roles", {"fields": ("roles",)}),
        ("Coming in", {"fields": ("password_shown", "last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"fields": ("username", "first_name", "last_name", "email")}),
        ("Roles", {"fields": ("roles",)}),
        ("Password", {"fields": ("usable_password", "password1", "password2")}),
    )
    details = ("Beyond roles", {"fields": ("is_superuser", "user_permissions"), "classes": ("collapse",)})

    @admin.display(description="name")
    def name(self, person: User) -> str | None:
        """First and last name."""
        return person.get_full_name() or None

    @admin.display(description="roles")
    def roles_shown(self, person: User) -> str | None:
        """The roles, or that somebody needs none."""
        names = [group.name for group in roles.in_order(person.groups.all())]
        return ", ".join([*names, "superuser"] if person.is_superuser else names) or None

    @admin.display(description="password")
    def password_shown(self, person: User) -> SafeString:
        """Whether there is one, with the way to another. Of how it is stored nothing is said."""
        has, act = ("Set.", "Set another one") if person.has_usable_password() else ("None.", "Set one")
        return format_html('{} <a class="kg-link" href="../password/">{}</a>', has, act)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """With their roles."""
        return super().get_queryset(request).prefetch_related("groups")

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> User | None:
        """The person; as they are by now, and locked until that is done, where something is done to them."""
        person = super().get_object(request, object_id, from_field)
        if person is None or request.method != "POST" or not transaction.get_connection().in_atomic_block:
            return person
        return self.get_queryset(request).select_for_update(of=("self",)).filter(pk=person.pk).first()

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """In one transaction: whoever had the account before may be setting its password, too."""
        with transaction.atomic():
            return super().user_change_password(request, id, form_url)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **more: Any) -> Any:
        """Single rights in words; roles have a field of their own."""
        if db_field.name == "user_permissions":
            return rights.RightsField(rights.to_choose(rights.held(request, "user")), label="Single rights")
        return super().formfield_for_manytomany(db_field, request, **more)

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Single rights are for superusers to give."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None:
            return fieldsets
        if not self.has_change_permission(request, obj):
            return [fieldsets[0], ("Roles", {"fields": ("roles_shown",)})]
        return [*fieldsets, self.details] if request.user.is_superuser else fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """For whoever may only look, the roles in words."""
        fields = super().get_readonly_fields(request, obj)
        looks = obj is not None and not self.has_change_permission(request, obj)
        return [*fields, "roles_shown"] if looks else fields

    def get_form(
        self, request: HttpRequest, obj: User | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """The form, which knows who fills it in."""
        form = super().get_form(request, obj, change=change, **kwargs)
        return type(form.__name__, (form,), {"giver": request.user})

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Adding gives roles: it takes the right to change people, too."""
        return super().has_add_permission(request) and people.may_add(request.user)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Nobody changes whoever may do more than they: it would be theirs with a new password."""
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or people.may_change(request.user, obj))

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """The same; and nobody deletes themselves."""
        allowed = super().has_delete_permission(request, obj)
        return allowed and (obj is None or people.may_delete(request.user, obj))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Their API tokens go with them, which by themselves nobody deletes."""
        shown, counts, lacking, protected = super().get_deleted_objects(objs, request)
        return shown, counts, lacking - {ApiToken._meta.verbose_name}, protected

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Saves, and gives the roles."""
        before = people.single_rights(form.instance)
        super().save_related(request, form, formsets, change)
        history.tell(form.instance, "single rights", before, people.single_rights(form.instance))
        if "roles" in form.cleaned_data:
            roles.give(form.instance, form.chosen())
