"""Events, clusters, subscriptions, and connectors as files say them, over the API."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.utils import timezone

from connectors.configuration import setup
from connectors.models import Connector, Delivery
from events import catalog
from events.models import Cluster, Event, Subscription
from events.remembered import WatchLease
from tests.calling import Caller, mistakes
from tests.events.console.test_subscription_form import KUBECONFIG
from tests.events.files.test_seed_format import EXAMPLES, example, webhook
from tests.making import make_cluster, make_connector, make_event, make_subscription

pytestmark = pytest.mark.django_db

PAYLOAD = json.loads((Path(__file__).parents[2] / "data" / "payload.json").read_text())
SINGLE = [path for path in EXAMPLES if "connectors" not in json.loads(path.read_text())]


@pytest.fixture
def caller() -> Caller:
    """Someone who may do everything."""
    return Caller(everything=True)


# --- Connectors as files say them -----------------------------------------------------------------------


@pytest.mark.parametrize("path", SINGLE, ids=lambda path: path.stem)
def test_every_example_of_the_documentation_can_be_posted_as_it_stands(caller: Caller, path: Path) -> None:
    document = example(path)
    answer = caller.post("connectors/", document)
    connector = Connector.objects.get()
    setup.config_of(connector)
    (subscription,) = connector.subscriptions.all()
    assert answer["subscriptions"] == [subscription.pk]
    assert subscription.event_types == document["config"].get("events", [])
    assert subscription.conditions == document["config"].get("conditions", {})
    assert not {"events", "conditions", "severity"} & set(answer["config"])


def test_a_connector_can_be_made_without_a_subscription(caller: Caller) -> None:
    assert caller.post("connectors/", {**webhook(), "subscribe": False})["subscriptions"] == []


def test_errors_of_config_and_events_are_told_together_and_nothing_is_made(caller: Caller) -> None:
    document = webhook(url="ftp://x", events=["pod_crush"], severity="awful", conditions={"namespac": 1})
    answer = caller.post("connectors/", document, 400)
    assert mistakes(answer) == {
        "config.url": ["Enter the whole address, beginning with https://"],
        "config.events": ["There is no event type 'pod_crush'. Did you mean 'pod_crash'?"],
        "config.severity": ["There is no severity 'awful'. There are: critical, high, medium, low, info."],
        "config.conditions.namespac": ["There is no condition 'namespac'. Did you mean 'namespace'?"],
    }
    assert (Connector.objects.count(), Subscription.objects.count()) == (0, 0)


def test_patching_the_events_changes_the_one_subscription(caller: Caller) -> None:
    made = caller.post("connectors/", webhook(events=["all"]))
    caller.patch(f"connectors/{made['id']}/", {"config": {"events": ["hpa_maxed"]}})
    assert Subscription.objects.get().event_types == ["hpa_maxed"]


def test_patching_something_else_leaves_the_subscription_alone(caller: Caller) -> None:
    made = caller.post("connectors/", webhook(events=["hpa_maxed"]))
    caller.patch(f"connectors/{made['id']}/", {"enabled": False})
    caller.patch(f"connectors/{made['id']}/", {"config": {"method": "PUT"}})
    assert Subscription.objects.get().event_types == ["hpa_maxed"]


def test_of_several_subscriptions_none_is_guessed(caller: Caller) -> None:
    connector = make_connector()
    make_subscription(connector, "hpa_maxed")
    make_subscription(connector, "http_500")
    body = {"name": "renamed", "config": {"events": ["all"]}}
    answer = caller.patch(f"connectors/{connector.pk}/", body, 400)
    assert "several subscriptions" in mistakes(answer)["config"][0]
    assert Connector.objects.get().name == "hook"


def test_saying_which_events_takes_the_right_to_subscribe() -> None:
    caller = Caller("add_connector", "view_connector", "change_connector")
    assert "events.add_subscription" in caller.post("connectors/", webhook(), 403)["detail"]
    assert Connector.objects.count() == 0
    made = caller.post("connectors/", {**webhook(), "subscribe": False})
    caller.patch(f"connectors/{made['id']}/", {"config": {"events": ["all"]}}, 403)
    assert Subscription.objects.count() == 0


# --- Importing a file -----------------------------------------------------------------------------------


def test_a_file_is_imported_and_each_step_told(caller: Caller) -> None:
    (path,) = (path for path in EXAMPLES if path.stem == "production_alerting_setup")
    steps = caller.post("connectors/import/", example(path), 200)
    assert [(step["name"], step["verb"]) for step in steps] == [
        ("PagerDuty Critical", "created"),
        ("Slack Team Alerts", "created"),
    ]
    assert [step["verb"] for step in caller.post("connectors/import/", example(path), 200)] == [
        "unchanged"
    ] * 2


def test_a_dry_run_writes_nothing(caller: Caller) -> None:
    (step,) = caller.post("connectors/import/?dry_run=true", webhook(), 200)
    assert (step["id"], step["verb"], Connector.objects.count()) == (None, "created", 0)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ("dry_run=yes", "dry_run"),
        ("dry_run=", "dry_run"),
        ("dryrun=true", "dryrun"),
        ("dry_run=true&dry_run=false", "dry_run"),
    ],
)
def test_a_dry_run_that_is_asked_wrongly_is_no_import(caller: Caller, asked: str, field: str) -> None:
    answer = caller.post(f"connectors/import/?{asked}", webhook(), 400)
    assert (list(mistakes(answer)), Connector.objects.count()) == ([field], 0)


def test_an_import_tells_all_errors_with_their_places(caller: Caller) -> None:
    answer = caller.post("connectors/import/", [webhook(events=["nope"]), {"name": "b", "type": 7}], 400)
    assert list(mistakes(answer)) == ["0.config.events.0", "1.type"]
    assert Connector.objects.count() == 0


def test_an_import_sends_no_stored_secret_to_a_new_address(caller: Caller) -> None:
    make_connector(url="https://hooks.example.com/a", headers={"X-Api-Key": "hush"})
    body = {"name": "hook", "type": "webhook", "config": {"url": "https://elsewhere.example.net/"}}
    answer = caller.post("connectors/import/", body, 400)
    assert mistakes(answer)["config.headers"][0].startswith("Enter this again")
    assert setup.join(Connector.objects.get())["url"] == "https://hooks.example.com/a"


def test_an_import_takes_every_right_it_may_use() -> None:
    caller = Caller("add_connector", "change_connector", "add_subscription", "change_subscription")
    caller.post("connectors/import/", webhook(), 403)
    assert Connector.objects.count() == 0


# --- Subscriptions --------------------------------------------------------------------------------------


def test_a_subscription_is_made_changed_and_deleted(caller: Caller) -> None:
    body = {
        "connector": make_connector().pk,
        "event_types": ["pod_crash"],
        "conditions": {"restart_count": 5},
    }
    made = caller.post("subscriptions/", body)
    assert (made["event_types"], made["min_severity"]) == (["pod_crash"], "info")
    caller.patch(f"subscriptions/{made['id']}/", {"min_severity": "high"})
    assert Subscription.objects.get().min_severity == "high"
    assert caller.call("DELETE", f"subscriptions/{made['id']}/").status_code == 204
    assert Subscription.objects.count() == 0


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        (
            {"event_types": ["pod_crush"]},
            {"event_types": ["There is no event type 'pod_crush'. Did you mean 'pod_crash'?"]},
        ),
        (
            {"conditions": {"restart_count": "many"}},
            {"conditions.restart_count": ["'restart_count' wants a number."]},
        ),
        (
            {"min_severity": "awful"},
            {
                "min_severity": [
                    '"awful" is not a valid choice. There are: critical, high, medium, low, info.'
                ]
            },
        ),
        ({"namespaces": "a"}, {"namespaces": ['Expected a list of items but got type "str".']}),
    ],
)
def test_a_subscription_that_cannot_hold_is_refused_by_field(
    caller: Caller, body: dict[str, Any], errors: dict[str, Any]
) -> None:
    answer = caller.post("subscriptions/", {"connector": make_connector().pk, **body}, 400)
    assert mistakes(answer) == errors
    assert Subscription.objects.count() == 0


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("pod_crashed", "There is no event type 'pod_crashed'. Did you mean 'pod_crash_loop'?"),
        (
            "pod_crash",
            "'pod_crash' is a name for subscriptions: an event is one of pod_crash_loop, pod_oom_restart.",
        ),
        ("node_down", "'node_down' is a name for subscriptions: an event is one of node_unhealthy."),
    ],
)
def test_a_report_of_no_event_type_is_refused_with_what_may_be_meant(
    caller: Caller, name: str, says: str
) -> None:
    answer = caller.post("events/", {"event_type": name, "title": "x"}, 400)
    assert mistakes(answer) == {"event_type": [says]}
    assert Event.objects.count() == 0


def test_a_subscription_is_told_in_words(caller: Caller) -> None:
    row = make_subscription(make_connector(), "hpa_maxed", min_severity="high")
    assert caller.get(f"subscriptions/{row.pk}/")["words"] == row.in_words
    read = caller.get(f"subscriptions/{row.pk}/")
    assert caller.put(f"subscriptions/{row.pk}/", {**read, "min_severity": "low"})["words"] != row.in_words


def test_subscriptions_are_found_by_severity_hours_and_the_name_of_their_connector(caller: Caller) -> None:
    hours = {"timezone": "UTC", "from": "08:00", "to": "18:00"}
    by_day = make_subscription(make_connector("Day shift"), min_severity="high", schedule=hours)
    always = make_subscription(make_connector("Everybody"), min_severity="low")
    for query, row in (
        ({"min_severity": "high"}, by_day),
        ({"min_severity": "low"}, always),
        ({"hours": "true"}, by_day),
        ({"hours": "false"}, always),
        ({"search": "shift"}, by_day),
    ):
        assert [found["id"] for found in caller.get("subscriptions/", **query)["results"]] == [row.pk], query


def test_subscriptions_are_found_by_connector(caller: Caller) -> None:
    one, two = make_connector("one"), make_connector("two")
    make_subscription(one, "hpa_maxed")
    wanted = make_subscription(two, "http_500")
    assert [row["id"] for row in caller.get("subscriptions/", connector=two.pk)["results"]] == [wanted.pk]


# --- Events ---------------------------------------------------------------------------------------------


def test_the_payload_of_the_documentation_is_taken_as_an_event(caller: Caller) -> None:
    make_subscription(make_connector(), "pod_crash")
    answer = caller.post("events/", PAYLOAD)
    assert {name: answer[name] for name in PAYLOAD} == PAYLOAD
    assert (answer["status"], answer["source"]) == ("occurred", "api")
    assert Delivery.objects.get().message_id == answer["id"]


def test_a_problem_with_a_key_is_opened_and_resolved(caller: Caller) -> None:
    body = {"event_type": "pod_crash_loop", "title": "It crashes", "key": "shop"}
    opened = caller.post("events/", {**body, "status": "firing"})
    closed = caller.post("events/", {**body, "status": "resolved"}, 200)
    assert (closed["id"], closed["status"]) == (opened["id"], "resolved")


def reported(caller: Caller, body: dict[str, Any], key: str) -> Any:
    """The answer to a report under an Idempotency-Key."""
    return caller.client.post(
        "/api/v1/events/",
        body,
        content_type="application/json",
        headers={"Authorization": f"Token {caller.token}", "Idempotency-Key": key},
    )


def test_a_report_sent_again_under_its_idempotency_key_is_the_same_event(caller: Caller) -> None:
    make_subscription(make_connector(), "all")
    body = {"event_type": "pod_oom_restart", "title": "It was killed"}
    first, again, other = (reported(caller, body, key) for key in ("one", "one", "two"))
    assert [answer.status_code for answer in (first, again, other)] == [201, 201, 201]
    assert first.json()["id"] == again.json()["id"] != other.json()["id"]
    assert (Event.objects.count(), Delivery.objects.count()) == (2, 2)


def test_a_key_goes_before_the_idempotency_key(caller: Caller) -> None:
    body = {"event_type": "pod_crash_loop", "title": "It crashes", "key": "shop"}
    first, again = (reported(caller, body, key).json() for key in ("one", "two"))
    assert (first["id"], first["key"], first["status"]) == (again["id"], "shop", "firing")


def test_an_idempotency_key_has_a_length(caller: Caller) -> None:
    answer = reported(caller, {"event_type": "hpa_maxed", "title": "a"}, "k" * 256)
    assert (answer.status_code, list(mistakes(answer.json()))) == (400, ["Idempotency-Key"])
    assert Event.objects.count() == 0


def test_what_was_never_reported_cannot_be_resolved(caller: Caller) -> None:
    body = {"event_type": "pod_crash_loop", "title": "It crashes", "key": "shop", "status": "resolved"}
    assert list(mistakes(caller.post("events/", body, 400))) == ["key"]
    assert Event.objects.count() == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"event_type": "pod_crash"}, "event_type"),
        ({"event_type": "nope"}, "event_type"),
        ({"title": ""}, "title"),
        ({"title": "a" * 501}, "title"),
        ({"severity": "awful"}, "severity"),
        ({"timestamp": "yesterday"}, "timestamp"),
        ({"timestamp": "0001-01-01T00:00:00+14:00"}, "timestamp"),
        ({"details": []}, "details"),
        ({"details": {"a": "x" * (64 * 1024 - 7)}}, "details"),
        ({"recommendations": [{"action": "a", "comand": "b"}]}, "recommendations.0.comand"),
        ({"recommendations": "a"}, "recommendations"),
        ({"colour": "red"}, "colour"),
        ({"status": "odd"}, "status"),
    ],
)
def test_a_report_that_cannot_be_taken_is_refused_by_field(
    caller: Caller, body: dict[str, Any], field: str
) -> None:
    assert list(mistakes(caller.post("events/", {**PAYLOAD, **body}, 400))) == [field]
    assert Event.objects.count() == 0


def test_details_may_have_as_many_bytes_as_their_limit(caller: Caller) -> None:
    details = {"a": "x" * (64 * 1024 - 8)}
    report = {"event_type": "hpa_maxed", "title": "a", "details": details}
    assert caller.post("events/", report)["details"] == details


def test_events_are_filtered(caller: Caller) -> None:
    make_event(
        fingerprint="1", event_type="hpa_maxed", severity="low", namespace="shop", cluster_name="eu"
    ).save()
    make_event(fingerprint="2", status="resolved").save()
    for query, found in (
        ({"event_type": "hpa_maxed"}, 1),
        ({"event_type": ["hpa_maxed", "pod_crash_loop"]}, 2),
        ({"status": "resolved"}, 1),
        ({"severity": "low"}, 1),
        ({"namespace": "shop", "cluster": "eu"}, 1),
        ({"namespace": "nowhere"}, 0),
        ({"since": "2999-01-01T00:00:00Z"}, 0),
        ({"until": "2999-01-01T00:00:00Z"}, 2),
    ):
        assert len(caller.get("events/", **query)["results"]) == found, query


def test_events_are_found_by_words_and_by_whether_somebody_is_on_them(caller: Caller) -> None:
    now = timezone.now()
    rows = {
        "needed": {},
        "acknowledged": {"acknowledged_at": now},
        "silenced": {"held": True},
        "muted": {"muted": "for its own reasons"},
        "over": {"status": "resolved", "resolved_at": now},
        "by hand": {"status": "resolved", "resolved_at": now, "resolved_by": "ada"},
    }
    for title, columns in rows.items():
        make_event(fingerprint=title, title=f"It is {title}", **columns).save()
    for query, titles in (
        ({"search": "is needed"}, ["needed"]),
        ({"search": "is", "attention": "silenced"}, ["silenced"]),
        ({"attention": "needed"}, ["needed"]),
        ({"attention": "acknowledged"}, ["acknowledged"]),
        ({"attention": "by_hand"}, ["by hand"]),
    ):
        found = [row["title"].removeprefix("It is ") for row in caller.get("events/", **query)["results"]]
        assert found == titles, query


def test_events_are_neither_changed_nor_deleted(caller: Caller) -> None:
    event = make_event()
    event.save()
    for method in ("PUT", "PATCH", "DELETE"):
        assert caller.call(method, f"events/{event.pk}/", {"title": "other"}).status_code == 405

    assert Event.objects.get().title == event.title


# --- Clusters -------------------------------------------------------------------------------------------


def test_a_kubeconfig_goes_in_and_never_comes_out(caller: Caller) -> None:
    body = {"name": "production", "access": "kubeconfig", "kubeconfig": KUBECONFIG}
    made = caller.post("clusters/", body)
    assert made["kubeconfig_set"] is True
    assert "kubeconfig" not in made
    assert "hush-hush" not in str(caller.get("clusters/"))
    assert Cluster.objects.get().kubeconfig == KUBECONFIG


def test_a_kubeconfig_that_no_key_decrypts_is_set_all_the_same(caller: Caller, settings: Any) -> None:
    cluster = make_cluster(access="kubeconfig", kubeconfig=KUBECONFIG)
    settings.FIELD_ENCRYPTION_KEY = [Fernet.generate_key().decode()]
    assert caller.get(f"clusters/{cluster.pk}/")["kubeconfig_set"] is True


def test_a_kubeconfig_left_out_stays(caller: Caller) -> None:
    cluster = make_cluster(access="kubeconfig", kubeconfig=KUBECONFIG)
    caller.patch(f"clusters/{cluster.pk}/", {"namespaces": ["shop"]})
    stored = Cluster.objects.get()
    assert (stored.kubeconfig, stored.namespaces) == (KUBECONFIG, ["shop"])


@pytest.mark.parametrize("access", ["context", "in_cluster"])
def test_with_another_access_the_stored_kubeconfig_is_forgotten(caller: Caller, access: str) -> None:
    cluster = make_cluster(access="kubeconfig", kubeconfig=KUBECONFIG, context="production")
    answer = caller.patch(f"clusters/{cluster.pk}/", {"access": access})
    cluster.refresh_from_db()
    assert (answer["kubeconfig_set"], cluster.kubeconfig) == (False, "")
    assert cluster.context == {"context": "production", "in_cluster": ""}[access]


def test_a_context_that_the_access_does_not_have_is_refused(caller: Caller) -> None:
    cluster = make_cluster(access="kubeconfig", kubeconfig=KUBECONFIG)
    body = {"access": "in_cluster", "context": "production"}
    assert list(mistakes(caller.patch(f"clusters/{cluster.pk}/", body, 400))) == ["context"]


def test_a_kubeconfig_that_cannot_be_used_is_refused_without_an_echo(caller: Caller) -> None:
    program = KUBECONFIG.replace("token: hush-hush-4711", "exec: {command: hush-hush}")
    body = {"name": "production", "access": "kubeconfig", "kubeconfig": program}
    answer = caller.post("clusters/", body, 400)
    assert list(mistakes(answer)) == ["kubeconfig"]
    assert "hush-hush" not in str(answer)
    assert Cluster.objects.count() == 0


def test_how_a_cluster_goes_can_be_read_and_not_written(caller: Caller) -> None:
    cluster = make_cluster(state="degraded", problems={"nodes": "forbidden"})
    assert caller.get(f"clusters/{cluster.pk}/")["problems"] == {"nodes": "forbidden"}
    answer = caller.patch(f"clusters/{cluster.pk}/", {"state": "watching"}, 400)
    assert list(mistakes(answer)) == ["state"]


def test_a_cluster_whose_watcher_is_not_heard_of_is_not_said_to_be_watched(caller: Caller) -> None:
    now = timezone.now()
    make_cluster("eu", state="watching", heartbeat_at=now)
    make_cluster("us", state="watching", heartbeat_at=now - timedelta(minutes=5))
    make_cluster("asia", state="watching", heartbeat_at=now, enabled=False)
    assert {
        row["name"]: (row["watch"], row["watch_words"]) for row in caller.get("clusters/")["results"]
    } == {
        "eu": ("watching", "All that is looked for is watched."),
        "us": ("not watched", "Its watcher has not been heard of for 5 min. Does one run?"),
        "asia": ("switched off", "It is switched off, and not watched."),
    }


def test_clusters_are_found_by_what_their_watcher_said(caller: Caller) -> None:
    make_cluster("eu", state="watching")
    make_cluster("us", state="unreachable")
    assert [row["name"] for row in caller.get("clusters/", state="unreachable")["results"]] == ["us"]
    found = caller.get("clusters/", state=["unreachable", "watching"])["results"]
    assert [row["name"] for row in found] == ["eu", "us"]


def test_what_was_read_of_a_cluster_can_be_sent_in_while_its_watch_goes_on(caller: Caller) -> None:
    cluster = make_cluster(heartbeat_at=timezone.now(), objects_known=1)
    read = caller.get(f"clusters/{cluster.pk}/")
    Cluster.objects.update(
        heartbeat_at=timezone.now() - timedelta(minutes=5), last_change_at=timezone.now(), objects_known=2
    )
    caller.put(f"clusters/{cluster.pk}/", {**read, "enabled": False})
    cluster.refresh_from_db()
    assert (cluster.enabled, cluster.objects_known) == (False, 2)


def test_a_cluster_says_who_watches_it(caller: Caller, django_assert_num_queries: Any) -> None:
    WatchLease.objects.create(cluster=make_cluster(), holder="watcher-1")
    make_cluster("staging")
    caller.get("clusters/")
    with django_assert_num_queries(2):  # the token, the clusters with their leases
        rows = caller.get("clusters/")["results"]
    assert [(row["name"], row["watcher"]) for row in rows] == [("production", "watcher-1"), ("staging", "")]


# --- Event types ----------------------------------------------------------------------------------------


def test_event_types_tell_every_name_and_what_aliases_stand_for(caller: Caller) -> None:
    found = {row["name"]: row for row in caller.get("event-types/")}
    assert set(found) == {catalog.ALL, *catalog.ALIASES, *catalog.EVENT_TYPES}
    assert found["pod_crash"]["stands_for"] == ["pod_crash_loop", "pod_oom_restart"]
    assert found["hpa_maxed"]["severity"] == "high"
    assert caller.get("event-types/hpa_maxed/") == found["hpa_maxed"]
    assert caller.call("GET", "event-types/nope/").status_code == 404


@pytest.mark.parametrize("collection", ["events", "clusters", "subscriptions"])
def test_a_list_takes_as_many_queries_for_one_as_for_twenty(
    caller: Caller, collection: str, django_assert_num_queries: Any
) -> None:
    for number in range(20):
        make_event(fingerprint=f"key-{number}").save()
        make_subscription(make_connector(f"hook {number}"), "hpa_maxed")
        make_cluster(f"cluster {number}")
    with django_assert_num_queries(2):
        assert len(caller.get(f"{collection}/")["results"]) == 20
