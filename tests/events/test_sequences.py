"""What clusters send over time, through the whole evaluation: what is told of it, when, and when it is over.

The clock is a number of seconds; the detectors run with their own options.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import time_machine

from connectors.models import Delivery
from events.cluster.objects import Node, Object, Pod
from events.cluster.watch import Gone, Listed, Seen
from events.ingest import Ingest
from events.models import Cluster, Event
from events.remembered import Wait
from tests.events.detectors.objects import (
    JSON,
    autoscaler,
    container,
    endpoints,
    node,
    pod,
    running,
    terminated,
    waiting,
)
from tests.making import WHEN, make_cluster, make_connector, make_subscription

pytestmark = pytest.mark.django_db

READY: JSON = {"ready": True, "serving": True, "terminating": False}
UNREADY: JSON = {"ready": False, "serving": False, "terminating": False}
GOING: JSON = {"ready": False, "serving": True, "terminating": True}


class Story:
    """A cluster that was registered at second 0, as its watcher sees it."""

    def __init__(self) -> None:
        make_subscription(make_connector())
        self.cluster: Cluster = make_cluster(created_at=WHEN)
        self._ingest = Ingest(self.cluster, {})
        self._now = 0.0

    def shows(self, second: float, *objects: Object) -> None:
        """At that second it has these objects, after everything before that was due."""
        self.passes(second)
        self._ingest.apply([Seen(obj, at(second)) for obj in objects])

    def loses(self, second: float, *objects: Object) -> None:
        """At that second these objects are gone."""
        self.passes(second)
        self._ingest.apply([Gone(obj.ref, at(second)) for obj in objects])

    def resumes(self, second: float, away: float, *objects: Object) -> None:
        """Another watcher has taken over by that second, after nobody had watched for so long."""
        Cluster.objects.update(heartbeat_at=at(second - away))
        self._now = second
        with time_machine.travel(at(second), tick=False):
            self._ingest = Ingest(self.cluster, {})
        self._ingest.apply([Seen(obj, at(second)) for obj in objects])
        for kind in self._ingest.kinds:
            there = frozenset(obj.metadata.uid for obj in objects if type(obj) is kind)
            self._ingest.apply([Listed(kind, "", there, at(second))])

    def passes(self, second: float) -> None:
        """Nothing more happens until then."""
        while self._now < second:
            self._now = min(second, self._now + 5)
            self._ingest.tick(at(self._now))


def at(second: float) -> datetime:
    return WHEN + timedelta(seconds=second)


def written(second: float) -> str:
    """That second, as the API server writes it."""
    return f"{at(second):%Y-%m-%dT%H:%M:%SZ}"


def told() -> list[tuple[str, str, float]]:
    """Type, status and second of what was opened or has happened, in order."""
    events = Event.objects.order_by("first_seen", "event_type")
    return [(event.event_type, event.status, (event.first_seen - WHEN).total_seconds()) for event in events]


@pytest.fixture
def story() -> Story:
    return Story()


# --- services ---


def test_a_new_service_that_was_ready_once_and_broke_is_told_after_a_minute(story: Story) -> None:
    born = written(0)
    story.shows(0, endpoints(("web-1", UNREADY), created=born))
    story.shows(30, endpoints(("web-1", READY), created=born))
    story.shows(60, endpoints(("web-1", UNREADY), created=born))

    story.passes(115)
    assert told() == []
    story.passes(300)

    assert told() == [("service_unavailable", "firing", 120)]


def test_a_new_service_that_was_never_ready_is_told_after_five_minutes(story: Story) -> None:
    story.shows(0, endpoints(("web-1", UNREADY), created=written(0)))

    story.passes(400)

    assert told() == [("service_unavailable", "firing", 300)]


def test_a_service_that_starts_from_nothing_in_the_morning_has_five_minutes_again(story: Story) -> None:
    story.shows(0, endpoints(("web-1", READY), created=written(-9000)))
    story.shows(10, endpoints(("web-1", GOING), created=written(-9000)))
    story.shows(40, endpoints(created=written(-9000)))
    story.shows(3640, endpoints(("web-2", UNREADY), created=written(-9000)))

    story.passes(3900)
    assert told() == []
    story.shows(3920, endpoints(("web-2", READY), created=written(-9000)))
    story.passes(4300)

    assert told() == []


def test_a_pod_that_does_not_come_back_from_a_restart_is_told_after_a_minute(story: Story) -> None:
    story.shows(0, endpoints(("db-0", READY), created=written(-9000)))
    story.shows(10, endpoints(("db-0", GOING), created=written(-9000)))
    story.shows(40, endpoints(created=written(-9000)))
    story.shows(45, endpoints(("db-0", UNREADY), created=written(-9000)))

    story.passes(200)

    assert told() == [("service_unavailable", "firing", 105)]


def test_of_a_service_in_several_slices_one_that_was_ready_is_enough_to_have_started(story: Story) -> None:
    first = endpoints(("web-1", READY), uid="slice-1", created=written(0))
    second = endpoints(("web-2", UNREADY), uid="slice-2", created=written(0))
    story.shows(0, first, second)
    story.shows(60, endpoints(("web-1", UNREADY), uid="slice-1", created=written(0)))

    story.passes(300)

    assert told() == [("service_unavailable", "firing", 120)]


# --- what waits for a span of time, and another watcher that takes over meanwhile ---


def test_a_service_that_waits_to_be_told_goes_on_waiting_with_the_next_watcher(story: Story) -> None:
    broken = endpoints(("web-1", UNREADY), created=written(-9000))
    story.shows(0, broken)
    story.passes(40)
    story.resumes(60, 20, broken)

    story.passes(70)
    assert told() == []
    story.passes(100)

    # 40 of its 60 seconds were over, and in the 20 that nobody watched nothing counts.
    assert told() == [("service_unavailable", "firing", 80)]


def test_an_autoscaler_that_waits_to_be_told_does_so_through_two_restarts(story: Story) -> None:
    maxed = autoscaler(refused=True)
    story.shows(0, maxed)
    story.passes(140)
    story.resumes(140, 0, maxed)
    story.passes(280)
    story.resumes(280, 0, maxed)
    story.passes(400)

    assert told() == [("hpa_maxed", "firing", 300)]


def test_what_was_waited_for_began_when_it_was_first_seen_and_not_when_it_was_told(story: Story) -> None:
    story.shows(10, endpoints(("web-1", UNREADY), created=written(-9000)), autoscaler(refused=True))
    story.passes(400)

    assert [(event.occurred_at, event.first_seen) for event in Event.objects.order_by("first_seen")] == [
        (at(10), at(70)),
        (at(10), at(310)),
    ]


def test_what_is_over_before_a_restart_is_resolved_when_it_would_have_been(story: Story) -> None:
    story.shows(0, autoscaler(refused=True))
    story.passes(300)
    story.shows(400, autoscaler(4, 4))
    story.passes(600)
    story.resumes(600, 0, autoscaler(4, 4))

    story.passes(695)
    assert told() == [("hpa_maxed", "firing", 300)]
    story.passes(710)

    assert told() == [("hpa_maxed", "resolved", 300)]


def test_what_was_waiting_and_is_well_when_the_next_watcher_looks_begins_anew(story: Story) -> None:
    story.shows(0, autoscaler(refused=True))
    story.passes(200)
    story.resumes(200, 0, autoscaler(4, 4))
    story.shows(210, autoscaler(refused=True))

    story.passes(500)
    assert told() == []
    story.passes(520)

    assert told() == [("hpa_maxed", "firing", 510)]


def test_what_was_waiting_and_is_gone_is_forgotten(story: Story) -> None:
    story.shows(0, autoscaler(refused=True))
    assert Wait.objects.count() == 1

    story.resumes(200, 0)

    assert Wait.objects.count() == 0


def test_what_needs_no_waiting_and_what_has_waited_is_kept_no_longer(story: Story) -> None:
    story.shows(0, node(Ready="False"), autoscaler(refused=True))
    story.passes(400)

    assert [status for _, status, _ in told()] == ["firing", "firing"]
    assert Wait.objects.count() == 0


# --- nodes and services at work ---


def test_of_a_node_that_starts_again_people_hear_and_not_of_each_pod_on_it(story: Story) -> None:
    old: JSON = {"creationTimestamp": written(-9000)}
    story.shows(0, node(meta=old))
    story.shows(60, node(Ready="Unknown", changed=written(60), meta=old))
    story.shows(150, node(changed=written(150), meta=old))
    for number in range(5):
        ended = terminated("Unknown", 255, run=f"run-{number}", finishedAt=written(150))
        again = container(running(written(160)), ended, restarts=1)
        story.shows(160 + number * 20, pod(again, meta={"name": f"web-{number}", "uid": f"uid-{number}"}))
    story.passes(400)

    assert messages() == [
        ("node_unhealthy", "firing", "critical"),
        ("node_unhealthy", "resolved", "critical"),
    ]
    assert Event.objects.filter(event_type="pod_restarted").count() == 5


def test_a_node_that_is_drained_and_taken_away_alarms_nobody(story: Story) -> None:
    old: JSON = {"creationTimestamp": written(-9000)}
    story.shows(0, node(meta=old), endpoints(("web-1", READY), created=written(-9000)))
    story.shows(10, node(cordoned=True, meta=old))
    story.shows(20, endpoints(("web-1", GOING), ("web-2", UNREADY), created=written(-9000)))
    story.shows(60, endpoints(("web-2", READY), created=written(-9000)))
    story.shows(100, node(cordoned=True, Ready="Unknown", changed=written(100), meta=old))
    story.loses(140, node())
    story.passes(400)

    assert messages() == [("node_scaled_down", "occurred", "low")]


def test_while_slices_are_split_and_merged_a_service_is_judged_by_all_of_them(story: Story) -> None:
    full = endpoints(*((f"a-{number}", READY) for number in range(100)), uid="slice-1")
    story.shows(0, full, endpoints(("b", READY), uid="slice-2"))
    story.shows(10, endpoints(*((f"a-{number}", UNREADY) for number in range(100)), uid="slice-1"))
    story.shows(20, endpoints(("b", UNREADY), ("c", READY), uid="slice-3"))
    story.loses(25, endpoints(uid="slice-2"))
    story.passes(200)
    assert told() == []
    story.loses(200, endpoints(uid="slice-3"))
    story.passes(300)

    assert told() == [("service_unavailable", "firing", 260)]


def test_an_autoscaler_whose_target_is_scaled_to_nothing_is_at_no_maximum(story: Story) -> None:
    story.shows(0, autoscaler(5, 5))
    story.shows(100, autoscaler(0, 0))
    story.passes(600)

    assert told() == []


# --- crash loops ---


def looping(second: float, **meta: object) -> Pod:
    ended = terminated(run=f"run-{second}", finishedAt=written(second))
    return pod(container(waiting("CrashLoopBackOff"), ended, restarts=3), meta=meta)


def test_a_pod_of_a_set_that_is_deleted_in_its_loop_goes_on_in_the_next_one(story: Story) -> None:
    owner = {"ownerReferences": [{"kind": "StatefulSet", "name": "db", "controller": True}], "name": "db-0"}
    story.shows(0, looping(0, uid="first", **owner))
    story.shows(100, looping(0, uid="first", deletionTimestamp=written(130), **owner))
    story.loses(110, looping(0, uid="first", **owner))
    story.shows(115, pod(container(waiting("ContainerCreating")), meta={"uid": "second", **owner}))
    story.shows(150, looping(150, uid="second", **owner))
    story.shows(170, pod(container(running(written(170))), meta={"uid": "second", **owner}))
    story.passes(765)
    assert told() == [("pod_crash_loop", "firing", 0)]
    story.passes(800)

    assert Event.objects.get().resolved_at == at(770)


def test_a_cron_job_that_fails_each_time_is_one_event(story: Story) -> None:
    minute = int(WHEN.timestamp() // 60)
    for run in range(4):
        job = f"import-{minute + 5 * run}"
        meta = {
            "name": f"{job}-abcde",
            "uid": job,
            "labels": {},
            "creationTimestamp": written(300 * run),
            "ownerReferences": [{"kind": "Job", "name": job, "controller": True}],
        }
        story.shows(300 * run + 30, looping(300 * run + 30, **meta))
        story.loses(300 * run + 100, looping(300 * run + 30, **meta))

    assert set(Event.objects.values_list("event_type", "subject", "status")) == {
        ("pod_crash_loop", "CronJob/import", "firing")
    }


def test_an_image_that_cannot_be_pulled_is_no_crash_loop(story: Story) -> None:
    for second in range(0, 600, 60):
        for reason in ("ErrImagePull", "ImagePullBackOff"):
            story.shows(
                second, pod(container(waiting(reason, "toomanyrequests: rate limit")), phase="Pending")
            )

    assert told() == []


# --- memory ---


def killed(second: float, name: str = "web-1", **meta: object) -> Pod:
    """A pod whose container was killed for its memory then, and runs again."""
    ended = terminated("OOMKilled", 137, run=f"{name}-{second}", finishedAt=written(second))
    return pod(
        container(running(written(second + 1)), ended, restarts=1),
        meta={"name": name, "uid": f"uid-{name}", **meta},
    )


def messages() -> list[tuple[str, str, str]]:
    """Type, status and severity of what went out."""
    said = [delivery.said() for delivery in Delivery.objects.order_by("id")]
    return [(message.event_type, message.status.value, message.severity.value) for message in said]


def test_a_container_killed_every_five_minutes_is_one_event_that_is_told_again_when_it_gets_critical(
    story: Story,
) -> None:
    for second in range(0, 3600, 300):
        story.shows(second, killed(second))
    story.passes(3300 + 1795)
    assert told() == [("pod_oom_restart", "firing", 0)]
    story.passes(3300 + 1800)

    event = Event.objects.get()
    assert (event.status, event.details["times"], event.details["finished_at"]) == (
        "resolved",
        12,
        written(3300),
    )
    assert event.description.endswith("256Mi. It is the 12th such kill in a row.")
    assert messages()[:2] == [
        ("pod_oom_restart", "firing", "high"),
        ("pod_oom_restart", "firing", "critical"),
    ]
    assert len(messages()) <= 3


def test_a_kill_that_the_pod_goes_on_showing_is_over_after_half_an_hour_and_stays_so(story: Story) -> None:
    story.shows(0, killed(0))
    for second in range(60, 6000, 600):
        story.shows(second, killed(0))

    event = Event.objects.get()
    assert (event.status, event.resolved_at) == ("resolved", at(1800))


def test_kills_of_several_pods_of_a_workload_are_one_event(story: Story) -> None:
    story.shows(0, killed(0, "web-1"), killed(0, "web-2"), killed(0, "web-1"))

    event = Event.objects.get()
    assert (event.count, event.details["times"], event.severity) == (2, 2, "high")


def test_a_kill_outlasts_its_pod_as_the_next_one_may_be_killed_too(story: Story) -> None:
    story.shows(0, killed(0, "web-1"))
    story.shows(60, killed(0, "web-1", deletionTimestamp=written(90)))
    story.loses(90, killed(0, "web-1"))
    story.shows(120, killed(120, "web-2"))

    event = Event.objects.get()
    assert (event.status, event.details["times"], event.details["pod_name"]) == ("firing", 2, "web-2")


def test_what_was_killed_goes_on_counting_with_the_next_watcher(story: Story) -> None:
    story.shows(0, killed(0))
    story.shows(600, killed(600))
    story.resumes(900, 100, killed(600))
    story.shows(1000, killed(600))
    assert Event.objects.get().details["times"] == 2
    story.shows(1200, killed(1200))

    event = Event.objects.get()
    assert (event.details["times"], event.severity) == (3, "critical")
    story.resumes(2900, 100, killed(1200))
    story.passes(3000)
    assert Event.objects.get().resolved_at == at(3000)


def test_a_kill_by_a_clock_that_is_ahead_is_counted_once_by_two_watchers(story: Story) -> None:
    story.shows(0, killed(0))
    story.shows(600, killed(602))
    story.resumes(700, 0, killed(602))
    story.shows(1200, killed(1202))

    assert Event.objects.get().details["times"] == 3


def test_a_kill_that_nobody_watched_is_told_once_however_long_ago(story: Story) -> None:
    story.resumes(9000, 5000, killed(6000))
    story.passes(9005)
    story.resumes(9100, 10, killed(6000))
    story.passes(9200)

    event = Event.objects.get()
    assert (event.status, event.occurred_at, event.details["seen_late"]) == ("resolved", at(6000), True)


def test_a_kill_while_the_api_server_was_away_is_told_though_it_is_over(story: Story) -> None:
    story.resumes(1, 1, killed(-9000))
    story.shows(6000, killed(1000))
    story.shows(6100, killed(1000))

    event = Event.objects.get()
    assert (event.status, event.occurred_at, event.details["seen_late"]) == ("resolved", at(1000), True)


def test_a_kill_that_was_watched_is_not_told_again_after_a_restart(story: Story) -> None:
    story.resumes(9000, 10, killed(6000))

    assert told() == []


def test_a_kill_before_the_registration_is_not_told(story: Story) -> None:
    story.shows(10, killed(-60))

    assert told() == []


# --- nodes ---


def silent(since: float, **meta: object) -> Node:
    """A node whose kubelet has not been heard of since then."""
    return node(Ready="Unknown", changed=written(since), meta=meta)


def removals() -> list[tuple[str, str]]:
    return list(Event.objects.filter(event_type="node_scaled_down").values_list("severity", "description"))


def test_a_machine_that_vanishes_with_its_pods_is_told_as_lost_though_its_node_was_unready_at_last(
    story: Story,
) -> None:
    story.shows(0, node(meta={"creationTimestamp": written(-9000)}))
    story.shows(100, silent(100, creationTimestamp=written(-9000)))
    story.loses(108, node())

    ((severity, said),) = removals()
    assert severity == "high"
    assert said == (
        "It had been ready until a moment before, and nothing had announced it: its pods were not drained."
    )


def test_the_removal_of_a_node_that_has_been_told_of_as_down_is_a_clean_up(story: Story) -> None:
    story.shows(0, silent(0, creationTimestamp=written(-9000)))
    story.loses(3600, node())

    assert removals() == [("low", "It was not ready when it was last seen.")]


def test_a_node_that_never_joined_had_no_pods_to_lose(story: Story) -> None:
    story.shows(0, node(Ready="False", changed=written(0), meta={"creationTimestamp": written(0)}))
    story.loses(30, node())

    assert removals() == [("low", "It was not ready when it was last seen.")]
