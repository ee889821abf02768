"""Subscriptions in the admin: a page of their own, and beside the connector that they belong to."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.templatetags.static import static
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET, require_POST

from connectors.console.pages import ConsolePage, RowsBeside
from connectors.console.record_filters import NameFilter
from connectors.models import Connector
from connectors.moments import shown
from events.console.subscription_form import DraftForm, OfNewConnectorForm, SubscriptionForm
from events.models import Event, Subscription
from events.routing.backtest import DAYS, MOST_DAYS, backtest

LATELY = 2000
"""Events, the newest, in which names to suggest are looked for."""
SUGGESTED = 24


def outlook(subscription: Subscription | None) -> SafeString:
    """The subscription in words, and the button that says what it would have sent."""
    words = subscription.in_words if subscription and subscription.pk else ""
    return render_to_string(
        "admin/events/subscription/outlook.html", {"words": words, "days": (1, DAYS, MOST_DAYS)}
    )


class _WithScript:
    """Loads what the form of a subscription does in the browser."""

    @property
    def media(self) -> forms.Media:
        """The form's own, and the script."""
        ours = forms.Media(js=[static("kubegraf/subscriptions.js")])
        media: forms.Media = super().media + ours  # type: ignore[misc]  # an admin's
        return media


FORM_FIELDS = (
    "enabled",
    "event_types",
    "min_severity",
    "namespaces",
    "clusters",
    "conditions",
    "schedule",
    "send_resolved",
    "outlook",
)


class SubscriptionInline(_WithScript, RowsBeside[Subscription, Connector]):
    """Which events the connector receives."""

    model = Subscription
    form = SubscriptionForm
    extra = 0
    fields = (*FORM_FIELDS, "version")  # which is hidden
    readonly_fields = ("outlook",)

    def get_extra(self, request: HttpRequest, obj: Connector | None = None, **kwargs: Any) -> int:
        """A new connector is asked at once which events it shall receive."""
        return 0 if obj else 1

    def get_formset(self, request: HttpRequest, obj: Connector | None = None, **kwargs: Any) -> Any:
        """A new connector gets what it is shown with."""
        form = SubscriptionForm if obj else OfNewConnectorForm
        return super().get_formset(request, obj, **{"form": form, **kwargs})

    @admin.display(description="Would have sent")
    def outlook(self, subscription: Subscription | None) -> SafeString:
        """What it would have sent."""
        return outlook(subscription)


class HoursFilter(admin.SimpleListFilter):
    """By whether there are delivery hours."""

    title = "hours"
    parameter_name = "hours"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Always, or not."""
        return [("always", "at any hour"), ("some", "at certain hours")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Subscription]) -> QuerySet[Subscription]:
        """Those with, or without, hours."""
        if self.value() == "always":
            return queryset.filter(schedule={})
        return queryset.exclude(schedule={}) if self.value() == "some" else queryset


@admin.register(Subscription)
class SubscriptionAdmin(_WithScript, ConsolePage[Subscription]):
    """Who receives what, in one list, and what each would have sent."""

    form = SubscriptionForm
    fields = ("connector", *FORM_FIELDS)
    readonly_fields = ("outlook",)
    list_display = ("words", "connector", "enabled", "connector_delivered")
    list_display_links = ("words",)
    list_filter = ("enabled", "min_severity", HoursFilter, ("connector", NameFilter))
    list_select_related = ("connector",)
    list_per_page = 50
    show_full_result_count = False
    search_fields = ("connector__name",)
    search_help_text = "Connector"
    nothing_yet = "A subscription says which events a connector hears of. Without one it hears of none."

    @admin.display(description="receives")
    def words(self, subscription: Subscription) -> str:
        """The subscription in a sentence."""
        return subscription.in_words

    @admin.display(description="connector last delivered", ordering="connector__last_success_at")
    def connector_delivered(self, subscription: Subscription) -> SafeString | None:
        """When its connector last delivered something."""
        last = subscription.connector.last_success_at
        return shown(last) if last else None

    @admin.display(description="Would have sent")
    def outlook(self, subscription: Subscription | None) -> SafeString:
        """What it would have sent."""
        return outlook(subscription)

    def get_urls(self) -> list[URLPattern]:
        """What the form asks while it is filled in, before the admin's own, which take anything."""
        return [
            path(f"{name}/", self.admin_site.admin_view(view), name=f"events_subscription_{name}")
            for name, view in (
                ("backtest", require_POST(self.backtest_view)),
                ("suggestions", require_GET(self.suggestions_view)),
            )
        ] + list(super().get_urls())

    def backtest_view(self, request: HttpRequest) -> HttpResponse:
        """What the subscription, as it is typed, would have sent: a part of a page."""
        if not self.has_view_permission(request) or not request.user.has_perm("events.view_event"):
            raise PermissionDenied
        form = DraftForm(request.POST)
        days = request.POST.get("days", "")
        context: dict[str, Any] = {"form": form}
        if form.is_valid():
            within = days in {str(number) for number in range(1, MOST_DAYS + 1)}
            context["found"] = found = backtest(form.draft(), int(days) if within else DAYS)
            context["by_day"] = sorted(found.replay.by_day.items())
            context["most"] = max((sum(counts) for counts in found.replay.by_day.values()), default=0) or 1
            context["by_type"] = found.replay.by_type.most_common()
            context["by_severity"] = found.replay.by_severity.most_common()
        return TemplateResponse(request, "admin/events/subscription/backtest.html", context)

    def suggestions_view(self, request: HttpRequest) -> JsonResponse:
        """Namespaces and clusters of what happened lately, the most frequent first."""
        found: dict[str, list[str]] = {"namespaces": [], "clusters": []}
        if request.user.has_perm("events.view_event"):
            newest = Event.objects.order_by("-first_seen").values_list("namespace", "cluster_name")[:LATELY]
            rows = list(newest)
            for what, names in (
                ("namespaces", [row[0] for row in rows]),
                ("clusters", [row[1] for row in rows]),
            ):
                counted = Counter(name for name in names if name)
                found[what] = [name for name, _ in counted.most_common(SUGGESTED)]
        return JsonResponse(found)
