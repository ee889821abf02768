"""`manage.py import_connectors FILE`: connectors and their subscriptions from JSON files."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from connectors import wellformed
from events.files.importing import bring_in
from events.files.seed_format import Entry, SeedError, parse

LARGEST_FILE = 8 * 1024 * 1024
"""Bytes. Thousands of connectors fit; what is larger is another file."""


class Command(BaseCommand):
    """Brings the connectors to what the files say, by name; all of every file, or nothing."""

    help = "Creates and changes connectors and their subscriptions from JSON files."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The files, and whether only to tell."""
        parser.add_argument("files", nargs="+", metavar="FILE", help="a JSON file, or - for standard input")
        parser.add_argument("--dry-run", action="store_true", help="tell what would change and write nothing")

    def handle(self, *, files: list[str], dry_run: bool, **options: Any) -> None:
        """Prints a line for each connector. Raises CommandError with all that is wrong."""
        entries: list[Entry] = []
        errors: list[str] = []
        for name in files:
            try:
                entries += parse(decode(name))
            except SeedError as error:
                errors += [f"{name}: {text}" for text in error.errors]
        errors += twice(entries)
        if not errors:
            try:
                steps = bring_in(entries, dry_run=dry_run)
            except SeedError as error:
                errors += error.errors
        if errors:
            raise CommandError("Nothing was imported.\n" + "\n".join(f"  {text}" for text in errors))
        for step in steps:
            self.stdout.write(f"{step.connector.name}: {step.verb}")
            for change in step.changes:
                self.stdout.write(f"  {change}")
        if dry_run:
            self.stdout.write("This was a dry run: nothing was written.")


def decode(name: str) -> object:
    """The decoded file, or standard input for `-`. Raises SeedError."""
    try:
        content = sys.stdin.buffer.read(LARGEST_FILE + 1) if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise SeedError([f"The file cannot be read: {error.strerror}."]) from None
    if len(content) > LARGEST_FILE:
        raise SeedError([f"The file has more than {LARGEST_FILE} bytes."])
    try:
        return wellformed.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise SeedError(["This is not UTF-8 text."]) from None
    except ValueError as error:
        raise SeedError([str(error)]) from None


def twice(entries: list[Entry]) -> list[str]:
    """What is wrong where two files speak of one connector."""
    names = [entry.name for entry in entries]
    return [
        f"{name!r} is in more than one file." for name in sorted({n for n in names if names.count(n) > 1})
    ]
