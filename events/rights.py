"""What KubeGraf needs to be allowed in a cluster, read off from what it watches and reads there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings

from events.annotations import Namespace
from events.cluster.checkup import Checkup, Right, check
from events.cluster.evidence import LOGS, WARNINGS
from events.cluster.lease import LEASES, own_namespace
from events.cluster.objects import Object
from events.cluster.streams import scopes
from events.detection import all_detectors, options_for
from events.models import Cluster
from events.watching.leases import LeaseKind

WATCHING = ("get", "list", "watch")
_ROUTING = "to send events where namespaces ask for them"


def check_cluster(cluster: Cluster) -> Checkup:
    """Looks a cluster over, saved or not, in a few seconds at most."""
    return check(cluster, lambda: needed(cluster))


def needed(
    cluster: Cluster, configured: Mapping[str, Mapping[str, Any]] | None = None, lease: str = ""
) -> list[Right]:
    """Every right, in the cluster's namespaces where it is watched by namespace.

    `configured` are the detectors' options, and `lease` where leaders are chosen, unless they are those of
    the settings. Raises ClusterError if a Lease is needed and the kubeconfig does not say where.
    """
    purposes = _purposes(settings.DETECTOR_OPTIONS if configured is None else configured)
    namespaces = [str(name) for name in cluster.namespaces]
    rights = [
        Right(kind.resource, WATCHING, namespace, purposes[kind])
        for kind, namespace in scopes(purposes, namespaces)
    ]
    for namespace in dict.fromkeys(namespaces) or ("",):
        rights.append(Right(LOGS, ("get",), namespace, "to add the last log lines to events"))
        rights.append(Right(WARNINGS, ("list",), namespace, "to add the warnings about a pod to events"))
    if (lease or settings.WATCH_LEASE) == LeaseKind.KUBERNETES:
        home = own_namespace(cluster)
        rights.append(Right(LEASES, ("get", "create", "update"), home, "to agree on who watches"))
    return rights


def _purposes(configured: Mapping[str, Mapping[str, Any]]) -> dict[type[Object], str]:
    """Each kind that is watched, and the event types that come of it."""
    types: dict[type[Object], list[str]] = defaultdict(list)
    for detector in all_detectors():
        if options_for(detector, configured).enabled:
            for kind in detector.watches:
                types[kind].append(detector.event_type)
    purposes = {kind: f"for {_listed(found)}" for kind, found in types.items()}
    purposes[Namespace] = _ROUTING
    return dict(sorted(purposes.items(), key=lambda item: (item[0].resource.group, item[0].resource.plural)))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names))
