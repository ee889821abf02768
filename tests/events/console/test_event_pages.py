"""The list of events, the page of one, and its buttons, driven as a browser drives them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from connectors.console import looking_back
from connectors.models import Delivery
from events.console import event_chart
from events.console.event_page import related, standing
from events.models import Event, Silence
from events.record import Batch, write
from tests.connectors.console.test_connector_admin import messages_of, staff
from tests.making import make_cluster, make_connector, make_event, make_silence, make_subscription

pytestmark = pytest.mark.django_db

LIST = reverse("admin:events_event_changelist")


def opened(**more: Any) -> Event:
    event = make_event(**more)
    write(Batch(new=[event]))
    event.refresh_from_db()
    return event


def page(event: Event, button: str = "change") -> str:
    return reverse(f"admin:events_event_{button}", args=(event.pk,))


def shown(client: Client, **query: str) -> list[str]:
    """The titles in the list."""
    return [event.title for event in client.get(LIST, query).context["cl"].result_list]


# --- The list -------------------------------------------------------------------------------------------


def test_severities_are_sorted_by_how_bad_they_are(admin_client: Client) -> None:
    for severity in ("info", "critical", "low", "high", "medium"):
        opened(fingerprint=severity, severity=severity, title=severity)
    column = "3"
    assert shown(admin_client, o=f"-{column}") == ["critical", "high", "medium", "low", "info"]


def test_events_are_found_by_where_when_and_what_people_did(admin_client: Client) -> None:
    opened(fingerprint="open", title="open")
    opened(fingerprint="on", title="acknowledged", acknowledged_at=timezone.now())
    opened(fingerprint="hand", title="by hand", status="firing")
    Event.objects.filter(title="by hand").update(status="resolved", resolved_by="alice")
    opened(fingerprint="old", title="old", namespace="shop", status="occurred")
    Event.objects.filter(title="old").update(first_seen=timezone.now() - timedelta(days=3))
    make_silence(namespaces=["kube-system"])
    opened(fingerprint="held", title="held", namespace="kube-system")

    assert shown(admin_client, attention="needed") == ["open"]
    assert shown(admin_client, attention="acknowledged") == ["acknowledged"]
    assert shown(admin_client, attention="by_hand") == ["by hand"]
    assert shown(admin_client, attention="silenced") == ["held"]
    assert shown(admin_client, silence=str(Silence.objects.get().pk)) == ["held"]
    assert shown(admin_client, silence="x") == []
    assert shown(admin_client, namespace="shop") == ["old"]
    assert "old" not in shown(admin_client, since="24h")
    assert shown(admin_client, q=str(Event.objects.get(title="old").pk)) == ["old"]


def test_what_no_index_finds_is_looked_for_among_the_latest(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking_back, "AT_ONCE", 2)
    for number in range(4):
        opened(fingerprint=str(number), title=f"event {number}")
    assert len(shown(admin_client, namespace="default")) == 3
    assert len(shown(admin_client, o="3")) == 3
    assert len(shown(admin_client, status__exact="firing")) == 4


def test_selected_events_are_acknowledged_and_resolved(admin_client: Client, client: Client) -> None:
    events = [opened(fingerprint=str(number)) for number in range(2)]
    post = {"_selected_action": [str(event.pk) for event in events]}
    answer = admin_client.post(LIST, {**post, "action": "acknowledge_selected"}, follow=True)
    assert messages_of(answer.text) == "2 of 2 are acknowledged."
    answer = admin_client.post(LIST, {**post, "action": "resolve_selected"}, follow=True)
    assert messages_of(answer.text) == "2 of 2 are resolved."
    assert set(Event.objects.values_list("status", "acknowledged_by", "resolved_by")) == {
        ("resolved", "admin", "admin")
    }
    third = opened(fingerprint="third")
    post = {"_selected_action": [str(third.pk)], "action": "resolve_selected"}
    staff(client, "view_event").post(LIST, post)
    third.refresh_from_db()
    assert third.status == "firing"


# --- The bars -------------------------------------------------------------------------------------------


def test_the_bars_stack_what_was_seen_by_time_and_severity() -> None:
    until = datetime(2026, 1, 2, tzinfo=UTC)
    since = until - timedelta(hours=24)
    rows = [(since + timedelta(hours=3, minutes=minute), "high") for minute in range(3)]
    rows += [(since + timedelta(hours=3, minutes=59), "critical"), (until - timedelta(seconds=1), "low")]
    drawn = event_chart.draw(rows, since, until, cut=False, url=lambda a, b: f"?{a:%H}-{b:%H}")
    assert (len(drawn.bars), drawn.highest, drawn.total) == (24, 4, 5)
    third, last = drawn.bars[3], drawn.bars[-1]
    assert [(part.severity, part.amount, part.height) for part in third.parts] == [
        ("critical", 1, 25.0),
        ("high", 3, 75.0),
    ]
    assert third.label == "1 Jan, 03:00 to 1 Jan, 04:00 UTC: 1 critical, 3 high"
    assert (third.url, last.total, drawn.bars[0].url) == ("?03-04", 1, "")
    assert drawn.legend == [("critical", 1), ("high", 3), ("low", 1)]


def test_there_are_never_many_bars() -> None:
    until = datetime(2026, 1, 2, 7, 13, tzinfo=UTC)
    for hours in (0.5, 1, 2, 24, 24 * 7, 24 * 31):
        drawn = event_chart.draw([], until - timedelta(hours=hours), until, cut=False, url=lambda a, b: "")
        assert 20 <= len(drawn.bars) <= 38


def test_a_bar_leads_to_what_it_stands_for(admin_client: Client) -> None:
    opened(title="now")
    opened(fingerprint="old", title="old")
    Event.objects.filter(title="old").update(first_seen=timezone.now() - timedelta(hours=5))
    chart = admin_client.get(LIST, {"status__exact": "firing"}).context["chart"]
    old, new = [bar for bar in chart.bars if bar.parts]
    for bar, title in ((old, "old"), (new, "now")):
        found = admin_client.get(LIST + bar.url).context["cl"].result_list
        assert [event.title for event in found] == [title]


def test_a_time_that_is_none_is_refused_politely(admin_client: Client) -> None:
    assert admin_client.get(LIST, {"since": "yesterday"}).status_code == 302


# --- The page -------------------------------------------------------------------------------------------


def test_the_page_says_how_it_stands() -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    began = now - timedelta(hours=3)
    assert standing(make_event(occurred_at=began), now) == "Open for 3 h"
    over = make_event(status="resolved", occurred_at=began, resolved_at=now - timedelta(hours=2))
    assert standing(over, now) == "It lasted 1 h, until 2 h ago"
    assert standing(make_event(status="occurred", occurred_at=began), now) == "Happened 3 h ago"


def test_related_events_are_those_of_the_owner_and_of_the_node_each_once() -> None:
    event = opened(details={"node": "node-1"})
    opened(fingerprint="owner", title="of the owner", details={"node": "node-1"})
    opened(fingerprint="node", title="the node", resource="Node/node-1", subject="", namespace="")
    opened(fingerprint="else", title="elsewhere", subject="Deployment/other")
    opened(fingerprint="restart", title="explained", inhibited_by=event, status="occurred")
    assert [(relation.words, [other.title for other in relation.events]) for relation in related(event)] == [
        ("It explains", ["explained"]),
        ("Also of Deployment/my-app, within an hour", ["of the owner"]),
        ("Also on the node node-1, within an hour", ["the node"]),
    ]


def test_the_page_tells_its_life_who_was_told_and_why(admin_client: Client) -> None:
    make_subscription(make_connector("told"))
    make_subscription(make_connector("not told"), "hpa_maxed")
    event = opened(details={"last_logs": "panic\n<b>x</b>"}, cluster=make_cluster())
    admin_client.post(page(event, "acknowledge"), {"note": "looking"})
    html = admin_client.get(page(event)).text
    for words in (
        "Acknowledged by admin",
        "Telling told",
        "Telling told that it is acknowledged",
        "Event type pod_crash_loop is not among those subscribed to.",
        "panic\n&lt;b&gt;x&lt;/b&gt;</pre>",
        reverse("admin:events_cluster_change", args=(event.cluster_id,)),
    ):
        assert words in html
    assert "<b>x</b>" not in html


@pytest.mark.parametrize("source", ["api", "alertmanager"])
def test_what_another_system_told_was_reported_and_not_noticed(admin_client: Client, source: str) -> None:
    html = admin_client.get(page(opened(source=source))).text
    assert ("Reported" in html, "Noticed" in html) == (True, False)


def test_who_may_not_see_subscriptions_or_deliveries_is_not_told_of_them(client: Client) -> None:
    make_subscription(make_connector("secret connector"))
    event = opened()
    html = staff(client, "view_event").get(page(event)).text
    assert "secret connector" not in html
    assert '<form method="post" action="/admin/events' not in html


def test_the_page_takes_as_many_queries_however_much_there_is(
    admin_client: Client, django_assert_num_queries: Any
) -> None:
    connector = make_connector()
    for number in range(20):
        make_subscription(connector, "hpa_maxed" if number else "all")
    event = opened()
    for number in range(20):
        opened(fingerprint=f"near-{number}")
    with django_assert_num_queries(9):
        assert admin_client.get(page(event)).status_code == 200


# --- Its buttons ----------------------------------------------------------------------------------------


def test_the_buttons_do_what_they_say(admin_client: Client) -> None:
    event = opened()
    answer = admin_client.post(page(event, "acknowledge"), {"note": "looking"}, follow=True)
    assert messages_of(answer.text).startswith("Acknowledged.")
    answer = admin_client.post(page(event, "silence"), {"duration": "1h", "reason": "Known"}, follow=True)
    assert messages_of(answer.text).startswith("Silenced until")
    assert "What comes of this kind is silenced until" in answer.text
    answer = admin_client.post(page(event, "resolve"), follow=True)
    assert messages_of(answer.text).startswith("Resolved.")
    event.refresh_from_db()
    assert (event.status, event.acknowledged_by, event.resolved_by) == ("resolved", "admin", "admin")
    assert Silence.objects.get().resources == ["Deployment/my-app"]
    answer = admin_client.post(page(event, "resolve"), follow=True)
    assert messages_of(answer.text) == "It is not open any more."


@pytest.mark.parametrize(
    "posted",
    [{"duration": "1h"}, {"duration": "x", "reason": "y"}, {"duration": "999d", "reason": "y"}, {}],
)
def test_an_impossible_silence_is_refused_in_words(admin_client: Client, posted: dict[str, str]) -> None:
    answer = admin_client.post(page(opened(), "silence"), posted, follow=True)
    assert messages_of(answer.text).startswith("Not silenced.")
    assert Silence.objects.count() == 0


@pytest.mark.parametrize("button", ["acknowledge", "resolve", "silence"])
def test_a_button_takes_its_right_and_a_post(client: Client, button: str) -> None:
    event = opened()
    viewer = staff(client, "view_event")
    assert viewer.post(page(event, button), {"duration": "1h", "reason": "x"}).status_code == 403
    assert viewer.get(page(event, button)).status_code == 405
    event.refresh_from_db()
    assert (event.status, event.acknowledged_at, Silence.objects.count()) == ("firing", None, 0)
    assert Delivery.objects.count() == 0
