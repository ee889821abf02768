"""The live preview on a connector's page: what the form as it is now would send. Nothing is saved or sent."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from connectors import registry
from connectors.configuration.drafting import draft
from connectors.console.connector_form import ConnectorForm, form_for
from connectors.console.pages import ConsolePage
from connectors.message import Message
from connectors.models import Connector
from connectors.samples import last_delivered, samples
from connectors.showing import show


class PreviewPages(ConsolePage[Connector]):
    """Two addresses that answer with a piece of a page: one for a connector there is, one for a new one.

    `kubegraf/connectors.js` sends them the form whenever it has changed.
    """

    def get_urls(self) -> list[URLPattern]:
        """With the preview of a connector that is still to be added."""
        new = self.admin_site.admin_view(sensitive_post_parameters()(require_POST(self.preview_new)))
        return [
            path("add/preview/<slug:slug>/", new, name="connectors_connector_preview_new"),
            *super().get_urls(),
        ]

    def last_message(self, request: HttpRequest) -> Message | None:
        """The last message there is that was no test, if whoever asks may see it."""
        return last_delivered(request.user)

    def preview(self, request: HttpRequest, connector: Connector) -> HttpResponse:
        """What the form makes of a connector on record."""
        return self._previewed(request, form_for(connector.provider)(request.POST, instance=connector))

    def preview_new(self, request: HttpRequest, slug: str) -> HttpResponse:
        """What the form makes of a new connector. Raises Http404 for an unknown type."""
        if not self.has_add_permission(request):
            return HttpResponse("You may not add connectors.", status=403, content_type="text/plain")
        if slug not in registry.all_providers():
            raise Http404(f"There is no type of connector “{slug}”.")
        return self._previewed(request, form_for(slug)(request.POST, instance=Connector(provider=slug)))

    def _previewed(self, request: HttpRequest, form: ConnectorForm) -> HttpResponse:
        wanted = request.POST.get("sample", "")
        known = {sample.name: sample.message for sample in samples(self.last_message(request))}
        message = known.get(wanted, known["critical"])
        form.is_valid()
        drafted = draft(_as_stored(form), form.entered(), message)
        context = {
            "missing": form.missing(),
            "errors": form.errors_in_words(),
            "draft": drafted,
            "shown": show(drafted.preview) if drafted.preview else "",
        }
        return TemplateResponse(request, "admin/connectors/connector/preview.html", context)

    def preview_context(self, request: HttpRequest, address: str) -> dict[str, Any]:
        """What the page needs to show the panel."""
        return {"preview_address": address, "samples": samples(self.last_message(request))}


def _as_stored(form: ConnectorForm) -> Connector:
    """The connector without what the form has put on it."""
    connector = form.instance
    return Connector(
        pk=connector.pk, provider=connector.provider, options=connector.options, secrets=connector.secrets
    )
