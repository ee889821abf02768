"""How often one caller may call, and that nothing stops when the counting does."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from connectors.api.rates import rate
from connectors.api.throttling import Throttle
from events.models import Event
from kubegraf import env
from tests.calling import API, Caller
from tests.running import Broker
from tests.waiting import until

pytestmark = pytest.mark.django_db
REPORT = {"event_type": "pod_crash_loop", "title": "It crashes"}


@pytest.fixture(autouse=True)
def counting(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three calls an hour, five reports, nothing counted yet."""
    settings.API_RATE, settings.INGEST_RATE = "3/h", "5/h"
    monkeypatch.setattr(Throttle, "_asked_again_at", 0.0)
    cache.clear()


def statuses(caller: Caller, times: int, path: str = "clusters/") -> list[int]:
    """The answers to so many calls."""
    return [caller.call("GET", path).status_code for _ in range(times)]


def test_who_calls_too_often_is_told_when_to_come_back() -> None:
    caller = Caller(everything=True)
    assert statuses(caller, 3) == [200] * 3
    refused = caller.call("GET", "clusters/")
    assert (refused.status_code, refused.json()["type"]) == (429, "urn:kubegraf:problem:throttled")  # type: ignore[attr-defined]
    assert 1 <= int(refused.headers["Retry-After"]) <= 3600
    assert refused.headers["Content-Type"] == "application/problem+json"


def test_one_caller_does_not_hold_up_another() -> None:
    assert statuses(Caller(everything=True), 4) == [200, 200, 200, 429]
    assert statuses(Caller(everything=True), 1) == [200]


def test_documentation_is_limited_as_everything_is() -> None:
    assert statuses(Caller(), 4, "providers/") == [200, 200, 200, 429]


def test_reports_are_counted_apart_and_have_a_limit_of_their_own() -> None:
    caller = Caller(everything=True)
    answers = [
        caller.call("POST", "events/", {**REPORT, "key": f"{number}", "status": "firing"}).status_code
        for number in range(6)
    ]
    assert answers == [201] * 5 + [429]
    assert Event.objects.count() == 5
    assert statuses(caller, 4, "events/") == [200, 200, 200, 429]


def test_of_those_who_are_not_signed_in_the_refusals_are_limited() -> None:
    answers = [Client().get(f"{API}clusters/").status_code for _ in range(4)]
    assert answers == [401, 401, 401, 429]
    assert statuses(Caller(everything=True), 1) == [200]  # from the same address


def test_a_rate_of_none_limits_nobody(settings: Any) -> None:
    settings.API_RATE = "0"
    assert statuses(Caller(everything=True), 5) == [200] * 5


def test_a_token_is_not_in_the_key_it_is_counted_by() -> None:
    caller = Caller(everything=True)
    statuses(caller, 1)
    assert caller.token not in str(cache._cache)  # type: ignore[attr-defined]


def test_processes_that_share_a_redis_count_together_and_go_on_without_it(
    settings: Any, broker: Broker, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", broker.url)
    settings.CACHES = {"default": env.shared_cache()}
    caller = Caller(everything=True)
    assert statuses(caller, 4) == [200, 200, 200, 429]
    settings.CACHES = {"default": env.shared_cache()}  # as another process would connect
    assert statuses(caller, 1) == [429]
    broker.stop()
    try:
        with caplog.at_level(logging.WARNING, "connectors.api.throttling"):
            assert statuses(caller, 3) == [200] * 3
        (line,) = [
            record.getMessage() for record in caplog.records if record.name == "connectors.api.throttling"
        ]
        assert line.startswith("Calls of the API are not limited: the cache is away")
    finally:
        broker.start()
    monkeypatch.setattr(Throttle, "_asked_again_at", 0.0)
    until(lambda: statuses(caller, 4)[-1] == 429)


@pytest.mark.parametrize(
    ("text", "meaning"), [("600/min", (600, 60)), ("5/s", (5, 1)), ("1/h", (1, 3600)), ("0", None)]
)
def test_a_rate_is_a_number_and_a_time(text: str, meaning: Any) -> None:
    assert rate(text) == meaning


@pytest.mark.parametrize("text", ["", "600", "600/day", "-1/min", "0/min", "many/min", "1.5/s", "٣/min"])
def test_what_is_no_rate_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("KUBEGRAF_API_RATE", text)
    with pytest.raises(ImproperlyConfigured, match="KUBEGRAF_API_RATE"):
        env.checked_rate("KUBEGRAF_API_RATE", default="1/s")


def test_the_embedded_broker_counts_as_a_redis(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.setenv("KUBEGRAF_DATA_DIR", str(tmp_path))
    assert env.shared_cache()["BACKEND"].endswith("LocMemCache")
    env.embedded_socket().parent.mkdir(exist_ok=True, parents=True)
    env.embedded_socket().touch()
    assert env.shared_cache()["LOCATION"] == [f"unix://{env.embedded_socket()}"]
