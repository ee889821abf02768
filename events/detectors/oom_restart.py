"""A container was killed because it used more memory than it may, or than its node had."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

from connectors.message import JSONDict, Recommendation, Severity, iso
from events.cluster.objects import ContainerStatus, Object, Pod, Ref, Terminated
from events.detection import Change, Detector, Finding, Options


class OomRestartOptions(Options, frozen=True):
    """Kills that are less than half an hour apart are one event, which becomes critical with the third."""

    clear_after: float = 1800.0
    critical_from: int = 3


class OomRestart(Detector[Pod, OomRestartOptions]):
    """A container, or init container, whose end has the reason OOMKilled.

    By the time it is seen the container may run again, so that both its state and its last state are read;
    as both name the same run, it is one kill. Exit code 137 alone says only that it was killed.
    """

    event_type = "pod_oom_restart"
    watches: ClassVar[tuple[type[Object], ...]] = (Pod,)
    options_class = OomRestartOptions
    inhibited_by = ("node_unhealthy/Ready",)

    def repeated(self, finding: Finding, times: int, options: OomRestartOptions) -> Finding:
        """How many kills there have been; several in a row will hardly stop by themselves."""
        severity = Severity.CRITICAL if times >= options.critical_from else finding.severity
        said = f"{finding.description} It is the {_ordinal(times)} such kill in a row."
        return replace(finding, description=said, severity=severity)

    def detect(self, change: Change[Pod], options: OomRestartOptions) -> Iterator[Finding]:
        pod = change.new
        if pod is None:
            return
        for container in pod.containers:
            for ended in (container.last_state.terminated, container.state.terminated):
                if ended is None or ended.reason != "OOMKilled":
                    continue
                since = container.when_ended(ended)
                if since is None:  # without a date it could be from long before anyone watched
                    continue
                facts = pod.facts(container, ended) | {"finished_at": iso(since)}
                yield Finding(
                    key=container.name,
                    occurrence=pod.occurrence(container, ended),
                    subject=pod.workload,
                    rests_on=pod.rests_on,
                    title=f"Pod {pod.metadata.name} ran out of memory",
                    description=_description(container.name, facts),
                    since=since,
                    details=facts,
                    recommendations=_recommendations(pod, container, ended, facts),
                )


def _description(container: str, facts: JSONDict) -> str:
    if "memory_limit" in facts:
        return f"Container {container} was killed at its memory limit of {facts['memory_limit']}."
    return f"Container {container} has no memory limit and was killed when its node or pod had none left."


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _recommendations(
    pod: Pod, container: ContainerStatus, ended: Terminated, facts: JSONDict
) -> tuple[Recommendation, ...]:
    # A run that nothing follows stays the current one, and asking for the previous one is an error.
    current = ended is container.state.terminated and not pod.restarts(container.name)
    advice = [
        Recommendation(
            "Check what the container logged before it was killed",
            pod.ref.kubectl(
                "logs", "-c", container.name, *(() if current else ("--previous",)), "--tail=100"
            ),
        )
    ]
    if not pod.is_over:
        advice.append(
            Recommendation("See how much memory it uses now", pod.ref.kubectl("top", "--containers"))
        )
    twice, workload = _twice(facts.get("memory_limit", "")), pod.workload
    if twice and workload.kind in ("Deployment", "StatefulSet", "DaemonSet"):
        advice.append(
            Recommendation(
                f"If it needs the memory, raise the limit, to {twice} say",
                # It does not find init containers.
                workload.kubectl("edit")
                if pod.is_init(container.name)
                else workload.kubectl("set resources", "-c", container.name, f"--limits=memory={twice}"),
            )
        )
    if "memory_limit" not in facts and "node" in facts:
        node = Ref("Node", facts["node"])
        advice.append(
            Recommendation("See what else uses the node's memory, and set limits", node.kubectl("describe"))
        )
    return tuple(advice)


def _twice(quantity: str) -> str:
    """Twice a whole quantity of memory, `512Mi` for `256Mi`; "" of one that is written in another way."""
    match = re.fullmatch(r"(\d{1,18})([kMGTPE]i?|Ki)?", quantity)
    return f"{2 * int(match[1])}{match[2] or ''}" if match else ""
