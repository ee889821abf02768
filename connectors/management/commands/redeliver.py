"""`manage.py redeliver CONNECTOR --since …`: sends a connector's failed deliveries once more."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from connectors.models import Connector, DeliveryStatus
from connectors.redelivery import CHOICES, redeliver_since


class Command(BaseCommand):
    """Each keeps its id, so that a receiver that has had it after all can tell."""

    help = "Sends a connector's deliveries since a time once more: the failed ones, or those of --status."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The connector, since when, and which."""
        parser.add_argument("connector", metavar="CONNECTOR", help="its name")
        parser.add_argument(
            "--since",
            required=True,
            metavar="TIME",
            help="when the oldest of them was written, in UTC: 2025-01-15, or 2025-01-15T10:30:00Z",
        )
        parser.add_argument(
            "--status",
            choices=[str(status) for status in CHOICES],
            default=str(DeliveryStatus.FAILED),
            help="which of them (default: failed)",
        )

    def handle(self, *, connector: str, since: str, status: str, **options: Any) -> None:
        """Says how many. Raises CommandError for a connector there is not, or a time that is none."""
        moment = _moment(since)
        chosen = Connector.objects.filter(name=connector).first()
        if chosen is None:
            known = ", ".join(Connector.objects.values_list("name", flat=True)) or "none"
            raise CommandError(f"There is no connector named {connector!r}. There are: {known}.")
        sent = redeliver_since(chosen, moment, DeliveryStatus(status))
        self.stdout.write(f"{sent} are sent once more.")
        if chosen.paused_at is not None or not chosen.enabled:
            state = "disabled" if not chosen.enabled else "paused"
            self.stdout.write(f"They wait: the connector is {state}.")


def _moment(text: str) -> datetime:
    try:
        moment = parse_datetime(text)
        if moment is None and (day := parse_date(text)) is not None:
            moment = datetime(day.year, day.month, day.day)  # noqa: DTZ001  # made aware below
    except ValueError:
        moment = None
    if moment is None:
        raise CommandError(f"--since {text!r} is no time. Write 2025-01-15 or 2025-01-15T10:30:00Z.")
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)
