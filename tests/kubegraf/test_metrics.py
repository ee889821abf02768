"""`/metrics`: what it says, in which format, and to whom."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.samples import Sample

from connectors import outbox, registry, tally
from connectors.engine import send
from connectors.errors import Reason
from connectors.models import Attempt, BreakerState, Connector, Delivery, Outcome
from connectors.outbox import Order, delivery_for
from events.models import Event, WatchState
from events.record import Batch, write
from kubegraf import pruning, roles
from tests.calling import Caller
from tests.making import make_cluster, make_connector, make_event, make_message
from tests.receiver import Receiver

pytestmark = pytest.mark.django_db

TOKEN = "scrape-me-4711"


@pytest.fixture(autouse=True)
def _token(settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN


def scrape(**headers: str) -> Any:
    """The answer to Prometheus, which knows the token."""
    return Client().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}", **headers})


def samples() -> dict[str, list[Sample]]:
    """All samples by their name, as Prometheus' own parser reads them."""
    found: dict[str, list[Sample]] = {}
    for family in parser.text_string_to_metric_families(scrape().text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample)
    return found


def values(name: str) -> dict[tuple[str, ...], float]:
    """The values of a metric by those of its labels, in the labels' order."""
    return {tuple(s.labels[k] for k in sorted(s.labels)): s.value for s in samples().get(name, [])}


def tried(connector: Connector, seconds: float, outcome: Outcome = Outcome.DELIVERED) -> None:
    """An attempt is counted."""
    now = timezone.now()
    delivery = delivery_for(Order(connector, make_message(), "test"))
    reason = Reason.TIMEOUT if outcome == Outcome.FAILED else ""
    attempt = Attempt(delivery=delivery, number=1, started_at=now, outcome=outcome, reason=reason)
    attempt.finished_at = now + timedelta(seconds=seconds)
    tally.add_attempts([(delivery, attempt)])


# --- Who may ask ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [None, "Bearer wrong", "Bearer ", "Bearer", "Token wrong", "Token", "Basic YTpi", "nonsense", "Bearer é"],
)
def test_a_stranger_gets_401_and_nothing_else(header: str | None) -> None:
    answer = Client().get("/metrics", headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert "kubegraf_" not in answer.text


def test_without_a_token_configured_no_bearer_is_right(settings: Any) -> None:
    settings.METRICS_TOKEN = ""
    assert Client().get("/metrics", headers={"Authorization": "Bearer "}).status_code == 401


def test_the_configured_token_may() -> None:
    assert scrape().status_code == 200


def test_the_api_token_of_somebody_who_may_enter_the_console_may() -> None:
    caller = Caller()
    roles.give(caller.user, Group.objects.filter(name="Viewer"))
    assert caller.call("GET", "/metrics").status_code == 200


def test_the_api_token_of_somebody_who_has_lost_every_role_may_not() -> None:
    caller = Caller()
    roles.give(caller.user, Group.objects.filter(name="Viewer"))
    roles.give(caller.user, [])
    answer = caller.call("GET", "/metrics")
    assert (answer.status_code, "kubegraf_" in answer.text) == (401, False)


def test_the_api_token_of_somebody_who_was_deactivated_may_not() -> None:
    caller = Caller(everything=True)
    User.objects.update(is_active=False, is_staff=True)
    assert caller.call("GET", "/metrics").status_code == 401


def test_staff_who_are_signed_in_may_and_others_may_not(client: Client) -> None:
    client.force_login(User.objects.create_user("staff", is_staff=True))
    assert client.get("/metrics").status_code == 200
    client.force_login(User.objects.create_user("other"))
    answer = client.get("/metrics")
    assert (answer.status_code, "kubegraf_" in answer.text) == (403, False)


def test_prometheus_may_ask_by_the_pods_address_over_plain_http(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT, settings.ALLOWED_HOSTS = True, ["kubegraf.example.com"]
    assert scrape(Host="10.1.2.3:8000").status_code == 200


def test_other_methods_and_paths_are_none_of_its_business() -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert Client().post("/metrics", headers=headers).status_code == 405
    assert Client().get("/metrics/", headers=headers).status_code == 404


# --- In which format ------------------------------------------------------------------------------------


def test_it_is_prometheus_text_which_may_not_be_kept() -> None:
    answer = scrape()
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    assert answer.headers["Cache-Control"] == "no-store"


def test_it_is_openmetrics_for_who_asks_for_that() -> None:
    tried(make_connector(), 0.1)
    answer = scrape(Accept="application/openmetrics-text; version=1.0.0")
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    names = {family.name for family in openmetrics.text_string_to_metric_families(answer.text)}
    assert {"kubegraf_deliveries", "kubegraf_attempt_duration_seconds"} <= names


def test_a_name_with_anything_in_it_is_one_label() -> None:
    name = 'a "quoted" \\ name\nin two lines'
    Connector.objects.filter(pk=make_connector(name).pk).update(paused_at=timezone.now())
    assert values("kubegraf_connector_paused") == {(name, "webhook"): 1}


def test_an_empty_database_has_every_family() -> None:
    families = {family.name for family in parser.text_string_to_metric_families(scrape().text)}
    assert families == {
        "kubegraf_deliveries",
        "kubegraf_attempts",
        "kubegraf_attempt_duration_seconds",
        "kubegraf_deliveries_waiting",
        "kubegraf_deliveries_waiting_oldest_seconds",
        "kubegraf_connectors",
        "kubegraf_connector_paused",
        "kubegraf_connector_breaker",
        "kubegraf_cluster_state",
        "kubegraf_cluster_heartbeat_age_seconds",
        "kubegraf_events",
        "kubegraf_events_firing",
        "kubegraf_events_held",
    }


# --- What it says ---------------------------------------------------------------------------------------


def test_what_has_not_settled_in_some_way_yet_is_counted_as_none() -> None:
    statuses = ("cancelled", "delivered", "failed")
    expected = {(slug, status): 0.0 for slug, _ in registry.choices() for status in statuses}
    assert values("kubegraf_deliveries_total") == expected


def test_a_delivery_is_counted_from_end_to_end(receiver: Receiver, settings: Any) -> None:
    settings.ALLOW_HTTP, settings.EGRESS_ALLOW = True, ["127.0.0.0/8"]
    connector = make_connector(url=receiver.url)
    outbox.enqueue([Order(connector, make_message(), "test")])
    send.deliver(connector.pk)

    assert values("kubegraf_deliveries_total")[("webhook", "delivered")] == 1
    assert values("kubegraf_attempts_total") == {("delivered", "webhook", ""): 1}
    assert values("kubegraf_attempt_duration_seconds_count") == {("webhook",): 1}
    assert values("kubegraf_deliveries_waiting") == {("webhook",): 0}


def test_attempts_are_counted_by_why_they_failed() -> None:
    connector = make_connector()
    tried(connector, 1, Outcome.FAILED)
    tried(connector, 1, Outcome.FAILED)
    tried(connector, 1)
    assert values("kubegraf_attempts_total") == {
        ("failed", "webhook", "timeout"): 2,
        ("delivered", "webhook", ""): 1,
    }


def test_the_histogram_is_cumulative_and_its_sum_is_that_of_the_seconds() -> None:
    connector = make_connector()
    for seconds in (0.25, 0.5, 2.0, 90.0):
        tried(connector, seconds)
    buckets = {
        float(le): value for (le, _), value in values("kubegraf_attempt_duration_seconds_bucket").items()
    }
    assert [buckets[le] for le in (0.2, 0.3, 0.5, 2.0, 60.0, float("inf"))] == [0, 1, 2, 3, 3, 4]
    assert list(buckets.values()) == sorted(buckets.values())
    assert values("kubegraf_attempt_duration_seconds_count") == {("webhook",): 4}
    assert values("kubegraf_attempt_duration_seconds_sum") == {("webhook",): 92.75}


def test_the_queue_has_a_depth_and_an_age() -> None:
    connector = make_connector()
    outbox.enqueue([Order(connector, make_message(id=n, key=n), "test") for n in "ab"])
    oldest = Delivery.objects.earliest("pk")
    Delivery.objects.filter(pk=oldest.pk).update(created_at=timezone.now() - timedelta(hours=1))
    assert values("kubegraf_deliveries_waiting") == {("webhook",): 2}
    assert 3600 <= values("kubegraf_deliveries_waiting_oldest_seconds")[("webhook",)] < 3660


def test_a_connector_in_trouble_is_named_while_it_is() -> None:
    connector = make_connector()
    make_connector("well")
    Connector.objects.filter(pk=connector.pk).update(breaker=BreakerState.OPEN, paused_at=timezone.now())
    assert values("kubegraf_connector_breaker") == {("hook", "webhook", "open"): 1}
    assert values("kubegraf_connector_paused") == {("hook", "webhook"): 1}
    assert values("kubegraf_connectors") == {("webhook",): 2}


def test_a_cluster_has_one_state_and_the_age_of_its_heartbeat() -> None:
    make_cluster(state=WatchState.WATCHING, heartbeat_at=timezone.now() - timedelta(seconds=30))
    make_cluster("off", enabled=False)
    states = values("kubegraf_cluster_state")
    assert {key for key, value in states.items() if value == 1} == {("production", "watching")}
    assert set(states) == {("production", state) for state in WatchState.values}
    assert 30 <= values("kubegraf_cluster_heartbeat_age_seconds")[("production",)] < 60


def test_events_are_counted_once_by_type_and_severity() -> None:
    first, again = make_event(), make_event()
    write(Batch(new=[first]))
    write(Batch(new=[again]))
    assert Event.objects.count() == 1
    assert values("kubegraf_events_total") == {("pod_crash_loop", "critical"): 1}
    assert values("kubegraf_events_firing") == {("pod_crash_loop", "critical"): 1}
    write(Batch(resolved=[(first.pk, timezone.now())]))
    assert values("kubegraf_events_total") == {("pod_crash_loop", "critical"): 1}
    assert values("kubegraf_events_firing") == {}


def test_no_counter_falls_when_the_record_is_pruned(receiver: Receiver, settings: Any) -> None:
    settings.ALLOW_HTTP, settings.EGRESS_ALLOW = True, ["127.0.0.0/8"]
    connector = make_connector(url=receiver.url)
    outbox.enqueue([Order(connector, make_message(), "test")])
    send.deliver(connector.pk)
    write(Batch(new=[event := make_event()]))
    write(Batch(resolved=[(event.pk, timezone.now())]))
    counters = ("kubegraf_deliveries_total", "kubegraf_attempts_total", "kubegraf_events_total")
    before = {name: values(name) for name in counters}

    Delivery.objects.update(status="delivered", settled_at=timezone.now())
    assert pruning.prune(timedelta(seconds=-1)) == pruning.Pruned(deliveries=1, events=1)
    tally.merge()

    assert {name: values(name) for name in counters} == before


def test_the_number_of_queries_does_not_depend_on_the_rows() -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            scrape()
        return len(captured)

    none = queries()
    for name in "abcdef":
        connector = make_connector(name)
        tried(connector, 0.1)
        outbox.enqueue([Order(connector, make_message(id=name, key=name), "test")])
        make_cluster(name)
        write(Batch(new=[make_event(fingerprint=name)]))
    assert queries() == none <= 6
