"""Where everything is found: the admin, the API and its description."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView

from kubegraf import api_docs, metrics
from kubegraf.api import router

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("api/v1/", include(router.urls)),
    path("metrics", metrics.view, name="metrics"),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", api_docs.page, name="api-docs"),
]

handler400 = "kubegraf.problems.bad_request"
handler403 = "kubegraf.problems.permission_denied"
handler404 = "kubegraf.problems.not_found"
handler500 = "kubegraf.problems.server_error"
