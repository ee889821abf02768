"""What a cluster still knows of how a container ended: its last log lines, and the warnings about its pod.

Every call is one request and raises ClusterError. What comes back is as the cluster tells it: nothing is
masked here.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import quote

import msgspec

from connectors.message import iso
from events.cluster.client import Client
from events.cluster.decoding import decode
from events.cluster.objects import Pod, Resource, Struct
from events.cluster.trouble import ClusterError, Trouble

LOGS = Resource("", "v1", "pods/log", "Pod")
WARNINGS = Resource("", "v1", "events", "Event")

_OBJECT_LIMIT = 2 * 1024 * 1024
# The server counts from the first of the lines asked for, so that too low a limit costs the last ones, which
# say most.
_LOG_LIMIT = 256 * 1024
_WARNINGS_LIMIT = 1024 * 1024
_MOST_WARNINGS = 100
# What the kubelet answers, as if it were the log, for a run whose log is no longer there.
_NO_LOG = "unable to retrieve container logs for "
_NEVER = datetime.min.replace(tzinfo=UTC)

T = TypeVar("T")


class Series(Struct, frozen=True):
    count: int = 0
    last_observed_time: datetime | None = None


class Warned(Struct, frozen=True):
    """A warning that the cluster keeps, for an hour as a rule; see the Event of core/v1.

    https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
    """

    reason: str = ""
    message: str = ""
    count: int = 0
    first_timestamp: datetime | None = None
    last_timestamp: datetime | None = None
    event_time: datetime | None = None
    series: Series | None = None

    @property
    def times(self) -> int:
        """How often, one at least."""
        return max(self.count, self.series.count if self.series else 0, 1)

    @property
    def last(self) -> datetime:
        """When it was seen last."""
        told = (
            self.series.last_observed_time if self.series else None,
            self.last_timestamp,
            self.event_time,
            self.first_timestamp,
        )
        return max(moment or _NEVER for moment in told)


class _Warnings(Struct, frozen=True):
    items: tuple[Warned, ...] | None = None


class Evidence:
    """Asks one API server, until the `deadline` (by time.monotonic).

    `within`: the namespace in which rights that are missing are to be granted; "" for all.
    """

    def __init__(self, client: Client, deadline: float, within: str = "") -> None:
        self._client = client
        self._deadline = deadline
        self._within = within

    def pod(self, namespace: str, name: str) -> Pod:
        """The pod as it is at this moment."""
        path = f"{Pod.resource.path(namespace)}/{quote(name)}"
        return _read(self._get(path, {}, Pod.resource, _OBJECT_LIMIT), Pod)

    def last_lines(self, pod: Pod, container: str, lines: int, *, previous: bool) -> str:
        """The last lines of a container's latest run, or of the `previous` one; "" if it has none."""
        query = {"container": container, "tailLines": str(lines), "limitBytes": str(_LOG_LIMIT)}
        if previous:
            query["previous"] = "true"
        path = f"{Pod.resource.path(pod.metadata.namespace)}/{quote(pod.metadata.name)}/log"
        text = self._get(path, query, LOGS, _LOG_LIMIT).decode("utf-8", "replace")
        return "" if text.lower().startswith(_NO_LOG) else text

    def warnings(self, pod: Pod) -> list[Warned]:
        """The warnings about this pod, not those about a namesake before it; the latest first."""
        selector = f"involvedObject.uid={pod.metadata.uid},type=Warning"
        query = {"fieldSelector": selector, "limit": str(_MOST_WARNINGS)}
        body = self._get(WARNINGS.path(pod.metadata.namespace), query, WARNINGS, _WARNINGS_LIMIT)
        found = _read(body, _Warnings).items or ()
        return sorted(found, key=lambda warned: warned.last, reverse=True)

    def _get(self, path: str, query: dict[str, str], right: Resource, limit: int) -> bytes:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise ClusterError(Trouble.UNREACHABLE, f"There was no time left to ask for {right.plural}.")
        return self._client.get(path, query, right, self._within, timeout=left, limit=limit)


def is_previous(pod: Pod, container: str, key: str, finished_at: str = "") -> bool | None:
    """Whether the log of the run that an event is about is now that of the container's previous run.

    None if the cluster no longer has it, or the event is about no container. The `key` of an event that
    occurred names the run; otherwise it is about the one that ended at `finished_at`, or that ended last.
    """
    for status in pod.containers:
        if status.name != container:
            continue
        for ended, previous in ((status.state.terminated, False), (status.last_state.terminated, True)):
            if ended is None or key not in (container, pod.occurrence(status, ended)):
                continue
            when = status.when_ended(ended)
            if not finished_at or (when is not None and iso(when) == finished_at):
                return previous
    return None


def _read(body: bytes, kind: type[T]) -> T:
    try:
        return decode(body, kind)
    except (msgspec.DecodeError, RecursionError) as error:
        text = f"The API server answered what is no {kind.__name__.strip('_')} ({error})."
        raise ClusterError(Trouble.GARBLED, text) from error
