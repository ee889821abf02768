"""`python -m demo.cluster PORT SPEED`: the simulated cluster. An incident happens in it again and again.

The API server is that of the tests: real HTTP on loopback, lists, watches, logs.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from demo import scenery
from demo.scenery import JSON, PAYMENTS, SHOP
from tests.fakes import objects
from tests.fakes.kubernetes import FakeKubernetes

logger = logging.getLogger(__name__)

TOKEN = "demo"  # noqa: S105 (it opens a simulated cluster on loopback)

PANIC = """\
2025-01-15T10:30:00Z INFO  checkout starting
2025-01-15T10:30:01Z INFO  connecting to the database
2025-01-15T10:30:06Z ERROR dial tcp: lookup postgres.shop.svc: no such host
panic: cannot connect to the database: postgres://checkout:4kj2h3k4j@postgres.shop.svc/checkout
"""
HEAP = """\
2025-01-15T10:30:00Z INFO  payments-api caching 1,204,331 rows
2025-01-15T10:30:04Z WARN  heap is at 251 MiB of 256 MiB
"""

Step = tuple[float, str, Callable[[], object]]


class Play:
    """The incident, scene by scene, on a running server."""

    def __init__(self, server: FakeKubernetes) -> None:
        self._server = server
        self._pods: dict[str, list[JSON]] = {}

    def set_up(self) -> None:
        """The cluster at rest."""
        put = self._server.put
        for namespace in (SHOP, PAYMENTS):
            put({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": namespace}})
        for name in scenery.NODES:
            put(objects.node(name))
        for name, namespace in scenery.WORKLOADS.items():
            put(objects.deployment(name, scenery.REPLICAS, namespace))
            self._roll_out(name, 0)
        put(scenery.hpa("cart", 4))

    def round(self, number: int) -> Iterator[Step]:
        """One incident: after how many seconds what happens, in words, and how."""
        pods, put = self._pods, self._server.put
        yield 6, "search is scaled up", lambda: put(objects.deployment("search", 3 + number % 3 + 1, SHOP))
        yield 10, "payments-api runs out of memory", lambda: self._out_of_memory()
        yield 12, "a release of checkout cannot start", lambda: self._crash(number, restarts=3)
        yield 10, "checkout keeps crashing", lambda: self._crash(number, restarts=5)
        yield (
            12,
            "the autoscaler of cart is at its maximum",
            lambda: put(scenery.hpa("cart", 10, limited=True)),
        )
        yield 20, "node-c goes silent", lambda: put(objects.node("node-c", ready=False))
        yield 25, "a pod on node-c crashes, too", lambda: put(objects.crash_looping(pods["search"][2]))
        yield 20, "node-c is back", lambda: self._node_back()
        yield 15, "checkout is rolled back", lambda: self._roll_out("checkout", number)
        yield 10, "the load on cart falls", lambda: put(scenery.hpa("cart", 4))
        yield 15, "search is scaled down", lambda: put(objects.deployment("search", 3, SHOP))
        yield 45, "all is well", lambda: None

    def _roll_out(self, name: str, round_: int) -> None:
        """Pods of another generation take the place of those there were."""
        for pod in self._pods.get(name, ()):
            self._server.delete("Pod", pod["metadata"]["name"], scenery.WORKLOADS[name])
        self._pods[name] = [self._server.put(pod) for pod in scenery.pods(name, round_)]
        self._server.put(scenery.endpoints(name, self._pods[name]))

    def _out_of_memory(self) -> None:
        pod = self._pods["payments-api"][0]
        self._server.log(pod["metadata"]["name"], HEAP, PAYMENTS)
        self._pods["payments-api"][0] = self._server.put(scenery.out_of_memory(pod))

    def _crash(self, number: int, *, restarts: int) -> None:
        if restarts == 3:
            self._roll_out("checkout", number + 100)
        crashed = []
        for pod in self._pods["checkout"]:
            self._server.log(pod["metadata"]["name"], PANIC, SHOP)
            crashed.append(self._server.put(objects.crash_looping(pod, restarts=restarts)))
        self._pods["checkout"] = crashed
        self._server.put(scenery.endpoints("checkout", crashed, ready=False))

    def _node_back(self) -> None:
        self._server.put(objects.node("node-c"))
        self._pods["search"][2] = self._server.put(objects.healed(self._pods["search"][2]))


def run(port: int, speed: float, stop: threading.Event) -> None:
    """Until told to stop. At a speed of 2 everything takes half as long."""
    server = FakeKubernetes(token=TOKEN)
    server.port = port
    with server:
        play = Play(server)
        play.set_up()
        logger.info("the simulated cluster answers at %s", server.url)
        number = 0
        while not stop.is_set():
            for wait, words, act in play.round(number):
                if stop.wait(wait / speed):
                    return
                logger.info("%s", words)
                act()
            # What has been is no longer asked for; the server would keep it for ever.
            server.requests.clear()
            server.compact()
            number += 1


def main() -> int:
    """The exit code."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    run(int(sys.argv[1]), float(sys.argv[2]), stop)
    return 0


if __name__ == "__main__":
    sys.exit(main())
