"""API tokens in the console: everybody makes their own, who administers sees and revokes all."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminRadioSelectWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from connectors.console.pages import ConsolePage, badge
from kubegraf import tokens
from kubegraf.models import ApiToken, Scope

_TONE = {"valid": "good", "expired": "warning", "revoked": "neutral"}

_DAYS = (("30", "in 30 days"), ("90", "in 90 days"), ("365", "in a year"), ("", "never"))


class ApiTokenForm(forms.ModelForm[ApiToken]):
    """A new token."""

    days = forms.ChoiceField(
        label="Expires", choices=_DAYS, initial="90", required=False, widget=UnfoldAdminSelectWidget
    )

    class Meta:
        model = ApiToken
        fields = ("name", "scope")
        widgets = {"name": UnfoldAdminTextInputWidget, "scope": UnfoldAdminRadioSelectWidget}

    def save(self, commit: bool = True) -> ApiToken:
        """The token with the time of its end."""
        days = self.cleaned_data["days"]
        self.instance.expires_at = timezone.now() + timedelta(days=int(days)) if days else None
        token: ApiToken = super().save(commit)
        return token


class StateFilter(admin.SimpleListFilter):
    """By whether a token can still be used."""

    title = parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """What there is to choose from."""
        return [(state, state.capitalize()) for state in _TONE]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> QuerySet[ApiToken]:
        """Those in that state, as `ApiToken.state` has it."""
        ended = Q(expires_at__isnull=False, expires_at__lte=timezone.now())
        wanted = {
            "valid": Q(revoked_at__isnull=True) & ~ended,
            "expired": Q(revoked_at__isnull=True) & ended,
            "revoked": Q(revoked_at__isnull=False),
        }
        return queryset.filter(wanted.get(self.value() or "", Q()))


@admin.register(ApiToken)
class ApiTokenAdmin(ConsolePage[ApiToken]):
    """Whoever may enter has tokens of their own; nobody makes one for somebody else."""

    form = ApiTokenForm
    list_display = ("name", "user", "scope", "begins", "state_shown", "expires_at", "last_used_at")
    list_filter = ("scope", StateFilter)
    search_fields = ("name", "user__username")
    search_help_text = "Name or owner"
    nothing_yet = "With a token a program uses the API in the name of who made it."
    list_select_related = ("user",)
    actions = None
    buttons = {"revoke": "revoke"}
    change_form_template = "admin/kubegraf/apitoken/change_form.html"

    @admin.display(description="state")
    def state_shown(self, token: ApiToken) -> SafeString:
        """Whether it can still be used."""
        return badge(token.state, tone=_TONE[token.state])

    @admin.display(description="begins with", ordering="shown")
    def begins(self, token: ApiToken) -> str:
        """By what its owner knows it again."""
        return f"{token.shown}…"

    # --- Who may do what

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiToken]:
        """One's own; all for whoever administers."""
        return tokens.visible_to(request.user)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Everybody has this page."""
        return True

    def has_view_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        """Everybody sees what `get_queryset` gives them."""
        return True

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Everybody makes their own: no token can do more than its owner."""
        return True

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        """A token stays what it was made for."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        """Tokens are revoked and stay on record."""
        return False

    def has_revoke_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        """One's own; all with the right to change tokens."""
        return obj is None or tokens.may_revoke(request.user, obj)

    # --- Pages

    def get_fieldsets(self, request: HttpRequest, obj: ApiToken | None = None) -> Any:
        """What is asked of a new one, and what is said of one that there is."""
        if obj is None:
            return [(None, {"fields": ("name", "scope", "days")})]
        facts = ("name", "user", "scope", "begins", "state_shown")
        when = ("created_at", "expires_at", "last_used_at", "revoked_at")
        return [(None, {"fields": facts}), ("When", {"fields": when})]

    def get_readonly_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> Any:
        """One that there is is only read."""
        return ("begins", "state_shown", "created_at", "last_used_at", "revoked_at") if obj else ()

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """With the button, where it can still be revoked."""
        token = self.get_object(request, object_id)
        can = token is not None and token.revoked_at is None and self.has_revoke_permission(request, token)
        context = {"can_revoke": can, **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """One button: what comes after it is the page with the token."""
        one = {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().add_view(request, form_url, {**one, **(extra_context or {})})

    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: bool) -> None:
        """Draws the token; its text is kept for the answer and nowhere else."""
        if not tokens.still_asks(request.user):
            raise PermissionDenied
        obj.user = request.user  # type: ignore[assignment]  # nobody else comes here
        request.token_text = tokens.draw(obj)  # type: ignore[attr-defined]  # read by `response_add`
        super().save_model(request, obj, form, change)

    def response_add(
        self, request: HttpRequest, obj: ApiToken, post_url_continue: str | None = None
    ) -> HttpResponse:
        """The one page that shows the token."""
        context = {
            **self.admin_site.each_context(request),
            "title": "Your new API token",
            "opts": self.opts,
            "token": obj,
            "text": request.token_text,  # type: ignore[attr-defined]  # of `save_model`
            "ingest": obj.scope == Scope.INGEST,
        }
        return TemplateResponse(request, "admin/kubegraf/apitoken/made.html", context)

    def revoke(self, request: HttpRequest, token: ApiToken) -> None:
        """Ends it at once."""
        tokens.revoke(token)
        self.message_user(request, f"“{token}” is revoked: it opens nothing any more.", messages.SUCCESS)
