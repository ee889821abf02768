"""What is read out of an alert of Alertmanager's, and that none is too odd to be taken."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.encodable import json_bytes
from connectors.message import Severity, Status
from events import catalog
from events.api.events import LARGEST_DETAILS
from events.report import ExternalReport
from events.sources import alertmanager
from tests.recordings import alertmanager_webhook


def taken(*alerts: Any, cluster: str = "", **more: Any) -> list[ExternalReport]:
    """The reports of a notification of these alerts."""
    body = {"version": "4", "status": "firing", "receiver": "kubegraf", "alerts": list(alerts), **more}
    return list(alertmanager.reports(alertmanager.read(body), cluster))


def an_alert(annotations: Any = None, **labels: Any) -> dict[str, Any]:
    """A firing alert with these labels."""
    return {
        "status": "firing",
        "labels": {"alertname": "Broken", **labels},
        "annotations": annotations or {},
        "startsAt": "2026-11-23T03:07:59Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "",
        "fingerprint": "724b71b63579cbec",
    }


def report(annotations: Any = None, /, **labels: Any) -> ExternalReport:
    """The report of that alert."""
    (found,) = taken(an_alert(annotations, **labels))
    return found


def remarks(found: ExternalReport) -> list[str]:
    """What was wrong with it."""
    said: list[str] = found.details.get("remarks", [])
    return said


def test_a_recorded_alert_is_read_in_full() -> None:
    (_, found), *_ = ([*alertmanager.reports(alertmanager.read(body))] for body in alertmanager_webhook())
    assert found == ExternalReport(
        source="alertmanager",
        key="0fcfa3ad659b84a5",
        status=Status.FIRING,
        timestamp=datetime(2026, 11, 23, 3, 7, 59, 961999, UTC),
        event_type="prometheus_alert",
        severity=Severity.CRITICAL,
        cluster="prod",
        namespace="shop",
        resource="Pod/web-7d876db474-j6b65",
        title="Pod is crash looping.",
        description='Pod shop/web-7d876db474-j6b65 (nginx) is in waiting state (reason: "CrashLoopBackOff").',
        details={
            "labels": {
                "alertname": "KubePodCrashLooping",
                "cluster": "prod",
                "container": "nginx",
                "namespace": "shop",
                "pod": "web-7d876db474-j6b65",
                "severity": "critical",
            },
            "generator_url": "http://prometheus.example.com/graph?g0.expr=x",
            "alertmanager_url": "http://alertmanager.example.com:9093",
            "receiver": "hook",
        },
        recommendations=[
            {
                "action": "Follow the runbook: https://runbooks.prometheus-operator.dev/runbooks/kubernetes/"
                "kubepodcrashlooping",
                "command": "",
            }
        ],
    )


def test_a_recorded_resolve_is_of_the_same_problem_and_tells_when_it_ended() -> None:
    fired, _, resolved, _ = (
        [*alertmanager.reports(alertmanager.read(body))] for body in alertmanager_webhook()
    )
    assert [each.key for each in resolved] == [each.key for each in fired]
    assert [(each.status, each.timestamp) for each in resolved] == [
        (Status.RESOLVED, datetime(2026, 11, 23, 3, 8, 4, tzinfo=UTC))
    ] * 2


# --- What it is about -----------------------------------------------------------------------------------

KSM = {
    "job": "kube-state-metrics",
    "service": "prom-kube-state-metrics",
    "pod": "prom-kube-state-metrics-5f9-x2x",
    "instance": "10.0.1.3:8080",
    "container": "kube-state-metrics",
}
NODE_EXPORTER = {"job": "node-exporter", "pod": "node-exporter-x7"}


@pytest.mark.parametrize(
    ("labels", "resource"),
    [
        ({}, ""),
        ({"pod": "web-1", "container": "nginx"}, "Pod/web-1"),
        ({"pod": "web-1", "node": "n1", "deployment": "web", "service": "web"}, "Pod/web-1"),
        ({"deployment": "web"}, "Deployment/web"),
        ({"statefulset": "db"}, "StatefulSet/db"),
        ({"daemonset": "agent"}, "DaemonSet/agent"),
        ({"replicaset": "web-7d"}, "ReplicaSet/web-7d"),
        ({"job_name": "backup-1", "cronjob": "backup"}, "Job/backup-1"),
        ({"cronjob": "backup"}, "CronJob/backup"),
        ({"horizontalpodautoscaler": "web"}, "HorizontalPodAutoscaler/web"),
        ({"hpa": "web"}, "HorizontalPodAutoscaler/web"),
        ({"persistentvolumeclaim": "data", "node": "n1"}, "PersistentVolumeClaim/data"),
        ({"node": "n1"}, "Node/n1"),
        ({"job": "kubelet", "service": "kubelet", "node": "n1", "instance": "10.0.0.1:10250"}, "Node/n1"),
        ({"job": "web", "service": "web"}, "Service/web"),
        ({"workload": "web", "workload_type": "deployment"}, "Deployment/web"),
        ({"workload": "backup-1", "workload_type": "job"}, "Job/backup-1"),
        ({"job": "backup", "instance": "10.0.0.1:80"}, ""),
        # Of kube-state-metrics, with honor_labels.
        ({**KSM, "deployment": "web"}, "Deployment/web"),
        ({**KSM, "node": "n1"}, "Node/n1"),
        ({**KSM, "job_name": "backup-1"}, "Job/backup-1"),
        ({**KSM, "pod": "web-1", "node": "n1"}, "Pod/web-1"),
        ({**KSM, "pod": "prom-ksm-5f9", "service": "prom-ksm", "node": "n1"}, "Node/n1"),
        (KSM, "Pod/prom-kube-state-metrics-5f9-x2x"),
        # And without.
        ({**KSM, "exported_pod": "web-1", "node": "n1"}, "Pod/web-1"),
        ({**KSM, "exported_namespace": "shop", "deployment": "web"}, "Deployment/web"),
        ({**KSM, "exported_namespace": "shop", "exported_service": "web"}, "Service/web"),
        ({**KSM, "exported_container": "nginx"}, "Pod/prom-kube-state-metrics-5f9-x2x"),
        # Of node-exporter.
        ({**NODE_EXPORTER, "instance": "n1"}, "Node/n1"),
        ({**NODE_EXPORTER, "instance": "n1:9100"}, "Node/n1"),
        ({**NODE_EXPORTER, "node": "n1"}, "Node/n1"),
        ({**NODE_EXPORTER, "instance": "10.0.0.1:9100"}, "Pod/node-exporter-x7"),
        ({**NODE_EXPORTER, "instance": "[fd00::1]:9100"}, "Pod/node-exporter-x7"),
    ],
)  # fmt: skip
def test_an_alert_is_about_the_smallest_object_that_is_meant(labels: dict[str, str], resource: str) -> None:
    assert report(**labels).resource == resource


@pytest.mark.parametrize(
    ("labels", "namespace"),
    [
        ({"namespace": "shop", "pod": "web-1"}, "shop"),
        ({"namespace": "monitoring", "exported_namespace": "shop", "exported_pod": "web-1"}, "shop"),
        ({"namespace": "shop"}, "shop"),
        ({"namespace": "monitoring", **KSM, "node": "n1"}, ""),
        ({}, ""),
    ],
)
def test_the_namespace_is_that_of_the_object(labels: dict[str, str], namespace: str) -> None:
    assert report(**labels).namespace == namespace


def test_the_clusters_own_label_goes_before_that_of_the_address() -> None:
    named, unnamed = taken(an_alert(cluster="prod"), an_alert(), cluster="edge")
    assert (named.cluster, unnamed.cluster) == ("prod", "edge")


# --- What it says ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        ("critical", "critical"),
        ("page", "critical"),
        ("error", "high"),
        ("major", "high"),
        ("high", "high"),
        ("warning", "medium"),
        ("Warning", "medium"),
        ("minor", "medium"),
        ("medium", "medium"),
        ("low", "low"),
        ("info", "info"),
        ("none", "info"),
    ],
)
def test_every_usual_severity_has_its_own(word: str, severity: str) -> None:
    found = report(severity=word)
    assert (found.severity, remarks(found)) == (Severity(severity), [])


def test_without_a_severity_that_of_the_event_type_is_left() -> None:
    assert (report().severity, remarks(report())) == (None, [])


def test_a_strange_severity_is_the_types_and_remarked() -> None:
    found = report(severity="sev-7")
    assert found.severity is None
    assert remarks(found) == [
        "There is no severity 'sev-7'. There are: critical, page, error, major, high, warning, minor, medium,"
        " low, info, none."
    ]


@pytest.mark.parametrize(
    "alert",
    [
        an_alert(kubegraf_event_type="http_500"),
        an_alert({"kubegraf_event_type": "http_500"}),
        an_alert({"kubegraf_event_type": "http_502"}, kubegraf_event_type="http_500"),
    ],
)
def test_an_alert_chooses_its_event_type_by_a_label_or_else_an_annotation(alert: Any) -> None:
    (found,) = taken(alert)
    assert found.event_type == "http_500"


@pytest.mark.parametrize(
    ("name", "remark"),
    [
        ("hpa_max", "kubegraf_event_type: There is no event type 'hpa_max'. Did you mean 'hpa_maxed'?"),
        (
            "pod_crash",
            "kubegraf_event_type: 'pod_crash' is a name for subscriptions: an event is one of pod_crash_loop,"
            " pod_oom_restart.",
        ),
    ],
)
def test_what_is_no_event_type_is_an_alert_of_prometheus_and_remarked(name: str, remark: str) -> None:
    found = report(kubegraf_event_type=name)
    assert (found.event_type, remarks(found)) == ("prometheus_alert", [remark])


def test_the_type_of_other_alerts_is_one_of_the_catalogs_that_opens() -> None:
    event_type = catalog.EVENT_TYPES[alertmanager.EVENT_TYPE]
    assert (event_type.severity, event_type.momentary) == (Severity.MEDIUM, False)


def test_without_a_summary_the_title_is_the_alerts_name_with_what_it_is_about() -> None:
    assert report().title == "Broken"
    assert report(pod="web-1").title == "Broken: Pod/web-1"
    assert report({"summary": " \n "}, pod="web-1").title == "Broken: Pod/web-1"


def test_a_title_is_one_line_and_cut_with_a_mark() -> None:
    assert report({"summary": "It is\nbroken"}).title == "It is broken"
    assert report({"summary": "x" * 600}).title == "x" * 499 + "…"


def test_the_description_is_the_annotation_of_that_name_or_the_message() -> None:
    assert report({"description": "Long", "message": "Short"}).description == "Long"
    assert report({"message": "Short"}).description == "Short"


def test_only_annotations_that_are_told_nowhere_else_are_details() -> None:
    found = report({"summary": "S", "description": "D", "message": "M", "runbook_url": "R", "dashboard": "B"})
    assert found.details["annotations"] == {"message": "M", "dashboard": "B"}
    assert report({"summary": "S", "message": "M"}).details.keys() == {"labels", "receiver"}


# --- What is odd ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (None, ""),
        ([], ""),
        ({}, "version"),
        ({"version": "3", "alerts": [an_alert()]}, "version"),
        ({"version": 4, "alerts": [an_alert()]}, "version"),
        ({"version": "4"}, "alerts"),
        ({"version": "4", "alerts": []}, "alerts"),
        ({"version": "4", "alerts": {"0": an_alert()}}, "alerts"),
    ],
)
def test_only_what_alertmanager_never_sends_is_no_notification(body: Any, place: str) -> None:
    with pytest.raises(alertmanager.NotANotification) as caught:
        alertmanager.read(body)
    assert caught.value.place == place


LONG = "x" * 10**6
ODD: list[Any] = [
    None,
    7,
    "alert",
    [],
    {},
    {"labels": None, "annotations": None},
    {"labels": [], "annotations": "x", "status": 5, "startsAt": {}, "fingerprint": []},
    {"labels": {"alertname": None, "pod": {"a": []}, "cluster": 7, "severity": ["x"]}},
    {"labels": {"": "", "\0": "\0", "a\ud800": "\udfff", "summary": "x"}},
    {"labels": dict.fromkeys(("alertname", "namespace", "pod", "cluster", "severity"), LONG)},
    {"labels": {f"label{number}": "x" * 5000 for number in range(5000)}},
    {"labels": {LONG: "x"}, "annotations": dict.fromkeys(("summary", "description", "x"), "\x01é" * 10**5)},
    {"fingerprint": LONG, "generatorURL": LONG, "status": "resolved", "endsAt": "tomorrow"},
    {"status": "firing", "startsAt": "9999-12-31T23:59:59-14:00", "labels": {"kubegraf_event_type": LONG}},
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_no_alert_is_so_odd_that_it_is_not_taken_with_a_word_on_what_was_wrong(odd: Any) -> None:
    before, found, after = taken(an_alert(pod="a"), odd, an_alert(pod="b"), receiver="r" * 10**6)
    assert [before.resource, after.resource] == ["Pod/a", "Pod/b"]
    assert remarks(found)
    assert found.title
    assert found.event_type == "prometheus_alert"
    assert len(found.title) <= 500
    assert len(found.cluster) <= 120
    assert len(found.namespace) <= 253
    assert len(found.resource) <= 320
    assert len(found.description) <= 20_000
    assert 0 < len(found.key) <= 255
    assert len(json_bytes(found.details)) <= LARGEST_DETAILS
    said = json.dumps([found.title, found.description, found.details, found.key], ensure_ascii=False)
    assert "\\u0000" not in said
    said.encode()


def test_what_is_no_object_merely_happened_for_nothing_could_end_it() -> None:
    (found,) = taken("alert")
    assert (found.status, found.title) == (Status.OCCURRED, "An alert without a name")
    assert "The alert is no object, so that nothing is known of it." in remarks(found)


def test_an_alert_without_a_fingerprint_is_named_by_its_labels() -> None:
    first, same, other = taken(
        {**an_alert(a="1", b="2"), "fingerprint": ""},
        {"labels": {"b": "2", "a": "1", "alertname": "Broken"}},
        {"labels": {"b": "1", "a": "2", "alertname": "Broken"}},
    )
    assert first.key == same.key != other.key


def test_an_alert_that_does_not_say_how_it_stands_stands_as_the_notification_does() -> None:
    alert = {**an_alert(), "status": "suppressed"}
    assert [found.status for found in taken(alert, status="resolved")] == [Status.RESOLVED]
    (found,) = taken(alert, status="")
    assert found.status is Status.FIRING
    assert remarks(found) == ["The alert says neither that it is firing nor that it is resolved."]


@pytest.mark.parametrize("said", [None, "", "0001-01-01T00:00:00Z", "2026-11-23T03:07:59", "soon", 17, []])
def test_a_time_that_cannot_be_meant_is_left_out_and_remarked(said: Any) -> None:
    (found,) = taken({**an_alert(), "startsAt": said})
    assert (found.timestamp, remarks(found)) == (None, ["startsAt is no time that can be meant."])


def test_characters_that_cannot_be_kept_are_left_out_and_remarked() -> None:
    found = report({"summary": "It\0 broke"}, team="shop\ud800")
    assert (found.title, found.details["labels"]["team"]) == ("It broke", "shop")
    assert remarks(found) == [
        "The label team has characters that are not kept.",
        "The annotation summary has characters that are not kept.",
    ]


def test_a_label_that_is_no_text_is_remarked_and_kept_where_it_can_be() -> None:
    found = report(replicas=3, owner={"name": "web"})
    assert found.details["labels"] == {"alertname": "Broken", "replicas": "3"}
    assert remarks(found) == ["The label replicas is no text.", "The label owner is no text."]


def test_labels_for_which_there_is_no_room_are_counted() -> None:
    found = report(**{f"label{number:02}": "x" * 1000 for number in range(20)})
    assert len(found.details["labels"]) == 13
    assert remarks(found) == ["8 of the labels are left out: there is no room for them."]


def test_a_value_that_is_too_long_is_cut_with_a_mark_and_remarked() -> None:
    found = report(query="x" * 2000)
    assert found.details["labels"]["query"] == "x" * 999 + "…"
    assert remarks(found) == ["The label query is cut."]


def test_a_name_that_is_too_long_is_cut_with_a_mark_and_remarked() -> None:
    found = report(namespace="x" * 300)
    assert found.namespace == "x" * 252 + "…"
    assert remarks(found) == ["The namespace is cut: it may have 253 characters."]
