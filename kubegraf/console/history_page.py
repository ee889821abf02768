"""The history of everything as a page of the console."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from connectors import history
from connectors.console.history_rows import rows
from kubegraf.api.history import visible_kinds

PAGE = 50


def history_page(request: HttpRequest) -> HttpResponse:
    """The newest lines, of one kind or of one person if asked for."""
    visible = visible_kinds(request.user)
    if not visible:
        raise PermissionDenied
    kind, who = request.GET.get("kind", ""), request.GET.get("who", "").replace("\0", "")
    wanted = [kind] if kind in visible else visible
    filters: dict[str, Any] = {"who": who} if who else {}
    found = history.lines(wanted, before=_position(request), limit=PAGE + 1, **filters)
    chosen = {"kind": kind if kind in visible else "", "who": who}
    context = {
        **admin.site.each_context(request),
        "title": "History",
        "rows": rows(found[:PAGE]),
        "kinds": [(name, _plural(name)) for name in visible],
        "chosen": chosen,
        "older": _older(found, chosen),
        "show_object": True,
    }
    return TemplateResponse(request, "admin/history.html", context)


def _plural(kind: str) -> str:
    return str(history.kinds()[kind].instance_type._meta.verbose_name_plural)


def _older(found: list[tuple[str, object]], chosen: dict[str, str]) -> str:
    """The address of the next page; empty where this is the last."""
    if len(found) <= PAGE:
        return ""
    asked = {name: value for name, value in chosen.items() if value}
    return "?" + urlencode({**asked, "before": history.written(history.position(*found[PAGE - 1]))})


def _position(request: HttpRequest) -> history.Position | None:
    """Where a page begins; what is not understood is the beginning."""
    try:
        return history.read(request.GET.get("before", ""))
    except ValueError:
        return None
