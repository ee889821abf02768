"""Connectors as files in the console, and copies of them: what needs to know of their subscriptions."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from cryptography.fernet import InvalidToken
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminTextareaWidget

from connectors import wellformed
from connectors.api.rest import LARGEST_BODY
from connectors.console.connector_admin import ConnectorAdmin
from connectors.fields import crypter
from connectors.message import Message
from connectors.models import Connector
from events.files import cloning, exporting, importing, seed_format
from events.latest import last_event

_CONFIRMED_WITHIN = 3600
"""Seconds that a file may lie between being looked at and being brought in."""
_PLACEHOLDER = '{"name": "Production alerts", "type": "slack", "config": {"webhook_url": "https://…"}}'


class _Unrepeated(UnfoldAdminTextareaWidget):  # type: ignore[misc]  # the theme's has no types
    """A text that no answer repeats: there may be secrets in it."""

    def format_value(self, value: Any) -> str:
        """Nothing."""
        return ""


class ImportForm(forms.Form):
    """A file, pasted or uploaded."""

    text = forms.CharField(
        required=False,
        label="Paste the JSON",
        help_text='One connector, a list of them, or {"connectors": […]}.',
        widget=_Unrepeated(
            attrs={"rows": 12, "spellcheck": "false", "autocomplete": "off", "placeholder": _PLACEHOLDER}
        ),
    )
    file = forms.FileField(required=False, label="Or choose a file", widget=UnfoldAdminFileFieldWidget)

    def clean(self) -> dict[str, Any]:
        """Puts the text of whichever was given under `document`."""
        given = self.cleaned_data.get("file")
        content = given.read(LARGEST_BODY + 1) if given else self.cleaned_data.get("text", "").encode()
        if len(content) > LARGEST_BODY:
            raise ValidationError(f"A file may have at most {LARGEST_BODY:,} bytes.")
        try:
            document = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise ValidationError("This is not UTF-8 text.") from None
        if not document.strip():
            raise ValidationError("Paste something, or choose a file.")
        return {**self.cleaned_data, "document": document}


class ConnectorFiles(ConnectorAdmin):
    """Import, export and copies."""

    actions = (*ConnectorAdmin.actions, "export_selected")
    buttons = {**ConnectorAdmin.buttons, "clone": "clone"}
    list_before_template = "admin/connectors/connector/files.html"

    def get_urls(self) -> list[URLPattern]:
        """With the pages for files."""
        view = self.admin_site.admin_view
        return [
            path("import/", view(self.import_view), name="connectors_connector_import"),
            path("export/", view(self.export_view), name="connectors_connector_export"),
            *super().get_urls(),
        ]

    def last_message(self, request: HttpRequest) -> Message | None:
        """The last event on record; else what was last delivered."""
        return last_event(request.user) or super().last_message(request)

    # --- Out

    def export_view(self, request: HttpRequest) -> HttpResponse:
        """Every connector, or the one that `?id=` names, as a file to keep. Changes nothing."""
        connectors = Connector.objects.all()
        wanted = request.GET.get("id", "")
        return self._file(request, connectors.filter(pk=wanted) if wanted.isdecimal() else connectors)

    @admin.action(description="Export selected connectors", permissions=["view"])
    def export_selected(self, request: HttpRequest, connectors: QuerySet[Connector]) -> HttpResponse:
        """The selected ones as a file."""
        return self._file(request, connectors)

    def _file(self, request: HttpRequest, connectors: QuerySet[Connector]) -> HttpResponse:
        if not request.user.has_perms(exporting.RIGHTS):
            raise PermissionDenied
        exported = exporting.export(connectors.prefetch_related("subscriptions"))
        text = json.dumps(exported.document, indent=2, ensure_ascii=False) + "\n"
        return HttpResponse(
            text,
            content_type="application/json; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="connectors.json"'},
        )

    # --- In

    @method_decorator(sensitive_post_parameters())
    def import_view(self, request: HttpRequest) -> HttpResponse:
        """First what a file would change, in words; then, once that is confirmed, the change."""
        if not request.user.has_perms(importing.RIGHTS):
            raise PermissionDenied
        form = ImportForm(request.POST or None, request.FILES or None)
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": "Import connectors",
            "opts": self.opts,
            "media": self.media + form.media,
            "form": form,
        }
        try:
            if "sealed" in request.POST:
                steps = _brought_in(_unsealed(request.POST["sealed"], request.user.pk), dry_run=False)
                self._tell(request, steps)
                return HttpResponseRedirect(reverse("admin:connectors_connector_changelist"))
            if request.method == "POST" and form.is_valid():
                document = form.cleaned_data["document"]
                context["steps"] = _brought_in(document, dry_run=True)
                # What was pasted may hold secrets: it goes into the page sealed, not as text.
                context["sealed"] = _sealed(document, request.user.pk)
        except seed_format.SeedError as error:
            context["errors"] = error.errors
        return TemplateResponse(request, "admin/connectors/connector/import.html", context)

    def _tell(self, request: HttpRequest, steps: Iterable[importing.Step]) -> None:
        for step in steps:
            self.message_user(request, f"“{step.connector.name}”: {step.verb}.", messages.SUCCESS)

    # --- Copies

    def has_clone_permission(self, request: HttpRequest, obj: Connector | None = None) -> bool:
        """Whoever could enter the same anew may copy it."""
        return request.user.has_perms(cloning.RIGHTS)

    def clone(self, request: HttpRequest, connector: Connector) -> HttpResponse | None:
        """Makes a disabled copy and goes to its page."""
        try:
            copy = cloning.clone(connector)
        except cloning.CannotClone as error:
            self.message_user(request, str(error), messages.ERROR)
            return None
        words = (
            f"This is a copy of “{connector.name}”, disabled, with the same secrets. Name it, then test it."
        )
        self.message_user(request, words, messages.SUCCESS)
        return HttpResponseRedirect(self.page_of(copy))

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With the way to bring in a file, for whoever may."""
        return super().add_view(request, form_url, {**self._links(request), **(extra_context or {})})

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With the ways in and out."""
        return super().changelist_view(request, {**self._links(request), **(extra_context or {})})

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """With the ways out."""
        links: dict[str, Any] = {}
        if request.user.has_perms(exporting.RIGHTS):
            links["export_address"] = f"{reverse('admin:connectors_connector_export')}?id={object_id}"
        if request.user.has_perms(cloning.RIGHTS):
            links["copy_address"] = reverse("admin:connectors_connector_clone", args=(object_id,))
        return super().change_view(request, object_id, form_url, {**links, **(extra_context or {})})

    def _links(self, request: HttpRequest) -> dict[str, Any]:
        return {
            "may_add": self.has_add_permission(request),
            "may_import": request.user.has_perms(importing.RIGHTS),
            "may_export": request.user.has_perms(exporting.RIGHTS),
        }


def _brought_in(document: str, *, dry_run: bool) -> list[importing.Step]:
    """The steps of a file, as text. Raises SeedError."""
    try:
        decoded = wellformed.loads(document)
    except ValueError as error:
        raise seed_format.SeedError([str(error)]) from None
    return importing.bring_in(seed_format.parse(decoded), dry_run=dry_run, guard=True)


def _sealed(document: str, person: object) -> str:
    """The text encrypted, for this person to send in again."""
    return crypter().encrypt(f"import:{person}:{document}".encode()).decode()


def _unsealed(sealed: str, person: object) -> str:
    """The text that was sealed for this person. Raises SeedError where it was not, or too long ago."""
    before = f"import:{person}:"
    try:
        opened = crypter().decrypt(sealed.encode(), ttl=_CONFIRMED_WITHIN).decode()
    except InvalidToken:
        opened = ""
    if not opened.startswith(before):
        raise seed_format.SeedError(["This was looked at too long ago. Paste it once more."])
    return opened.removeprefix(before)
