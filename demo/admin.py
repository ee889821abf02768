"""The inbox in the console: what has arrived, as it looks where it arrives."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from connectors.console.pages import RecordPage
from demo.models import Received
from demo.reading import Service


@admin.register(Received)
class InboxPage(RecordPage[Received]):
    """The newest first, each as its service would draw it."""

    change_list_template = "admin/demo/received/change_list.html"
    list_display = ("service", "received_at")
    list_filter = ("service",)
    list_per_page = 20
    fieldsets = (
        (None, {"fields": ("service", "received_at", "drawn")}),
        ("As it arrived", {"fields": ("raw_shown",)}),
    )

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With the services that one may look at alone."""
        more = {"services": Service.choices, "service": request.GET.get("service__exact", "")}
        return super().changelist_view(request, {**more, **(extra_context or {})})

    class Media:
        css = {"all": ("kubegraf/previews.css",)}

    @admin.display(description="as it looks")
    def drawn(self, received: Received) -> SafeString:
        """As the service would show it."""
        return received.drawn

    @admin.display(description="body")
    def raw_shown(self, received: Received) -> SafeString:
        """The body, as it came."""
        return format_html('<pre class="kg-code kg-wrap">{}</pre>', received.raw)

    def has_view_permission(self, request: HttpRequest, obj: Received | None = None) -> bool:
        """Whoever may enter the console of a demo may look into its inbox."""
        return request.user.is_active and request.user.is_authenticated

    def has_module_permission(self, request: HttpRequest) -> bool:
        """The same."""
        return self.has_view_permission(request)
