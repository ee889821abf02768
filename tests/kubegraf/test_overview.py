"""The overview: what needs attention, the figures, and that they cost the same however long the record is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from connectors import tally
from connectors.models import Connector, DeliveryStatus, Tally
from connectors.outbox import Order, delivery_for
from events.models import Cluster
from events.record import EVENTS
from events.standing import amiss, standing
from kubegraf.attention import concerns, first_steps
from kubegraf.console import dashboard
from kubegraf.overview import Overview, Period, overview
from tests.calling import Caller, mistakes
from tests.connectors.console.test_connector_admin import staff
from tests.making import (
    make_cluster,
    make_connector,
    make_event,
    make_message,
    make_silence,
    make_subscription,
)

pytestmark = pytest.mark.django_db

OVERVIEW = "/admin/"
SECOND = timedelta(seconds=1)


def somebody(*rights: str) -> User:
    """Someone with exactly these rights; with all, where none is named."""
    user = User.objects.create_user("somebody", is_superuser=not rights)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    return user


def look(*rights: str, period: Period = Period.DAY) -> Overview:
    return overview(somebody(*rights), period)


def watched(name: str = "production", **more: Any) -> Any:
    now = timezone.now()
    return make_cluster(name, **{"state": "watching", "heartbeat_at": now, "connected_since": now, **more})


def set_up() -> Connector:
    """A cluster that is watched, and a connector that has delivered and is subscribed."""
    watched()
    connector = make_connector()
    make_subscription(connector)
    Connector.objects.update(last_success_at=timezone.now())
    return connector


def counted(name: str, *labels: str, hours: float = 0, amount: int = 1) -> None:
    """So many were counted so many hours ago."""
    tally.add(name, [labels] * amount)
    now = timezone.now()
    began = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours)
    Tally.objects.filter(fresh=True).update(hour=began)
    tally.merge()


def dead_letter(connector: Connector, hours: float) -> None:
    delivery = delivery_for(Order(connector, make_message(), "test"))
    delivery.status = DeliveryStatus.FAILED
    delivery.created_at = timezone.now() - timedelta(hours=hours)
    delivery.save(force_insert=True)


# --- What needs attention -------------------------------------------------------------------------------


def words() -> list[tuple[str, str]]:
    return [(one.about, one.words) for one in concerns(look())]


def test_where_all_is_well_nothing_needs_attention() -> None:
    set_up()
    assert words() == []


def test_a_paused_connector_is_named_with_its_reason_and_leads_to_its_page() -> None:
    connector = set_up()
    Connector.objects.update(paused_at=timezone.now(), paused_reason="The token was revoked.")
    (concern,) = concerns(look())
    assert (concern.about, concern.tone) == ("hook", "worst")
    assert concern.words == "Paused: The token was revoked."
    assert concern.url == f"/admin/connectors/connector/{connector.pk}/change/"


def test_an_open_breaker_is_named() -> None:
    set_up()
    Connector.objects.update(breaker="open", last_failure="HTTP 503")
    ((about, text),) = words()
    assert about == "hook"
    assert text.startswith("Its receiver fails again and again")


def test_a_connector_that_is_switched_off_troubles_nobody() -> None:
    set_up()
    Connector.objects.update(enabled=False, paused_at=timezone.now())
    assert words() == []


def test_a_connector_that_receives_nothing_is_named() -> None:
    set_up()
    make_connector("second")
    assert words() == [("second", "It is switched on, and subscribed to nothing.")]


@pytest.mark.parametrize(
    ("cluster", "begins"),
    [
        ({"heartbeat_at": None, "state": "never"}, "Nobody has watched it yet."),
        ({"state": "unreachable", "state_message": "Nothing listens."}, "Nothing listens."),
        ({"state": "degraded", "state_message": "Not watched: nodes."}, "Not watched: nodes."),
        ({"problems": {"pods/log": "No right."}}, "A right is missing: pods/log."),
    ],
)
def test_a_cluster_that_is_not_watched_as_it_should_be_is_named(cluster: Any, begins: str) -> None:
    set_up()
    watched("staging", **cluster)
    ((about, text),) = words()
    assert about == "staging"
    assert text.startswith(begins)


def test_what_is_amiss_is_named_however_much_is_as_it_should_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubegraf.overview.SHOWN", 2)
    set_up()
    for name in ("another", "zulu"):
        watched(name)
        make_subscription(make_connector(name))
    now = timezone.now()
    Connector.objects.update(last_success_at=now)
    Connector.objects.filter(name="zulu").update(last_failure_at=now + SECOND, last_failure="HTTP 503")
    Cluster.objects.filter(name="zulu").update(state="unreachable", state_message="Nothing listens.")
    assert words() == [("zulu", "Nothing listens."), ("zulu", "The last attempt failed: HTTP 503")]


@pytest.mark.parametrize(
    "cluster",
    [
        {},
        {"state": "degraded"},
        {"state": "unreachable"},
        {"state": "stopped"},
        {"state": "stopped", "enabled": False},
        {"heartbeat_at": timezone.now() - timedelta(minutes=1)},
        {"heartbeat_at": None, "state": "never"},
        {"heartbeat_at": None, "state": "unreachable", "created_at": timezone.now()},
    ],
)
def test_the_database_tells_what_is_amiss_as_the_page_of_a_cluster_does(cluster: Any) -> None:
    row = watched(**cluster)
    now = timezone.now()
    assert Cluster.objects.filter(amiss(now)).exists() == standing(row, now).amiss


def test_what_is_not_installed_troubles_nobody() -> None:
    set_up()
    watched("staging", problems={"policyreports": "https://x does not know it: not installed."})
    assert words() == []


def test_dead_letters_of_the_last_day_are_counted() -> None:
    connector = set_up()
    dead_letter(connector, 2)
    dead_letter(connector, 3)
    dead_letter(connector, 30)
    assert words() == [("Dead letters", "2 deliveries failed for good in the last 24 hours.")]


def test_the_worst_comes_first() -> None:
    connector = set_up()
    dead_letter(connector, 1)
    make_connector("second")
    watched("staging", state="unreachable", state_message="Nothing listens.")
    assert [one.tone for one in concerns(look())] == ["worst", "bad", "warning"]


# --- First steps ----------------------------------------------------------------------------------------


def test_where_nothing_is_set_up_the_first_steps_are_shown() -> None:
    steps = first_steps(look())
    assert [(step.title, step.done) for step in steps] == [
        ("Add a cluster", False),
        ("Add a connector", False),
        ("Test it", False),
        ("Subscribe it", False),
        ("Enable it", False),
    ]


def test_what_takes_a_connector_leads_nowhere_before_there_is_one() -> None:
    assert [step.title for step in first_steps(look()) if step.url] == ["Add a cluster", "Add a connector"]


def test_a_step_that_was_taken_is_done_and_the_next_leads_to_the_connector() -> None:
    watched()
    connector = make_connector()
    steps = {step.title: step for step in first_steps(look())}
    assert [title for title, step in steps.items() if step.done] == [
        "Add a cluster",
        "Add a connector",
        "Enable it",
    ]
    assert steps["Test it"].url == f"/admin/connectors/connector/{connector.pk}/change/"


def test_when_all_are_taken_they_are_gone() -> None:
    set_up()
    assert first_steps(look()) == []


# --- Figures --------------------------------------------------------------------------------------------


def test_whoever_finds_it_quiet_sees_that_it_has_been_silenced(admin_client: Client) -> None:
    set_up()
    assert "Silences in force" not in admin_client.get(OVERVIEW).text
    make_silence()
    make_silence(ends_at=timezone.now() - timedelta(minutes=1))
    (tile,) = [one for one in dashboard.shown(look())["tiles"] if one["label"] == "Silences in force"]
    assert (tile["figure"], tile["note"]) == ("1", "nobody is told of what they match")
    listed = admin_client.get(tile["url"]).context["cl"].result_count
    assert listed == 1


def test_events_are_counted_by_the_hour_and_severity() -> None:
    counted(EVENTS, "pod_crash_loop", "critical", hours=1, amount=3)
    counted(EVENTS, "hpa_maxed", "high", hours=1)
    counted(EVENTS, "hpa_maxed", "high", hours=30)
    flow = look().events
    assert flow is not None
    assert (flow.total, dict(flow.amounts)) == (4, {"critical": 3, "high": 1})
    assert len(flow.slices) == 24
    assert dict(flow.slices[-2].amounts) == {"critical": 3, "high": 1}
    assert flow.slices[-1].began <= timezone.now() < flow.slices[-1].ended


def test_a_week_is_counted_by_six_hours() -> None:
    counted(tally.DELIVERIES, "slack", "delivered", hours=30, amount=5)
    counted(tally.DELIVERIES, "slack", "failed", hours=150)
    counted(tally.DELIVERIES, "slack", "failed", hours=7 * 24 + 7)
    flow = look(period=Period.WEEK).deliveries
    assert flow is not None
    assert (flow.total, dict(flow.amounts)) == (6, {"delivered": 5, "failed": 1})
    assert len(flow.slices) == 28


def test_open_events_are_counted_by_severity_and_cluster() -> None:
    first, second = watched("first"), watched("second")
    for number, (cluster, severity) in enumerate([(first, "low"), (second, "critical"), (second, "low")]):
        make_event(
            cluster=cluster, cluster_name=cluster.name, severity=severity, fingerprint=f"{number}"
        ).save()
    make_event(cluster=first, status="resolved", fingerprint="over").save()
    found = look().open
    assert found is not None
    assert found.total == 3
    assert {word: number for word, number in found.severities.items() if number} == {"critical": 1, "low": 2}
    assert [(one.name, one.total) for one in found.clusters] == [("second", 2), ("first", 1)]
    assert len(found.newest) == 3


@pytest.mark.parametrize(
    ("part", "whole", "shown"), [(0, 0, "–"), (1, 1, "100%"), (9999, 10000, "99.9%"), (0, 3, "0%")]
)
def test_a_share_is_whole_only_when_all_of_it_is_there(part: int, whole: int, shown: str) -> None:
    assert dashboard._percent(part, whole).replace("\N{NO-BREAK SPACE}", "") == shown


# --- The page -------------------------------------------------------------------------------------------


def test_a_calm_page_says_so(admin_client: Client) -> None:
    set_up()
    html = admin_client.get(OVERVIEW).text
    assert "All is well." in html
    assert "Needs attention</h2>" not in html
    assert "First steps" not in html


def test_nothing_is_said_to_be_well_while_something_is_open(admin_client: Client) -> None:
    set_up()
    make_event().save()
    html = admin_client.get(OVERVIEW).text
    assert "All is well." not in html
    assert "KubeGraf is at work." in html


def test_names_from_outside_are_text(admin_client: Client) -> None:
    set_up()
    make_event(title="<script>alert(1)</script>", cluster_name="<b>x</b>").save()
    html = admin_client.get(OVERVIEW).text
    assert "<script>alert(1)" not in html
    assert "<b>x</b>" not in html


def test_every_figure_leads_to_a_list_that_takes_its_filter(admin_client: Client) -> None:
    connector = set_up()
    dead_letter(connector, 1)
    make_event(cluster_name="production").save()
    counted(EVENTS, "pod_crash_loop", "critical")
    page = admin_client.get(OVERVIEW).context["overview"]
    addresses = {tile["url"] for tile in page["tiles"]}
    for chart in page["charts"]:
        addresses |= {chart["url"], *(key["url"] for key in chart["keys"]), chart["rows"][0]["url"]}
    addresses |= {one["concern"].url for one in page["concerns"]}
    addresses |= {one["url"] for one in page["open"]["severities"]}
    addresses |= {row[name] for row in page["connectors"]["rows"] for name in ("sent_url", "waiting_url")}
    for address in sorted(addresses):
        answer = admin_client.get(address)
        # The admin answers a filter that it does not take with a redirect to ?e=1.
        assert answer.status_code == 200, address
        asked = parse_qs(urlsplit(address).query)
        assert set(asked) <= {*answer.request["QUERY_STRING"].replace("=", "&").split("&")}, address


def test_the_period_is_chosen_by_the_address(admin_client: Client) -> None:
    assert "The last 24 hours" in admin_client.get(OVERVIEW).text
    assert "The last 7 days" in admin_client.get(OVERVIEW, {"period": "7d"}).text
    assert "The last 24 hours" in admin_client.get(OVERVIEW, {"period": "forever"}).text


def test_the_page_takes_as_many_queries_for_one_as_for_twenty(
    admin_client: Client, django_assert_num_queries: Any
) -> None:
    for number in range(20):
        connector = make_connector(f"hook {number}")
        make_subscription(connector)
        dead_letter(connector, 1)
        cluster = watched(f"cluster {number}")
        make_event(fingerprint=f"key-{number}", cluster=cluster).save()
        counted(EVENTS, "pod_crash_loop", "critical", hours=number)
    with django_assert_num_queries(QUERIES):
        assert admin_client.get(OVERVIEW).status_code == 200


QUERIES = 12
"""Session and user, hours, open events, the newest, a day of attempts, dead letters, silences, connectors and
how they fare (two), and clusters."""


@pytest.mark.parametrize(
    ("right", "sections"),
    [
        ("view_event", {"open", "events"}),
        ("view_delivery", {"deliveries", "sending", "dead_letters"}),
        ("view_connector", {"connectors"}),
        ("view_cluster", {"clusters"}),
        ("view_silence", {"silences"}),
    ],
)
def test_who_may_not_see_a_section_is_not_told_of_it(client: Client, right: str, sections: set[str]) -> None:
    connector = set_up()
    dead_letter(connector, 1)
    Connector.objects.update(paused_at=timezone.now(), paused_reason="hush-hush")
    make_event(title="A pod has crashed").save()
    told = Caller(right).get("overview/")
    every = {"open", "events", "deliveries", "sending", "dead_letters", "silences", "connectors", "clusters"}
    assert {name for name in every if told[name] is not None} == sections
    assert {one["about"] for one in told["attention"]} == {
        "view_delivery": {"Dead letters"},
        "view_connector": {"hook"},
    }.get(right, set())
    html = staff(client, right).get(OVERVIEW).text
    assert ("A pod has crashed" in html) is (right == "view_event")
    assert ("hush-hush" in html) is (right == "view_connector")


def test_who_may_see_nothing_is_told_so(client: Client) -> None:
    assert "nothing here that you may see" in staff(client).get(OVERVIEW).text


# --- The API --------------------------------------------------------------------------------------------


def test_the_api_tells_the_same(django_assert_num_queries: Any) -> None:
    set_up()
    counted(EVENTS, "pod_crash_loop", "critical", amount=2)
    make_event(cluster_name="production").save()
    caller = Caller(everything=True)
    with django_assert_num_queries(11):
        told = caller.get("overview/", period="7d")
    assert (told["period"], told["events"]["total"], len(told["events"]["slices"])) == ("7d", 2, 28)
    assert (told["attention"], told["first_steps"]) == ([], [])
    assert told["open"]["clusters"] == [
        {"id": None, "name": "production", "total": 1, "severities": {"critical": 1}}
    ]
    assert told["clusters"][0]["watch"] == "watching"
    assert told["connectors"][0]["state"] == "working"


@pytest.mark.parametrize("query", ["period=1y", "perod=7d"])
def test_what_is_asked_wrongly_is_refused(query: str) -> None:
    answer = Caller(everything=True).call("GET", f"overview/?{query}")
    assert answer.status_code == 400
    assert list(mistakes(answer.json())) == [query.split("=")[0]]


def test_a_stranger_is_told_nothing(client: Client) -> None:
    assert client.get("/api/v1/overview/").status_code == 401
