"""What is answered where no view did: problem details under /api/, pages for people elsewhere."""

from __future__ import annotations

import sys
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.middleware.common import CommonMiddleware
from django.template import loader
from django.views import defaults

from connectors.api.problems import answer
from kubegraf.outage import is_away

API = "/api/"
RETRY_AFTER = 5
"""Seconds after which to try again where the database is away."""


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
    """500: it is our fault, and the log has why. 503 where it is the database that is away."""
    if is_away(sys.exception()):
        return _unavailable(request)
    if request.path.startswith(API):
        detail = "Something went wrong on the server. Its log says what."
        return answer(request, "server_error", 500, detail)
    return defaults.server_error(request)


def _unavailable(request: HttpRequest) -> HttpResponse:
    """Without a question to the database, as every page of the console has some."""
    if request.path.startswith(API):
        detail = "The database cannot be reached, or not be written to. This may not be done; try again."
        response: HttpResponse = answer(request, "unavailable", 503, detail)
    else:
        response = HttpResponse(loader.get_template("503.html").render(), status=503)
    response["Retry-After"] = str(RETRY_AFTER)
    return response


class SlashMiddleware(CommonMiddleware):
    """Django's own, which sends whoever forgot the slash at the end to the address with it.

    Not so what would be done there: a redirect makes a GET of it, and the report of an event would be lost
    while its sender reads a list with 200. That is a 404 which says so.
    """

    def should_redirect_with_slash(self, request: HttpRequest) -> bool:
        """Whether to send the caller to the address with a slash."""
        asked_for = request.method in ("GET", "HEAD") or not request.path.startswith(API)
        return asked_for and super().should_redirect_with_slash(request)
