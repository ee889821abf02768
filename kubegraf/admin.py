"""The admin as a whole: its name, and that API tokens are not read out in it."""

from __future__ import annotations

from django.contrib import admin
from rest_framework.authtoken.models import TokenProxy

admin.site.site_header = "KubeGraf"
admin.site.site_title = "KubeGraf"
admin.site.index_title = "Overview"

# The framework's own page lists every user's token in clear; `manage.py api_token` gives one out instead.
admin.site.unregister(TokenProxy)
