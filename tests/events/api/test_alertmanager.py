"""Notifications of Alertmanager's over HTTP: what becomes of them, and what is refused."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from connectors.models import Delivery
from events import handling
from events.api import alertmanager as alertmanager_api
from events.models import Event
from kubegraf import tokens
from tests.calling import API, Caller, mistakes
from tests.making import make_cluster, make_connector, make_subscription
from tests.recordings import alertmanager_webhook

pytestmark = pytest.mark.django_db

PATH = "ingest/alertmanager/"
PODS_FIRE, NODE_FIRES, PODS_RESOLVE, NODE_RESOLVES = alertmanager_webhook()


@pytest.fixture
def caller() -> Caller:
    """Whoever may report events, and no more."""
    return Caller("add_event")


def counts(**known: int) -> dict[str, int]:
    """An answer with these counts."""
    return {"opened": 0, "updated": 0, "resolved": 0, "not_open": 0, **known}


def notification(*alerts: Any, **more: Any) -> dict[str, Any]:
    """A notification of these alerts."""
    return {"version": "4", "status": "firing", "receiver": "kubegraf", "alerts": list(alerts), **more}


def alert(number: int = 0, **more: Any) -> dict[str, Any]:
    """A firing alert, of which number it is."""
    return {
        "status": "firing",
        "labels": {"alertname": "Broken", "namespace": "shop", "pod": f"web-{number}"},
        "annotations": {"summary": f"It is broken ({number})."},
        "startsAt": "2026-11-23T03:07:59Z",
        "fingerprint": f"{number:016x}",
        **more,
    }


# --- From firing to resolved ----------------------------------------------------------------------------


def test_a_recorded_notification_opens_an_event_of_each_alert(caller: Caller) -> None:
    production = make_cluster("prod")
    assert caller.post(PATH, PODS_FIRE, 200) == counts(opened=2)
    found = Event.objects.order_by("resource").values_list(
        "event_type", "status", "severity", "source", "cluster", "cluster_name", "namespace", "resource",
        "title",
    )  # fmt: skip
    where = [(None, "", "shop", "Pod/web-2"), (production.pk, "prod", "shop", "Pod/web-7d876db474-j6b65")]
    assert list(found) == [
        ("prometheus_alert", "firing", "critical", "alertmanager", *place, "Pod is crash looping.")
        for place in where
    ]


def test_what_has_ended_is_resolved_at_its_end(caller: Caller) -> None:
    for body in (PODS_FIRE, NODE_FIRES):
        caller.post(PATH, body, 200)
    assert caller.post(PATH, PODS_RESOLVE, 200) == counts(resolved=2)
    assert caller.post(PATH, NODE_RESOLVES, 200) == counts(resolved=1)
    assert set(Event.objects.values_list("status", "resolved_at")) == {
        ("resolved", datetime(2026, 11, 23, 3, 8, 4, tzinfo=UTC))
    }


def test_people_are_told_of_the_beginning_and_of_the_end(caller: Caller) -> None:
    make_subscription(make_connector(), "prometheus_alert", namespaces=["shop"])
    for body in alertmanager_webhook():
        caller.post(PATH, body, 200)
    told = Delivery.objects.order_by("id").values_list("message__resource", "message__status")
    assert sorted(told) == [
        ("Pod/web-2", "firing"),
        ("Pod/web-2", "resolved"),
        ("Pod/web-7d876db474-j6b65", "firing"),
        ("Pod/web-7d876db474-j6b65", "resolved"),
    ]


def test_a_notification_that_is_repeated_opens_nothing_twice(caller: Caller) -> None:
    make_subscription(make_connector())
    assert caller.post(PATH, PODS_FIRE, 200) == counts(opened=2)
    assert caller.post(PATH, PODS_FIRE, 200) == counts(updated=2)
    assert (Event.objects.count(), Delivery.objects.count()) == (2, 2)
    assert caller.post(PATH, PODS_RESOLVE, 200) == counts(resolved=2)
    assert caller.post(PATH, PODS_RESOLVE, 200) == counts(not_open=2)
    assert (Event.objects.count(), Delivery.objects.count()) == (2, 4)


def test_an_alert_that_is_sent_again_says_what_it_says_now(caller: Caller) -> None:
    caller.post(PATH, notification(alert()), 200)
    caller.post(PATH, notification(alert(annotations={"summary": "It is still broken."})), 200)
    assert Event.objects.get().title == "It is still broken."


def test_an_alert_that_fires_again_after_its_end_is_another_event(caller: Caller) -> None:
    for body in (NODE_FIRES, NODE_RESOLVES, NODE_FIRES):
        caller.post(PATH, body, 200)
    assert sorted(Event.objects.values_list("status", flat=True)) == ["firing", "resolved"]


def test_the_end_of_what_was_never_reported_is_counted_and_costs_the_others_nothing(caller: Caller) -> None:
    ended = alert(1, status="resolved", endsAt="2026-11-23T03:08:04Z")
    assert caller.post(PATH, notification(ended, alert(2)), 200) == counts(opened=1, not_open=1)
    assert Event.objects.get().resource == "Pod/web-2"


def test_the_end_is_found_whatever_else_it_leaves_out(caller: Caller) -> None:
    chosen = {"summary": "Errors", "kubegraf_event_type": "http_500"}
    caller.post(PATH, notification(alert(annotations=chosen)), 200)
    ended = alert(status="resolved", annotations={}, endsAt="2026-11-23T03:08:04Z")
    assert caller.post(PATH, notification(ended), 200) == counts(resolved=1)
    assert Event.objects.values_list("event_type", "status").get() == ("http_500", "resolved")


def test_the_address_says_of_which_cluster_alerts_are_that_do_not_say_it(caller: Caller) -> None:
    edge = make_cluster("edge")
    assert caller.post(f"{PATH}?cluster=edge", notification(alert()), 200) == counts(opened=1)
    event = Event.objects.get()
    assert (event.cluster, event.cluster_name) == (edge, "edge")


def test_the_same_alert_of_two_clusters_is_two_events(caller: Caller) -> None:
    for cluster in ("edge", "core"):
        caller.post(f"{PATH}?cluster={cluster}", notification(alert()), 200)
    ended = alert(status="resolved", endsAt="2026-11-23T03:08:04Z")
    caller.post(f"{PATH}?cluster=edge", notification(ended), 200)
    assert set(Event.objects.values_list("cluster_name", "status")) == {
        ("edge", "resolved"),
        ("core", "firing"),
    }


def test_of_an_alert_that_is_in_it_twice_the_last_counts(caller: Caller) -> None:
    worse = alert(annotations={"summary": "It is worse."})
    assert caller.post(PATH, notification(alert(), worse), 200) == counts(opened=1)
    assert Event.objects.get().title == "It is worse."


# --- With what people do --------------------------------------------------------------------------------


def test_what_somebody_has_resolved_by_hand_does_not_open_again_while_it_is_still_so(caller: Caller) -> None:
    caller.post(PATH, notification(alert()), 200)
    handling.resolve([Event.objects.get().pk], "alice")
    assert caller.post(PATH, notification(alert()), 200) == counts(updated=1)
    event = Event.objects.get()
    assert (event.status, event.lingers) == ("resolved", True)
    ended = alert(status="resolved", endsAt="2026-11-23T03:08:04Z")
    caller.post(PATH, notification(ended), 200)
    event.refresh_from_db()
    assert (event.lingers, event.gone_at) == (False, datetime(2026, 11, 23, 3, 8, 4, tzinfo=UTC))


def test_what_began_again_after_it_was_resolved_by_hand_opens_though_its_end_was_never_told(
    caller: Caller,
) -> None:
    caller.post(PATH, notification(alert()), 200)
    (resolved,) = handling.resolve([Event.objects.get().pk], "alice")
    assert resolved.resolved_at is not None
    later = (resolved.resolved_at + timedelta(hours=1)).isoformat()
    assert caller.post(PATH, notification(alert(startsAt=later)), 200) == counts(opened=1)
    assert set(Event.objects.values_list("status", "lingers")) == {("resolved", False), ("firing", False)}


# --- What is odd ----------------------------------------------------------------------------------------


def test_one_odd_alert_costs_the_others_nothing_and_says_what_was_wrong(caller: Caller) -> None:
    odd = {"labels": {"pod": "odd\0", "severity": "sev-7", "kubegraf_event_type": "pod_crush"}}
    assert caller.post(PATH, notification(alert(1), odd, alert(2)), 200) == counts(opened=3)
    event = Event.objects.get(resource="Pod/odd")
    assert (event.event_type, event.severity, event.title) == (
        "prometheus_alert",
        "medium",
        "An alert without a name: Pod/odd",
    )
    assert event.details["remarks"] == [
        "The label pod has characters that are not kept.",
        "The alert says neither that it is firing nor that it is resolved.",
        "kubegraf_event_type: There is no event type 'pod_crush'. Did you mean 'pod_crash_loop'?",
        "There is no severity 'sev-7'. There are: critical, page, error, major, high, warning, minor, medium,"
        " low, info, none.",
        "startsAt is no time that can be meant.",
    ]


@pytest.mark.parametrize(
    "labels", [r'{"a": "\u0000"}', r'{"a": "\ud800"}', '{"a": 1e999, "b": NaN}', '{"a": "1", "a": "2"}']
)
def test_characters_and_numbers_that_other_bodies_may_not_have_are_taken(caller: Caller, labels: str) -> None:
    body = f'{{"version": "4", "alerts": [{{"labels": {labels}}}]}}'
    assert caller.post(PATH, body, 200) == counts(opened=1)


def test_what_is_no_utf_8_is_taken_with_a_mark_in_its_place(caller: Caller) -> None:
    body = json.dumps(notification(alert(annotations={"summary": "Gr?n"}))).encode().replace(b"?", b"\xfc")
    assert caller.post(PATH, body, 200) == counts(opened=1)
    assert Event.objects.get().title == "Gr\ufffdn"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ([], {"": ["This must be a notification of Alertmanager's, an object."]}),
        (
            {"version": "3", "alerts": [alert()]},
            {"version": ['This must be "4", the version of Alertmanager\'s webhooks.']},
        ),
        ({"version": "4", "alerts": []}, {"alerts": ["This must be a list of one alert at least."]}),
    ],
)
def test_what_is_no_notification_is_refused_with_its_place(
    caller: Caller, body: Any, expected: dict[str, list[str]]
) -> None:
    assert mistakes(caller.post(PATH, body, 400)) == expected
    assert Event.objects.count() == 0


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ("{", "This is not JSON: Expecting property name enclosed in double quotes in line 1, column 2."),
        ("[" * 100_000, "The JSON is nested too deeply."),
        ("9" * 5000, "This is not JSON: a number is too long."),
    ],
)
def test_what_is_no_json_is_refused(caller: Caller, body: str, detail: str) -> None:
    answer = caller.post(PATH, body, 400)
    assert (answer["type"], answer["detail"]) == ("urn:kubegraf:problem:parse_error", detail)


def test_a_notification_may_be_larger_than_other_bodies_but_not_of_any_size(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = notification(alert(annotations={"summary": "x" * 2 * 1024 * 1024}))
    assert caller.post(PATH, large, 200) == counts(opened=1)
    monkeypatch.setattr(alertmanager_api, "LARGEST_BODY", 1024)
    answer = caller.post(PATH, large, 413)
    assert answer["detail"] == "The body may have at most 1024 bytes."


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("cluster=", {"cluster": ["This is empty. Leave it out to ask for all."]}),
        (f"cluster={'x' * 121}", {"cluster": ["This may have at most 120 characters."]}),
        ("cluster=a%00", {"cluster": ["Null characters are not allowed."]}),
        ("clustr=a", {"clustr": ["There is no such parameter. There are: cluster."]}),
    ],
)
def test_an_address_that_is_wrong_is_refused(
    caller: Caller, asked: str, expected: dict[str, list[str]]
) -> None:
    assert mistakes(caller.post(f"{PATH}?{asked}", notification(alert()), 400)) == expected
    assert Event.objects.count() == 0


def test_alerts_that_alertmanager_left_out_are_told_in_the_log(
    caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    caller.post(PATH, notification(alert(), truncatedAlerts=7, receiver="kube\ngraf"), 200)
    assert [record.getMessage() for record in caplog.records] == [
        "Alertmanager has left out 7 more alerts for the receiver kube graf: see its max_alerts"
    ]


# --- Many at once ---------------------------------------------------------------------------------------


def test_a_storm_is_written_in_as_many_queries_as_a_few_alerts(caller: Caller) -> None:
    make_subscription(make_connector())

    def queries(*alerts: Any) -> int:
        with CaptureQueriesContext(connection) as asked:
            caller.post(PATH, notification(*alerts), 200)
        return len(asked)

    queries(alert())  # reads what is kept for later
    few = queries(*(alert(number) for number in range(10, 20)))
    many = queries(*(alert(number) for number in range(100, 400)))
    # SQLite takes rows in parts.
    assert many == few if connection.vendor == "postgresql" else many < 2 * few
    assert Event.objects.count() == Delivery.objects.count() == 311


def test_a_body_of_very_many_alerts_is_written_in_parts(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alertmanager_api, "AT_A_TIME", 2)
    ended = alert(9, status="resolved", endsAt="2026-11-23T03:08:04Z")
    body = notification(*(alert(number) for number in range(4)), ended)
    assert caller.post(PATH, body, 200) == counts(opened=4, not_open=1)


@contextmanager
def away(after: int) -> Iterator[list[str]]:
    """After so many queries the database is gone. Whether that came to pass."""
    asked: list[str] = []

    def execute(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if "SAVEPOINT" not in sql:
            asked.append(sql)
        if len(asked) > after:
            raise OperationalError("connection refused")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(execute):
        yield asked


@pytest.mark.django_db(transaction=True)
def test_while_the_database_is_away_alertmanager_is_told_to_try_again_and_nothing_is_half_written() -> None:
    caller = Caller(everything=True)
    caller.client.raise_request_exception = False
    make_subscription(make_connector())
    for query in range(100):
        with away(after=query):
            answer = caller.call("POST", PATH, PODS_FIRE)
        if answer.status_code == 200:
            break
        assert (answer.status_code, answer["Retry-After"]) == (503, "5")
        assert not Event.objects.exists()
    assert query > 3
    assert (Event.objects.count(), Delivery.objects.count()) == (2, 2)


# --- Who may --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["Token", "Bearer", "bearer"])
def test_a_token_that_only_ingests_is_enough_by_either_name(scheme: str) -> None:
    _, text = tokens.issue(User.objects.create_superuser("root"), "Alertmanager", "ingest")
    answer = Client().generic(
        "POST",
        f"{API}{PATH}",
        json.dumps(PODS_FIRE),
        content_type="application/json",
        headers={"Authorization": f"{scheme} {text}"},
    )
    assert (answer.status_code, answer.json()) == (200, counts(opened=2))


def test_there_is_nothing_to_read_at_the_address(caller: Caller) -> None:
    assert Caller(everything=True).call("GET", PATH).status_code == 405
