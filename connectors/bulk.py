"""Writes many rows in one statement.

On PostgreSQL they travel by COPY, or as one JSON text that the server takes apart, which costs a fraction of
what an INSERT of as many rows does; every other database gets the ORM's own bulk operations. Values are not
validated, and rows are not refreshed from the database.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias, TypeVar

import msgspec
from django.db import connection, models

M = TypeVar("M", bound=models.Model)
Fields: TypeAlias = Sequence[models.Field[Any, Any]]

POSTGRESQL = "postgresql"


def insert(rows: Sequence[M]) -> None:
    """Inserts rows of one model. Raises IntegrityError if one of them is there already."""
    if not rows:
        return
    model = type(rows[0])
    if connection.vendor != POSTGRESQL:
        model._default_manager.bulk_create(rows)
        return
    fields = model._meta.concrete_fields
    json_columns = [position for position, field in enumerate(fields) if isinstance(field, models.JSONField)]
    statement = f"COPY {model._meta.db_table} ({_names(fields)}) FROM STDIN"
    # The cursor's other methods translate errors into Django's by themselves.
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(statement) as copy:
        for row in rows:
            values = [getattr(row, field.attname) for field in fields]
            for position in json_columns:
                values[position] = _encode(values[position]).decode()
            copy.write_row(values)
    _mark_saved(rows)


def insert_new(rows: Sequence[M]) -> set[Any]:
    """Inserts the rows that contradict no uniqueness; returns the ids of those."""
    if not rows:
        return set()
    model = type(rows[0])
    if connection.vendor != POSTGRESQL:
        model._default_manager.bulk_create(rows, ignore_conflicts=True)
        keys = [row.pk for row in rows]
        return set(model._default_manager.filter(pk__in=keys).values_list("pk", flat=True))
    fields = model._meta.concrete_fields
    statement = (
        f"INSERT INTO {model._meta.db_table} ({_names(fields)})"  # noqa: S608 - names of our own columns only
        f" SELECT * FROM {recordset(('', fields))} ON CONFLICT DO NOTHING RETURNING id"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [records(("", fields, rows))])
        written = {found for (found,) in cursor.fetchall()}
    _mark_saved(rows)
    return written


def fields_of(model: type[models.Model], names: Iterable[str]) -> Fields:
    """The model's columns of these names."""
    return [model._meta.get_field(name) for name in names]  # type: ignore[misc]  # none is a relation's other end


def recordset(*parts: tuple[str, Fields]) -> str:
    """What stands in a FROM for `records` of these fields; for PostgreSQL. It has one placeholder.

    Each column is named by the prefix of its part and its own name.
    """
    columns = ", ".join(
        # Without a length: a cast to varchar(120) would cut off silently what an INSERT refuses.
        f'"{prefix}{field.column}" {(field.db_type(connection) or "").partition("(")[0]}'
        for prefix, fields in parts
        for field in fields
    )
    return f"json_to_recordset(%s::json) AS given ({columns})"


def records(*parts: tuple[str, Fields, Sequence[models.Model]]) -> str:
    """The values of rows as JSON. A row of one part belongs to those at the same place in the others."""
    named = [
        ([(f"{prefix}{field.column}", field.attname) for field in fields], rows)
        for prefix, fields, rows in parts
    ]
    together = zip(*(rows for _, rows in named), strict=True)
    return _encode(
        [
            {
                name: getattr(row, attribute)
                for (names, _), row in zip(named, row_of_each, strict=True)
                for name, attribute in names
            }
            for row_of_each in together
        ]
    ).decode()


def _encode(value: Any) -> bytes:
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        # Half a surrogate pair. Escaped it is JSON, and the database says that it does not take it.
        return json.dumps(value, default=str).encode()


_encoder = msgspec.json.Encoder()


def _names(fields: Fields) -> str:
    return ", ".join(connection.ops.quote_name(str(field.column)) for field in fields)


def _mark_saved(rows: Iterable[models.Model]) -> None:
    for row in rows:
        row._state.adding = False
        row._state.db = connection.alias
