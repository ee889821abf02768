"""Writes many rows in one statement.

On PostgreSQL they travel by COPY, or as one JSON text that the server takes apart, which costs a fraction of
what an INSERT of as many rows does; every other database gets the ORM's own bulk operations. Values are not
validated, and rows are not refreshed from the database.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, TypeAlias, TypeVar

import msgspec
from django.db import DataError, connection, models

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
    _copy(model, fields, _columns(rows, fields))
    _mark_saved(rows)


def insert_values(model: type[models.Model], names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Inserts rows of a model that are given as values, in the order of the names of their columns.

    No instances are made where the database can do without, which costs several times as much as the rows.
    Every other column gets its default, the same one for all rows. What a JSON column holds may have been
    encoded already (msgspec.Raw). Raises IntegrityError if one of the rows is there already.
    """
    if not rows:
        return
    if connection.vendor != POSTGRESQL:
        given = [(name, _is_json(model, name)) for name in names]
        model._default_manager.bulk_create(
            model(
                **{
                    name: _decode(value) if is_json else value
                    for (name, is_json), value in zip(given, row, strict=True)
                }
            )
            for row in rows
        )
        return
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    fields = [
        field
        for field in model._meta.concrete_fields
        if field.attname in columns or not isinstance(field, models.AutoField)
    ]
    _copy(
        model, fields, [columns.get(field.attname) or (field.get_default(),) * len(rows) for field in fields]
    )


def insert_new(rows: Sequence[M]) -> set[Any]:
    """Inserts the rows that contradict no uniqueness; returns the ids of those."""
    if not rows:
        return set()
    model = type(rows[0])
    if connection.vendor != POSTGRESQL:
        model._default_manager.bulk_create(rows, ignore_conflicts=True)
        keys = [row.pk for row in rows]
        return set(model._default_manager.filter(pk__in=keys).values_list("pk", flat=True))
    varying, same, literals = [], [], []
    all_fields = model._meta.concrete_fields
    # What all rows have in common is sent, and read by the server, once: it is most of what an event is.
    for field, values in zip(all_fields, _columns(rows, all_fields), strict=True):
        if len(rows) == 1 or _all_equal(field, values):
            same.append(field)
            literals.append(_literal(field, values[0]))
        else:
            varying.append((field, values))
    fields = [field for field, _ in varying]
    chosen = [*(f"given.{connection.ops.quote_name(str(field.column))}" for field in fields)]
    chosen += [f"%s::{_type(field)}" for field in same]
    statement = f"INSERT INTO {model._meta.db_table} ({_names([*fields, *same])}) SELECT {', '.join(chosen)}"
    if varying:
        given = ", ".join(f"{connection.ops.quote_name(str(f.column))} {_type(f)}" for f in fields)
        statement += f" FROM json_to_recordset(%s::json) AS given ({given})"
        names = [str(field.column) for field in fields]
        together = zip(*(values for _, values in varying), strict=True)
        literals.append(_encode([dict(zip(names, values, strict=True)) for values in together]).decode())
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"{statement} ON CONFLICT DO NOTHING RETURNING id", literals)
            written = {found for (found,) in cursor.fetchall()}
    except UnicodeEncodeError as error:  # half a surrogate pair
        raise DataError(str(error)) from error
    _mark_saved(rows)
    return written


def array(keys: Iterable[uuid.UUID]) -> str:
    """Ids as PostgreSQL reads an array of them: one parameter, whatever their number."""
    return "{" + ",".join([key.hex for key in keys]) + "}"


# --- Text for the server --------------------------------------------------------------------------------


def _copy(model: type[models.Model], fields: Fields, columns: Sequence[Sequence[Any]]) -> None:
    """Sends columns of equal length, one for each field, as rows."""
    line, varying = [], []
    for field, values in zip(fields, columns, strict=True):
        cells = _cells(field, values)
        if cells.count(cells[0]) == len(cells):
            line.append(cells[0].replace("%", "%%"))
        else:
            line.append("%s")
            varying.append(cells)
    template = "\t".join(line) + "\n"
    lines = [template % values for values in zip(*varying, strict=True)] if varying else []
    lines = lines or [template % ()] * len(columns[0])
    statement = f"COPY {model._meta.db_table} ({_names(fields)}) FROM STDIN"
    # The cursor's other methods translate errors into Django's by themselves.
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(statement) as copy:
        # Half a surrogate pair is no UTF-8: the database says that it does not take it.
        copy.write("".join(lines).encode("utf-8", "surrogatepass"))


def _cells(field: models.Field[Any, Any], values: Sequence[Any]) -> list[str]:
    """The values of one column as COPY reads them."""
    if _all_equal(field, values):
        return [_escaped(_literal(field, values[0]))] * len(values)
    return [_escaped(_literal(field, value)) for value in values]


def _escaped(text: str | None) -> str:
    if text is None:
        return "\\N"
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    return text.replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def _literal(field: models.Field[Any, Any], value: Any) -> str | None:
    return _encode(value).decode() if isinstance(field, models.JSONField) else _text(value)


def _text(value: Any) -> str | None:
    """A value as the server reads it in a text; None for null."""
    write = _TEXTS.get(type(value))
    if write is not None:
        return write(value)
    if isinstance(value, str):  # a member of an enumeration
        return str.__str__(value)
    if isinstance(value, int):
        return int.__repr__(value)
    raise TypeError(f"{type(value).__name__} is not written in bulk")


_TEXTS: dict[type, Callable[[Any], str | None]] = {
    str: lambda value: value,
    type(None): lambda _: None,
    bool: lambda value: "t" if value else "f",
    int: str,
    float: repr,
    uuid.UUID: lambda value: value.hex,
    datetime: datetime.isoformat,
}


def _all_equal(field: models.Field[Any, Any], values: Sequence[Any]) -> bool:
    first = values[0]
    if isinstance(field, models.JSONField) and first not in ({}, []):
        return False  # true equals 1, and is something else
    return values.count(first) == len(values)


def _columns(rows: Sequence[models.Model], fields: Fields) -> list[tuple[Any, ...]]:
    read = attrgetter(*(field.attname for field in fields))
    return list(zip(*map(read, rows), strict=True))


def _encode(value: Any) -> bytes:
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        # Half a surrogate pair. Escaped it is JSON, and the database says that it does not take it.
        return json.dumps(value, default=str).encode()


_encoder = msgspec.json.Encoder()


def _decode(value: Any) -> Any:
    return json.loads(bytes(value)) if isinstance(value, msgspec.Raw) else value


def _is_json(model: type[models.Model], name: str) -> bool:
    return isinstance(model._meta.get_field(name), models.JSONField)


def _type(field: models.Field[Any, Any]) -> str:
    # Without a length: a cast to varchar(120) would cut off silently what an INSERT refuses.
    return (field.db_type(connection) or "").partition("(")[0]


def _names(fields: Fields) -> str:
    return ", ".join(connection.ops.quote_name(str(field.column)) for field in fields)


def _mark_saved(rows: Iterable[models.Model]) -> None:
    alias = connection.alias
    for row in rows:
        state = row._state
        state.adding, state.db = False, alias
