"""The project itself as a Django application: it holds the commands that belong to no part alone."""

from __future__ import annotations

from django.apps import AppConfig


class KubegrafConfig(AppConfig):
    """Holds no models."""

    name = "kubegraf"
