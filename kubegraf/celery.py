"""The Celery application: `celery -A kubegraf worker` and `celery -A kubegraf beat`."""

from __future__ import annotations

import gc
import os
from typing import Any

import kombu
from celery import Celery
from celery.app.amqp import AMQP
from celery.signals import worker_init, worker_ready
from django.conf import settings
from django.db import connections

from kubegraf import logs
from kubegraf.liveness import Liveness

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kubegraf.settings")

RECONNECT_SECONDS = 1.0


class Connection(kombu.Connection):
    """A connection to the broker that a worker or beat, having lost it, tries to open again every second.

    By itself Celery waits longer after each failure, up to half a minute, in which the broker may have been
    back for long.
    """

    def ensure_connection(self, *args: Any, **options: Any) -> Any:
        """Open it; for how long that is tried is said by the caller."""
        steady = {"interval_start": RECONNECT_SECONDS, "interval_step": 0, "interval_max": RECONNECT_SECONDS}
        return super().ensure_connection(*args, **{**steady, **options})

    def maybe_close_channel(self, channel: Any) -> None:
        """Close a channel, unless its transport has been let go already, as it is once the broker is lost.

        The channel would still want to hand back what it had taken, and without a transport that ends in an
        error which ends the worker (kombu 5.7). Nothing is lost with it: the sweeper asks for it again.
        """
        if getattr(channel.connection, "client", None) is not None:
            super().maybe_close_channel(channel)


class _Messaging(AMQP):
    Connection = Connection


app = Celery("kubegraf", amqp=_Messaging, task_cls="kubegraf.outage:Task")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["consumer"].add(Liveness)


@worker_init.connect
def _share_connections(**_: object) -> None:
    """Has the threads of a worker take turns with connections to PostgreSQL.

    Celery closes a thread's connection after each task, and to open another takes longer than to send a
    message. What is not used for a minute is closed: many workers with many threads do not keep one for each.
    """
    database = connections.settings["default"]
    if database["ENGINE"] == "django.db.backends.postgresql":
        at_most = settings.CELERY_WORKER_CONCURRENCY + 4
        # The sweeper asks every two seconds: while the database is away, nothing need be tried for longer.
        shared = {
            "min_size": 0,
            "max_size": at_most,
            "max_idle": 60.0,
            "timeout": 5.0,
            "reconnect_timeout": 1.0,
        }
        database["CONN_MAX_AGE"], database["OPTIONS"]["pool"] = 0, shared


@worker_ready.connect
def _settle_in(**_: object) -> None:
    """Has log lines cost less, and spares the garbage collector what is there for good.

    Looking through that takes a tenth of a second.
    """
    logs.without_origins()
    gc.collect()
    gc.freeze()
