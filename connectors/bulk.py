"""Writes many rows in one statement.

On PostgreSQL more than a few travel by COPY, which costs a fraction of what an INSERT does; every other
database gets the ORM's own bulk operations. Values are not validated, and rows are not refreshed from the
database.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from enum import Enum
from functools import cache
from operator import attrgetter, itemgetter
from typing import Any, TypeAlias, TypeVar

import msgspec
from django.db import connection, models
from django.db.models.base import ModelState

M = TypeVar("M", bound=models.Model)
Fields: TypeAlias = Sequence[models.Field[Any, Any]]

POSTGRESQL = "postgresql"

FEW = 4
"""Rows that are still written by an INSERT."""


def insert(rows: Sequence[M]) -> None:
    """Inserts rows of one model. Raises IntegrityError if one of them is there already."""
    if not rows:
        return
    model = type(rows[0])
    if connection.vendor != POSTGRESQL:
        model._default_manager.bulk_create(rows)
        return
    fields = model._meta.concrete_fields
    _send(model, fields, _columns(rows, fields))
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
    _send(
        model, fields, [columns.get(field.attname) or (field.get_default(),) * len(rows) for field in fields]
    )


def instance(model: type[M], **given: Any) -> M:
    """An instance that is not saved, the same as `model(**given)` is, in half the time.

    Columns are given by their own names; those that are not have their defaults. For models whose instances
    nobody is told of as they are made: no signal is sent. Raises TypeError for a column that is none.
    """
    constants, made = _defaults(model)
    values = constants | given
    if len(values) > len(constants):
        raise TypeError(f"{model.__name__} has no {', '.join(sorted(given.keys() - constants.keys()))}")
    for name, default in made:
        if name not in given:
            values[name] = default()
    # As an instance comes out of a pickle. Django's __init__ sets one attribute after the other.
    new = model.__new__(model)
    new.__dict__.update(values, _state=ModelState())
    return new


@cache
def _defaults(model: type[models.Model]) -> tuple[dict[str, Any], list[tuple[str, Callable[[], Any]]]]:
    """What each column is by default, and which of that is made anew each time."""
    fields = model._meta.concrete_fields
    made = [(each.attname, each.default) for each in fields if each.has_default() and callable(each.default)]
    return {field.attname: field.get_default() for field in fields}, made


def array(keys: Iterable[str]) -> str:
    """Ids as PostgreSQL reads an array of them: one parameter, whatever their number."""
    return "{" + ",".join(keys) + "}"


# --- Text for the server --------------------------------------------------------------------------------


def _send(model: type[models.Model], fields: Fields, columns: Sequence[Sequence[Any]]) -> None:
    """Sends columns of equal length, one for each field, as rows.

    Of a few, the rows cost less than that a COPY asks the server three times and an INSERT once.
    """
    quoted = connection.ops.quote_name
    table = f"{model._meta.db_table} ({', '.join(quoted(str(field.column)) for field in fields)})"
    if len(columns[0]) > FEW or not _insert(table, fields, columns):
        _copy(table, fields, columns)


def _insert(table: str, fields: Fields, columns: Sequence[Sequence[Any]]) -> bool:
    """Sends them in one statement; False if there is no UTF-8 for one of them, and nothing was done."""
    given = [
        _encoded(values).split("\n") if isinstance(field, models.JSONField) else values
        for field, values in zip(fields, columns, strict=True)
    ]
    row = f"({', '.join(['%s'] * len(fields))})"
    statement = f"INSERT INTO {table} VALUES {', '.join([row] * len(columns[0]))}"  # noqa: S608 - our own names
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement, [_plain(value) for row in zip(*given, strict=True) for value in row])
    except UnicodeEncodeError:  # half a surrogate pair
        return False
    return True


def _plain(value: Any) -> Any:
    """A member of an enumeration as what it stands for."""
    return value.value if isinstance(value, Enum) else value


def _copy(table: str, fields: Fields, columns: Sequence[Sequence[Any]]) -> None:
    """Sends them by COPY."""
    line, varying = [], []
    for field, values in zip(fields, columns, strict=True):
        cells = _cells(field, values)
        if cells.count(cells[0]) == len(cells):
            line.append(cells[0].replace("%", "%%"))
        else:
            line.append("%s")
            varying.append(cells)
    template = "\t".join(line) + "\n"
    rows = zip(*varying, strict=True) if varying else [()] * len(columns[0])
    text = "".join(map(template.__mod__, rows))
    statement = f"COPY {table} FROM STDIN"
    # The cursor's other methods translate errors into Django's by themselves.
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(statement) as copy:
        # Half a surrogate pair is no UTF-8: the database says that it does not take it.
        copy.write(text.encode("utf-8", "surrogatepass"))


def _cells(field: models.Field[Any, Any], values: Sequence[Any]) -> Sequence[str]:
    """The values of one column as COPY reads them."""
    if isinstance(field, models.JSONField):
        # Of what COPY takes for a sign of its own, JSON has only backslashes.
        return _encoded(values).replace("\\", "\\\\").split("\n")
    if values.count(values[0]) == len(values):
        return [_cell(values[0])] * len(values)
    if set(map(type, values)) == {str}:
        together = "".join(values)
        if not any(mark in together for mark in _MARKS):
            return values
    return [_cell(value) for value in values]


def _cell(value: Any) -> str:
    write = _CELLS.get(type(value))
    if write is not None:
        return write(value)
    if isinstance(value, str):  # a member of an enumeration
        return _escaped(str.__str__(value))
    if isinstance(value, int):
        return int.__repr__(value)
    raise TypeError(f"{type(value).__name__} is not written in bulk")


def _escaped(text: str) -> str:
    for mark, escaped in _MARKS.items():
        text = text.replace(mark, escaped)
    return text


_MARKS = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}

_CELLS: dict[type, Callable[[Any], str]] = {
    str: _escaped,
    type(None): lambda _: "\\N",
    bool: lambda value: "t" if value else "f",
    int: str,
    float: repr,
    uuid.UUID: attrgetter("hex"),
    datetime: datetime.isoformat,
}


def _encoded(values: Sequence[Any]) -> str:
    """Each of them as JSON, on a line of its own."""
    try:
        return _encoder.encode_lines(values).decode().removesuffix("\n")
    except UnicodeEncodeError:
        # Half a surrogate pair. Escaped it is JSON, and the database says that it does not take it.
        return "\n".join(json.dumps(_decode(value), default=str) for value in values)


_encoder = msgspec.json.Encoder()


def _columns(rows: Sequence[models.Model], fields: Fields) -> list[tuple[Any, ...]]:
    # Past the attributes: Django makes a call of each foreign key that is read.
    read = itemgetter(*(field.attname for field in fields))
    return list(zip(*(read(row.__dict__) for row in rows), strict=True))


def _decode(value: Any) -> Any:
    return json.loads(bytes(value)) if isinstance(value, msgspec.Raw) else value


def _is_json(model: type[models.Model], name: str) -> bool:
    return isinstance(model._meta.get_field(name), models.JSONField)


def _mark_saved(rows: Iterable[models.Model]) -> None:
    alias = connection.alias
    for row in rows:
        state = row._state
        state.adding, state.db = False, alias
