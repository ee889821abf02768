"""A node was removed from the cluster: by an autoscaler, by its cloud, by hand, or nobody knows why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

from connectors.message import JSONDict, Recommendation, Severity, iso
from events.cluster.objects import Condition, Node, Object
from events.detection import Change, Detector, Finding, Options

CAUSES = {
    "ToBeDeletedByClusterAutoscaler": "cluster-autoscaler",
    "karpenter.sh/disrupted": "karpenter",
    "karpenter.sh/disruption": "karpenter",
    "cloud.google.com/impending-node-termination": "spot",
    "aws-node-termination-handler/spot-itn": "spot",
    "aws-node-termination-handler/rebalance-recommendation": "spot",
}
"""Who removes a node, by the taint that announces it."""

WORDS = {
    "cluster-autoscaler": "The cluster autoscaler removed it, as it was not needed.",
    "karpenter": "Karpenter removed it, to replace it or because it was not needed.",
    "spot": "Its cloud took the machine back.",
    "manual": "It had been cordoned before.",
}


UNTOLD = timedelta(seconds=60)
"""Of a node that has been unready for less long nobody was told; one that vanishes may be removed sooner."""


class NodeScaledDown(Detector[Node, Options]):
    """A node that is gone. Why is told by what was last seen of it, its taints above all.

    One that was ready, or had been until a moment before, and about whose removal nothing was announced took
    its pods with it, undrained: that is a failure rather than a scaling. Of a spot machine it is what was
    to be expected now and then.
    """

    event_type = "node_scaled_down"
    watches: ClassVar[tuple[type[Object], ...]] = (Node,)
    options_class = Options

    def remember(self, obj: Node, before: Mapping[str, Any] | None, at: datetime) -> JSONDict:
        """How the node is: who announced its removal, whether it is cordoned, spot, and ready."""
        known = next((each for each in obj.status.conditions or () if each.type == "Ready"), Condition())
        ready, changed = known.status == "True", known.last_transition_time
        until = changed if changed and not ready and obj.joins_until is None else None
        return {
            "removal": obj.removal,
            "cordoned": obj.spec.unschedulable,
            "spot": obj.is_spot,
            "ready": ready,
            "ready_until": iso(until) if until else None,
        }

    def detect(self, change: Change[Node], options: Options) -> Iterator[Finding]:
        if change.new is not None or change.before is None:
            return
        last = change.before
        cause, until = _cause(last), _moment(last.get("ready_until"))
        worked = bool(last.get("ready")) or (until is not None and change.at - until < UNTOLD)
        lost = worked and not last.get("removal") and not last.get("cordoned")
        yield Finding(
            key=change.ref.uid,
            title=f"Node {change.ref.name} was removed",
            description=_description(last, cause, lost),
            severity=(Severity.MEDIUM if cause == "spot" else Severity.HIGH) if lost else None,
            details={
                "node": change.ref.name,
                "cause": cause,
                "was_ready": bool(last.get("ready")),
                "was_cordoned": bool(last.get("cordoned")),
            }
            | ({"taint": last["removal"]} if last.get("removal") else {}),
            recommendations=(
                Recommendation("See which nodes are left", "kubectl get nodes -o wide"),
                Recommendation(
                    "See which pods wait for a place",
                    "kubectl get pods -A --field-selector=status.phase=Pending",
                ),
            ),
        )


def _cause(last: Mapping[str, Any]) -> str:
    """`cluster-autoscaler`, `karpenter`, `spot`, `manual` or `unknown`."""
    removal = last.get("removal")
    if removal:  # whoever announces it cordons the node, too
        return CAUSES.get(removal, "unknown")
    if last.get("cordoned"):
        return "manual"
    return "spot" if last.get("spot") else "unknown"


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _description(last: Mapping[str, Any], cause: str, lost: bool) -> str:
    if lost:
        how = "was ready" if last.get("ready") else "had been ready until a moment before"
        why = " Its cloud may have taken the machine back, which is a spot one." if cause == "spot" else ""
        return f"It {how}, and nothing had announced it: its pods were not drained.{why}"
    if cause in WORDS and (last.get("removal") or last.get("cordoned")):
        return WORDS[cause]
    if last.get("removal"):
        return f"It had been announced by the taint {last['removal']}."
    return "It was not ready when it was last seen."
