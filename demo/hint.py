"""What to sign in with, on the page that asks for it."""

from __future__ import annotations

from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from kubegraf.local.prepare import ADMIN


def sign_in(request: HttpRequest) -> dict[str, dict[str, str]]:
    """For whoever sits at the machine that runs the demo; a context processor."""
    if not settings.DEMO_PASSWORD or request.path != reverse("admin:login") or not _is_here(request):
        return {}
    return {"demo_sign_in": {"name": ADMIN, "password": settings.DEMO_PASSWORD}}


def _is_here(request: HttpRequest) -> bool:
    try:
        return ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
