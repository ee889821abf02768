"""What is answered where no view did: problem details under /api/, pages for people elsewhere."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views import defaults

from connectors.problems import answer

API = "/api/"


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400: Django itself refused the request."""
    if request.path.startswith(API):
        return answer(request, "bad_request", 400, "The request cannot be understood.")
    return defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403."""
    if request.path.startswith(API):
        return answer(request, "permission_denied", 403, "You may not do this.")
    return defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404: there is no such address."""
    if request.path.startswith(API):
        hint = "" if request.path.endswith("/") else " Addresses end in a slash."
        return answer(request, "not_found", 404, f"There is nothing at this address.{hint}")
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest, *_: Any) -> HttpResponse:
    """500: it is our fault, and the log has why."""
    if request.path.startswith(API):
        detail = "Something went wrong on the server. Its log says what."
        return answer(request, "server_error", 500, detail)
    return defaults.server_error(request)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: a form without its token, as Django's middleware found."""
    if request.path.startswith(API):
        return answer(request, "permission_denied", 403, f"CSRF Failed: {reason}")
    from django.views.csrf import csrf_failure as page

    return page(request, reason)
