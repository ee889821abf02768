"""An object breaks a policy of the cluster, as Kyverno found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from connectors.message import JSONDict, Recommendation, Severity
from events.cluster.objects import Object, Ref, Resource, Struct, is_generated
from events.detection import MOST_LISTED, Change, Detector, Finding, Options

MANAGED_BY = ("app.kubernetes.io/managed-by", "kyverno")
DESCRIBED = 5
"""How many policies are told in words."""


class Scope(Struct, frozen=True):
    """The object that a report is about."""

    kind: str = ""
    name: str = ""


class Result(Struct, frozen=True):
    """What a rule of a policy makes of the object. Only `fail` says that the object breaks it."""

    policy: str = ""
    rule: str = ""
    result: str = ""
    severity: str = ""
    message: str = ""

    @property
    def how_bad(self) -> Severity:
        """As its policy has it. Many policies do not say."""
        return Severity(self.severity) if self.severity in set(Severity) else Severity.MEDIUM

    @property
    def words(self) -> str:
        """In one line: `require-limits: memory limits are required`."""
        return f"{self.policy}: {self.message[:200]}" if self.message else self.policy


class PolicyReport(Object, frozen=True):
    """What the policies say of one object. Other tools write such reports as well.

    https://kyverno.io/docs/policy-reports/ and https://github.com/kubernetes-sigs/wg-policy-prototypes
    """

    resource: ClassVar[Resource] = Resource("wgpolicyk8s.io", "v1alpha2", "policyreports", "PolicyReport")

    scope: Scope = Scope()
    results: tuple[Result, ...] | None = None

    @property
    def about(self) -> Ref:
        """The object."""
        return Ref(self.scope.kind, self.scope.name, self.metadata.namespace)

    @property
    def failed(self) -> list[Result]:
        """What of it is broken, the worst first."""
        broken = [result for result in self.results or () if result.result == "fail" and result.policy]
        return sorted(broken, key=lambda result: (-result.how_bad.rank, result.policy, result.rule))


class KyvernoOptions(Options, frozen=True):
    """A report may be deleted and made anew, when Kyverno is upgraded for one."""

    clear_after: float = 7200.0


class KyvernoPolicy(Detector[PolicyReport, KyvernoOptions]):
    """The policies that an object breaks, all together, for as long as it breaks any.

    What a controller made is left out: Kyverno applies each rule for pods to Deployments and the like, too,
    and reports on those (https://kyverno.io/docs/policy-types/cluster-policy/autogen/).
    """

    event_type = "security_vulnerability"
    watches: ClassVar[tuple[type[Object], ...]] = (PolicyReport,)
    options_class = KyvernoOptions
    outlives_object = True
    only_news = True
    grows_by = "policies"

    def detect(self, change: Change[PolicyReport], options: KyvernoOptions) -> Iterator[Finding]:
        report = change.new
        if report is None or not _is_kyvernos(report):
            return
        about, failed = report.about, report.failed
        if not (about.kind and about.name and failed) or is_generated(about):
            return
        policies = list(dict.fromkeys(result.policy for result in failed))
        many = f"{len(policies)} policies" if len(policies) > 1 else f"policy {policies[0]}"
        yield Finding(
            key="kyverno",
            subject=about,
            title=f"{about.kind} {about.name} breaks {many}",
            description=_description(failed),
            severity=failed[0].how_bad,
            since=report.metadata.creation_timestamp,
            details=_details(about, policies, failed),
            recommendations=(
                Recommendation("Read the whole report", change.ref.kubectl("get", "-o", "yaml")),
                Recommendation(
                    "See what the policy asks for",
                    f"kubectl get clusterpolicies,policies -n {about.namespace}",
                ),
                Recommendation("Change the object to keep to it", about.kubectl("edit")),
            ),
        )


def _is_kyvernos(report: PolicyReport) -> bool:
    label, kyverno = MANAGED_BY
    return (report.metadata.labels or {}).get(label) == kyverno


def _description(failed: list[Result]) -> str:
    lines = list(dict.fromkeys(result.words for result in failed))
    more = len(lines) - DESCRIBED
    return "\n".join(lines[:DESCRIBED] + ([f"and {more} more"] if more > 0 else []))


def _details(about: Ref, policies: list[str], failed: list[Result]) -> JSONDict:
    return {
        "namespace": about.namespace,
        "name": about.name,
        "policies": policies[:MOST_LISTED],
        "failed_rules": len(failed),
    }
