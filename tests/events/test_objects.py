from __future__ import annotations

import msgspec
import pytest

from events.cluster.decoding import decode
from events.cluster.objects import Deployment, Node, Object, Pod, Ref, StatefulSet
from tests.events.detectors.objects import container, deployment, managed, node, pod, running, terminated
from tests.recordings import items, recorded

# --- decoding ---


@pytest.mark.parametrize(
    ("plural", "kind"),
    [("pods", Pod), ("nodes", Node), ("deployments", Deployment), ("statefulsets", StatefulSet)],
)
def test_everything_an_api_server_sent_is_read_without_a_second_try(plural: str, kind: type[Object]) -> None:
    sent = [*items(plural), *(line.object for line in recorded(plural))]

    for raw in sent:
        assert msgspec.json.decode(raw, type=kind) == decode(raw, kind)


def test_what_is_read_is_what_was_sent() -> None:
    first = decode(items("pods")[0], Pod)

    assert first.ref == Ref(
        "Pod", "ledger-7978c598fc-5dpc4", "payments", "40ae402f-480e-43c0-810b-50864cef7f7e"
    )
    assert first.workload == Ref("Deployment", "ledger", "payments")
    assert [status.name for status in first.containers] == ["postgres"]
    assert first.containers[0].state.running is not None


@pytest.mark.parametrize(
    "raw",
    [
        b'{"metadata": null, "spec": null, "status": null}',
        b'{"spec": {"containers": null}, "status": {"phase": null, "containerStatuses": null}}',
        b'{"status": {"containerStatuses": [null]}}',
        b'{"metadata": {"name": null, "labels": null, "creationTimestamp": null, "ownerReferences": null}}',
    ],
)
def test_null_counts_as_absent(raw: bytes) -> None:
    assert decode(raw, Pod).containers == ()
    assert decode(raw, Pod).metadata.name == ""


def test_a_null_in_a_container_leaves_the_rest_of_the_pod_readable() -> None:
    raw = b'{"metadata": {"name": "a"}, "status": {"containerStatuses": [{"name": "app", "state": null}]}}'

    assert decode(raw, Pod).metadata.name == "a"
    assert decode(raw, Pod).containers[0].state.waiting is None


def test_one_null_in_a_page_leaves_the_page_readable() -> None:
    page = decode(b'[{"metadata": {"name": "a"}}, {"metadata": {"name": "b"}, "status": null}]', list[Pod])

    assert [obj.metadata.name for obj in page] == ["a", "b"]


def test_fields_that_nobody_reads_may_be_anything() -> None:
    raw = b'{"metadata": {"name": "a", "selfLink": 7}, "brandNew": [null, {"x": 1}]}'

    assert decode(raw, Pod).metadata.name == "a"


def test_a_field_of_another_type_is_refused_by_its_name() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"\$\.metadata\.name"):
        decode(b'{"metadata": {"name": 7}}', Pod)


def test_half_a_line_is_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(b'{"metadata": {"name": "a"', Pod)


# --- who a pod belongs to ---


def owned_by(kind: str, name: str, template_hash: str = "") -> Pod:
    labels = {"pod-template-hash": template_hash} if template_hash else None
    return pod(meta={"labels": labels, "ownerReferences": [{"kind": kind, "name": name, "controller": True}]})


def test_a_deployment_is_named_rather_than_its_replica_set() -> None:
    assert owned_by("ReplicaSet", "my-app-7d87", "7d87").workload == Ref("Deployment", "my-app", "default")


def test_a_replica_set_without_a_deployment_is_named_itself() -> None:
    assert owned_by("ReplicaSet", "my-app").workload == Ref("ReplicaSet", "my-app", "default")
    assert owned_by("ReplicaSet", "my-app", "7d87").workload == Ref("ReplicaSet", "my-app", "default")


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet", "Job"])
def test_another_owner_is_named_as_it_is(kind: str) -> None:
    assert owned_by(kind, "my-app").workload == Ref(kind, "my-app", "default")


def of_job(name: str, created: str | None) -> Pod:
    owner = {"kind": "Job", "name": name, "controller": True}
    return pod(meta={"ownerReferences": [owner], "labels": {}, "creationTimestamp": created})


def test_all_runs_of_a_cron_job_are_one_workload() -> None:
    # The minutes from 1970 to 10:20 and to 10:25 on 15 January 2026.
    first = of_job("nightly-backup-29474540", "2026-01-15T10:20:00Z")
    second = of_job("nightly-backup-29474545", "2026-01-15T10:26:12Z")

    assert first.workload == second.workload == Ref("CronJob", "nightly-backup", "default")


@pytest.mark.parametrize(
    ("name", "created"),
    [
        ("import", "2026-01-15T10:20:00Z"),
        ("import-20260115", "2026-01-15T10:20:00Z"),
        ("import-29474540", "2026-03-15T10:20:00Z"),
        ("import-29474540", None),
    ],
    ids=["no number", "a day", "another time", "no time"],
)
def test_a_job_that_somebody_named_is_named_as_it_is(name: str, created: str | None) -> None:
    assert of_job(name, created).workload == Ref("Job", name, "default")


def test_a_static_pod_is_named_itself_rather_than_its_node() -> None:
    static = owned_by("Node", "node-1")

    assert static.workload == static.ref


def test_a_pod_of_nobody_is_named_itself() -> None:
    bare = pod(meta={"ownerReferences": [{"kind": "Thing", "name": "x", "controller": False}]})

    assert bare.workload == bare.ref


# --- what is told of containers ---


def test_the_run_of_a_container_has_one_name_now_and_after_the_next_start() -> None:
    ended = terminated(run="f00d")
    now, later = pod(container(ended)), pod(container(running(), ended, restarts=1))
    first, second = now.containers[0], later.containers[0]

    assert first.state.terminated is not None
    assert second.last_state.terminated is not None
    assert (
        now.occurrence(first, first.state.terminated)
        == later.occurrence(second, second.last_state.terminated)
        == "app/f00d"
    )


def test_what_is_not_known_of_a_container_is_left_out() -> None:
    unknown = decode(b'{"status": {"containerStatuses": [{"name": "app"}]}}', Pod)

    assert unknown.facts(unknown.containers[0], None) == {"container": "app", "restart_count": 0}


@pytest.mark.parametrize(
    ("phase", "meta", "over"),
    [
        ("Running", {}, False),
        ("Pending", {}, False),
        ("Succeeded", {}, True),
        ("Failed", {}, True),
        ("Running", {"deletionTimestamp": "2026-01-15T10:29:30Z"}, True),
    ],
)
def test_a_pod_is_over_when_none_of_its_containers_will_start_again(
    phase: str, meta: dict[str, str], over: bool
) -> None:
    assert pod(phase=phase, meta=meta).is_over is over


# --- commands ---


def test_a_command_names_the_object_and_its_namespace() -> None:
    ref = Ref("StatefulSet", "db", "shop")

    assert ref.kubectl("describe") == "kubectl describe statefulset db -n shop"
    assert ref.kubectl("rollout undo") == "kubectl rollout undo statefulset db -n shop"
    assert Ref("Pod", "db-0", "shop").kubectl("logs", "-c", "app") == "kubectl logs db-0 -n shop -c app"
    assert Ref("Node", "node-1").kubectl("cordon") == "kubectl cordon node-1"


def test_whatever_a_name_holds_a_shell_takes_it_as_one_word() -> None:
    command = Ref("Pod", "x; rm -rf ~", "a b").kubectl("logs", "-c", "$(id)")

    assert command == "kubectl logs 'x; rm -rf ~' -n 'a b' -c '$(id)'"


# --- nodes and workloads ---


def test_a_taint_that_announces_a_removal_is_told_from_others() -> None:
    assert node("node.kubernetes.io/not-ready", "karpenter.sh/disrupted").removal == "karpenter.sh/disrupted"
    assert node("node.kubernetes.io/not-ready", "karpenter.sh/unregistered").removal == ""


def test_who_owns_the_number_of_replicas_is_told_from_who_owns_the_status() -> None:
    status = {"manager": "kube-controller-manager", "fieldsV1": {"f:status": {"f:replicas": {}}}}
    owners = deployment(3, managed("helm", "template"), status, managed("kubectl", "replicas"))

    assert [field.manager for field in owners.replicas_managers] == ["kubectl"]


# --- commands ---


@pytest.mark.parametrize(
    ("ref", "command"),
    [
        (Ref("Pod", "web-1", "shop"), "kubectl delete pod web-1 -n shop"),
        (Ref("ClusterRole", "all rights; reboot"), "kubectl delete clusterrole 'all rights; reboot'"),
        (Ref("ClusterRoleBinding", "--all"), "kubectl delete -- clusterrolebinding --all"),
        (Ref("RoleBinding", "-A", "shop"), "kubectl delete -n shop -- rolebinding -A"),
    ],
)
def test_whatever_an_object_is_named_a_command_is_about_it_alone(ref: Ref, command: str) -> None:
    assert ref.kubectl("delete") == command
