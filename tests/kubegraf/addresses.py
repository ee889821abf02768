"""Every address that the product answers to, from its URL map."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver


def addresses(
    resolver: URLResolver | None = None, prefix: str = ""
) -> Iterator[tuple[str, str, Callable[..., Any]]]:
    """Each address: its pattern, its name with the namespace, and its view."""
    for entry in (resolver or get_resolver()).url_patterns:
        path = prefix + str(entry.pattern).lstrip("^").rstrip("$").replace("\\Z", "")
        if isinstance(entry, URLResolver):
            yield from addresses(entry, path)
        elif isinstance(entry, URLPattern):
            name = f"admin:{entry.name}" if path.startswith("admin/") else str(entry.name)
            yield path, name, entry.callback
