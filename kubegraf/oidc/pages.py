"""The way to the provider and back, and the button that leads there."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import auth, messages
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from mozilla_django_oidc.views import OIDCAuthenticationCallbackView, OIDCAuthenticationRequestView

from kubegraf.oidc.provider import AWAY, Unavailable, discovered


def offer(request: HttpRequest) -> dict[str, Any]:
    """For templates: what the button says, and where it leads."""
    return {"oidc_name": settings.OIDC_NAME, "oidc_start": reverse("oidc_authentication_init")}


class Start(OIDCAuthenticationRequestView):  # type: ignore[misc]  # the library has no types
    """Goes to the provider."""

    def __init__(self, **kwargs: Any) -> None:
        """Asks nobody anything yet."""
        self.OIDC_RP_CLIENT_ID = settings.OIDC_RP_CLIENT_ID

    def get(self, request: HttpRequest) -> HttpResponse:
        """The way there, with a state, a nonce and a challenge (PKCE) of its own."""
        try:
            self.OIDC_OP_AUTH_ENDPOINT = discovered()["authorization_endpoint"]
        except Unavailable:
            return refusal(request, AWAY, 503)
        answer: HttpResponse = super().get(request)
        return answer


class Callback(OIDCAuthenticationCallbackView):  # type: ignore[misc]  # the library has no types
    """Comes back from the provider."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """The console, or why not."""
        try:
            answer: HttpResponse = super().get(request)
        except SuspiciousOperation:  # another state than was sent
            return self.login_failure()
        return answer

    def login_success(self) -> HttpResponse:
        """Into the console, by a session that begins here: one that there was may have just ended."""
        where = self.success_url
        auth.login(self.request, self.user)
        if closed := self.request.closed:
            words = (
                f"From now on you sign in through {settings.OIDC_NAME}."
                f" What opened this account before opens it no longer: {closed}."
            )
            messages.warning(self.request, words)
        return HttpResponseRedirect(where)

    @property
    def success_url(self) -> str:
        """Where somebody wanted to go; else the overview."""
        wanted = self.request.session.get("oidc_login_next")
        return str(wanted or reverse("admin:index"))

    def login_failure(self) -> HttpResponse:
        """A page that says why."""
        words = getattr(self.request, "refusal", "Signing in was not completed. Try again.")
        return refusal(self.request, words, 403)


def refusal(request: HttpRequest, words: str, status: int) -> HttpResponse:
    """The page that says why somebody does not come in."""
    return render(request, "not_signed_in.html", {"words": words}, status=status)
