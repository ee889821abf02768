"""`manage.py rotate_encryption_keys`: encrypts every secret anew, with the first key of the list."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.db.models import Model, TextField
from django.db.models.functions import Cast

from connectors.fields import EncryptedJSONText, Unreadable, encrypted_columns

BATCH = 200
NAMED = 10
"""Rows that are named as unreadable: with a key that is lost, they are all."""


@dataclass
class Count:
    """What became of the values of one column."""

    rotated: int = 0
    current: int = 0
    unreadable: list[Any] = field(default_factory=list)


class Command(BaseCommand):
    """To change keys: put the new one in front of the list, restart, run this, take the old one out."""

    help = "Encrypts every stored secret anew with the first key of FIELD_ENCRYPTION_KEY."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """`--dry-run`."""
        parser.add_argument("--dry-run", action="store_true", help="only count, change nothing")

    def handle(self, *args: Any, dry_run: bool, **options: Any) -> None:
        """Counts are printed by column. Raises CommandError if something is unreadable, naming some rows."""
        unreadable: list[str] = []
        for model, column in encrypted_columns():
            count = Count()
            for batch in _batches(model):
                _rotate(model, column, batch, count, dry_run)
            self.stdout.write(
                f"{model._meta.label}.{column.name}: {count.rotated}"
                f" {'to be encrypted' if dry_run else 'encrypted'} anew, {count.current} already with the"
                f" first key, {len(count.unreadable)} unreadable"
            )
            unreadable += (f"{model._meta.label} {pk}" for pk in count.unreadable)
        if unreadable:
            more = len(unreadable) - NAMED
            named = ", ".join(unreadable[:NAMED]) + (f" and {more} more" if more > 0 else "")
            raise CommandError(
                f"No key in FIELD_ENCRYPTION_KEY decrypts the secrets of: {named}."
                " They were left as they are. Put their key back into the list, or enter them again."
            )


def _batches(model: type[Model]) -> Iterator[list[Any]]:
    keys = model._base_manager.order_by("pk").values_list("pk", flat=True).iterator(BATCH)
    while batch := list(islice(keys, BATCH)):
        yield batch


def _rotate(
    model: type[Model], column: EncryptedJSONText, batch: list[Any], count: Count, dry_run: bool
) -> None:
    first = Fernet(settings.FIELD_ENCRYPTION_KEY[0])
    with transaction.atomic():
        # Locked, so that a secret entered at this moment is not overwritten with the one before it.
        rows = (
            model._base_manager.select_for_update(of=("self",))
            .filter(pk__in=batch, **{f"{column.name}__isnull": False})
            .order_by("pk")
            .annotate(ciphertext=Cast(column.name, TextField()))
            .values_list("pk", "ciphertext", column.name)
        )
        for pk, ciphertext, text in rows:
            if isinstance(text, Unreadable):
                count.unreadable.append(pk)
            elif _is_by(first, ciphertext):
                count.current += 1
            else:
                count.rotated += 1
                if not dry_run:
                    model._base_manager.filter(pk=pk).update(**{column.name: text})


def _is_by(key: Fernet, ciphertext: str) -> bool:
    try:
        key.decrypt(ciphertext.encode())
    except InvalidToken:
        return False
    return True
