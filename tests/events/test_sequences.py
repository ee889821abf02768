"""What clusters send over time, through the whole evaluation: what is told of it, when, and when it is over.

The clock is a number of seconds; the detectors run with their own options.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from events.cluster.objects import Object
from events.cluster.watch import Gone, Listed, Seen
from events.ingest import Ingest
from events.models import Cluster, Event, Wait
from tests.events.detectors.objects import JSON, autoscaler, endpoints, node
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
        Cluster.objects.update(heartbeat_at=timezone.now() - timedelta(seconds=away))
        self._now = second
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
    assert told() == [("service_unavailable", "firing", 85)]


def test_an_autoscaler_that_waits_to_be_told_does_so_through_two_restarts(story: Story) -> None:
    maxed = autoscaler(refused=True)
    story.shows(0, maxed)
    story.passes(140)
    story.resumes(140, 0, maxed)
    story.passes(280)
    story.resumes(280, 0, maxed)
    story.passes(400)

    assert told() == [("hpa_maxed", "firing", 305)]


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
