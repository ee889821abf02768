"""Shutting out who guesses passwords: django-axes counts; here is whose address counts, and the answer.

Counted is by name and address together, so that nobody shuts somebody else out from afar. API tokens are not
passwords, and cannot be guessed; nothing here concerns them.
"""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta
from typing import Any

from axes.helpers import get_client_username
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone


def client_address(request: HttpRequest) -> str | None:
    """From where somebody asks.

    Whatever stands in X-Forwarded-For a client may have written itself, except for what our own proxies have
    added at its end: KUBEGRAF_TRUSTED_PROXIES says how many they are.
    """
    proxies: int = settings.TRUSTED_PROXIES
    remote: str = request.META.get("REMOTE_ADDR", "")
    forwarded = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",")]
    if proxies and len(forwarded) >= proxies:
        return _counted_as(forwarded[-proxies].strip("[]")) or _counted_as(remote)
    return _counted_as(remote)


def _counted_as(text: str) -> str | None:
    """An address as it is counted; None of what is none.

    Whoever has an IPv6 address has the 2^64 of its network, and would have five guesses with each of them.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(address), 64), strict=False).network_address)


def is_no_guess(request: HttpRequest, credentials: dict[str, Any] | None = None) -> bool:
    """Whether this is no attempt at a password, such as signing in at the OpenID Connect provider."""
    return not get_client_username(request, credentials)


def locked_out(
    request: HttpRequest, response: HttpResponse | None, credentials: dict[str, Any] | None
) -> HttpResponse:
    """429, with why and until when."""
    until = _until(request, credentials)
    minutes = max(1, round((until - timezone.now()).total_seconds() / 60))
    context = {
        **admin.site.each_context(request),
        "title": "Too many wrong passwords",
        "until": until,
        "minutes": minutes,
    }
    answer = render(request, "admin/locked_out.html", context, status=429)
    answer["Retry-After"] = str(minutes * 60)
    return answer


def _until(request: HttpRequest, credentials: dict[str, Any] | None) -> datetime:
    """When the latest failure is long enough ago."""
    name, address = get_client_username(request, credentials), client_address(request)
    attempts = AccessAttempt.objects.filter(username=name, ip_address=address).order_by("-attempt_time")
    latest: datetime = attempts.values_list("attempt_time", flat=True).first() or timezone.now()
    pause: timedelta = settings.AXES_COOLOFF_TIME
    return latest + pause
