"""Who may come into the console: people, their roles and their API tokens."""

from __future__ import annotations

from django.contrib import admin

from kubegraf.console import people_admin, role_admin, token_admin

__all__ = ("people_admin", "role_admin", "token_admin")

admin.site.index_title = "Overview"
