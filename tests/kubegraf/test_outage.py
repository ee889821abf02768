"""What beat asks for while the database is away: nothing is lost, and the log says it once."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import OperationalError, connection, transaction
from django.test import Client
from django.utils import timezone
from redis.exceptions import OutOfMemoryError

from connectors import tally
from connectors.engine import quarantine
from connectors.engine.claim import claim
from connectors.models import Attempt, Connector, Delivery, Lease
from connectors.outbox import Order, enqueue
from events.cluster.readiness import Questions, Readiness, Verdict
from events.models import Event, Silence, Subscription
from events.record import Batch, write
from events.routing import rules
from kubegraf import outage
from kubegraf.celery import app
from tests.calling import Caller
from tests.making import (
    make_cluster,
    make_connector,
    make_event,
    make_message,
    make_silence,
    make_subscription,
)

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


@pytest.fixture(autouse=True)
def present(monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as is known the database is there."""
    monkeypatch.setattr(outage, "outage", outage.Outage())


def run(name: str) -> Any:
    """Runs a task as a worker does."""
    for part in ("connectors", "events", "kubegraf"):
        import_module(f"{part}.tasks")
    return app.tasks[name].apply()


@contextmanager
def away(after: int = 0) -> Iterator[list[str]]:
    """After so many queries the next one finds the database gone. Which one that was."""
    asked: list[str] = []
    gone: list[str] = []

    def execute(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if "SAVEPOINT" in sql:  # outside of a test these are no questions
            return execute(sql, params, many, context)
        asked.append(sql)
        if len(asked) == after + 1:
            gone.append(sql)
            raise OperationalError("connection refused\n\tIs the server running?")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(execute):
        yield gone


def sqlite(name: str) -> sqlite3.OperationalError:
    """An error as SQLite gives it, of that name."""
    error = sqlite3.OperationalError()
    error.sqlite_errorname = name
    return error


# --- What is not done now is done at the next beat ------------------------------------------------------

State = Callable[[], Any]


def sweeping() -> State:
    gone, connector = make_connector("gone"), make_connector()
    for each in (gone, connector):
        enqueue([Order(each, make_message(), "test")])
    claim(connector.pk)
    Lease.objects.update(until=timezone.now() - timedelta(seconds=1))
    gone.delete()
    return lambda: (
        list(Delivery.objects.order_by("pk").values_list("status", "attempt_count")),
        list(Attempt.objects.values_list("outcome", flat=True)),
        Lease.objects.count(),
        {count.labels[1]: count.amount for count in tally.totals()[tally.DELIVERIES]},
    )


def messages() -> Any:
    return sorted(Delivery.objects.values_list("message__title", "message__status"))


def silences_that_end() -> State:
    make_subscription(make_connector())
    silence = make_silence(clusters=["*"])
    write(Batch(new=[make_event(fingerprint=name, title=name) for name in "ab"]))
    Silence.objects.filter(pk=silence.pk).update(ends_at=timezone.now())
    return lambda: (messages(), Event.objects.filter(held=True).count())


def hours_that_begin() -> State:
    make_subscription(make_connector(), begun_at=timezone.now())
    Subscription.objects.update(enabled=False)
    write(Batch(new=[make_event(fingerprint=name, title=name) for name in "ab"]))
    Subscription.objects.update(enabled=True)
    return lambda: (messages(), list(Subscription.objects.values_list("begun_at", flat=True)))


def connectors_that_fail() -> State:
    make_connector()
    Connector.objects.update(paused_at=timezone.now(), paused_reason="revoked")
    return lambda: list(Event.objects.values_list("event_type", "status"))


def clusters_that_fail() -> State:
    ago = timezone.now() - timedelta(minutes=3)
    memory = {"at": timezone.now().isoformat(), "so_since": {"watch": ago.isoformat()}}
    make_cluster(state="watching", heartbeat_at=ago, health=memory)
    return lambda: list(Event.objects.values_list("event_type", "key", "status"))


def tallies() -> State:
    for _ in range(3):
        tally.add(tally.DELIVERIES, [("webhook", "delivered")])
    return lambda: (
        [count.amount for count in tally.totals()[tally.DELIVERIES]],
        tally.Tally.objects.filter(fresh=True).count(),
    )


def what_is_old() -> State:
    connector, old = make_connector(), timezone.now() - timedelta(days=400)
    enqueue([Order(connector, make_message(), "test")])
    Delivery.objects.update(status="delivered", created_at=old, settled_at=old)
    make_event(status="resolved", first_seen=old, resolved_at=old).save()
    return lambda: (Delivery.objects.count(), Event.objects.count())


DONE: dict[str, tuple[Callable[[], State], Any]] = {
    "sweep": (
        sweeping,
        ([("cancelled", 0), ("retrying", 1)], ["unknown"], 0, {"cancelled": 1}),
    ),
    "release_silenced": (silences_that_end, ([("a", "firing"), ("b", "firing")], 0)),
    "begin_hours": (hours_that_begin, ([("a", "firing"), ("b", "firing")], [None])),
    "report_connectors": (connectors_that_fail, [("connector_failing", "firing")]),
    "check_clusters": (clusters_that_fail, [("cluster_unhealthy", "watch", "firing")]),
    "merge_tallies": (tallies, ([3], 0)),
    "prune": (what_is_old, (0, 0)),
}


@pytest.mark.parametrize("beat", settings.CELERY_BEAT_SCHEDULE)
def test_wherever_the_database_goes_away_in_a_task_the_next_beat_does_the_rest(
    beat: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = Readiness(Verdict.SILENT, "")
    monkeypatch.setattr(Questions, "ask", lambda _, clusters: {cluster.pk: silent for cluster in clusters})
    monkeypatch.setattr("kubegraf.pruning.PAUSE", 0.0)
    monkeypatch.setattr(rules, "SECONDS", 0.0)
    name = settings.CELERY_BEAT_SCHEDULE[beat]["task"]
    prepare, done = DONE[beat]
    for query in range(100):
        with transaction.atomic():
            state = prepare()
            with away(after=query) as gone:
                assert run(name).successful()
            transaction.set_rollback(False)  # what failed was no transaction of its own, as it is elsewhere
            assert run(name).successful()
            assert state() == done, f"after it was away for {gone}"
            transaction.set_rollback(True)
        if not gone:
            break
    assert query > 1


# --- What the log says ----------------------------------------------------------------------------------


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """(level, line) of what was said of the database; nothing of it has a traceback."""
    records = [record for record in caplog.records if record.levelno > logging.INFO or "back" in record.msg]
    assert [record.exc_info for record in records if record.exc_info] == []
    return [(record.levelname, record.getMessage()) for record in records]


def test_the_log_says_once_that_the_database_is_away_and_once_that_it_is_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(3):
        for name in ("connectors.tasks.sweep", "events.tasks.report_connectors"):
            with away():
                run(name)
    for _ in range(3):
        run("connectors.tasks.sweep")
    assert told(caplog) == [
        ("ERROR", "the database is away: connection refused Is the server running?"),
        ("INFO", "the database is back"),
    ]


def test_while_it_is_away_that_is_said_again_from_time_to_time(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outage, "AGAIN", 0.0)
    for _ in range(2):
        with away():
            run("connectors.tasks.sweep")
    said = "connection refused Is the server running?"
    assert told(caplog) == [
        ("ERROR", f"the database is away: {said}"),
        ("ERROR", f"the database is still away: {said}"),
    ]


def test_a_page_says_that_the_database_is_away_and_the_log_says_it_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create_superuser("alice"))
    for _ in range(2):
        with away():
            page = client.get("/admin/")
        transaction.set_rollback(False)
    assert (page.status_code, page["Retry-After"]) == (503, "5")
    assert "look whether it was, and try again in a moment." in page.text
    said = "connection refused Is the server running?"
    assert told(caplog) == [("ERROR", f"the database is away: {said}")]


def test_the_api_says_that_the_database_is_away() -> None:
    caller = Caller(everything=True)
    caller.client.raise_request_exception = False
    for query in range(4):
        with away(after=query):
            answer = caller.call("POST", "events/", {"event_type": "http_500", "title": "Errors"})
        transaction.set_rollback(False)
        assert (answer.status_code, answer["Retry-After"]) == (503, "5")
        assert answer.json()["type"] == "urn:kubegraf:problem:unavailable"
    assert not Event.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("limit", "no_limit"),
    [
        ("PRAGMA query_only = 1", "PRAGMA query_only = 0"),
        ("PRAGMA max_page_count = 1", "PRAGMA max_page_count = 4294967294"),
    ],
)
def test_a_file_that_cannot_be_written_to_any_more_is_told_as_such(limit: str, no_limit: str) -> None:
    caller = Caller(everything=True)
    caller.client.raise_request_exception = False
    large = {"event_type": "http_500", "title": "Errors", "details": {"log": ["x" * 1_000] * 60}}
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")  # or there is room that others have left
        cursor.execute(limit)
        answer = caller.call("POST", "events/", large)
        cursor.execute(no_limit)
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:kubegraf:problem:unavailable")
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    ("cause", "is_away"),
    [
        (None, True),
        (psycopg.errors.AdminShutdown(), True),
        (psycopg.errors.TooManyConnections(), True),
        (psycopg.errors.DiskFull(), True),
        (psycopg.errors.DeadlockDetected(), False),
        (sqlite("SQLITE_FULL"), True),
        (sqlite("SQLITE_READONLY_DBMOVED"), True),
        (sqlite("SQLITE_ERROR"), False),
    ],
)
def test_only_what_is_about_the_database_itself_counts_as_its_being_away(
    cause: Exception | None, is_away: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise OperationalError("no") from cause

    monkeypatch.setattr(quarantine, "bury", fail)
    assert run("connectors.tasks.sweep").successful() is is_away


def test_of_a_logger_that_repeats_itself_one_line_a_minute_is_let_through() -> None:
    seldom, record = outage.Seldom(), logging.makeLogRecord({"created": 1_000_000.0})
    later = logging.makeLogRecord({"created": 1_000_061.0})
    assert [seldom.filter(each) for each in (record, record, later, later)] == [True, False, True, False]


def failed(error: BaseException, created: float = 1_000_000.0) -> logging.LogRecord:
    """What beat logs of a task that it could not send."""
    said = {"msg": "Message Error: %s\n%s", "args": (error, ["the stack"]), "created": created}
    return logging.makeLogRecord({**said, "exc_info": (type(error), error, None)})


def full() -> BaseException:
    """What a task that a full broker refuses ends with."""
    sending = ConnectionError("the broker")
    sending.__cause__ = OutOfMemoryError("command not allowed when used memory > 'maxmemory'.")
    scheduling = RuntimeError("Couldn't apply scheduled task sweep")
    scheduling.__context__ = sending
    return scheduling


def test_that_the_broker_is_full_is_told_in_one_line_and_no_traceback() -> None:
    record = failed(full())

    assert outage.NotTaken().filter(record)

    assert (record.getMessage(), record.exc_info) == (
        "the broker takes no tasks (its memory is full): what is to be sent waits until it does",
        None,
    )


def test_that_the_broker_is_full_is_told_once_a_minute() -> None:
    seldom = outage.NotTaken()
    records = [failed(full(), 1_000_000.0 + seconds) for seconds in (0, 2, 59, 61)]
    assert [seldom.filter(record) for record in records] == [True, False, False, True]


def test_what_else_goes_wrong_with_the_broker_is_told_as_it_is() -> None:
    seldom, record = outage.NotTaken(), failed(ConnectionError("gone"))
    assert [seldom.filter(record), seldom.filter(record)] == [True, True]
    assert record.getMessage() == "Message Error: gone\n['the stack']"
    assert record.exc_info is not None
