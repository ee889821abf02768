"""Counts whom API servers refuse, in the database, and opens and ends the events that tell of it.

A caller has one row for as long as they are refused, whichever process hears of it; nothing is written of
what was allowed. Whoever makes up names is told apart so many times, and is one caller from then on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

import msgspec
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from connectors import presence
from connectors.ids import uuid7
from events.decisions import Sighting
from events.draft import draft, name_of
from events.models import STILL_SO, Cluster, Event
from events.record import Batch, Change, on_record, write
from events.refused_caller import EVENT_TYPE, OTHERS, REMEMBERED, Caller, Record, Refusal
from events.remembered import Refused

SOURCE = "audit"

QUIET = timedelta(minutes=30)
"""After so long without another refusal it is over. By the time at which we hear of them: clocks differ."""
MOST_CALLERS = 500
"""How many callers of a cluster are told apart at a time."""


def take_in(cluster: Cluster, refusals: Iterable[Refusal]) -> None:
    """Counts them, and opens and changes the events that tell of them, in one transaction."""
    by_caller: dict[Caller, list[Refusal]] = defaultdict(list)
    for refusal in refusals:
        by_caller[refusal.caller].append(refusal)
    if not by_caller:
        return
    now = timezone.now()
    with transaction.atomic():
        if presence.staying(Cluster, [cluster.pk]):
            _count(cluster, by_caller, now)


def _count(cluster: Cluster, by_caller: dict[Caller, list[Refusal]], now: datetime) -> None:
    by_name = _told_apart(cluster, by_caller)
    counted: list[tuple[Refused, Record]] = []
    for row in _locked(cluster, by_name, now):
        caller, refusals = by_name[row.fingerprint]
        record = _record(row, caller)
        if record.take(refusals, now):
            row.record, row.last_at = msgspec.to_builtins(record), now
            counted.append((row, record))
    rows = [row for row, _ in counted]
    Refused.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=("fingerprint",), update_fields=("record", "last_at")
    )
    batch = Batch()
    enough = {row.fingerprint: record for row, record in counted if record.enough}
    known = on_record(enough) if enough else {}
    for name, record in enough.items():
        sighting = Sighting(record.caller.ref, record.finding())  # of one caller, which says how often
        event = draft(uuid7(), cluster, EVENT_TYPE, sighting, now, {})
        event.source = SOURCE
        if name in known:
            batch.changed.append(Change.into(event, known[name], now, event.count))
        else:
            batch.new.append(event)
    if batch:
        write(batch)


def _told_apart(
    cluster: Cluster, by_caller: dict[Caller, list[Refusal]]
) -> dict[str, tuple[Caller, list[Refusal]]]:
    """The callers by the name of their row; those who are too many come as one."""
    known = set(Refused.objects.filter(cluster=cluster).values_list("fingerprint", flat=True))
    room = MOST_CALLERS - len(known)
    by_name: dict[str, tuple[Caller, list[Refusal]]] = {}
    others: list[Refusal] = []
    for caller, refusals in by_caller.items():
        name = _name_of(cluster, caller)
        if name not in known and room <= 0:
            others += refusals
            continue
        room -= name not in known
        by_name[name] = caller, refusals
    if others:
        by_name[_name_of(cluster, OTHERS)] = OTHERS, others
    return by_name


def _locked(cluster: Cluster, names: Collection[str], now: datetime) -> list[Refused]:
    """Their rows, made where there are none, locked in one order so that nobody waits in a circle."""
    rows: list[Refused] = []
    while len(rows) < len(names):  # one that was there may just have ended
        there = {row.fingerprint for row in rows}
        new = [
            Refused(fingerprint=name, cluster=cluster, last_at=now)
            for name in sorted(names)
            if name not in there
        ]
        Refused.objects.bulk_create(new, ignore_conflicts=True)
        rows = list(Refused.objects.filter(pk__in=names).order_by("pk").select_for_update(of=("self",)))
    return rows


def _record(row: Refused, caller: Caller) -> Record:
    """What is kept of the caller; of one who is new, or whose record is of another version, nothing."""
    try:
        return msgspec.convert(row.record, Record)
    except msgspec.ValidationError:
        return Record(caller)


def _name_of(cluster: Cluster, caller: Caller) -> str:
    return name_of(cluster, EVENT_TYPE, caller.ref, caller.key)


def end() -> None:
    """Forgets whom nobody has refused for a while, and resolves what was told of them.

    Of whom nothing was told is forgotten sooner, so that there is room for others.

    What was found in a cluster that has been removed is over, too.
    """
    now = timezone.now()
    quiet = Refused.objects.filter(
        Q(last_at__lt=now - QUIET) | Q(last_at__lt=now - REMEMBERED) & ~Q(record__has_key="enough")
    )
    with transaction.atomic():
        presence.staying(Cluster, quiet.values_list("cluster_id", flat=True))
        over = list(quiet.order_by("pk").select_for_update(of=("self",)).values_list("pk", flat=True))
        Refused.objects.filter(pk__in=over).delete()
        still = Refused.objects.values("fingerprint")
        told = Event.objects.filter(STILL_SO, event_type=EVENT_TYPE, source=SOURCE)
        batch = Batch(
            resolved=[(pk, now) for pk in told.exclude(fingerprint__in=still).values_list("pk", flat=True)]
        )
        if batch:
            write(batch)
