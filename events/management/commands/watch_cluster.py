"""`manage.py watch_cluster`: watch clusters until told to stop, or list them once."""

from __future__ import annotations

import gc
import signal
import threading
from argparse import ArgumentParser
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from connectors import open_files, pool
from events.detection import check_options
from events.models import Cluster
from events.watching.cluster_watcher import AWAY, Print, watch_once
from events.watching.leadership import Candidate
from events.watching.leases import LeaseKind
from events.watching.turns import CONNECTIONS, PATIENCE
from events.watching.watcher import Watcher, nothing_to_watch


class Command(BaseCommand):
    """Watches all enabled clusters, or those named."""

    help = "Watch the enabled clusters and record what happens in them, until SIGTERM or Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """--cluster, --once, --dry-run, --lease."""
        parser.add_argument(
            "--cluster",
            action="append",
            default=[],
            metavar="NAME",
            dest="names",
            help="watch only this cluster, enabled or not with --once; may be given several times",
        )
        parser.add_argument(
            "--once",
            action="store_true",
            help="list everything once, record what is found, and end; 1 if something could not be listed",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="print what would be recorded, and record nothing"
        )
        parser.add_argument(
            "--lease",
            choices=[kind.value for kind in LeaseKind],
            default=settings.WATCH_LEASE,
            help="where watchers agree on who watches a cluster: in the database, in a Lease of the cluster,"
            " or nowhere, if there is only one; not needed with --once and --dry-run (default: %(default)s)",
        )

    def handle(
        self, *args: Any, names: list[str], once: bool, dry_run: bool, lease: str, **options: Any
    ) -> None:
        """Run until it has ended. Raises CommandError for what is wrong from the beginning."""
        self._check(names)
        show = self.stdout.write if dry_run else None
        if once:
            try:
                self._once(names, show)
            except AWAY as error:
                raise CommandError(f"The database is away: {error}") from error
            return
        stop = threading.Event()
        before = _on_signals(stop)
        # What has been imported stays, and is not looked through for garbage: that would hold up what is
        # seen by a tenth of a second each time.
        gc.freeze()
        open_files.allow_many()
        pool.share(CONNECTIONS, PATIENCE)
        try:
            candidate = Candidate(LeaseKind.NONE if dry_run else LeaseKind(lease))
            Watcher(names, candidate=candidate, show=show).run(stop)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _check(self, names: list[str]) -> None:
        try:
            check_options(settings.DETECTOR_OPTIONS)
        except ValueError as error:
            raise CommandError(str(error)) from error
        if not names:
            return  # and a database that is away is waited for
        known = list(Cluster.objects.values_list("name", flat=True))
        unknown = [name for name in names if name not in known]
        if unknown:
            there_are = f"There are: {', '.join(known)}." if known else "No cluster is registered."
            raise CommandError(f"No cluster is named {', '.join(unknown)}. {there_are}")

    def _once(self, names: list[str], show: Print | None) -> None:
        clusters = Cluster.objects.filter(name__in=names) if names else Cluster.objects.filter(enabled=True)
        if not clusters:
            self.stdout.write(nothing_to_watch(names))
        failed = False
        for cluster in clusters:
            missing = watch_once(cluster, show=show)
            for problem in missing:
                self.stderr.write(f"{cluster}: {problem.plural}: {problem.text}")
            failed = failed or bool(missing)
            self.stdout.write(f"{cluster}: listed{', but not everything' if missing else ''}.")
        if failed:
            raise CommandError("Something could not be listed; see above.", returncode=1)


def _on_signals(stop: threading.Event) -> dict[int, Any]:
    """Have SIGTERM and SIGINT set `stop`, and a second one end the process; the handlers that were there."""
    if threading.current_thread() is not threading.main_thread():
        return {}  # only the main thread may, and who runs this in another has a way of its own to stop

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()
        for other in (signal.SIGTERM, signal.SIGINT):
            signal.signal(other, signal.SIG_DFL)

    return {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
