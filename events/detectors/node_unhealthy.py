"""A node does not work: it is not ready, or short of a resource, or without network."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import ClassVar

from connectors.message import JSONDict, Recommendation, Severity
from events.cluster.objects import Condition, Node, Object, Ref
from events.detection import Change, Detector, Finding, Options

PRESSURES = {
    "MemoryPressure": "is short of memory",
    "DiskPressure": "is short of disk space",
    "PIDPressure": "is short of process ids",
    "NetworkUnavailable": "has no network",
}
"""Conditions of a node that are bad when they hold, in words; `Ready` is bad when it does not."""

WHILE_JOINING = ("Ready", "NetworkUnavailable")
"""What no node is, or has, from its first moment."""


class NodeUnhealthyOptions(Options, frozen=True):
    """A node that is away for a moment rings nobody, and one that comes and goes rings once."""

    for_seconds: float = 60.0
    clear_after: float = 120.0


class NodeUnhealthy(Detector[Node, NodeUnhealthyOptions]):
    """Each bad condition of a node is a finding of its own.

    A node that is being removed on purpose is expected to go. One that has been cordoned is being worked
    on: that it goes is put on record, at the lowest severity. One that has only just joined is not ready yet.
    """

    event_type = "node_unhealthy"
    watches: ClassVar[tuple[type[Object], ...]] = (Node,)
    options_class = NodeUnhealthyOptions

    def detect(self, change: Change[Node], options: NodeUnhealthyOptions) -> Iterator[Finding]:
        node = change.new
        if node is None or node.removal or node.metadata.deletion_timestamp is not None:
            return
        for condition in node.status.conditions or ():
            trouble = _trouble(condition)
            if not trouble:
                continue
            severity = Severity.CRITICAL if condition.type == "Ready" else Severity.HIGH
            if node.spec.unschedulable:
                severity = Severity.INFO
            yield Finding(
                key=condition.type,
                title=f"Node {node.metadata.name} {trouble}",
                description=_description(condition, node.spec.unschedulable),
                severity=severity,
                since=condition.last_transition_time,
                not_before=node.joins_until if condition.type in WHILE_JOINING else None,
                details=_details(node, condition),
                recommendations=_recommendations(change.ref, node.spec.unschedulable),
            )


def _trouble(condition: Condition) -> str:
    """What is wrong, in words; "" if nothing is."""
    if condition.type == "Ready":
        return {"False": "is not ready", "Unknown": "does not answer"}.get(condition.status, "")
    return PRESSURES.get(condition.type, "") if condition.status == "True" else ""


def _description(condition: Condition, cordoned: bool) -> str:
    said = condition.message or condition.reason or f"{condition.type} is {condition.status}"
    return f"{said.rstrip('.')}." + (" It is cordoned." if cordoned else "")


def _details(node: Node, condition: Condition) -> JSONDict:
    known = {
        "node": node.metadata.name,
        "condition": condition.type,
        "status": condition.status,
        "reason": condition.reason,
        "last_error": condition.message,
        "zone": (node.metadata.labels or {}).get("topology.kubernetes.io/zone", ""),
    }
    return {name: value for name, value in known.items() if value} | {"cordoned": node.spec.unschedulable}


def _recommendations(node: Ref, cordoned: bool) -> tuple[Recommendation, ...]:
    pods_on_it = shlex.quote(f"--field-selector=spec.nodeName={node.name}")
    look = (
        Recommendation("Check the node's conditions and recent events", node.kubectl("describe")),
        Recommendation("See which pods run on it", f"kubectl get pods -A -o wide {pods_on_it}"),
    )
    return look if cordoned else (*look, Recommendation("Keep new pods away from it", node.kubectl("cordon")))
