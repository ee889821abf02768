"""From observations to events on record, and who is told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from django.db import OperationalError, transaction
from django.db.transaction import Atomic

from connectors.models import Delivery
from connectors.secrets import MASK
from events.annotations import Namespace
from events.cluster.decoding import decode
from events.cluster.objects import Deployment, Node, Object, Pod
from events.cluster.watch import Gone, Listed, Seen
from events.detectors.rbac_violation import ClusterRole, ClusterRoleBinding
from events.ingest import Ingest
from events.models import Cluster, Event
from tests.events.detectors.objects import endpoints
from tests.events.detectors.security_objects import policy_report, scan, verdict, vulnerability
from tests.fakes.objects import crash_looping, deployment, healed, node, not_ready, pod, restarted, stamp
from tests.making import make_cluster, make_connector, make_subscription

pytestmark = pytest.mark.django_db

NOW = datetime.now(UTC)
AT_ONCE = {"pod_crash_loop": {"clear_after": 0}, "node_unhealthy": {"for_seconds": 0, "clear_after": 0}}


@pytest.fixture
def cluster() -> Cluster:
    make_subscription(make_connector())
    return make_cluster()


@pytest.fixture
def ingest(cluster: Cluster) -> Ingest:
    return Ingest(cluster, AT_ONCE)


def seen(obj: dict[str, Any], at: datetime = NOW) -> Seen:
    kinds: dict[str, type[Object]] = {
        "Pod": Pod,
        "Node": Node,
        "Deployment": Deployment,
        "ClusterRoleBinding": ClusterRoleBinding,
    }
    named = {**obj, "metadata": {"uid": f"uid-{obj['metadata']['name']}", "namespace": "", **obj["metadata"]}}
    return Seen(decode(msgspec.Raw(msgspec.json.encode(named)), kinds[obj["kind"]]), at)


def restarted_at(moment: datetime) -> dict[str, Any]:
    """A pod whose container's last run ended then."""
    web = restarted(pod("web-1", "shop", owner="web"))
    web["status"]["containerStatuses"][0]["lastState"]["terminated"]["finishedAt"] = stamp(moment)
    return web


def admin_since(moment: datetime) -> dict[str, Any]:
    """A binding that has given a group all rights since then."""
    return {
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "night-shift", "creationTimestamp": stamp(moment)},
        "subjects": [{"kind": "Group", "name": "night-shift"}],
        "roleRef": {"kind": "ClusterRole", "name": "cluster-admin"},
    }


def told() -> list[tuple[str, str]]:
    return list(Delivery.objects.order_by("id").values_list("message__event_type", "message__status"))


def on_node(obj: dict[str, Any], name: str) -> dict[str, Any]:
    return {**obj, "spec": {**obj["spec"], "nodeName": name}}


def test_twenty_pods_of_one_deployment_are_one_event_that_counts_twenty(ingest: Ingest) -> None:
    ingest.apply([seen(crash_looping(pod(f"web-{n}", "shop", owner="web"))) for n in range(20)])

    event = Event.objects.get()
    assert (event.count, event.subject) == (20, "Deployment/web")
    assert Delivery.objects.get().said().title.endswith(" in crash loop and 19 more")
    assert told() == [("pod_crash_loop", "firing")]


def test_while_a_node_is_down_its_pods_are_on_record_and_nobody_is_told(ingest: Ingest) -> None:
    ingest.apply([seen(not_ready(node("node-1")))])
    ingest.apply([seen(crash_looping(on_node(pod("web-1", "shop"), "node-1")))])

    down, looping = Event.objects.order_by("first_seen")
    assert looping.inhibited_by == down
    assert told() == [("node_unhealthy", "firing")]


def test_what_outlasts_the_node_s_trouble_is_told_then(ingest: Ingest) -> None:
    ingest.apply([seen(not_ready(node("node-1")))])
    ingest.apply([seen(crash_looping(on_node(pod("web-1", "shop"), "node-1")))])

    ingest.apply([seen(node("node-1"))])

    assert ("pod_crash_loop", "firing") in told()
    assert Event.objects.get(event_type="pod_crash_loop").inhibited_by is None


def test_pods_of_other_nodes_are_told_of(ingest: Ingest) -> None:
    ingest.apply([seen(not_ready(node("node-1")))])
    ingest.apply([seen(crash_looping(on_node(pod("web-1", "shop"), "node-2")))])

    assert told() == [("node_unhealthy", "firing"), ("pod_crash_loop", "firing")]


def test_the_restarts_of_a_crash_loop_are_recorded_and_not_told(ingest: Ingest) -> None:
    web = crash_looping(pod("web-1", "shop"))
    ingest.apply([seen(web)])
    ingest = Ingest(ingest.cluster, {"pod_crash_loop": {"clear_after": 600}})
    ingest.apply([seen(restarted(web))])

    assert Event.objects.get(event_type="pod_restarted").inhibited_by is not None
    assert told() == [("pod_crash_loop", "firing")]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (scan(vulnerability("CVE-2026-1")), scan(vulnerability("CVE-2026-1"), vulnerability("CVE-2026-2"))),
        (policy_report(verdict("limits")), policy_report(verdict("limits"), verdict("probes"))),
    ],
    ids=["Trivy", "Kyverno"],
)
def test_what_a_scanner_newly_finds_is_told_though_two_of_them_report_one_type(
    ingest: Ingest, before: Object, after: Object
) -> None:
    ingest.apply([Seen(before, NOW)])
    ingest.apply([Seen(before, NOW)])
    ingest.apply([Seen(after, NOW)])

    assert told() == [("security_vulnerability", "firing"), ("security_vulnerability", "firing")]


def test_of_more_than_can_be_listed_what_moves_up_is_not_news_and_what_is_worse_is(ingest: Ingest) -> None:
    many = [vulnerability(f"CVE-2026-{number:03}", score=10 - number / 100) for number in range(150)]
    ingest.apply([Seen(scan(*many), NOW)])

    ingest.apply([Seen(scan(*many[1:]), NOW)])
    assert len(told()) == 1
    ingest.apply([Seen(scan(vulnerability("CVE-2026-999", score=9.5), *many[1:]), NOW)])
    assert len(told()) == 2


SECOND = timedelta(seconds=1)
# A moment with nine tenths of a second that the API server's times do not have.
REGISTERED = NOW.replace(microsecond=900_000)


def test_what_happens_in_the_second_of_the_registration_is_not_taken_for_older() -> None:
    make_subscription(make_connector())
    cluster = make_cluster(created_at=REGISTERED)

    Ingest(cluster, AT_ONCE).apply(
        [seen(restarted_at(REGISTERED), REGISTERED), seen(admin_since(REGISTERED), REGISTERED)]
    )

    assert told() == [("pod_restarted", "occurred"), ("rbac_violation", "firing")]


def test_what_was_so_before_the_registration_is_on_record_at_most_and_not_told() -> None:
    make_subscription(make_connector())
    cluster, before = make_cluster(created_at=REGISTERED), REGISTERED - SECOND

    Ingest(cluster, AT_ONCE).apply(
        [seen(restarted_at(before), REGISTERED), seen(admin_since(before), REGISTERED)]
    )

    event = Event.objects.get()
    assert (event.event_type, event.muted) == (
        "rbac_violation",
        "It was so before the cluster was registered.",
    )
    assert told() == []


def test_an_annotation_of_the_workload_travels_with_its_events(ingest: Ingest) -> None:
    web = crash_looping(pod("web-1", "shop"))
    web["metadata"]["annotations"] = {"kubegraf.io/slack-channel": "#shop", "other": "no"}

    ingest.apply([seen(web)])

    assert Event.objects.get().routing == {"slack-channel": "#shop"}
    assert Delivery.objects.get().said().routing == {"slack-channel": "#shop"}


def namespace(name: str, **annotations: str) -> Seen:
    metadata = {"name": name, "uid": f"ns-{name}", "annotations": annotations}
    return Seen(decode(msgspec.Raw(msgspec.json.encode({"metadata": metadata})), Namespace), NOW)


def test_a_namespace_may_ask_for_all_that_happens_in_it(ingest: Ingest) -> None:
    asked = {"kubegraf.io/slack-channel": "#shop", "kubegraf.io/email-to": "shop@example.com"}
    ingest.apply([namespace("shop", **asked)])
    web = crash_looping(pod("web-1", "shop"))
    web["metadata"]["annotations"] = {"kubegraf.io/slack-channel": "#web"}

    ingest.apply([seen(web)])

    assert Event.objects.get().routing == {"slack-channel": "#web", "email-to": "shop@example.com"}


def test_a_deployment_may_ask_for_what_happens_to_its_pods(ingest: Ingest) -> None:
    web = deployment("web", namespace="shop")
    web["metadata"]["annotations"] = {"kubegraf.io/github-repo": "shop/web"}
    ingest.apply([seen(web)])

    ingest.apply([seen(crash_looping(pod("web-1", "shop", owner="web")))])

    assert Event.objects.get().routing == {"github-repo": "shop/web"}


def test_what_happened_while_nobody_watched_is_told_once_and_marked_as_seen_late(cluster: Cluster) -> None:
    there = [seen(pod("web-1", "shop")), Listed(Pod, "", frozenset({"uid-web-1"}), NOW)]
    Ingest(cluster, AT_ONCE).apply(there)

    Ingest(cluster, AT_ONCE).apply([seen(restarted(pod("web-1", "shop"))), there[1]])
    Ingest(cluster, AT_ONCE).apply([seen(restarted(pod("web-1", "shop"))), there[1]])

    assert [event.details["seen_late"] for event in Event.objects.all()] == [True]
    assert told() == [("pod_restarted", "occurred")]


def test_what_happens_while_somebody_watches_is_not_marked(ingest: Ingest) -> None:
    ingest.apply([seen(pod("web-1", "shop")), Listed(Pod, "", frozenset({"uid-web-1"}), NOW)])
    ingest.apply([seen(restarted(pod("web-1", "shop")))])

    assert "seen_late" not in Event.objects.get().details


def test_a_kind_that_is_never_listed_makes_nothing_late_of_what_happens_to_another(ingest: Ingest) -> None:
    ingest.apply([seen(deployment("web", 3)), Listed(Deployment, "", frozenset({"uid-web"}), NOW)])

    ingest.apply([seen(deployment("web", 5))])  # there was no list of StatefulSets

    event = Event.objects.get()
    assert (event.event_type, "seen_late" in event.details) == ("deployment_scaled", False)


def test_what_was_over_when_its_namespace_was_listed_is_resolved_though_another_never_is() -> None:
    cluster = make_cluster(namespaces=["shop", "payments"])
    Ingest(cluster, AT_ONCE).apply([seen(crash_looping(pod("web-1", "shop")))])

    again = Ingest(cluster, AT_ONCE)
    again.apply([Listed(Pod, "shop", frozenset(), NOW)])
    again.tick(NOW)

    assert Event.objects.get().status == "resolved"


@pytest.mark.parametrize(
    ("listed", "status"),
    [(ClusterRole, "firing"), (ClusterRoleBinding, "resolved")],
    ids=["roles", "bindings"],
)
def test_what_was_over_is_resolved_when_its_own_kind_has_been_listed(
    cluster: Cluster, listed: type[Object], status: str
) -> None:
    Ingest(cluster, AT_ONCE).apply([seen(admin_since(NOW))])

    again = Ingest(cluster, AT_ONCE)
    again.apply([Listed(listed, "", frozenset(), NOW)])
    again.tick(NOW)

    assert Event.objects.get().status == status


def test_what_is_no_longer_looked_for_is_over(cluster: Cluster) -> None:
    Ingest(cluster, AT_ONCE).apply([seen(crash_looping(pod("web-1", "shop")))])

    Ingest(cluster, {"pod_crash_loop": {"enabled": False}}).tick(NOW)

    assert Event.objects.get().status == "resolved"


def test_what_is_not_in_a_new_list_is_gone(ingest: Ingest) -> None:
    ingest.apply([seen(crash_looping(pod("web-1", "shop")))])

    ingest.apply([Listed(Pod, "", frozenset(), NOW)])

    assert Event.objects.get().status == "resolved"


def test_a_list_of_one_namespace_says_nothing_of_another(ingest: Ingest) -> None:
    ingest.apply([seen(crash_looping(pod("web-1", "shop")))])

    ingest.apply([Listed(Pod, "payments", frozenset(), NOW)])

    assert Event.objects.get().status == "firing"


def test_a_failed_transaction_loses_nothing_and_repeats_nothing(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = [seen(crash_looping(pod("web-1", "shop"))), seen(node("node-1"))]
    with monkeypatch.context() as away:

        def refuse(self: Atomic) -> None:
            raise OperationalError("the database is away")

        away.setattr(Atomic, "__enter__", refuse)
        with pytest.raises(OperationalError):
            ingest.apply(batch)
    assert Event.objects.count() == 0

    ingest.apply(batch)
    ingest.apply(batch)

    assert told() == [("pod_crash_loop", "firing")]
    assert ingest.cluster.baselines.filter(kind="Node").count() == 1


def test_two_watchers_of_one_cluster_make_one_event_of_one_problem(cluster: Cluster) -> None:
    first, second = Ingest(cluster, AT_ONCE), Ingest(cluster, AT_ONCE)
    web = crash_looping(pod("web-1", "shop"))
    for ingest in (first, second):
        ingest.apply([seen(web)])
    for ingest in (first, second):
        ingest.apply([seen(healed(web))])

    assert Event.objects.filter(event_type="pod_crash_loop").count() == 1
    assert [(kind, status) for kind, status in told() if kind == "pod_crash_loop"] == [
        ("pod_crash_loop", "firing"),
        ("pod_crash_loop", "resolved"),
    ]


def test_a_dry_run_tells_and_writes_nothing(ingest: Ingest) -> None:
    lines = list(ingest.look([seen(crash_looping(pod("web-1", "shop")))], NOW))

    assert lines == ["firing pod_crash_loop critical shop/Pod/web-1: Pod web-1 in crash loop"]
    assert Event.objects.count() == 0


def test_what_could_not_be_written_is_enriched_only_once(cluster: Cluster) -> None:
    asked: list[str] = []
    away = [OperationalError("away")]

    def guard() -> None:
        if away:
            raise away.pop()

    ingest = Ingest(
        cluster, AT_ONCE, enrich=lambda events: asked.extend(event.title for event in events), guard=guard
    )
    looping = seen(crash_looping(pod("web-1", "shop")))
    with pytest.raises(OperationalError):
        ingest.apply([looping])
    assert not Event.objects.exists()
    ingest.apply([looping])

    assert asked == ["Pod web-1 in crash loop"]
    assert Event.objects.get().title == "Pod web-1 in crash loop"


def test_new_events_that_anyone_hears_of_are_enriched_before_they_are_written(cluster: Cluster) -> None:
    asked: list[str] = []

    def enrich(events: Sequence[Event]) -> None:
        assert not Event.objects.exists()
        for event in events:
            asked.append(event.event_type)
            event.details["last_logs"] = "panic"

    Ingest(cluster, AT_ONCE, enrich=enrich).apply([seen(crash_looping(pod("web-1", "shop")))])

    assert asked == ["pod_crash_loop"]
    assert Delivery.objects.get().said().details["last_logs"] == "panic"


def test_a_deleted_pod_ends_its_trouble(ingest: Ingest) -> None:
    looping = seen(crash_looping(pod("web-1", "shop")))
    ingest.apply([looping])

    with transaction.atomic():
        ingest.apply([Gone(looping.obj.ref, NOW + timedelta(seconds=1))])

    assert Event.objects.get().status == "resolved"


def owned_by(kind: str, name: str, pod_name: str = "web-1") -> Seen:
    """A pod in a crash loop that says so of its owner."""
    web = crash_looping(pod(pod_name, "shop"))
    web["metadata"]["ownerReferences"] = [{"kind": kind, "name": name, "controller": True}]
    return seen(web)


def test_names_of_any_length_are_recorded_and_still_told_apart(ingest: Ingest) -> None:
    ingest.apply([owned_by("K" * 300, "x" * 5000 + end, f"web-{end}") for end in "ab"])

    subjects = set(Event.objects.values_list("subject", flat=True))
    assert [len(subject) for subject in subjects] == [320, 320]


def test_names_and_words_with_a_nul_are_recorded_and_still_told_apart(ingest: Ingest) -> None:
    ingest.apply([owned_by("Job", f"import{end}", f"web-{len(end)}") for end in ("", "\0", "\0\0")])
    broken = not_ready(node("node-1"))
    broken["status"]["conditions"][-1]["message"] = "broken\0 pipe"
    ingest.apply([seen(broken)])

    assert len(set(Event.objects.values_list("subject", flat=True))) == 4
    assert Event.objects.get(event_type="node_unhealthy").description == "broken pipe."


def test_a_key_of_any_length_is_recorded(ingest: Ingest) -> None:
    web = restarted(pod("web-1", "shop"))
    web["status"]["containerStatuses"][0]["lastState"]["terminated"]["containerID"] = "x" * 5000

    ingest.apply([seen(web)])

    assert len(Event.objects.get().key) == 255


def test_what_has_a_name_that_was_cut_is_known_again_after_a_restart(cluster: Cluster) -> None:
    looping = owned_by("Job", "x" * 5000)
    Ingest(cluster, AT_ONCE).apply([looping])

    again = Ingest(cluster, AT_ONCE)
    again.apply([looping])
    for kind in again.kinds:
        again.apply([Listed(kind, "", frozenset({looping.obj.ref.uid}), NOW)])
    again.tick(NOW + timedelta(days=1))

    assert [event.status for event in Event.objects.all()] == ["firing"]


@pytest.mark.parametrize(
    ("told_by_the_node", "recorded"),
    [
        ("0001-01-01T00:00:00+10:00", datetime(1970, 1, 1, tzinfo=UTC)),
        (stamp(NOW + timedelta(minutes=5)), NOW),
    ],
    ids=["before the calendar", "by a clock that is ahead"],
)
def test_a_time_that_cannot_be_is_recorded_as_the_nearest_that_can(
    ingest: Ingest, told_by_the_node: str, recorded: datetime
) -> None:
    down = not_ready(node("node-1"))
    for condition in down["status"]["conditions"]:
        condition["lastTransitionTime"] = told_by_the_node

    ingest.apply([seen(down)])

    assert Event.objects.get().occurred_at == recorded


def test_the_last_words_of_a_container_are_shown_without_secrets(ingest: Ingest) -> None:
    web = crash_looping(pod("web-1", "shop"))
    ended = web["status"]["containerStatuses"][0]["lastState"]["terminated"]
    ended["message"] = "panic: no answer from postgres://shop:4kj2h3k4j@postgres/shop\n"

    ingest.apply([seen(web)])
    first = Event.objects.get().details["last_error"]
    ended["message"] = "panic: password=hunter2 is wrong"
    ingest.apply([seen(web)])

    assert first == f"panic: no answer from postgres://{MASK}@postgres/shop"
    assert Event.objects.get().details["last_error"] == f"panic: password={MASK} is wrong"


def test_an_object_of_which_nothing_can_be_remembered_stops_nothing(
    ingest: Ingest, caplog: pytest.LogCaptureFixture
) -> None:
    before_the_calendar = endpoints(("web-1", {"ready": False}), created="0001-01-01T00:00:00+10:00")

    ingest.apply([Seen(before_the_calendar, NOW), seen(crash_looping(pod("web-1", "shop")))])

    assert [event.event_type for event in Event.objects.all()] == ["pod_crash_loop"]
    assert "service_unavailable failed on EndpointSlice/my-app-slice-1" in caplog.text
