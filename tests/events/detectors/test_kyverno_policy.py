from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.message import Severity
from events.cluster.objects import Ref
from events.detectors.kyverno_policy import KyvernoPolicy, PolicyReport
from tests.events.detectors.objects import JSON, ask, ask_gone
from tests.events.detectors.security_objects import policy_report, verdict

TROUBLED = [
    (
        PolicyReport,
        {
            "metadata": {
                "name": "0a1b",
                "namespace": "shop",
                "uid": "1",
                "creationTimestamp": "2026-11-23T03:04:25Z",
                "labels": {"app.kubernetes.io/managed-by": "kyverno"},
            },
            "scope": {"kind": "Deployment", "name": "web", "namespace": "shop"},
            "results": [
                {
                    "policy": "p" * 253,
                    "rule": "r",
                    "result": "fail",
                    "severity": "high",
                    "message": "x" * 5000,
                }
            ],
        },
    )
]


def test_the_policies_that_an_object_breaks_are_one_finding() -> None:
    report = policy_report(
        verdict("require-limits", severity="medium", message="memory limits are required"),
        verdict("disallow-privileged", severity="high"),
        verdict("require-labels", "pass", severity="critical"),
    )
    (finding,) = ask(KyvernoPolicy(), report)

    assert finding.key == "kyverno"
    assert finding.subject == Ref("Deployment", "my-app", "default")
    assert finding.title == "Deployment my-app breaks 2 policies"
    assert finding.description == "disallow-privileged\nrequire-limits: memory limits are required"
    assert finding.severity is Severity.HIGH
    assert finding.since == datetime(2026, 1, 15, 10, 29, tzinfo=UTC)
    assert finding.details == {
        "namespace": "default",
        "name": "my-app",
        "policies": ["disallow-privileged", "require-limits"],
        "failed_rules": 2,
    }
    assert [item.command for item in finding.recommendations] == [
        "kubectl get policyreport 0a1b -n default -o yaml",
        "kubectl get clusterpolicies,policies -n default",
        "kubectl edit deployment my-app -n default",
    ]


def test_rules_of_one_policy_are_one_policy() -> None:
    report = policy_report(verdict("limits", rule="cpu"), verdict("limits", rule="memory"))
    (finding,) = ask(KyvernoPolicy(), report)

    assert finding.title == "Deployment my-app breaks policy limits"
    assert finding.details["failed_rules"] == 2


@pytest.mark.parametrize(
    ("said", "severity"),
    [("critical", Severity.CRITICAL), ("info", Severity.INFO), ("", Severity.MEDIUM), ("?", Severity.MEDIUM)],
)
def test_the_policy_says_how_bad_it_is(said: str, severity: Severity) -> None:
    (finding,) = ask(KyvernoPolicy(), policy_report(verdict("limits", severity=said)))

    assert finding.severity is severity


@pytest.mark.parametrize("result", ["pass", "warn", "error", "skip", ""])
def test_only_a_failure_breaks_a_policy(result: str) -> None:
    assert ask(KyvernoPolicy(), policy_report(verdict("limits", result))) == []


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("Pod", "my-app-7d876db474-4ltc8"),
        ("Pod", "agent-x2x4z"),
        ("Pod", "db-0"),
        ("ReplicaSet", "my-app-7d876db474"),
        ("Job", "backup-29401230"),
    ],
)
def test_what_a_controller_made_is_told_by_its_controller(kind: str, name: str) -> None:
    assert ask(KyvernoPolicy(), policy_report(verdict("limits"), kind=kind, name=name)) == []


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("Pod", "debug"),
        ("Pod", "my-nginx"),
        ("ReplicaSet", "made-by-hand"),
        ("Job", "migrate"),
        ("DaemonSet", "agent-x2x4z"),
        ("Ingress", "shop"),
    ],
)
def test_what_a_person_made_is_told(kind: str, name: str) -> None:
    (finding,) = ask(KyvernoPolicy(), policy_report(verdict("limits"), kind=kind, name=name))

    assert finding.subject == Ref(kind, name, "default")


@pytest.mark.parametrize("labels", [{}, None, {"app.kubernetes.io/managed-by": "another-scanner"}])
def test_what_another_tool_reports_is_left_to_it(labels: JSON | None) -> None:
    assert ask(KyvernoPolicy(), policy_report(verdict("limits"), meta={"labels": labels})) == []


def test_a_report_about_no_single_object_is_left_alone() -> None:
    assert ask(KyvernoPolicy(), policy_report(verdict("limits"), kind="", name="")) == []


def test_the_same_failures_in_another_order_are_the_same_finding() -> None:
    one, two = verdict("limits", severity="high"), verdict("labels", severity="high")

    assert ask(KyvernoPolicy(), policy_report(one, two)) == ask(KyvernoPolicy(), policy_report(two, one))


def test_of_very_many_a_few_are_told_in_words() -> None:
    (finding,) = ask(KyvernoPolicy(), policy_report(*(verdict(f"p{number:03}") for number in range(300))))

    assert finding.description.splitlines()[-1] == "and 295 more"
    assert len(finding.details["policies"]) == 100


def test_a_report_that_is_gone_says_nothing() -> None:
    assert ask_gone(KyvernoPolicy(), policy_report(verdict("limits"))) == []


def test_it_is_over_only_when_no_new_report_says_so_for_two_hours() -> None:
    assert KyvernoPolicy.options_class().for_seconds == 0.0
    assert KyvernoPolicy.options_class().clear_after == 7200.0
