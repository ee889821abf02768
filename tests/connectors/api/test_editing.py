"""Lost updates: who changes what they have not seen is told so, and nothing is overwritten."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, connections
from django.http import HttpResponse
from django.utils import timezone

from connectors.models import Connector
from connectors.versions import version_of
from events.models import Cluster, Subscription
from tests.calling import API, Caller
from tests.making import make_cluster, make_connector, make_subscription

pytestmark = pytest.mark.django_db
MAKERS: dict[str, Callable[[], Any]] = {
    "connectors": lambda: make_connector(url="https://hooks.example.com/a", headers={"X": "hush-hush"}),
    "subscriptions": lambda: make_subscription(make_connector(), "hpa_maxed"),
    "clusters": lambda: make_cluster(access="in_cluster"),
}


@pytest.fixture
def caller() -> Caller:
    """Someone who may do everything."""
    return Caller(everything=True)


def call(caller: Caller, method: str, path: str, body: Any = None, **headers: str) -> HttpResponse:
    """The answer to a request with these headers."""
    return caller.client.generic(
        method,
        API + path,
        "" if body is None else json.dumps(body),
        content_type="application/json",
        headers={
            "Authorization": f"Token {caller.token}",
            **{k.replace("_", "-"): v for k, v in headers.items()},
        },
    )


@pytest.mark.parametrize("collection", MAKERS)
def test_a_change_to_what_was_seen_is_made_and_one_to_what_is_past_refused(
    caller: Caller, collection: str
) -> None:
    path = f"{collection}/{MAKERS[collection]().pk}/"
    seen = caller.call("GET", path).headers["ETag"]
    first = call(caller, "PATCH", path, {"enabled": False}, If_Match=seen)
    assert first.status_code == 200
    assert first.headers["ETag"] != seen
    for method, body in (("PATCH", {"enabled": True}), ("PUT", caller.get(path)), ("DELETE", None)):
        late = call(caller, method, path, body, If_Match=seen)
        assert (late.status_code, late.json()["type"]) == (412, "urn:kubegraf:problem:stale")  # type: ignore[attr-defined]
        assert late.headers["ETag"] == first.headers["ETag"]
    assert caller.get(path)["enabled"] is False
    assert call(caller, "DELETE", path, None, If_Match=first.headers["ETag"]).status_code == 204


@pytest.mark.parametrize("collection", MAKERS)
def test_the_etag_of_a_change_is_that_of_the_next_look(caller: Caller, collection: str) -> None:
    path = f"{collection}/{MAKERS[collection]().pk}/"
    changed = caller.call("PATCH", path, {"enabled": False})
    assert caller.call("GET", path).headers["ETag"] == changed.headers["ETag"]


def test_the_etag_of_what_was_made_is_that_of_the_next_look(caller: Caller) -> None:
    config = {"url": "https://hooks.example.com/a", "headers": {"X": "hush"}}
    made = caller.call("POST", "connectors/", {"name": "a", "type": "webhook", "config": config})
    seen = caller.call("GET", f"connectors/{made.json()['id']}/")  # type: ignore[attr-defined]
    assert made.headers["ETag"] == seen.headers["ETag"]


@pytest.mark.parametrize("given", ["*", "W/{etag}", '"other", {etag}'])
def test_if_match_takes_any_a_weakened_one_and_several(caller: Caller, given: str) -> None:
    path = f"clusters/{make_cluster().pk}/"
    etag = caller.call("GET", path).headers["ETag"]
    answer = call(caller, "PATCH", path, {"enabled": False}, If_Match=given.format(etag=etag))
    assert answer.status_code == 200


@pytest.mark.parametrize("given", ["", "nonsense", '"other"'])
def test_an_if_match_that_names_no_version_refuses(caller: Caller, given: str) -> None:
    path = f"clusters/{make_cluster().pk}/"
    assert call(caller, "DELETE", path, None, If_Match=given).status_code == 412
    assert Cluster.objects.count() == 1


def test_what_is_known_already_is_not_sent_again(caller: Caller) -> None:
    path = f"clusters/{make_cluster().pk}/"
    etag = caller.call("GET", path).headers["ETag"]
    answer = call(caller, "GET", path, None, If_None_Match=etag)
    assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", etag)
    caller.patch(path, {"enabled": False})
    assert call(caller, "GET", path, None, If_None_Match=etag).status_code == 200


def test_what_the_engine_writes_is_no_new_version() -> None:
    connector = make_connector()
    before = version_of(connector)
    Connector.objects.update(
        tokens=[1.0], tokens_at=timezone.now(), held_until=timezone.now(), breaker="open", failures_in_row=3,
        breaker_trips=1, breaker_until=timezone.now(), paused_at=timezone.now(), paused_reason="revoked",
        last_success_at=timezone.now(), last_failure_at=timezone.now(), last_failure="HTTP 502",
        updated_at=timezone.now(),
    )  # fmt: skip
    assert version_of(Connector.objects.get()) == before


def test_what_the_watcher_writes_is_no_new_version() -> None:
    cluster = make_cluster()
    before = version_of(cluster)
    Cluster.objects.update(state="watching", state_message="a", problems={"a": "b"}, lag_seconds=1.0,
                           heartbeat_at=timezone.now(), objects_known=5, health={"a": 1})  # fmt: skip
    assert version_of(Cluster.objects.get()) == before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", "other"), ("enabled", False), ("options", {"method": "PUT"}), ("secrets", '{"url": "b"}'),
        ("deliver_brief", True), ("rate_per_second", 2.5), ("digest_after", 3),
    ],
)  # fmt: skip
def test_whatever_a_person_changes_is_a_new_version(name: str, value: Any) -> None:
    connector = make_connector()
    before = version_of(connector)
    setattr(connector, name, value)
    connector.save()
    assert version_of(Connector.objects.get()) != before


def test_a_secret_stored_anew_as_it_was_is_the_same_version() -> None:
    connector = make_connector(url="https://hooks.example.com/a")
    before = version_of(Connector.objects.get())
    connector.save()  # encrypted differently each time
    assert version_of(Connector.objects.get()) == before


def test_secrets_that_cannot_be_read_are_another_version(settings: Any) -> None:
    make_connector(url="https://hooks.example.com/a")
    before = version_of(Connector.objects.get())
    settings.FIELD_ENCRYPTION_KEY = ["K" * 43 + "="]
    assert version_of(Connector.objects.get()) != before


def test_a_connectors_version_has_its_subscriptions_in_it(caller: Caller) -> None:
    subscription = make_subscription(make_connector(), "hpa_maxed")
    path = f"connectors/{subscription.connector_id}/"
    seen = caller.call("GET", path).headers["ETag"]
    caller.patch(f"subscriptions/{subscription.pk}/", {"min_severity": "high"})
    body = {"config": {"events": ["all"]}}
    assert call(caller, "PATCH", path, body, If_Match=seen).status_code == 412
    assert Subscription.objects.get().event_types == ["hpa_maxed"]


@pytest.mark.django_db(transaction=True)
def test_of_two_changes_to_the_same_version_one_is_made(caller: Caller) -> None:
    path = f"clusters/{make_cluster().pk}/"
    etag = caller.call("GET", path).headers["ETag"]
    barrier, statuses = threading.Barrier(4), []

    def change(number: int) -> None:
        barrier.wait()
        answer = call(caller, "PATCH", path, {"namespaces": [f"n{number}"]}, If_Match=etag)
        statuses.append(answer.status_code)
        connections.close_all()

    threads = [threading.Thread(target=change, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 412, 412, 412]
    connection.close()
