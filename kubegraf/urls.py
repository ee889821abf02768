"""Where everything is found: the admin, the API and its description."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView

from kubegraf import metrics
from kubegraf.api import documentation
from kubegraf.api.urls import ingest, router
from kubegraf.console.history_page import history_page

urlpatterns: list[URLPattern | URLResolver] = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/history/", admin.site.admin_view(history_page), name="history"),
    path("admin/", admin.site.urls),
    path("api/v1/", include([*router.urls, *ingest])),
    path("metrics", metrics.view, name="metrics"),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", documentation.page, name="api-docs"),
]

if settings.DEMO:
    urlpatterns.append(path("demo/", include("demo.urls")))
if settings.OIDC_ISSUER:
    urlpatterns.append(path("oidc/", include("kubegraf.oidc.urls")))
handler400 = "kubegraf.problems.bad_request"
handler403 = "kubegraf.problems.permission_denied"
handler404 = "kubegraf.problems.not_found"
handler500 = "kubegraf.problems.server_error"
