"""What people do with events: acknowledge them and resolve them by hand, and what the watch makes of that."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connectors.models import Connector, Delivery
from events import connector_health
from events.external import report
from events.handling import acknowledge, resolve
from events.ingest import Ingest
from events.models import Cluster, Event, Subscription
from events.pruning import prune_events
from events.record import Batch, write
from events.report import ExternalReport
from tests.events.test_ingest import AT_ONCE, NOW, on_node, seen
from tests.events.test_ingest import told as all_told
from tests.fakes.objects import crash_looping, healed, node, not_ready, pod, restarted
from tests.making import make_cluster, make_connector, make_event, make_subscription

pytestmark = pytest.mark.django_db

WEB = crash_looping(pod("web-1", "shop"))
FIRING, RESOLVED = ("pod_crash_loop", "firing"), ("pod_crash_loop", "resolved")


@pytest.fixture
def cluster() -> Cluster:
    make_subscription(make_connector())
    return make_cluster()


@pytest.fixture
def ingest(cluster: Cluster) -> Ingest:
    watching = Ingest(cluster, AT_ONCE)
    watching.apply([seen(WEB)])
    arrived()
    return watching


def arrived() -> None:
    """Everything that waits has been delivered."""
    Delivery.objects.update(status="delivered", attempt_count=1)


def opened(**more: object) -> Event:
    """An open event that its subscribers have been told of."""
    event = make_event(**more)
    write(Batch(new=[event]))
    return event


def told() -> list[tuple[str, str]]:
    """What was told, but for the restarts that come with every crash."""
    return [said for said in all_told() if said[0] != "pod_restarted"]


def statuses() -> list[str]:
    events = Event.objects.exclude(event_type="pod_restarted").order_by("first_seen", "pk")
    return list(events.values_list("status", flat=True))


# --- Acknowledging --------------------------------------------------------------------------------------


def test_acknowledging_is_on_record_and_told_to_whoever_was_told(cluster: Cluster) -> None:
    make_subscription(make_connector("nodes only"), "node_unhealthy")
    event = opened(description="It exits at once.")

    [done] = acknowledge([event.pk], "alice", " looking ")

    event.refresh_from_db()
    assert (event.acknowledged_by, event.note, event.status) == ("alice", "looking", "firing")
    message = Delivery.objects.order_by("id").last().said()  # type: ignore[union-attr]  # there is one
    assert (message.status, message.timestamp) == ("acknowledged", done.acknowledged_at)
    assert message.description == "Acknowledged by alice: looking\n\nIt exits at once."
    assert told() == [FIRING, ("pod_crash_loop", "acknowledged")]


def test_acknowledging_twice_changes_and_tells_nothing_more(cluster: Cluster) -> None:
    event = opened()
    acknowledge([event.pk], "alice")

    assert acknowledge([event.pk], "bob", "me too") == []

    event.refresh_from_db()
    assert (event.acknowledged_by, event.note) == ("alice", "")
    assert Delivery.objects.count() == 2


@pytest.mark.parametrize("status", ["resolved", "occurred"])
def test_what_is_not_open_can_be_neither_acknowledged_nor_resolved(status: str) -> None:
    event = make_event(status=status)
    event.save()

    assert acknowledge([event.pk], "alice") == []
    assert resolve([event.pk], "alice") == []

    event.refresh_from_db()
    assert (event.status, event.acknowledged_at, event.resolved_by) == (status, None, "")


def test_who_wants_no_resolutions_hears_of_an_acknowledgement_all_the_same(cluster: Cluster) -> None:
    Subscription.objects.update(send_resolved=False)
    event = opened()
    acknowledge([event.pk], "alice")
    resolve([event.pk], "alice")
    assert told() == [FIRING, ("pod_crash_loop", "acknowledged")]


# --- Resolving by hand ----------------------------------------------------------------------------------


def test_resolving_by_hand_is_told_as_if_the_cluster_had_shown_it(ingest: Ingest) -> None:
    event = Event.objects.get()

    [done] = resolve([event.pk], "alice", "restarted it")

    assert (done.status, done.resolved_by, done.note, done.lingers) == (
        "resolved",
        "alice",
        "restarted it",
        True,
    )
    assert told() == [FIRING, RESOLVED]
    message = Delivery.objects.order_by("id").last().said()  # type: ignore[union-attr]  # there is one
    assert message.description.startswith("Resolved by alice: restarted it\n\n")
    assert resolve([event.pk], "bob") == []
    assert told() == [FIRING, RESOLVED]


def test_what_was_never_sent_is_not_told_to_be_resolved_either(cluster: Cluster) -> None:
    resolve([opened().pk], "alice")
    assert list(Delivery.objects.values_list("status", flat=True)) == ["cancelled", "cancelled"]


def test_what_is_still_so_does_not_open_again_in_the_same_watch(ingest: Ingest) -> None:
    resolve([Event.objects.get().pk], "alice")

    ingest.apply([seen(crash_looping(restarted(WEB)), NOW + timedelta(seconds=9))])

    assert statuses() == ["resolved"]
    assert told() == [FIRING, RESOLVED]


def test_what_is_still_so_does_not_open_again_when_the_watcher_restarts(ingest: Ingest) -> None:
    resolve([Event.objects.get().pk], "alice")

    Ingest(ingest.cluster, AT_ONCE).apply([seen(WEB, NOW + timedelta(minutes=5))])

    assert statuses() == ["resolved"]
    assert told() == [FIRING, RESOLVED]


def test_a_watcher_that_knew_nothing_of_it_does_not_open_it_either(cluster: Cluster) -> None:
    slow = Ingest(cluster, AT_ONCE)
    Ingest(cluster, AT_ONCE).apply([seen(WEB)])
    resolve([Event.objects.get().pk], "alice")

    slow.apply([seen(WEB, NOW + timedelta(seconds=1))])
    slow.apply([seen(healed(WEB), NOW + timedelta(seconds=2))])

    assert statuses() == ["resolved"]
    assert Event.objects.get(event_type="pod_crash_loop").gone_at == NOW + timedelta(seconds=2)


@pytest.mark.parametrize("restarts", [False, True])
def test_that_it_is_over_is_noted_silently_and_when_it_comes_back_it_is_a_new_event(
    ingest: Ingest, restarts: bool
) -> None:
    event = Event.objects.get()
    resolve([event.pk], "alice")
    arrived()
    resolved_at = Event.objects.get().resolved_at
    if restarts:
        ingest = Ingest(ingest.cluster, AT_ONCE)
        ingest.apply([seen(WEB)])

    over = NOW + timedelta(minutes=1)
    ingest.apply([seen(healed(WEB), over)])

    event.refresh_from_db()
    assert (event.lingers, event.gone_at, event.resolved_at) == (False, over, resolved_at)
    assert told() == [FIRING, RESOLVED]

    ingest.apply([seen(WEB, NOW + timedelta(minutes=2))])

    assert statuses() == ["resolved", "firing"]
    assert told() == [FIRING, RESOLVED, FIRING]


def test_what_was_resolved_by_hand_goes_on_explaining_away_until_it_is_over(cluster: Cluster) -> None:
    ingest = Ingest(cluster, AT_ONCE)
    ingest.apply([seen(not_ready(node("node-1")))])
    resolve([Event.objects.get().pk], "alice")
    ingest.apply([seen(crash_looping(on_node(pod("web-1", "shop"), "node-1")))])
    assert FIRING not in told()

    ingest.apply([seen(node("node-1"))])

    assert FIRING in told()


def test_a_report_from_outside_opens_again_what_was_resolved_by_hand(cluster: Cluster) -> None:
    said = ExternalReport(event_type="http_500", title="web answers 500", key="web")
    [event] = resolve([report(said).pk], "alice")
    assert not event.lingers

    report(said)

    assert statuses() == ["resolved", "firing"]


def test_a_connector_that_fails_on_is_not_reported_again(cluster: Cluster) -> None:
    broken = Connector.objects.filter(pk=make_connector("broken").pk)
    broken.update(paused_at=NOW)
    connector_health.report()
    resolve([Event.objects.get().pk], "alice")

    connector_health.report()
    assert statuses() == ["resolved"]

    broken.update(paused_at=None)
    connector_health.report()
    assert Event.objects.get().gone_at is not None


def test_what_is_still_so_is_not_pruned_for_it_would_open_again(ingest: Ingest) -> None:
    event = Event.objects.get()
    resolve([event.pk], "alice")
    arrived()
    Event.objects.update(first_seen=NOW - timedelta(days=900), resolved_at=NOW - timedelta(days=900))

    assert list(prune_events(NOW, NOW)) == []

    ingest.apply([seen(healed(WEB))])
    assert sum(prune_events(NOW, NOW)) == 1
