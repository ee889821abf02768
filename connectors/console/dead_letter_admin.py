"""Dead letters in the admin: what has failed for good, summed up, and the way to send it once more."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from connectors import dead_letters, moments, remedies, tasks
from connectors.console.delivery_admin import DeliveryAdmin
from connectors.console.delivery_page import event_type_of, title_of
from connectors.console.record_filters import (
    ReasonFilter,
    SeverityFilter,
    TypeFilter,
    WhenFilter,
    link,
    other_row,
)
from connectors.models import Connector, DeadLetter, Delivery, DeliveryStatus
from connectors.redelivery import redeliver_since


class RedeliverForm(forms.Form):
    """Which connector's dead letters are to be sent once more, and since when."""

    connector = forms.ModelChoiceField(
        Connector.objects.defer("options", "secrets"),
        empty_label=None,
        widget=forms.Select({"class": "kg-input"}),
    )
    since = forms.DateTimeField(
        label="written since (UTC)",
        widget=forms.DateTimeInput({"class": "kg-input", "type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )

    @classmethod
    def of(cls, groups: Iterable[dead_letters.Group]) -> RedeliverForm | None:
        """The form as it is offered, for all that was summed up; None where no connector is left."""
        with_connector = [group for group in groups if group.connector_id is not None]
        if not with_connector:
            return None
        names = {group.connector_id: group.connector_name for group in with_connector}
        form = cls(initial={"since": min(group.oldest for group in with_connector)})
        form.fields["connector"].choices = list(names.items())  # type: ignore[attr-defined]  # a choice field
        return form


@admin.register(DeadLetter)
class DeadLetterAdmin(DeliveryAdmin):
    """To look through, and to send once more when the receiver is mended."""

    list_display = (
        "page", "connector_shown", "severity", "why", "attempts", "failed",
    )  # fmt: skip
    list_display_links = None
    actions = ("redeliver_selected", "export_selected")
    buttons = {}  # what is done with one has its address with the deliveries
    list_filter = (
        WhenFilter, ("connector", other_row("connector", "since deleted")), TypeFilter, SeverityFilter,
        ReasonFilter,
    )  # fmt: skip
    list_before_template = "admin/connectors/deadletter/summary.html"

    # --- The list

    @admin.display(description="title")
    def page(self, delivery: Delivery) -> SafeString:
        """What it is about, as a link to the delivery with its attempts."""
        return format_html(
            '<div><a class="kg-title kg-link" href="{0}" title="{1}">{1}</a>'
            '<span class="kg-under">{2}</span></div>',
            reverse("admin:connectors_delivery_change", args=(delivery.pk,)),
            title_of(delivery),
            event_type_of(delivery),
        )

    @admin.display(description="why")
    def why(self, delivery: Delivery) -> SafeString:
        """Why it failed, as the last attempt says, and in a word."""
        return format_html(
            '<div><span class="kg-title kg-aside" title="{0}">{0}</span>'
            '<span class="kg-under">{1}</span></div>',
            delivery.note,
            remedies.label(delivery.reason),
        )

    @admin.display(description="written", ordering="created_at")
    def failed(self, delivery: Delivery) -> SafeString:
        """When it was written, which is what is sent once more goes by."""
        return moments.shown(delivery.created_at)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        """The failed ones."""
        return super().get_queryset(request).filter(status=DeliveryStatus.FAILED)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With the sums, and the form that sends them once more."""
        summed = dead_letters.summary()
        listed = reverse("admin:connectors_deadletter_changelist")
        may = self.has_redeliver_permission(request)
        context = {
            "summary": summed,
            "groups": [
                (group, _address(listed, group), moments.shown(group.latest)) for group in summed.groups
            ],
            "form": RedeliverForm.of(summed.groups) if may else None,
            "redeliver_url": reverse("admin:connectors_deadletter_redeliver"),
        }
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whoever may see deliveries sees these: they have no rights of their own."""
        return self.has_view_permission(request)

    # --- Sending all of a connector's once more

    def get_urls(self) -> list[URLPattern]:
        """With the address of the form."""
        view = self.admin_site.admin_view(require_POST(self.redeliver_all))
        return [path("redeliver/", view, name="connectors_deadletter_redeliver"), *super().get_urls()]

    def redeliver_all(self, request: HttpRequest) -> HttpResponse:
        """Sends all of a connector's that were written since a time once more."""
        if not self.has_redeliver_permission(request):
            raise PermissionDenied
        form = RedeliverForm(request.POST)
        if form.is_valid():
            connector: Connector = form.cleaned_data["connector"]
            sent = redeliver_since(connector, form.cleaned_data["since"])
            words = f"{sent} through {connector.name} are sent once more."
            if sent and (connector.paused_at is not None or not connector.enabled):
                words += f" They wait: the connector is {'paused' if connector.enabled else 'disabled'}."
            elif sent:
                words += tasks.hold_up()
            self.message_user(request, words, messages.SUCCESS if sent else messages.WARNING)
        else:
            for name, errors in form.errors.items():
                words = f"{name.capitalize()}: {' '.join(map(str, errors))}"
                self.message_user(request, words, messages.ERROR)
        return HttpResponseRedirect(reverse("admin:connectors_deadletter_changelist"))


def _address(listed: str, group: dead_letters.Group) -> str:
    """The list of what a group sums up."""
    of = {"connector__id__exact": group.connector_id or "", "reason__exact": group.reason}
    if group.connector_id is None:
        of["connector__isnull"] = "True"
    return link(listed, **of)
