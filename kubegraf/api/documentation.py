"""The API's description as a page: for people who are signed in, with nothing loaded from elsewhere."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe


@require_safe
@login_required(login_url="admin:login")
@ensure_csrf_cookie
def page(request: HttpRequest) -> HttpResponse:
    """Swagger UI. What is tried out there is done with the reader's own session and rights."""
    return render(request, "api/docs.html")
