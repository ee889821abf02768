"""What needs somebody's attention, the worst first, each with the place where it is mended. Asks nobody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.urls import reverse

from connectors.console import links as connector_links
from connectors.health import State
from events.cluster.trouble import is_absence
from events.console import links as event_links
from kubegraf.overview import MOST_DEAD, ClusterLine, ConnectorLine, Overview


@dataclass(frozen=True, slots=True)
class Concern:
    """What it is about, what is the matter (in a word, and in a sentence), how bad, and where it is mended.

    `tone` is worst, bad, warning or info.
    """

    about: str
    word: str
    words: str
    tone: str
    url: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Step:
    """One of the first steps: done or not, and where it is taken ("" while another must come before it)."""

    title: str
    words: str
    url: str
    done: bool


def concerns(found: Overview) -> list[Concern]:
    """All of them, the worst first; only what the sections that somebody may see tell."""
    several: list[Concern] = []
    for line in found.connectors or ():
        several += _of_connector(line)
    for cluster in found.clusters or ():
        several += _of_cluster(cluster)
    if found.dead_letters:
        number = found.dead_letters
        many = f"{MOST_DEAD:,} or more" if number >= MOST_DEAD else f"{number:,}"
        words = f"{many} {'delivery' if number == 1 else 'deliveries'} failed for good in the last 24 hours."
        since = found.at - timedelta(hours=24)
        several.append(
            Concern(
                "Dead letters", "failed", words, "bad", connector_links.dead_letters(since), "Look at them"
            )
        )
    order = ("worst", "bad", "warning", "info")
    return sorted(several, key=lambda concern: order.index(concern.tone))


def _of_connector(line: ConnectorLine) -> list[Concern]:
    connector, url = line.connector, connector_links.connector(line.connector.pk)
    if line.in_trouble:
        tone = "bad" if line.health.state is State.FAILING else "worst"
        remedy = {State.PAUSED: "Mend and resume", State.UNREADABLE: "Enter its secrets"}
        return [
            Concern(
                connector.name,
                line.health.state.value,
                line.health.words,
                tone,
                url,
                remedy.get(line.health.state, "See why"),
            )
        ]
    if connector.enabled and not line.subscribed:
        words = "It is switched on, and subscribed to nothing."
        return [Concern(connector.name, "idle", words, "warning", url, "Subscribe it")]
    return []


def _of_cluster(line: ClusterLine) -> list[Concern]:
    url = event_links.cluster(line.cluster.pk)
    if line.standing.amiss:
        return [
            Concern(
                line.cluster.name,
                line.standing.word,
                line.standing.words,
                line.standing.tone,
                url,
                "See what to do",
            )
        ]
    lacking = [name for name, text in line.cluster.problems.items() if not is_absence(str(text))]
    if lacking and line.cluster.enabled:
        words = f"A right is missing: {', '.join(sorted(lacking))}."
        return [Concern(line.cluster.name, "incomplete", words, "warning", url, "Grant it")]
    return []


def first_steps(found: Overview) -> list[Step]:
    """From nothing to the first message; none when it is done, or for whoever may not see how far it is."""
    if found.clusters is None or found.connectors is None:
        return []
    lines = found.connectors
    connector = connector_links.connector(lines[0].connector.pk) if lines else ""
    steps = [
        Step(
            "Add a cluster",
            "By a kubeconfig, a context of this server, or the pod's own account.",
            reverse("admin:events_cluster_add"),
            bool(found.clusters),
        ),
        Step(
            "Add a connector",
            "Slack, Teams, e-mail, GitHub, PagerDuty or a webhook.",
            reverse("admin:connectors_connector_add"),
            bool(lines),
        ),
        Step(
            "Test it",
            "One message goes out, and the page says whether it arrived.",
            connector,
            any(line.connector.last_success_at for line in lines),
        ),
        Step(
            "Subscribe it",
            "Choose which events it hears of.",
            connector,
            any(line.subscribed for line in lines),
        ),
        Step(
            "Enable it",
            "From then on it receives them.",
            connector,
            any(line.connector.enabled for line in lines),
        ),
    ]
    return [] if all(step.done for step in steps) else steps
