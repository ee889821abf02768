"""Rows that are deleted while others write about them: who comes second waits, and nobody for each other.

Whoever writes about a row, and locks others on the way, first has it `staying`; whoever deletes it locks it
before all that goes or changes with it (`leave`). So the later of the two waits while it holds nothing that
the other may still want, and finds the row there, or gone, when its turn has come.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db import connection
from django.db.models import Model

from connectors import bulk


def lock() -> str:
    """The end of a SELECT whose rows are to stay until the transaction is over. They may still be changed.

    On SQLite, where whoever writes is alone, there is nothing to say.
    """
    return "ORDER BY id FOR KEY SHARE" if connection.vendor == bulk.POSTGRESQL else ""


def staying(model: type[Model], pks: Iterable[int]) -> set[int]:
    """Those of these rows that are there: they stay until the end of the caller's transaction."""
    asked = sorted(set(pks))
    if not asked:
        return set()
    places = ", ".join(["%s"] * len(asked))
    with connection.cursor() as cursor:
        table = model._meta.db_table
        cursor.execute(f"SELECT id FROM {table} WHERE id IN ({places}) {lock()}", asked)  # noqa: S608 - our own name only
        return {pk for (pk,) in cursor.fetchall()}


def leave(row: Model) -> None:
    """Waits until nobody has the row staying any more, and lets nobody have it from then on.

    To be called in the transaction in which it is deleted.
    """
    rows = type(row)._base_manager.filter(pk=row.pk).order_by().select_for_update()
    list(rows.values_list("pk"))
