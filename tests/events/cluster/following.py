"""An informer in a thread of its own, and what came out of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from events.cluster.backoff import Backoff
from events.cluster.client import Session
from events.cluster.objects import Object, Pod
from events.cluster.watch import (
    Connected,
    Gone,
    Informer,
    Listed,
    Observation,
    Problem,
    Report,
    Seen,
    Timings,
)
from events.models import Access, Cluster
from tests.fakes.kubernetes import FakeKubernetes
from tests.waiting import PATIENCE, until

T = TypeVar("T")

# As in production, only faster.
FAST = Timings(
    page_size=2, inactivity=5.0, steady=0.3, slow_retry=0.2, backoff=Backoff(first=0.05, longest=0.2)
)


def stored(server: FakeKubernetes | None = None, *, text: str | None = None) -> Cluster:
    """A cluster row, not saved, with a stored kubeconfig: for the server, or this text."""
    if text is None:
        text = server.kubeconfig_text() if server else ""
    return Cluster(name="test", access=Access.KUBECONFIG, kubeconfig=text)


class Following:
    """What an informer has yielded so far, in order."""

    def __init__(self, informer: Informer) -> None:
        self.items: list[Observation | Report] = []
        self._informer = informer
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        for item in self._informer.follow():
            self.items.append(item)

    def of(self, kind: type[T]) -> list[T]:
        """Those of a kind."""
        return [item for item in list(self.items) if isinstance(item, kind)]

    def names(self) -> list[str]:
        """The names of the objects seen, in order, once for each time."""
        return [seen.obj.metadata.name for seen in self.of(Seen)]

    def gone(self) -> list[str]:
        """The names of the objects told to be gone."""
        return [gone.ref.name for gone in self.of(Gone)]

    def lists(self) -> int:
        """How many complete lists there were."""
        return len(self.of(Listed))

    def problems(self) -> list[str]:
        """The texts of the problems reported."""
        return [problem.text for problem in self.of(Problem)]

    def recovered(self) -> bool:
        """Whether the collection is watched again after a problem."""
        reports = [item for item in list(self.items) if isinstance(item, Problem | Connected)]
        return bool(self.problems()) and isinstance(reports[-1], Connected)

    def wait(self, condition: Callable[[Following], object], timeout: float = PATIENCE) -> None:
        """Until the condition holds of this."""
        until(lambda: condition(self), timeout)


@contextmanager
def following(
    server: FakeKubernetes,
    kind: type[Object] = Pod,
    namespace: str = "",
    *,
    timings: Timings = FAST,
    cluster: Cluster | None = None,
) -> Iterator[Following]:
    """Follow until the block ends; the informer must then end by itself."""
    stop, session = threading.Event(), Session(cluster or stored(server))
    following = Following(Informer(session, kind, namespace, stop=stop, timings=timings))
    try:
        yield following
    finally:
        stop.set()
        session.close()
        following.thread.join(5)
        assert not following.thread.is_alive(), "the informer did not stop"
