"""Connectors in the admin: a form per provider, how each one fares, and the test at hand."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from connectors import outbox, registry, tasks, trial
from connectors.configuration.reconfigure import shown
from connectors.console.connector_form import delivery_names, essential_names, form_for, option_names
from connectors.console.connector_list import FaringList, StateFilter
from connectors.console.connector_page import page_context, steps_of
from connectors.console.preview_pages import PreviewPages
from connectors.docs_page import getting_the_key
from connectors.models import UNSETTLED, Connector, Delivery
from connectors.showing import markup

CHANGE = "admin/connectors/connector/change_form.html"


@admin.register(Connector)
class ConnectorAdmin(FaringList, PreviewPages):
    """Adding one asks for its type first; the type is then settled."""

    list_filter = ("enabled", "provider", StateFilter)
    search_fields = ("name",)
    search_help_text = "Name"
    nothing_yet = (
        "A connector is where messages go: a channel, a repository, a pager, a mailbox, an endpoint."
    )
    when_deleted = (
        "What waits is cancelled, on record. What it has opened elsewhere, such as incidents and issues,"
        " stays open there. To stop it for a while, disable it instead: what waits then goes out when it is"
        " enabled again."
    )
    actions: tuple[str, ...] = ("enable_selected", "disable_selected")
    readonly_fields = ("config_shown",)
    compressed_fields = False  # labels above their fields: beside the preview there is little room
    add_form_template = CHANGE
    change_form_template = CHANGE
    buttons = {"test": "test", "resume": "test", "enable": "change", "disable": "change", "preview": "change"}

    class Media:
        css = {"all": ("kubegraf/previews.css",)}
        js = ("kubegraf/connectors.js",)

    # --- The form

    @admin.display(description="configuration")
    def config_shown(self, connector: Connector) -> SafeString:
        """For whoever may look but not change: every option, and whether each secret is set."""
        return format_html(
            '<ul class="kg-list">{}</ul>',
            format_html_join("", "<li>{}: {}</li>", (item for item in sorted(shown(connector).items()))),
        )

    def get_fieldsets(self, request: HttpRequest, obj: Connector | None = None) -> Any:
        """Its name and what it cannot do without, what else its provider knows, and how it delivers."""
        slug = obj.provider if obj else request.GET.get("provider", "")
        how = ("Delivery", {"fields": _delivery_names(slug), "classes": ("collapse",)})
        if obj and not self.has_change_permission(request, obj):
            return [(None, {"fields": ("name", "config_shown")}), how]
        options = option_names(slug)
        return [
            (None, {"fields": ("name", *essential_names(slug))}),
            *([("Options", {"fields": options})] if options else []),
            how,
        ]

    def get_form(
        self, request: HttpRequest, obj: Connector | None = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm[Connector]]:
        """The form of the connector's type."""
        if obj is None or self.has_change_permission(request, obj):
            kwargs["form"] = form_for(obj.provider if obj else request.GET.get("provider", ""))
        return super().get_form(request, obj, change, **kwargs)

    # --- Who may do what

    def has_change_permission(self, request: HttpRequest, obj: Connector | None = None) -> bool:
        """A connector whose provider is no longer there can be looked at, and deleted."""
        return _known(obj) and super().has_change_permission(request, obj)

    def has_test_permission(self, request: HttpRequest, obj: Connector | None = None) -> bool:
        """Testing and resuming have a right of their own; whoever may change a connector may do both."""
        return _known(obj) and any(request.user.has_perm(right) for right in trial.RIGHTS)

    def has_view_permission(self, request: HttpRequest, obj: Connector | None = None) -> bool:
        """Whoever may test a connector may look at it."""
        return super().has_view_permission(request, obj) or request.user.has_perm("connectors.test_connector")

    # --- Adding

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Asks for the type, if it is not said yet."""
        slug = request.GET.get("provider", "")
        if not self.has_add_permission(request):
            return super().add_view(request, form_url, extra_context)
        if slug not in registry.all_providers():
            return self._choose_type(request)
        preview = reverse("admin:connectors_connector_preview_new", args=(slug,))
        context = {
            **_about(slug),
            "title": f"Add a connector: {registry.provider(slug).label}",
            "steps": steps_of(None),
            **self.preview_context(request, preview),
        }
        return super().add_view(request, form_url, {**context, **(extra_context or {})})

    def _choose_type(self, request: HttpRequest) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": "Which type of connector?",
            "opts": self.opts,
            "providers": list(registry.all_providers().values()),
            "steps": steps_of(None),
            "media": self.media,
        }
        return TemplateResponse(request, "admin/connectors/connector/choose_type.html", context)

    def response_add(
        self, request: HttpRequest, obj: Connector, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Goes on to the connector's page, where the next step is to test it."""
        if "_addanother" in request.POST:
            return super().response_add(request, obj, post_url_continue)
        next_step = "It" if self._is_to_be_tested(request, obj) else "Test it now; it"
        words = f"“{obj.name}” is added. {next_step} receives events once it is enabled."
        self.message_user(request, words, messages.SUCCESS)
        return HttpResponseRedirect(self.page_of(obj))

    def response_change(self, request: HttpRequest, obj: Connector) -> HttpResponse:
        """Stays on the page where what came of the test stands."""
        if not self._is_to_be_tested(request, obj):
            return super().response_change(request, obj)
        self.message_user(request, f"“{obj.name}” is saved.", messages.SUCCESS)
        return HttpResponseRedirect(f"{self.page_of(obj)}#test")

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Connector | None = None,
    ) -> HttpResponse:
        """With “Save and test” among the theme's buttons, where both may be done."""
        may_save = self.has_change_permission(request, obj) if change else self.has_add_permission(request)
        if may_save and self.has_test_permission(request, obj):
            context["actions_submit_line"] = [{"action_name": "_test", "description": "Save and test"}]
        return super().render_change_form(request, context, add, change, form_url, obj)

    def save_model(self, request: HttpRequest, obj: Connector, form: Any, change: bool) -> None:
        """Saves, and says what the provider has to remark.

        A test begins when what is saved is committed, so that nothing is locked for as long as it takes.
        """
        super().save_model(request, obj, form, change)
        if self._is_to_be_tested(request, obj):
            transaction.on_commit(lambda: trial.try_out(obj))
        for warning in form.provider.warnings(form.result.config):
            self.message_user(request, warning, messages.WARNING)
        if obj.paused_at is not None:
            self.message_user(request, "It is still paused: test it, then resume it.", messages.WARNING)

    def _is_to_be_tested(self, request: HttpRequest, connector: Connector) -> bool:
        return "_test" in request.POST and self.has_test_permission(request, connector)

    # --- The page of one

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """With how it fares, what it sent last, and the preview."""
        connector = self.get_object(request, unquote(object_id))
        context: dict[str, Any] = {}
        if connector is not None and self.has_view_or_change_permission(request, connector):
            may_change = self.has_change_permission(request, connector)
            context = {
                **page_context(connector, deliveries=request.user.has_perm("connectors.view_delivery")),
                **(_about(connector.provider) if _known(connector) else {}),
                "may_change": may_change,
                "may_test": self.has_test_permission(request, connector),
            }
            if may_change:
                address = reverse("admin:connectors_connector_preview", args=(connector.pk,))
                context |= self.preview_context(request, address)
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Asks first, and says what becomes of what waits."""
        waiting = Delivery.objects.filter(connector=self.get_object(request, unquote(object_id)))
        context = {"waiting": waiting.filter(status__in=UNSETTLED).count(), **(extra_context or {})}
        return super().delete_view(request, object_id, context)

    def test(self, request: HttpRequest, connector: Connector) -> HttpResponse:
        """Sends a test message now, by the path of every other; what came of it stands on the page."""
        trial.try_out(connector)
        return HttpResponseRedirect(f"{self.page_of(connector)}#test")

    def resume(self, request: HttpRequest, connector: Connector) -> None:
        """Takes the connector out of its pause."""
        outbox.resume(connector)
        held_up = tasks.hold_up()
        words = f"Resumed.{held_up}" if held_up else "Resumed: what was waiting goes out now."
        self.message_user(request, words, messages.SUCCESS)

    def enable(self, request: HttpRequest, connector: Connector) -> None:
        """From now on it receives events."""
        self._switch(request, [connector], on=True)

    def disable(self, request: HttpRequest, connector: Connector) -> None:
        """From now on it receives none."""
        self._switch(request, [connector], on=False)

    # --- Several at once

    @admin.action(description="Enable selected connectors", permissions=["change"])
    def enable_selected(self, request: HttpRequest, connectors: QuerySet[Connector]) -> None:
        """Enables all of them."""
        self._switch(request, connectors, on=True)

    @admin.action(description="Disable selected connectors", permissions=["change"])
    def disable_selected(self, request: HttpRequest, connectors: QuerySet[Connector]) -> None:
        """Disables all of them."""
        self._switch(request, connectors, on=False)

    def _switch(self, request: HttpRequest, connectors: Any, *, on: bool) -> None:
        """Saves each one rather than all by one statement, so that what watches saving sees it."""
        chosen = [connector.pk for connector in connectors]
        with transaction.atomic():
            others = Connector.objects.select_for_update(no_key=True).filter(pk__in=chosen, enabled=not on)
            changed = list(others.order_by("pk"))
            for connector in changed:
                connector.enabled = on
                connector.save(update_fields=["enabled", "updated_at"])
        words = "Nothing was to be changed."
        if changed:
            names = ", ".join(f"“{connector.name}”" for connector in changed)
            receive = "receives" if len(changed) == 1 else "receive"
            words = f"{names} {receive} {'events from now on' if on else 'no more events'}."
        self.message_user(request, words, messages.SUCCESS)


def _known(connector: Connector | None) -> bool:
    """Whether its provider is there."""
    return connector is None or connector.provider in registry.all_providers()


def _about(slug: str) -> dict[str, Any]:
    """What the page says of the type: what it is, and where its key is found."""
    heading, steps = getting_the_key(slug)
    return {"provider": registry.provider(slug), "key_heading": heading, "key_steps": markup.github(steps)}


def _delivery_names(slug: str) -> list[str]:
    """The fields that say how it delivers; those that every connector has where the type is there no more."""
    return delivery_names(slug) if slug in registry.all_providers() else ["deliver_brief", "rate_per_second"]
