"""`manage.py export_connectors`: connectors and their subscriptions in JSON, for import_connectors."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from connectors.models import Connector
from events.files.exporting import export


class Command(BaseCommand):
    """Prints every connector, or those named. No secret leaves the database this way."""

    help = (
        "Prints connectors and their subscriptions as JSON. Secrets are left out: imported where the"
        " connectors are, such a file keeps them; imported elsewhere, it asks for them."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which ones, and what stands in place of secrets."""
        parser.add_argument("names", nargs="*", metavar="NAME", help="connectors to export; by default all")
        parser.add_argument(
            "--references",
            action="store_true",
            help="put env:KUBEGRAF_SECRET_… in place of each secret, to be set where the file is imported",
        )

    def handle(self, *, names: list[str], references: bool, **options: Any) -> None:
        """Prints the file; what was left out of it is told on standard error. Raises CommandError."""
        connectors = Connector.objects.prefetch_related("subscriptions")
        if names:
            connectors = connectors.filter(name__in=names)
            missing = sorted(set(names) - {connector.name for connector in connectors})
            if missing:
                raise CommandError(f"There is no connector named {', '.join(map(repr, missing))}.")
        exported = export(connectors, references=references)
        done = "references in place of" if references else "without"
        for name, secrets in exported.hidden.items():
            self.stderr.write(f"{name}: {done} {', '.join(secrets)}")
        for name in exported.left_out:
            self.stderr.write(f"{name}: left out, because its type is there no more")
        self.stdout.write(json.dumps(exported.document, indent=2, ensure_ascii=False))
