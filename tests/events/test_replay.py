"""200 seconds of a real cluster, played through detectors, tracking and the database.

What was done to it stands in `tests/data/watch/scenario.txt`; exactly that must come out, once.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec
import pytest
from pytest_django import Settings

from connectors.models import Delivery
from events.cluster.decoding import decode
from events.cluster.objects import Object
from events.cluster.watch import Gone, Listed, Seen
from events.detection import all_detectors
from events.ingest import Ingest
from events.models import Cluster, Event
from tests.making import make_cluster, make_connector, make_subscription
from tests.recordings import BEGAN, items, plurals, recorded

pytestmark = pytest.mark.django_db

Observation = Seen | Gone | Listed

# Every kind that some detector wants to see and that was recorded.
KINDS: dict[str, type[Object]] = {
    kind.resource.plural: kind
    for detector in all_detectors()
    for kind in detector.watches
    if kind.resource.plural in plurals()
}
# Long enough for everything that was over to be resolved.
THE_END = BEGAN + timedelta(hours=1)


def moment(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def lists() -> Iterator[Observation]:
    """What was there when the recording began."""
    for plural, kind in KINDS.items():
        objects = [decode(item, kind) for item in items(plural)]
        yield from (Seen(obj, BEGAN) for obj in objects)
        yield Listed(kind, "", frozenset(obj.metadata.uid for obj in objects), BEGAN)


def changes() -> list[Observation]:
    """What the watches told, in the order of its coming."""
    told: list[tuple[float, Observation]] = []
    for plural, kind in KINDS.items():
        for line in recorded(plural):
            if line.type not in ("ADDED", "MODIFIED", "DELETED"):
                continue
            obj = decode(msgspec.Raw(line.object), kind)
            at = moment(line.at)
            told.append((line.at, Gone(obj.ref, at) if line.type == "DELETED" else Seen(obj, at)))
    told.sort(key=lambda pair: pair[0])
    return [observation for _, observation in told]


@pytest.fixture
def cluster() -> Cluster:
    return make_cluster(created_at=BEGAN)


def play(ingest: Ingest, observations: list[Observation]) -> None:
    """Second by second, as the watcher does."""
    now = BEGAN
    for observation in observations:
        while now + timedelta(seconds=1) <= observation.at:
            now += timedelta(seconds=1)
            ingest.tick(now)
        ingest.apply([observation])


def the_end() -> list[Observation]:
    """What was there when the recording ended, as a list tells it."""
    there: dict[str, Object] = {}
    for observation in [*lists(), *changes()]:
        if isinstance(observation, Seen):
            there[observation.obj.metadata.uid] = observation.obj
        elif isinstance(observation, Gone):
            there.pop(observation.ref.uid, None)
    complete = [
        Listed(kind, "", frozenset(uid for uid, obj in there.items() if type(obj) is kind), THE_END)
        for kind in KINDS.values()
    ]
    return [*(Seen(obj, THE_END) for obj in there.values()), *complete]


def whole_story(cluster: Cluster) -> None:
    ingest = Ingest(cluster)
    ingest.apply(list(lists()))
    play(ingest, changes())
    ingest.tick(THE_END)


def told() -> list[tuple[str, str, str, str]]:
    """(type, subject, status, severity) of every event that anyone would hear of."""
    events = Event.objects.filter(inhibited_by=None).order_by("first_seen", "event_type")
    return list(events.values_list("event_type", "subject", "status", "severity"))


def test_exactly_what_was_done_to_the_cluster_becomes_events(cluster: Cluster) -> None:
    whole_story(cluster)

    assert told() == [
        ("pod_restarted", "Deployment/web", "occurred", "medium"),
        ("pod_oom_restart", "Deployment/web", "resolved", "high"),
        ("pod_crash_loop", "Deployment/web", "resolved", "critical"),
        ("deployment_scaled", "Deployment/web", "occurred", "low"),
        ("deployment_scaled", "Deployment/api", "occurred", "low"),
        ("node_scaled_down", "Node/fake-node-1", "occurred", "high"),
        # Its binding was taken away again when the recording was cleaned up.
        ("rbac_violation", "ClusterRoleBinding/oops-admin", "resolved", "high"),
        ("rbac_violation", "ClusterRoleBinding/anon-view", "firing", "high"),
        ("deployment_scaled", "Deployment/web", "occurred", "high"),
        # Short of memory to the end; fake-node-3 was away for 25 seconds, which is not long enough.
        ("node_unhealthy", "Node/fake-node-2", "firing", "high"),
        # The service without endpoints was so for 28 seconds, which is not long enough either.
        ("hpa_maxed", "HorizontalPodAutoscaler/api", "firing", "high"),
    ]


def test_without_a_hold_off_the_short_absence_of_a_node_is_told_too(
    cluster: Cluster, settings: Settings
) -> None:
    settings.DETECTOR_OPTIONS = {"node_unhealthy": {"for_seconds": 0}}

    whole_story(cluster)

    assert [event for event in told() if event[0] == "node_unhealthy"] == [
        ("node_unhealthy", "Node/fake-node-3", "resolved", "critical"),
        ("node_unhealthy", "Node/fake-node-2", "firing", "high"),
    ]


def test_a_watcher_that_starts_anew_at_any_moment_makes_the_same_events(cluster: Cluster) -> None:
    whole_story(cluster)
    without_restarts = told()
    Event.objects.all().delete()
    cluster.baselines.all().delete()

    first = Ingest(cluster)
    first.apply(list(lists()))
    story = changes()
    for cut in range(0, len(story), 7):
        play(Ingest(cluster), story[cut : cut + 7])
    last = Ingest(cluster)
    last.apply(the_end())
    last.tick(THE_END + timedelta(hours=1))

    assert [(kind, subject) for kind, subject, _, _ in told()] == [
        (kind, subject) for kind, subject, _, _ in without_restarts
    ]


def test_a_new_list_of_what_is_known_tells_nothing(cluster: Cluster) -> None:
    whole_story(cluster)
    known = set(Event.objects.values_list("pk", "status"))

    ingest = Ingest(cluster)
    ingest.apply(the_end())
    ingest.tick(THE_END + timedelta(hours=1))

    assert set(Event.objects.values_list("pk", "status")) == known


def test_nothing_older_than_the_registration_of_the_cluster_is_reported() -> None:
    cluster = make_cluster(created_at=THE_END)

    whole_story(cluster)

    assert not Event.objects.filter(status="occurred", inhibited_by=None).exists()


def test_who_subscribes_to_crash_loops_hears_of_one_and_of_its_end(cluster: Cluster) -> None:
    connector = make_connector()
    make_subscription(connector, "pod_crash_loop")
    connector.deliver_brief = True
    connector.save()

    whole_story(cluster)

    assert list(Delivery.objects.order_by("id").values_list("message__status", "message__title")) == [
        ("firing", "Pod web-7d876db474-j6b65 in crash loop"),
        ("resolved", "Pod web-7d876db474-j6b65 in crash loop"),
    ]
