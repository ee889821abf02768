"""What happened, was told, and was pruned, while its object still shows it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from events.cluster.decoding import decode
from events.cluster.objects import Pod
from events.cluster.watch import Seen
from events.ingest import Ingest
from events.models import Cluster, Event
from kubegraf import pruning
from tests.fakes.objects import oom_killed, pod
from tests.making import make_cluster

pytestmark = pytest.mark.django_db


@pytest.fixture
def cluster() -> Cluster:
    return make_cluster()


def look(cluster: Cluster, killed: datetime, at: datetime | None = None) -> None:
    """A watcher that has just started sees a pod that was killed then."""
    obj: dict[str, Any] = oom_killed(pod("web-1", "shop", owner="web"))
    for status in obj["status"]["containerStatuses"]:
        status["lastState"]["terminated"]["finishedAt"] = killed.strftime("%Y-%m-%dT%H:%M:%SZ")
    obj["metadata"]["uid"] = "uid-of-web-1"
    at, ingest = at or datetime.now(UTC), Ingest(cluster)
    ingest.apply([Seen(decode(msgspec.Raw(msgspec.json.encode(obj)), Pod), at)])
    ingest.tick(at + timedelta(hours=1))


def kills() -> int:
    return Event.objects.filter(event_type="pod_oom_restart").count()


def test_it_is_not_reported_again(cluster: Cluster) -> None:
    killed = datetime.now(UTC) - timedelta(days=91)
    look(cluster, killed, at=killed + timedelta(minutes=1))
    assert kills() == 1
    pruning.prune()
    assert kills() == 0

    look(cluster, killed)

    assert kills() == 0


def test_what_is_younger_than_the_record_is_reported(cluster: Cluster) -> None:
    look(cluster, datetime.now(UTC) - timedelta(days=89))
    assert kills() == 1


def test_how_long_the_record_is_kept_decides(cluster: Cluster, settings: Any) -> None:
    settings.KEEP_DAYS = 30
    look(cluster, datetime.now(UTC) - timedelta(days=89))
    assert kills() == 0
