"""People and their roles in the console, and what the framework shows that nobody should see there."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from rest_framework.authtoken.models import TokenProxy
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from connectors.console import ConsolePage

admin.site.index_title = "Overview"

# The framework's own page lists every user's token in clear; `manage.py api_token` gives one out instead.
admin.site.unregister(TokenProxy)

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class PersonPage(UserAdmin[User], ConsolePage[User]):
    """Who may sign in."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class RolePage(GroupAdmin, ConsolePage[Group]):
    """What they may do."""
