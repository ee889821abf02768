"""A service has pods behind it, and none of them is ready to answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

import msgspec

from connectors.message import JSONDict, Recommendation, iso
from events.cluster.objects import Object, Ref, Resource, Struct
from events.detection import Change, Detector, Finding, Options

SERVICE = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
NAMED_PODS = 3
STARTING = timedelta(minutes=5)
"""How long a service that starts may take until one of its endpoints is ready: images are pulled, programs
start. One that had no endpoint for so long starts anew; a restart is over sooner."""


class EndpointConditions(Struct, frozen=True):
    """Each may be absent, which is "unknown" to the API and is to be read as ready and not terminating."""

    ready: bool | None = None
    terminating: bool | None = None


class Target(Struct, frozen=True):
    """The pod behind an endpoint."""

    name: str = ""


class Endpoint(Struct, frozen=True):
    conditions: EndpointConditions = EndpointConditions()
    target_ref: Target = Target()

    @property
    def is_ready(self) -> bool:
        """Whether it takes new connections."""
        return self.conditions.ready is not False

    @property
    def is_going(self) -> bool:
        """Whether its pod is on its way out, so that nobody expects it to become ready again."""
        return self.conditions.terminating is True


class EndpointSlice(Object, frozen=True):
    """Some of the endpoints of a service, a hundred at most as a rule.

    https://kubernetes.io/docs/reference/kubernetes-api/service-resources/endpoint-slice-v1/
    """

    resource: ClassVar[Resource] = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")

    address_type: str = ""
    endpoints: tuple[Endpoint, ...] | None = None


class _Slice(msgspec.Struct, frozen=True):
    """What is remembered of a slice: how many endpoints, and which pods are among those that wait."""

    family: str = ""
    selected: bool = False
    ready: int = 0
    waiting: int = 0
    pods: tuple[str, ...] = ()
    begun: datetime | None = None  # when it was made, or last had endpoints again after long without any
    been_ready: bool = False  # since then
    empty_since: datetime | None = None


class ServiceUnavailableOptions(Options, frozen=True):
    """A minute is what a restart takes that nobody need hear of."""

    for_seconds: float = 60.0
    clear_after: float = 60.0


class ServiceUnavailable(Detector[EndpointSlice, ServiceUnavailableOptions]):
    """A service whose endpoints, over all its slices, are all unready.

    Only one with a selector counts, for of another nobody knows what ought to be behind it. That needs no
    look at the service itself: Kubernetes makes slices for just these, and says so in their label
    (https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#management).

    A service is given time to start, until one of its endpoints has been ready. One without any endpoint is
    silent: that is what scaling to 0 looks like from here, and so do pods that cannot be placed on a node.
    """

    event_type = "service_unavailable"
    watches: ClassVar[tuple[type[Object], ...]] = (EndpointSlice,)
    options_class = ServiceUnavailableOptions

    def group(self, obj: EndpointSlice) -> Ref | None:
        """The service."""
        service = (obj.metadata.labels or {}).get(SERVICE, "")
        return Ref("Service", service, obj.metadata.namespace) if service else None

    def remember(self, obj: EndpointSlice, before: Mapping[str, Any] | None, at: datetime) -> JSONDict:
        """How many endpoints are ready, how many are awaited, and whether it is still starting."""
        labels = obj.metadata.labels or {}
        ready = [endpoint for endpoint in obj.endpoints or () if endpoint.is_ready]
        waiting = [
            endpoint for endpoint in obj.endpoints or () if not (endpoint.is_ready or endpoint.is_going)
        ]
        names = sorted({endpoint.target_ref.name for endpoint in waiting} - {""})
        last = _known(before)
        begun, been_ready, empty_since = last.begun or obj.metadata.creation_timestamp, last.been_ready, None
        if not (ready or waiting):
            empty_since = last.empty_since or at
        elif last.empty_since is not None and at - last.empty_since >= STARTING:
            begun, been_ready = at, False
        return {
            "family": obj.address_type,
            "selected": labels.get(MANAGED_BY) == "endpointslice-controller.k8s.io",
            "ready": len(ready),
            "waiting": len(waiting),
            "pods": names[:NAMED_PODS],
            "begun": iso(begun) if begun else None,
            "been_ready": been_ready or bool(ready),
            "empty_since": iso(empty_since) if empty_since else None,
        }

    def detect(self, change: Change[EndpointSlice], options: ServiceUnavailableOptions) -> Iterator[Finding]:
        slices = [_known(remembered) for remembered in _in_order(change.group)]
        if any(slice_.ready for slice_ in slices) or not any(slice_.selected for slice_ in slices):
            return
        endpoints = _endpoints(slices)
        if not endpoints:
            return
        pods = sorted({pod for slice_ in slices for pod in slice_.pods})[:NAMED_PODS]
        service = change.ref
        yield Finding(
            key="endpoints",
            not_before=_starts_until(slices),
            title=f"Service {service.name} has no ready endpoint",
            description="Its only endpoint is not ready."
            if endpoints == 1
            else f"None of its {endpoints} endpoints is ready.",
            details={
                "service": service.name,
                "namespace": service.namespace,
                "endpoints": endpoints,
                "ready_endpoints": 0,
            }
            | ({"pods": pods} if pods else {}),
            recommendations=_recommendations(service, pods),
        )


def _known(remembered: Mapping[str, Any] | None) -> _Slice:
    return msgspec.convert(remembered or {}, _Slice)


def _starts_until(slices: list[_Slice]) -> datetime | None:
    """Until when it may be on its way to be ready for the first time; None once it has been."""
    if any(slice_.been_ready for slice_ in slices):
        return None
    begun = min((slice_.begun for slice_ in slices if slice_.begun), default=None)
    return begun + STARTING if begun else None


def _in_order(group: Mapping[str, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """By uid, so that the answer does not depend on which slice was seen first."""
    return [group[uid] for uid in sorted(group)]


def _endpoints(slices: list[_Slice]) -> int:
    """How many there are. With two address families each pod is in two slices and counts once."""
    families: Counter[str] = Counter()
    for slice_ in slices:
        families[slice_.family] += slice_.waiting
    return max(families.values())


def _recommendations(service: Ref, pods: list[str]) -> tuple[Recommendation, ...]:
    advice = [Recommendation("See the service's selector and endpoints", service.kubectl("describe"))]
    if pods:
        pod = Ref("Pod", pods[0], service.namespace)
        advice += [
            Recommendation("See why a pod behind it is not ready", pod.kubectl("describe")),
            Recommendation("Check what the pod logs", pod.kubectl("logs", "--tail=100")),
        ]
    return tuple(advice)
