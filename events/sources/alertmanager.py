"""What Prometheus' Alertmanager sends to a webhook, as reports. Pure.

The format: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config

What it is answered with 400 it gives up, the good alerts with the odd one. So an alert is taken whatever is
odd about it, and its details say, among their `remarks`, what was wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from connectors.encodable import json_bytes
from connectors.message import JSONDict, Severity, Status
from connectors.text import clean, one_line, shorten
from events import catalog
from events.fingerprints import fingerprint
from events.labelled_object import EXPORTED, WITHOUT_NAMESPACE, resource_of
from events.report import ExternalReport

SOURCE = "alertmanager"
EVENT_TYPE = "prometheus_alert"
VERSION = "4"

CHOOSES_TYPE = "kubegraf_event_type"
"""The label, or annotation, that says of which event type an alert is."""

LONGEST_CLUSTER = 120
_LONGEST_TITLE = 500
_LONGEST_NAMESPACE, _LONGEST_RESOURCE, _LONGEST_DESCRIPTION, _LONGEST_ACTION = 253, 320, 20_000, 1000

# Of each alert, so that 64 KiB, what any report may have, are never reached.
_LONGEST_NAME, _LONGEST_VALUE, _LONGEST_ADDRESS = 200, 1000, 4000
_MOST_BYTES = 12 * 1024
_MOST_REMARKS, _LONGEST_REMARK = 20, 500

_SEVERITIES = {
    "critical": Severity.CRITICAL,
    "page": Severity.CRITICAL,
    "error": Severity.HIGH,
    "major": Severity.HIGH,
    "high": Severity.HIGH,
    "warning": Severity.MEDIUM,
    "minor": Severity.MEDIUM,
    "medium": Severity.MEDIUM,
    "low": Severity.LOW,
    "info": Severity.INFO,
    "none": Severity.INFO,
}


class NotANotification(ValueError):
    """The body is nothing that Alertmanager sends. `place` is the field that shows it, or empty."""

    def __init__(self, words: str, place: str = "") -> None:
        super().__init__(words)
        self.place = place


@dataclass(frozen=True, slots=True)
class Notification:
    """What was sent: alerts, each as it came, and what is said of all of them."""

    alerts: list[Any]
    status: object
    receiver: str
    url: str
    truncated: int
    """How many more alerts there were than Alertmanager was allowed to send."""


def read(body: object) -> Notification:
    """The notification. Raises NotANotification."""
    if not isinstance(body, Mapping):
        raise NotANotification("This must be a notification of Alertmanager's, an object.")
    if body.get("version") != VERSION:
        raise NotANotification(
            f'This must be "{VERSION}", the version of Alertmanager\'s webhooks.', "version"
        )
    alerts = body.get("alerts")
    if not isinstance(alerts, list) or not alerts:
        raise NotANotification("This must be a list of one alert at least.", "alerts")
    truncated = body.get("truncatedAlerts")
    return Notification(
        alerts=alerts,
        status=body.get("status"),
        receiver=_line(body.get("receiver"), _LONGEST_VALUE),
        url=_line(body.get("externalURL"), _LONGEST_ADDRESS),
        truncated=truncated if isinstance(truncated, int) else 0,
    )


def reports(notification: Notification, cluster: str = "") -> Iterator[ExternalReport]:
    """A report of each alert. `cluster` is meant where the alert itself names none."""
    for alert in notification.alerts:
        yield _report(alert, notification, cluster)


def _report(said: object, notification: Notification, cluster: str) -> ExternalReport:
    remarks = _Remarks()
    alert = said if isinstance(said, Mapping) else {}
    labels = _texts(alert.get("labels"), "label", remarks)
    annotations = _texts(alert.get("annotations"), "annotation", remarks)
    status = _status(alert, notification, remarks)
    if alert is not said:
        remarks.add("The alert is no object, so that nothing is known of it.")
        status = Status.OCCURRED  # its end could not be told from that of any other
    resource = resource_of(labels)
    namespace = labels.get(f"{EXPORTED}namespace") or labels.get("namespace", "")
    if resource.partition("/")[0] in WITHOUT_NAMESPACE:
        namespace = ""  # it is that of the exporter
    alertname = one_line(labels.get("alertname", "")) or "An alert without a name"
    title = one_line(annotations.get("summary", ""))
    description = annotations.get("description") or annotations.get("message", "")
    event_type = _event_type(labels, annotations, remarks)
    severity = _severity(labels, remarks)
    when = _when(alert, "endsAt" if status is Status.RESOLVED else "startsAt", remarks)
    fitting = {
        "cluster": _fit(labels.get("cluster") or cluster, LONGEST_CLUSTER, "cluster", remarks),
        "namespace": _fit(namespace, _LONGEST_NAMESPACE, "namespace", remarks),
        "resource": _fit(resource, _LONGEST_RESOURCE, "resource", remarks),
    }
    title = title or (f"{alertname}: {fitting['resource']}" if resource else alertname)
    return ExternalReport(
        source=SOURCE,
        key=_key(alert, labels),
        status=status,
        timestamp=when,
        event_type=event_type,
        severity=severity,
        title=shorten(title, _LONGEST_TITLE),
        description=shorten(description, _LONGEST_DESCRIPTION),
        details=_details(alert, labels, _others(annotations), notification, remarks),
        recommendations=list(_recommendations(annotations)),
        **fitting,
    )


# --- What is wrong with an alert ------------------------------------------------------------------------


@dataclass(slots=True)
class _Remarks:
    """What was wrong, in sentences, the first of them."""

    said: list[str] = field(default_factory=list)
    more: int = 0

    def add(self, words: str) -> None:
        if len(self.said) < _MOST_REMARKS:
            self.said.append(shorten(words, _LONGEST_REMARK))
        else:
            self.more += 1

    def listed(self) -> list[str]:
        return [*self.said, f"{self.more} more are left out."] if self.more else self.said


def _texts(said: object, what: str, remarks: _Remarks) -> dict[str, str]:
    """Labels or annotations, fit to be kept."""
    if said is None:
        said = {}
    if not isinstance(said, Mapping):
        remarks.add(f"The {what}s are no object.")
        return {}
    found = {}
    for name, value in said.items():
        shown = shorten(one_line(name), _LONGEST_NAME)
        if not isinstance(value, str):
            remarks.add(f"The {what} {shown} is no text.")
            if isinstance(value, Mapping | list) or value is None:
                continue
            value = str(value)
        kept = clean(value)
        if len(kept) != len(value.replace("\r\n", "\n")):
            remarks.add(f"The {what} {shown} has characters that are not kept.")
        found[one_line(name)] = kept
    return found


def _fit(text: str, limit: int, what: str, remarks: _Remarks) -> str:
    text = one_line(text)
    if len(text) > limit:
        remarks.add(f"The {what} is cut: it may have {limit} characters.")
    return shorten(text, limit)


def _line(said: object, limit: int) -> str:
    return shorten(one_line(said), limit) if isinstance(said, str) else ""


# --- What each part of it means -------------------------------------------------------------------------


def _status(alert: Mapping[str, Any], notification: Notification, remarks: _Remarks) -> Status:
    said = alert.get("status")
    if said not in ("firing", "resolved"):
        remarks.add("The alert says neither that it is firing nor that it is resolved.")
        said = notification.status
    return Status.RESOLVED if said == "resolved" else Status.FIRING


def _when(alert: Mapping[str, Any], name: str, remarks: _Remarks) -> datetime | None:
    """That time; None where it is not said."""
    said = alert.get(name)
    try:
        when = datetime.fromisoformat(str(said))
        if when.tzinfo is not None and 1970 < when.year < 9999:
            return when
    except ValueError:
        pass
    remarks.add(f"{name} is no time that can be meant.")
    return None


def _key(alert: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    """The name of the alert: the hash that Alertmanager has of its labels, or our own."""
    said = alert.get("fingerprint")
    if isinstance(said, str) and (key := one_line(said)):
        return key if len(key) <= _LONGEST_NAME else fingerprint(key)
    return fingerprint(*(part for pair in sorted(labels.items()) for part in pair))


def _event_type(labels: Mapping[str, str], annotations: Mapping[str, str], remarks: _Remarks) -> str:
    said = one_line(labels.get(CHOOSES_TYPE) or annotations.get(CHOOSES_TYPE, ""))
    wrong = _type_problem(shorten(said, _LONGEST_NAME)) if said else ""
    if wrong:
        remarks.add(f"{CHOOSES_TYPE}: {wrong}")
    return EVENT_TYPE if wrong or not said else said


@lru_cache  # what may have been meant takes a while to find, and in a storm every alert says the same
def _type_problem(name: str) -> str:
    try:
        catalog.reported(name)
    except catalog.UnknownEventType as error:
        return str(error)
    return ""


def _severity(labels: Mapping[str, str], remarks: _Remarks) -> Severity | None:
    """None for that of the event type."""
    said = labels.get("severity", "").strip().lower()
    if said and said not in _SEVERITIES:
        known = ", ".join(_SEVERITIES)
        remarks.add(f"There is no severity {shorten(said, _LONGEST_NAME)!r}. There are: {known}.")
    return _SEVERITIES.get(said)


def _others(annotations: Mapping[str, str]) -> dict[str, str]:
    """The annotations that are told nowhere else."""
    told = {"summary", "runbook_url", "description" if annotations.get("description") else "message"}
    return {name: value for name, value in annotations.items() if name not in told}


def _recommendations(annotations: Mapping[str, str]) -> Iterator[dict[str, str]]:
    if url := one_line(annotations.get("runbook_url", "")):
        yield {"action": shorten(f"Follow the runbook: {url}", _LONGEST_ACTION), "command": ""}


def _details(
    alert: Mapping[str, Any],
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    notification: Notification,
    remarks: _Remarks,
) -> JSONDict:
    known = {
        "labels": _bounded(labels, "label", remarks),
        "annotations": _bounded(annotations, "annotation", remarks),
        "generator_url": _line(alert.get("generatorURL"), _LONGEST_ADDRESS),
        "alertmanager_url": notification.url,
        "receiver": notification.receiver,
    }
    details = {name: value for name, value in known.items() if value}
    return {**details, "remarks": remarks.listed()} if remarks.said else details


def _bounded(texts: Mapping[str, str], what: str, remarks: _Remarks) -> dict[str, str]:
    """As many of them as there is room for, each cut to what people read."""
    kept: dict[str, str] = {}
    room = _MOST_BYTES
    for name, value in texts.items():
        shown = shorten(name, _LONGEST_NAME)
        short = shorten(value, _LONGEST_VALUE)
        if short != value or shown != name:
            remarks.add(f"The {what} {shown} is cut.")
        room -= len(json_bytes([shown, short]))
        if room < 0:
            remarks.add(f"{len(texts) - len(kept)} of the {what}s are left out: there is no room for them.")
            break
        kept[shown] = short
    return kept
