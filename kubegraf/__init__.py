"""The project: settings, URLs, Celery, and the command that runs everything on one machine."""

from __future__ import annotations

from kubegraf.celery import app as celery_app

__all__ = ["celery_app"]
