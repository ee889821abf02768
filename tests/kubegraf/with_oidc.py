"""The product's addresses where OpenID Connect is configured. To be imported before any setting says so."""

from __future__ import annotations

from django.urls import include, path

from kubegraf import urls

urlpatterns = [*urls.urlpatterns, path("oidc/", include("kubegraf.oidc.urls"))]
