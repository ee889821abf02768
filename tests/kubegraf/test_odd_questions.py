"""Questions that nobody means: times beyond the calendar, ids beyond the database, or a NUL.

Each is answered or refused, in the console and over HTTP, and none of them is an error of ours.
"""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from tests.calling import Caller, mistakes
from tests.making import make_connector, make_event

pytestmark = pytest.mark.django_db

HUGE = "9" * 30


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("events_event", {"since": "2025-1-5T10:30"}),
        ("events_event", {"until": "0001-01-01T00:00:00Z"}),
        ("events_event", {"until": "9999-12-31T23:59:59Z"}),
        ("events_event", {"since": "1970-01-01T00:00:00Z", "until": "1970-01-02T00:00:00Z"}),
        ("events_event", {"since": "7d", "until": "2025-01-01T00:00:00Z"}),
        ("events_event", {"silence": HUGE}),
        ("events_event", {"namespace": "a\0b"}),
        ("events_event", {"q": "a\0b"}),
        ("connectors_delivery", {"since": "9999-12-31T23:59:59-23:59"}),
        ("connectors_delivery", {"event": "a\0b"}),
        ("connectors_delivery", {"sent_in": "x"}),
        ("connectors_delivery", {"connector__id__exact": HUGE}),
        ("connectors_delivery", {"connector": HUGE}),
        ("connectors_deadletter", {"until": "0001-01-01T00:00:00+23:59"}),
        ("connectors_connector", {"name": "a\0b"}),
        ("events_subscription", {"connector": HUGE}),
        ("events_silence", {"created_at__gte": "0001-01-01T00:00:00+14:00"}),
        ("auth_user", {"username": "a\0b"}),
    ],
)
def test_a_list_of_the_console_takes_any_question(
    admin_client: Client, name: str, query: dict[str, str]
) -> None:
    make_event().save()
    answer = admin_client.get(reverse(f"admin:{name}_changelist"), query)
    # 302 leads to the list with “?e=1”, which says that it was no question.
    assert answer.status_code in (200, 302)


@pytest.mark.parametrize(
    "name",
    [
        "events_event",
        "events_silence",
        "events_cluster",
        "events_subscription",
        "connectors_delivery",
        "connectors_deadletter",
        "connectors_connector",
        "auth_user",
        "kubegraf_apitoken",
    ],
)
def test_a_search_for_more_words_than_a_database_takes_finds_nothing_and_says_why(
    admin_client: Client, name: str
) -> None:
    make_event().save()
    make_connector()
    answer = admin_client.get(reverse(f"admin:{name}_changelist"), {"q": "a " * 1500})
    assert (answer.status_code, list(answer.context["cl"].result_list)) == (200, [])
    assert "Search for 20 words at most." in answer.text


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("connectors_connector", {"name__regex": "^((.|.)+)+~$"}),
        ("events_event", {"title__icontains": "a"}),
        ("connectors_delivery", {"message__contains": "a"}),
        ("auth_user", {"email__startswith": "a"}),
    ],
)
def test_no_address_asks_for_a_pattern(admin_client: Client, name: str, query: dict[str, str]) -> None:
    make_event().save()
    make_connector("a" * 40)
    assert admin_client.get(reverse(f"admin:{name}_changelist"), query).status_code == 400


@pytest.mark.parametrize(
    "query", [{"before": "0001-01-01T00:00:00+23:59_connector_1"}, {"who": "a\0b"}, {"kind": "a\0b"}]
)
def test_so_does_the_history(admin_client: Client, query: dict[str, str]) -> None:
    make_connector()
    assert admin_client.get(reverse("history"), query).status_code == 200


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("history/?since=0001-01-01T00:00:00%2B23:59", "since"),
        ("history/?until=9999-12-31T23:59:59-23:59", "until"),
        ("history/?since=2025-01-15", "since"),
        ("history/?who=%00", "who"),
        (f"history/?limit={HUGE}", "limit"),
        ("events/?silence=1.5", "silence"),
        ("events/?silence=1e49", "silence"),
        ("events/?until=9999-12-31T23:59:59-23:59", "until"),
        ("events/?namespace=%00", "namespace"),
        ("deliveries/?event=%00", "event"),
    ],
)
def test_over_http_it_is_refused_by_parameter(path: str, field: str) -> None:
    answer = Caller(everything=True).call("GET", path)
    assert (answer.status_code, list(mistakes(answer.json()))) == (400, [field])


@pytest.mark.parametrize("number", ["abc", "1.5", HUGE, "-1"])
def test_of_what_is_no_id_there_is_no_history(number: str) -> None:
    make_connector()
    caller = Caller(everything=True)
    assert caller.get("history/", kind="connector", object=number)["results"] == []


def test_what_no_database_takes_is_left_out_of_what_people_type(admin_client: Client) -> None:
    event = make_event()
    event.save()
    address = "admin:events_event_{}".format
    admin_client.post(reverse(address("acknowledge"), args=(event.pk,)), {"note": "on\0 it"})
    admin_client.post(
        reverse(address("silence"), args=(event.pk,)), {"reason": "not\0 now", "duration": "1h"}
    )
    event.refresh_from_db()
    assert event.note == "on it"
    assert "not now" in admin_client.get(reverse("admin:events_silence_changelist")).text


def test_a_number_of_days_without_end_is_no_number(admin_client: Client) -> None:
    draft = {"min_severity": "info", "days": "9" * 5000}
    answer = admin_client.post(reverse("admin:events_subscription_backtest"), draft)
    assert "Over the last 7 days" in answer.text


def test_over_http_a_cursor_of_the_end_of_time_leads_to_no_page() -> None:
    address = "history/?cursor=0001-01-01T00:00:00%2B23:59_connector_1"
    assert Caller(everything=True).call("GET", address).status_code == 404
