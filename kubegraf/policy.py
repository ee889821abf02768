"""What answers say to browsers and to caches on the way.

The console has a Content-Security-Policy of its own: the theme's scripts evaluate expressions in its pages.
Its components are written for Alpine.js, which compiles them with `new Function`, and its colours are an
inline style sheet. So `unsafe-eval` for scripts and `unsafe-inline` for styles hold under /admin/, and
nowhere else; inline scripts hold nowhere.
"""

from __future__ import annotations

from collections.abc import Callable

from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

Answer = Callable[[HttpRequest], HttpResponse]


class ConsolePolicyMiddleware:
    """Widens the policy of answers under the console's address by what its theme needs."""

    def __init__(self, get_response: Answer) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """The answer, with the policy that django-csp is to send along."""
        response = self._get_response(request)
        if request.path.startswith(reverse("admin:index")) and not hasattr(response, "_csp_update"):
            response._csp_update = {  # type: ignore[attr-defined]  # what django-csp's own decorator sets
                "script-src": [SELF, UNSAFE_EVAL],
                "style-src": [SELF, UNSAFE_INLINE],
            }
        return response


class PrivateMiddleware:
    """Has nobody keep an answer that does not say itself for how long.

    Hardly anything here is the same for everybody. What asks with a token has no cookie, so that nothing else
    would tell a cache so; and a browser would show on what was seen before signing out.
    """

    def __init__(self, get_response: Answer) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """The answer, which is kept nowhere."""
        response = self._get_response(request)
        response.setdefault("Cache-Control", "no-store")
        return response
