"""Who changed what in the configuration: one line for each change, kept with the model that it is about.

A model says which of its columns people set (`History(tracked=…)`); what the engine writes beside them makes
no line, nor does a save that changes nothing. Each line holds its differences, so that reading a list of them
costs nothing more, and what was said stays true when older lines are pruned. A secret is never copied: all
that is told of one is that it was set anew.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.exceptions import ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Model, Q, QuerySet, signals  # noqa: TID251 (how django-simple-history works)
from django.http import HttpRequest
from django.utils import timezone
from simple_history.models import HistoricalRecords

from connectors import text

if TYPE_CHECKING:
    _Records = Any
else:
    _Records = HistoricalRecords

Secrets = Callable[[Any, Any], Collection[str]]
"""Which secrets are other ones than before, by name: gets the row as it was, if it was, and as it is."""


class Source(models.TextChoices):
    """From where somebody changed something."""

    CONSOLE = "console", "console"
    API = "api", "API"
    COMMAND = "command", "command line"


class Line(models.Model):
    """What every line of history says besides what django-simple-history does.

    `who` and `token` are names as they were then; `changes` a list of {"field", "old", "new"}.
    """

    who = models.CharField(max_length=150, blank=True)
    source = models.CharField(max_length=10, choices=Source)
    token = models.CharField(max_length=100, blank=True)
    object_name = models.CharField(max_length=400, blank=True)
    changes = models.JSONField(default=list, encoder=DjangoJSONEncoder)

    class Meta:
        abstract = True


@dataclass(slots=True)
class _Seen:
    """What a save is about to change. `words` are about secrets."""

    changes: list[dict[str, Any]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)


class History(_Records):  # type: ignore[misc]  # the library has no types
    """The history of a model: `history = History(tracked=("name", "enabled"))`.

    `secrets` tells which of the secrets among the columns `hidden` have changed.
    """

    def __init__(
        self,
        *,
        tracked: Collection[str],
        hidden: Collection[str] = (),
        secrets: Secrets | None = None,
        **more: Any,
    ) -> None:
        super().__init__(
            bases=[Line],
            history_id_field=models.BigAutoField(primary_key=True),
            history_change_reason_field=models.TextField(default="", blank=True),
            **more,
        )
        self.tracked = frozenset(tracked)
        self.hidden = frozenset(hidden)
        self.secrets = secrets

    def finalize(self, sender: type[Model], **kwargs: Any) -> None:
        """Makes the model of the lines, and sees what each save changes before it does."""
        if sender is not self.cls:
            return
        self.excluded_fields = [
            column.name
            for column in sender._meta.fields
            if not column.primary_key and column.name not in self.tracked
        ]
        super().finalize(sender, **kwargs)
        signals.pre_save.connect(self._look, sender=sender, weak=False)
        # Found by `write`, and by whatever lists lines.
        getattr(sender, self.manager_name).model.records = self

    def _look(self, instance: Any, raw: bool, update_fields: Any, **_: Any) -> None:
        """Compares what is about to be saved with what is stored."""
        instance._history_seen = None
        concerned = self.tracked | self.hidden
        if raw or (update_fields is not None and not concerned & set(update_fields)):
            return
        # Read as it is in the database, whatever a default manager would leave out.
        stored = (
            None if instance._state.adding else type(instance)._base_manager.filter(pk=instance.pk).first()
        )
        seen = _Seen()
        for column in type(instance)._meta.fields:
            if column.name in self.tracked:
                old = None if stored is None else _value(stored, column)
                seen.changes += _differences(column.name, old, _value(instance, column))
        if self.secrets is not None:
            seen.words = [f"{name}: set anew" for name in self.secrets(stored, instance)]
        if stored is None or seen.changes or seen.words:
            instance._history_seen = seen

    def post_save(self, instance: Any, created: bool, using: Any = None, **kwargs: Any) -> None:
        """Writes a line, if there is something to say."""
        if getattr(instance, "_history_seen", None) is not None:
            super().post_save(instance, created, using=using, **kwargs)
            instance._history_seen = None

    def post_delete(self, instance: Any, using: Any = None, **kwargs: Any) -> None:
        """Writes a line that says that it is gone."""
        instance._history_seen = None
        super().post_delete(instance, using=using, **kwargs)

    def create_historical_record(self, instance: Any, history_type: str, using: Any = None) -> None:
        """Writes the line."""
        self.write(instance, history_type, getattr(instance, "_history_seen", None) or _Seen())

    def write(self, instance: Any, history_type: str, seen: _Seen) -> None:
        """Writes a line in the name of whoever is asking."""
        model = getattr(type(instance), self.manager_name).model
        columns = {
            column.attname: getattr(instance, column.attname) for column in self.fields_included(instance)
        }
        request: HttpRequest | None = getattr(self.context, "request", None)
        user = getattr(request, "user", None)
        known = user if user is not None and user.is_authenticated else None
        model(
            **columns,
            history_date=timezone.now(),
            history_type=history_type,
            history_user=known,
            history_change_reason="; ".join(seen.words),
            who=known.get_username() if known is not None else "",
            source=_source(request),
            token=str(getattr(request, "auth", None) or ""),
            object_name=str(instance)[:400],
            changes=seen.changes,
        ).save()


def tell(instance: Model, name: str, old: Any, new: Any) -> None:
    """Writes a line about something that is no column of the row, such as who belongs to it."""
    if old != new:
        records: Any = getattr(type(instance), "history").model.records  # noqa: B009 (put there by the library)
        records.write(instance, "~", _Seen(_differences(name, old, new)))


def asking() -> str:
    """Who is asking for what is being done, and from where, for the log: `ada (API, token CI)`."""
    request: HttpRequest | None = getattr(HistoricalRecords.context, "request", None)
    who = request.user.get_username() if request is not None and hasattr(request, "user") else ""
    token = str(getattr(request, "auth", None) or "")
    where = ", ".join(filter(None, (_source(request).label, token and f"token {token}")))
    return text.one_line(f"{who} ({where})" if who else f"the {where}")


def _source(request: HttpRequest | None) -> Source:
    if request is None:
        return Source.COMMAND
    return Source.API if request.path.startswith("/api/") else Source.CONSOLE


def _value(row: Any, column: Any) -> Any:
    """A column's value for people and for JSON: of a reference, the name of what it refers to."""
    if isinstance(column, models.ForeignKey):
        return str(getattr(row, column.name))
    return getattr(row, column.attname)


def _differences(name: str, old: Any, new: Any) -> list[dict[str, Any]]:
    """What is other than before; of an object, by its keys."""
    if isinstance(new, Mapping) and (old is None or isinstance(old, Mapping)):
        before = old or {}
        keys = sorted({*before, *new})
        return [line for key in keys for line in _differences(f"{name}.{key}", before.get(key), new.get(key))]
    return (
        [] if old == new or (old is None and new in ("", [])) else [{"field": name, "old": old, "new": new}]
    )


# --- Reading --------------------------------------------------------------------------------------------

Position = tuple[datetime, str, int]
"""Where a line stands among all: when, of which kind, and its number."""


def kinds() -> dict[str, type[Any]]:
    """The models of lines, by the kind of thing that they are about."""
    return {
        model.instance_type._meta.model_name: model
        for model in apps.get_models()
        if issubclass(model, Line) and hasattr(model, "instance_type")
    }


def lines(
    wanted: Collection[str],
    *,
    before: Position | None = None,
    after: Position | None = None,
    limit: int,
    **filters: Any,
) -> list[tuple[str, Any]]:
    """The newest lines of these kinds, with the kind of each; `before` goes on where a page has ended.

    With `after`, those that come next after that place, the oldest of them first. Each kind costs one query
    for at most `limit` rows, by its index, however long the history is.
    """
    found: list[tuple[str, Any]] = []
    sign = "" if after else "-"
    for kind, model in kinds().items():
        if kind in wanted:
            rows = _of(model, **filters)
            for place, step in ((before, "lt"), (after, "gt")):
                if place is not None:
                    rows = rows.filter(_beyond(kind, place, step))
            rows = rows.order_by(f"{sign}history_date", f"{sign}history_id")
            found += [(kind, row) for row in rows[:limit]]
    found.sort(key=lambda entry: position(*entry), reverse=after is None)
    return found[:limit]


def _beyond(kind: str, place: Position, step: str) -> Q:
    """What of a kind comes before (`lt`) or after (`gt`) a place."""
    moment, other, number = place
    at_once = Q(pk__in=())
    if kind == other:
        at_once = Q(history_date=moment, **{f"history_id__{step}": number})
    elif (kind < other) is (step == "lt"):
        at_once = Q(history_date=moment)
    return Q(**{f"history_date__{step}": moment}) | at_once


def last_line(row: Model, since: datetime) -> Any:
    """The newest line about a row from that time on; None where there is none."""
    of_row = {row._meta.pk.attname: row.pk}
    newest = kinds()[str(row._meta.model_name)]._default_manager.filter(**of_row, history_date__gte=since)
    return newest.order_by("-history_date", "-history_id").first()


def position(kind: str, line: Any) -> Position:
    """Where a line stands."""
    return line.history_date, kind, line.history_id


def written(place: Position) -> str:
    """A position as text, for an address."""
    moment, kind, number = place
    return f"{moment.isoformat()}_{kind}_{number}"


def read(text: str) -> Position:
    """A position from its text. Raises ValueError."""
    moment, _, rest = text.partition("_")
    kind, _, number = rest.partition("_")
    at = datetime.fromisoformat(moment)
    if at.utcoffset() != timedelta(0) or kind not in kinds() or not (number.isascii() and number.isdigit()):
        raise ValueError("This is no place in the history.")
    return at, kind, min(int(number[:18]), 2**62)


def _of(model: type[Any], *, object_id: str = "", **filters: Any) -> QuerySet[Any]:
    rows: QuerySet[Any] = model._default_manager.filter(**filters)
    if not object_id:
        return rows
    key = model.instance_type._meta.pk
    try:
        return rows.filter(**{key.attname: key.to_python(object_id)})
    except ValidationError:
        return rows.none()


def verb(line: Any) -> str:
    """made, changed or deleted."""
    return {"+": "made", "-": "deleted"}.get(line.history_type, "changed")


# --- Forgetting -----------------------------------------------------------------------------------------

BATCH = 500


def prune(before: datetime, *, dry_run: bool = False) -> Iterator[int]:
    """Deletes lines that are older; yields, after each batch, how many. Whoever calls it may stop."""
    for model in kinds().values():
        old = model._default_manager.filter(history_date__lt=before).order_by("history_date")
        if dry_run:
            yield old.count()
            continue
        while numbers := list(old.values_list("history_id", flat=True)[:BATCH]):
            model._default_manager.filter(history_id__in=numbers).delete()
            yield len(numbers)
