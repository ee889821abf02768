"""Finds the integrations: every module in `connectors.providers` that holds a Provider is one."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import cache
from typing import Any

from connectors import providers
from connectors.provider import Provider


@cache
def all_providers() -> dict[str, Provider[Any]]:
    """Every integration by its slug, in the order of their labels."""
    found: list[Provider[Any]] = []
    for module_info in pkgutil.iter_modules(providers.__path__, providers.__name__ + "."):
        module = importlib.import_module(module_info.name)
        found.extend(
            member()
            for _, member in inspect.getmembers(module, inspect.isclass)
            if issubclass(member, Provider) and member.__module__ == module.__name__
        )
    return {provider.slug: provider for provider in sorted(found, key=lambda provider: provider.label)}


def provider(slug: str) -> Provider[Any]:
    """The integration of that slug. Raises LookupError with the ones there are."""
    try:
        return all_providers()[slug]
    except KeyError:
        raise LookupError(
            f"There is no connector type {slug!r}. There are: {', '.join(all_providers())}."
        ) from None


def choices() -> list[tuple[str, str]]:
    """(slug, label) of every integration, for forms and models."""
    return [(provider.slug, provider.label) for provider in all_providers().values()]
