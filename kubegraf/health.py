"""`/livez` and `/readyz`, for whatever restarts this process and sends requests to it.

A middleware and not two views, and the first of all: a probe asks by the pod's address, which is no allowed
host, and over plain http, which would be redirected. Other paths are none of its business.

The answers are JSON and say what is the matter in fixed words; the log has the reason.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse

from kubegraf.celery import app

logger = logging.getLogger(__name__)

Answer = Callable[[HttpRequest], HttpResponse]

OK = "ok"
AWAY = "cannot be reached"
PENDING = "not all applied"
BUSY = "the last check has not ended"


class HealthMiddleware:
    """Answers GET and HEAD of the two paths."""

    def __init__(self, get_response: Answer) -> None:
        self._get_response = get_response
        self._probes: dict[str, Callable[[], HttpResponse]] = {"/livez": live, "/readyz": ready}

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """The probe's answer, or that of the rest of the site."""
        probe = self._probes.get(request.path) if request.method in ("GET", "HEAD") else None
        if probe is None:
            return self._get_response(request)
        response = probe()
        response["Cache-Control"] = "no-store"
        response["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
        response["X-Content-Type-Options"] = "nosniff"
        return response


def live() -> HttpResponse:
    """The process answers; nothing else is asked."""
    return JsonResponse({"status": OK})


_asking = threading.Lock()


def ready() -> HttpResponse:
    """200 if requests can be served: the database answers and is migrated. Else 503.

    A broker that is away is named, as `degraded`, but no reason to turn people away: what is to be delivered
    is in the database, and is found there by the sweeper.
    """
    # A database that swallows packets must not swallow one thread of the server for each probe.
    if not _asking.acquire(blocking=False):
        return _answer({"database": BUSY}, status="unavailable")
    try:
        checks = _database()
        if set(checks.values()) != {OK}:
            return _answer(checks, status="unavailable")
        checks["broker"] = _broker()
    finally:
        _asking.release()
    return _answer(checks, status=OK if checks["broker"] == OK else "degraded")


def _answer(checks: dict[str, str], *, status: str) -> HttpResponse:
    code = 503 if status == "unavailable" else 200
    return JsonResponse({"status": status, "checks": checks}, status=code)


def _database() -> dict[str, str]:
    try:
        executor = MigrationExecutor(connection)
        pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except Error as error:
        logger.warning("Not ready, the database cannot be reached: %s", error)
        return {"database": AWAY}
    if pending:
        names = ", ".join(f"{migration.app_label}.{migration.name}" for migration, _ in pending)
        logger.warning("Not ready, these migrations are not applied: %s", names)
    return {"database": OK, "migrations": PENDING if pending else OK}


def _broker() -> str:
    try:
        with app.connection_for_write() as broker:
            broker.ensure_connection(max_retries=1, interval_start=0, timeout=2)
    # What a transport raises depends on the address; its text may quote the password in it.
    except Exception as error:  # noqa: BLE001
        logger.warning("The broker cannot be reached: %s", type(error).__name__)
        return AWAY
    return OK
