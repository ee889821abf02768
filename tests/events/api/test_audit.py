"""What API servers send to /api/v1/ingest/audit/ID: counted in the database, told, and over in the end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings

from connectors.engine.send import deliver
from connectors.models import Delivery
from events import handling, refusals
from events.models import Cluster, Event, EventStatus
from events.refusals import MOST_CALLERS, QUIET
from events.refused_caller import REMEMBERED
from events.remembered import Refused
from events.tasks import check_clusters
from kubegraf import tokens
from kubegraf.models import Scope
from tests.calling import API, Caller
from tests.events.sources.test_audit import ACCOUNT, anonymous, body, item
from tests.making import make_cluster, make_connector, make_subscription
from tests.receiver import Receiver
from tests.recordings import audit_webhook

pytestmark = pytest.mark.django_db

AT = datetime(2026, 11, 23, 3, 6, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture
def cluster() -> Cluster:
    return make_cluster(enabled=True)


@pytest.fixture
def post(cluster: Cluster) -> Callable[..., Any]:
    """Sends a batch as the API server of the cluster does, and gives the answer."""
    caller = Caller("add_event")

    def send(sent: bytes, status: int = 200) -> Any:
        return caller.post(f"ingest/audit/{cluster.pk}", sent, status)

    return send


def refused(number: int, *, begin: datetime = AT, **more: Any) -> list[dict[str, Any]]:
    """So many requests of one caller, a second apart."""
    return [item(**{"at": begin + place * SECOND, **more}) for place in range(number)]


# --- From what was sent to what is told ---


@pytest.mark.django_db(transaction=True)
def test_what_an_api_server_sent_is_told_to_who_subscribes(
    settings: Settings, receiver: Receiver, post: Callable[..., Any]
) -> None:
    settings.ALLOW_HTTP, settings.EGRESS_ALLOW = True, ["127.0.0.0/8"]
    hook = make_connector(url=f"{receiver.url}/in")
    make_subscription(hook, "security_issue")

    answers = [post(sent) for sent in audit_webhook()]
    deliver(hook.pk)

    assert answers == [
        {"requests": 2, "refused": 0, "odd": 0},
        {"requests": 1, "refused": 0, "odd": 0},
        {"requests": 20, "refused": 18, "odd": 0},
    ]
    told = [request.json() for request in receiver.wait_for(3)]
    assert sorted((each["severity"], each["resource"], each["title"]) for each in told) == [
        (
            "critical",
            "Address/127.0.0.1",
            "Somebody from 127.0.0.1 asked for secrets or a way into pods without signing in",
        ),
        (
            "high",
            "Address/127.0.0.1",
            "Somebody from 127.0.0.1 is refused again and again: their credentials are not valid",
        ),
        (
            "high",
            "ServiceAccount/default",
            "The service account payments/default is refused again and again",
        ),
    ]
    assert {(each["event_type"], each["cluster"], each["status"]) for each in told} == {
        ("unauthorized_access", "production", "firing")
    }


def test_an_intruder_is_one_event_that_counts(post: Callable[..., Any]) -> None:
    post(body(*refused(5)))
    post(body(*refused(3, begin=AT + 10 * SECOND, verb="delete")))

    event = Event.objects.get()
    assert (event.status, event.severity, event.source) == ("firing", "high", "audit")
    assert event.description == "8 requests were refused (403): list, delete configmaps in shop."
    assert (event.namespace, event.resource, event.occurred_at) == ("payments", "ServiceAccount/default", AT)
    assert (event.details["refused"], event.details["verbs"]) == (8, ["list", "delete"])


def test_refusals_are_counted_over_batches_and_processes(post: Callable[..., Any]) -> None:
    for place in range(4):
        post(body(item(at=AT + place * SECOND)))
    assert not Event.objects.exists()

    post(body(item(at=AT + 4 * SECOND)))

    assert Event.objects.get().details["refused"] == 5


def test_a_batch_that_is_sent_again_counts_once(post: Callable[..., Any]) -> None:
    for _ in range(3):
        post(body(*refused(4)))

    assert not Event.objects.exists()
    assert Refused.objects.get().record["count"] == 4


def test_an_anonymous_caller_who_turns_to_secrets_is_told_of_again(post: Callable[..., Any]) -> None:
    make_subscription(make_connector(), "unauthorized_access")
    post(body(*(anonymous(at=AT + place * SECOND) for place in range(5))))
    post(body(anonymous(objectRef={"resource": "secrets"}, at=AT + 9 * SECOND)))

    assert Event.objects.get().severity == "critical"
    severities = Delivery.objects.order_by("id").values_list("message__severity", flat=True)
    assert list(severities) == ["high", "critical"]


def test_nothing_is_written_of_what_was_allowed(
    post: Callable[..., Any], django_assert_num_queries: Any
) -> None:
    allowed = item(responseStatus={"code": 200})
    with django_assert_num_queries(4):  # who calls, what they may, and the cluster
        post(body(*[allowed] * 500))
    assert not Refused.objects.exists()


def test_nothing_of_what_a_request_held_is_stored(post: Callable[..., Any]) -> None:
    held = {"data": {"password": "aHVudGVyMg=="}}
    post(body(*refused(5, requestObject=held, responseObject=held)))
    stored = repr([*Refused.objects.values(), *Event.objects.values()])
    assert "aHVudGVyMg" not in stored


def test_a_name_that_no_database_could_hold_is_stored_clean(post: Callable[..., Any]) -> None:
    odd = {"username": "mallory\u0000", "groups": ["a\u0000b"]}
    post(body(*refused(5, user=odd, userAgent="\u0000", verb="\u0000")))
    event = Event.objects.get()
    assert (event.resource, event.details["groups"]) == ("User/mallory", ["ab"])


def test_callers_beyond_the_most_that_are_told_apart_count_as_one(
    monkeypatch: pytest.MonkeyPatch, post: Callable[..., Any]
) -> None:
    monkeypatch.setattr(refusals, "MOST_CALLERS", 3)
    post(body(*(item(f"user-{number}", at=AT) for number in range(2))))
    post(body(*(item(f"made-up-{number}", at=AT + number * SECOND) for number in range(6))))

    assert Refused.objects.count() == 4
    event = Event.objects.get()
    assert event.title == "More callers are refused by the API server than are told apart"
    assert event.details["refused"] == 5


def test_those_who_are_told_apart_go_on_being_so(
    monkeypatch: pytest.MonkeyPatch, post: Callable[..., Any]
) -> None:
    monkeypatch.setattr(refusals, "MOST_CALLERS", 1)
    post(body(item(at=AT)))
    post(body(*refused(4, begin=AT + SECOND)))
    assert Event.objects.get().resource == "ServiceAccount/default"


def test_a_cluster_that_is_not_enabled_counts_nothing(cluster: Cluster, post: Callable[..., Any]) -> None:
    Cluster.objects.update(enabled=False)
    assert post(body(*refused(5))) == {"requests": 5, "refused": 0, "odd": 0}
    assert not Refused.objects.exists()


def test_a_record_that_cannot_be_read_begins_anew(post: Callable[..., Any]) -> None:
    post(body(*refused(3)))
    Refused.objects.update(record={"count": "many"})
    post(body(*refused(5, begin=AT + 10 * SECOND)))
    assert Event.objects.get().details["refused"] == 5


def test_the_same_account_of_two_clusters_is_two_callers(post: Callable[..., Any]) -> None:
    other = make_cluster("staging")
    post(body(*refused(5)))
    Caller("add_event").post(f"ingest/audit/{other.pk}", body(*refused(5)), 200)
    assert set(Event.objects.values_list("cluster_name", flat=True)) == {"production", "staging"}


# --- The end ---


def test_it_is_over_after_half_an_hour_without_another_refusal(post: Callable[..., Any]) -> None:
    make_subscription(make_connector(), "unauthorized_access")
    with time_machine.travel(AT, tick=False) as clock:
        post(body(*refused(5)))
        clock.shift(QUIET)
        refusals.end()
        assert Event.objects.get().status == EventStatus.FIRING

        clock.shift(SECOND)
        check_clusters()

    event = Event.objects.get()
    assert (event.status, event.resolved_at) == ("resolved", AT + QUIET + SECOND)
    assert not Refused.objects.exists()


def test_of_whom_nothing_was_told_is_forgotten_sooner(post: Callable[..., Any]) -> None:
    with time_machine.travel(AT, tick=False) as clock:
        post(body(item("alice", at=AT), *refused(5)))
        clock.shift(REMEMBERED)
        refusals.end()
        assert Refused.objects.count() == 2

        clock.shift(SECOND)
        refusals.end()
    assert Refused.objects.get().record["caller"]["name"] == ACCOUNT


def test_another_refusal_puts_the_end_off(post: Callable[..., Any]) -> None:
    with time_machine.travel(AT, tick=False) as clock:
        post(body(*refused(5)))
        clock.shift(QUIET)
        post(body(item(at=AT + QUIET)))
        clock.shift(QUIET)
        refusals.end()
    assert Event.objects.get().status == EventStatus.FIRING


def test_a_batch_that_is_sent_again_does_not(post: Callable[..., Any]) -> None:
    with time_machine.travel(AT, tick=False) as clock:
        post(body(*refused(5)))
        clock.shift(QUIET)
        post(body(*refused(5)))
        clock.shift(SECOND)
        refusals.end()
    assert Event.objects.get().status == EventStatus.RESOLVED


def test_an_intruder_who_comes_back_is_another_event(post: Callable[..., Any]) -> None:
    later = AT + timedelta(hours=2)
    with time_machine.travel(AT, tick=False) as clock:
        post(body(*refused(5)))
        clock.move_to(later)
        refusals.end()
        post(body(*refused(4, begin=later)))
        assert Event.objects.count() == 1
        post(body(*refused(5, begin=later)))
    statuses = Event.objects.order_by("first_seen").values_list("status", "details__refused")
    assert list(statuses) == [("resolved", 5), ("firing", 5)]


def test_one_resolved_by_hand_does_not_open_again_while_it_goes_on(post: Callable[..., Any]) -> None:
    with time_machine.travel(AT, tick=False) as clock:
        post(body(*refused(5)))
        handling.resolve([Event.objects.get().pk], "alice")
        post(body(*refused(5, begin=AT + 10 * SECOND)))
        event = Event.objects.get()
        assert (event.status, event.lingers) == ("resolved", True)

        clock.shift(QUIET + SECOND)
        refusals.end()
    assert not Event.objects.get().lingers


def test_of_a_cluster_that_is_removed_it_is_over(cluster: Cluster, post: Callable[..., Any]) -> None:
    post(body(*refused(5)))
    cluster.delete()
    refusals.end()
    assert Event.objects.get().status == EventStatus.RESOLVED


# --- Who may send, and what ---


def test_an_api_server_sends_with_a_bearer_token_that_may_only_ingest(cluster: Cluster) -> None:
    _, text = tokens.issue(User.objects.create_superuser("root"), "audit", Scope.INGEST)
    answer = Client().post(
        f"{API}ingest/audit/{cluster.pk}",
        body(item(ACCOUNT)),
        content_type="application/json",
        headers={"Authorization": f"Bearer {text}"},
    )
    assert (answer.status_code, answer.json()) == (200, {"requests": 1, "refused": 1, "odd": 0})


def test_a_cluster_that_there_is_not_is_refused_in_words() -> None:
    problem = Caller("add_event").post("ingest/audit/4711", body(), 404)
    assert problem["detail"] == "There is no cluster with the id 4711. GET /api/v1/clusters/ has them."


@pytest.mark.parametrize("sent", [b"", b"{}", b"[]", b"{", body(kind="Event")])
def test_a_body_that_is_no_event_list_is_refused(post: Callable[..., Any], sent: bytes) -> None:
    problem = post(sent, 400)
    assert problem["type"] == "urn:kubegraf:problem:invalid"
    assert problem["detail"].startswith("This is no EventList of audit.k8s.io/v1: ")


def test_one_odd_item_costs_no_other(post: Callable[..., Any]) -> None:
    assert post(body(7, *refused(5))) == {"requests": 6, "refused": 5, "odd": 1}
    assert Event.objects.get().details["refused"] == 5


def test_a_batch_may_be_as_large_as_an_api_server_makes_it(post: Callable[..., Any]) -> None:
    large = item(responseStatus={"code": 200}, requestObject={"x": "y" * 5_000_000})
    assert post(body(large, item())) == {"requests": 2, "refused": 1, "odd": 0}


def test_a_larger_one_is_refused(post: Callable[..., Any]) -> None:
    problem = post(b" " * (10 * 1024 * 1024 + 1), 413)
    assert problem["detail"] == "The body may have at most 10485760 bytes."


def test_a_parameter_that_there_is_not_is_refused(cluster: Cluster) -> None:
    Caller("add_event").post(f"ingest/audit/{cluster.pk}?cluster=production", body(), 400)


def test_batches_count_as_reports_and_not_as_other_calls(
    settings: Settings, post: Callable[..., Any]
) -> None:
    cache.clear()
    settings.API_RATE, settings.INGEST_RATE = "1/h", "3/h"
    for _ in range(3):
        post(body())
    assert post(body(), 429)["type"] == "urn:kubegraf:problem:throttled"


def test_the_most_callers_that_are_told_apart_are_few() -> None:
    assert MOST_CALLERS == 500
