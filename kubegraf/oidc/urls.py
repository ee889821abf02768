"""Where the provider is gone to and come back from: `/oidc/callback/` is what it has to be told."""

from __future__ import annotations

from django.urls import path

from kubegraf.oidc.pages import Callback, Start

urlpatterns = [
    path("start/", Start.as_view(), name="oidc_authentication_init"),
    path("callback/", Callback.as_view(), name="oidc_authentication_callback"),
]
