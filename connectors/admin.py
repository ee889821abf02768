"""Connectors in the admin: a form per provider, how each one fares, and the test at hand."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from connectors import outbox, registry, trial
from connectors.console import ConsolePage, badge
from connectors.delivery_admin import delivery_link
from connectors.forms import config_names, delivery_names, form_for
from connectors.health import State, health, result_of_test
from connectors.models import Connector
from connectors.reconfigure import shown
from connectors.vitals import vitals_of


@admin.register(Connector)
class ConnectorAdmin(ConsolePage[Connector]):
    """Adding one asks for its type first; the type is then settled."""

    list_display = ("name", "provider", "enabled", "state", "last_success_at")
    list_filter = ("enabled", "provider", ("paused_at", admin.EmptyFieldListFilter))
    search_fields = ("name",)
    search_help_text = "Name"
    readonly_fields = (
        "type_shown",
        "config_shown",
        "state_words",
        "vitals_words",
        "last_success_at",
        "last_failure_at",
    )
    change_form_template = "admin/connectors/connector/change_form.html"
    buttons = {"test": "test", "resume": "test"}

    # --- What the page shows

    @admin.display(description="state", ordering="paused_at")
    def state(self, connector: Connector) -> SafeString:
        """The state in one word."""
        return badge(health(connector).state.value)

    @admin.display(description="state")
    def state_words(self, connector: Connector) -> str:
        """The state in a sentence."""
        return health(connector).words

    @admin.display(description="in numbers")
    def vitals_words(self, connector: Connector) -> str:
        """The last day and the queue, in a sentence each."""
        return vitals_of([connector])[connector.pk].words

    @admin.display(description="type")
    def type_shown(self, connector: Connector) -> str:
        """The type's name for people."""
        return str(connector.get_provider_display())

    @admin.display(description="configuration")
    def config_shown(self, connector: Connector) -> SafeString:
        """For whoever may look but not change: every option, and whether each secret is set."""
        return format_html(
            "<ul>{}</ul>",
            format_html_join("", "<li>{}: {}</li>", (item for item in sorted(shown(connector).items()))),
        )

    def get_fieldsets(self, request: HttpRequest, obj: Connector | None = None) -> Any:
        """The connector's own fields, its provider's, and how it fares."""
        slug = obj.provider if obj else request.GET.get("provider", "")
        own = (None, {"fields": ("name", "type_shown", "enabled")})
        how = ("Delivery", {"fields": _delivery_names(slug), "classes": ("collapse",)})
        if obj and not self.has_change_permission(request, obj):
            config: Any = ("Configuration", {"fields": ("config_shown",)})
        else:
            provider = registry.provider(slug)
            config = (provider.label, {"fields": config_names(slug), "description": provider.summary})
        fares = (
            "How it fares",
            {"fields": ("state_words", "vitals_words", "last_success_at", "last_failure_at")},
        )
        return [own, config, how, fares] if obj else [own, config, how]

    def get_form(
        self, request: HttpRequest, obj: Connector | None = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm[Connector]]:
        """The form of the connector's type."""
        if obj is None or self.has_change_permission(request, obj):
            kwargs["form"] = form_for(obj.provider if obj else request.GET.get("provider", ""))
        return super().get_form(request, obj, change, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: Connector | None = None) -> bool:
        """A connector whose provider is no longer there can be looked at, and deleted."""
        there = obj is None or obj.provider in registry.all_providers()
        return there and super().has_change_permission(request, obj)

    def has_test_permission(self, request: HttpRequest, obj: Connector | None = None) -> bool:
        """Testing and resuming have a right of their own, and need a provider that is there."""
        there = obj is None or obj.provider in registry.all_providers()
        return there and request.user.has_perm("connectors.test_connector")

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """With the buttons, where somebody may press them."""
        connector = kwargs.get("obj")
        context["may_test"] = connector is not None and self.has_test_permission(request, connector)
        return super().render_change_form(request, context, *args, **kwargs)

    # --- Adding and saving

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Asks for the type, if it is not said yet."""
        if self.has_add_permission(request) and request.GET.get("provider") not in registry.all_providers():
            return self._choose_type(request)
        return super().add_view(request, form_url, extra_context)

    def _choose_type(self, request: HttpRequest) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": "Which type of connector?",
            "opts": self.opts,
            "providers": list(registry.all_providers().values()),
        }
        return TemplateResponse(request, "admin/connectors/connector/choose_type.html", context)

    def save_model(self, request: HttpRequest, obj: Connector, form: Any, change: bool) -> None:
        """Saves, and says what the provider has to remark."""
        super().save_model(request, obj, form, change)
        for warning in form.provider.warnings(form.result.config):
            self.message_user(request, warning, messages.WARNING)
        if obj.paused_at is not None:
            self.message_user(request, "It is still paused: test it, then resume it.", messages.WARNING)

    def response_add(
        self, request: HttpRequest, obj: Connector, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Goes on to the connector's page, where it can be tested."""
        if "_addanother" not in request.POST:
            post = request.POST.copy()
            post["_continue"] = "1"
            request.POST = post  # type: ignore[assignment]  # as django.contrib.auth's own admin does
        return super().response_add(request, obj, post_url_continue)

    # --- Buttons

    def test(self, request: HttpRequest, connector: Connector) -> None:
        """Sends a test message now, by the path of every other, and says what came of it."""
        done = trial.try_out(connector)
        result = result_of_test(done.delivery, done.closing)
        level = messages.SUCCESS if result.state is State.WORKING else messages.ERROR
        self.message_user(request, format_html("{} {}", result.words, delivery_link(done.delivery)), level)

    def resume(self, request: HttpRequest, connector: Connector) -> None:
        """Takes the connector out of its pause."""
        outbox.resume(connector)
        self.message_user(request, "Resumed: what was waiting goes out now.", messages.SUCCESS)


def _delivery_names(slug: str) -> list[str]:
    """The fields that say how it delivers; those that every connector has where the type is there no more."""
    return delivery_names(slug) if slug in registry.all_providers() else ["deliver_brief", "rate_per_second"]
