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

from connectors import open_files, pool
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


HAND_OVER_SECONDS = 2.0
"""How long a broker may take to answer whoever hands it a task: a person may wait for that, or a probe."""


class App(Celery):
    """Celery, which waits less long to give a task away than to get one."""

    def connection_for_write(self, url: str | None = None, **options: Any) -> Any:
        """The connection by which tasks are handed over."""
        asked = {"socket_timeout": HAND_OVER_SECONDS, **(options.pop("transport_options", None) or {})}
        return super().connection_for_write(url, transport_options=asked, **options)


app = App("kubegraf", amqp=_Messaging, task_cls="kubegraf.outage:Task")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["consumer"].add(Liveness)


@worker_init.connect
def _make_room(**_: object) -> None:
    """For many connections to receivers, and few to the database.

    Celery closes a thread's connection after each task, which gives it back. The sweeper asks every two
    seconds: while the database is away, nothing need be tried for longer.
    """
    open_files.allow_many()
    pool.share(settings.CELERY_WORKER_CONCURRENCY + 4, patience=5.0)


@worker_ready.connect
def _settle_in(**_: object) -> None:
    """Has log lines cost less, and spares the garbage collector what is there for good.

    Looking through that takes a tenth of a second.
    """
    logs.without_origins()
    gc.collect()
    gc.freeze()
