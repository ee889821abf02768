"""`manage.py prune`: deletes what has been over for long enough, as the workers do every night."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from kubegraf.pruning import prune


class Command(BaseCommand):
    """Works in small transactions beside everything else, and can be stopped at any time."""

    help = (
        "Deletes deliveries with their attempts, and events that are over, older than KUBEGRAF_KEEP_DAYS."
        " Open events and unsettled deliveries are kept however old they are. The history of who changed"
        " what is kept for KUBEGRAF_HISTORY_DAYS. Sessions go when they are over."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """`--days`, `--dry-run`."""
        parser.add_argument("--days", type=int, help="instead of KUBEGRAF_KEEP_DAYS", metavar="N")
        parser.add_argument("--dry-run", action="store_true", help="only count, delete nothing")

    def handle(self, *, days: int | None, dry_run: bool, **options: Any) -> None:
        """Says how many. Raises CommandError for a number of days below 1."""
        if days is not None and days < 1:
            raise CommandError(f"--days must be 1 or more, not {days}.")
        pruned = prune(None if days is None else timedelta(days=days), dry_run=dry_run)
        verb = "would be deleted" if dry_run else "deleted"
        self.stdout.write(f"{pruned.deliveries} deliveries and {pruned.events} events {verb}.")
        if pruned.history:
            self.stdout.write(f"{pruned.history} lines of the history of the configuration {verb}.")
        if pruned.sessions:
            self.stdout.write(f"{pruned.sessions} sessions that are over {verb}.")
        if days is not None and days < settings.KEEP_DAYS:
            self.stdout.write(
                f"What occurred, rather than opened and was resolved, is kept for {settings.KEEP_DAYS} days"
                " (KUBEGRAF_KEEP_DAYS): it would be reported again while its object still shows it."
            )
