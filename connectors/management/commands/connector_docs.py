"""`manage.py connector_docs`: writes docs/connectors/<type>.md from what the providers declare."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from connectors import docs_page


class Command(BaseCommand):
    """Writes the pages, or says which of them are stale."""

    help = "Writes the page of each type of connector under docs/connectors/."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whether only to check."""
        parser.add_argument("--check", action="store_true", help="write nothing; fail if a page is stale")

    def handle(self, *, check: bool, **options: Any) -> None:
        """Raises CommandError, with --check, if a page is not as it should be."""
        folder = docs_page.folder()
        pages = docs_page.pages(folder / docs_page.PARTS)
        there = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}
        stale = sorted(name for name, text in pages.items() if there.get(name) != text)
        left = sorted(set(there) - set(pages) - {"README.md"})
        if check and (stale or left):
            raise CommandError(
                f"Stale pages in {folder}: {', '.join(stale + left)}. Run `manage.py connector_docs`."
            )
        for name in stale:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(pages[name], encoding="utf-8")
            self.stdout.write(f"wrote {folder / name}")
        for name in left:
            (folder / name).unlink()
            self.stdout.write(f"removed {folder / name}: there is no such connector")
