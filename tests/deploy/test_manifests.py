"""The Kubernetes manifests: valid, and in agreement with the code and with each other."""

from __future__ import annotations

import copy
import shutil
import subprocess
import tomllib

import pytest
import yaml

from kubegraf.env import BASE_DIR
from tests.deploy.reading import (
    KUBERNETES,
    Manifest,
    containers,
    deployments,
    kustomization,
    manifests,
    of_kind,
    pod_of,
    procfile,
    variables_asked_for,
)

PROCESSES = ("web", "worker", "beat", "watcher")
SECRET_NAMES = {"SECRET_KEY", "FIELD_ENCRYPTION_KEY", "DATABASE_URL", "REDIS_URL"}

each_process = pytest.mark.parametrize("process", PROCESSES)
each_container = pytest.mark.parametrize("name", sorted(containers()))


def _named(manifest: Manifest) -> str:
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


# --- Valid ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("manifest", manifests(), ids=_named)
@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_a_manifest_is_what_kubernetes_takes(manifest: Manifest, version: str) -> None:
    import kubernetes_validate  # its schemas take a while to find

    kubernetes_validate.validate(copy.deepcopy(manifest), version, strict=True)


def test_every_file_is_part_of_the_kustomization() -> None:
    files = {path.name for path in KUBERNETES.glob("*.yaml")} - {"kustomization.yaml"}
    assert files == set(kustomization()["resources"])


def test_no_two_objects_share_a_name() -> None:
    names = [_named(manifest) for manifest in manifests()]
    assert sorted(set(names)) == sorted(names)


def test_no_secret_is_in_the_manifests() -> None:
    assert of_kind("Secret") == {}
    assert "secretGenerator" not in kustomization()


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl renders it, and is not installed here")
def test_kubectl_renders_the_kustomization() -> None:
    done = subprocess.run(["kubectl", "kustomize", KUBERNETES], capture_output=True, check=True)
    rendered = list(yaml.safe_load_all(done.stdout))
    cluster_wide = ("Namespace", "ClusterRole", "ClusterRoleBinding")
    assert {one["metadata"].get("namespace") for one in rendered if one["kind"] not in cluster_wide} == {
        "kubegraf"
    }
    images = {
        container["image"]
        for one in rendered
        if one["kind"] == "Deployment"
        for part in ("initContainers", "containers")
        for container in pod_of(one)[part]
    }
    assert images == {f"registry.example.com/kubegraf:{_version()}"}


# --- Processes ------------------------------------------------------------------------------------------


def test_there_is_a_deployment_for_every_process() -> None:
    replicas = {process: one["spec"]["replicas"] for process, one in deployments().items()}
    assert replicas == {"web": 2, "worker": 2, "beat": 1, "watcher": 2}
    assert set(replicas) == set(procfile()) - {"release"}


@each_process
def test_a_process_is_started_by_the_procfiles_command(process: str) -> None:
    assert containers()[f"{process}/{process}"]["command"] == procfile()[process]


def test_the_release_is_done_once_by_the_one_that_never_runs_twice() -> None:
    beat = deployments()["beat"]
    assert beat["spec"]["strategy"] == {"type": "Recreate"}
    release = procfile()["release"]
    assert containers()["beat/migrate"]["command"] == release[: release.index("&&")]
    # The other half of the release is done when the image is built.
    assert release[release.index("&&") + 1 :] == ["python", "manage.py", "collectstatic", "--noinput"]


@pytest.mark.parametrize("process", ["web", "worker", "watcher"])
def test_the_others_wait_for_the_migrations(process: str) -> None:
    (waiting,) = pod_of(deployments()[process])["initContainers"]
    assert waiting["command"] == ["python", "manage.py", "migrate", "--check"]


@each_process
def test_a_deployments_pods_are_found_by_its_selector(process: str) -> None:
    spec = deployments()[process]["spec"]
    labels = {"app.kubernetes.io/name": "kubegraf", "app.kubernetes.io/component": process}
    assert spec["selector"]["matchLabels"] == labels
    assert spec["template"]["metadata"]["labels"] == labels


@pytest.mark.parametrize("process", ["web", "worker", "watcher"])
def test_what_there_are_several_of_is_never_all_away_at_once(process: str) -> None:
    budget = of_kind("PodDisruptionBudget")[f"kubegraf-{process}"]["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"] == deployments()[process]["spec"]["selector"]
    (spread,) = pod_of(deployments()[process])["topologySpreadConstraints"]
    assert spread["labelSelector"] == deployments()[process]["spec"]["selector"]


def test_a_node_can_be_drained_although_there_is_one_beat() -> None:
    assert "kubegraf-beat" not in of_kind("PodDisruptionBudget")


def test_the_service_leads_to_the_web_process() -> None:
    service = of_kind("Service")["kubegraf"]["spec"]
    assert service["selector"] == deployments()["web"]["spec"]["selector"]["matchLabels"]
    (port,) = service["ports"]
    (container_port,) = containers()["web/web"]["ports"]
    assert port["targetPort"] == container_port["name"]
    assert f"0.0.0.0:{container_port['containerPort']}" in containers()["web/web"]["command"]


# --- Images and settings --------------------------------------------------------------------------------


def _version() -> str:
    project: str = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"]["version"]
    return project


def test_every_container_runs_the_one_image_of_this_version() -> None:
    assert {container["image"] for container in containers().values()} == {"kubegraf"}
    (image,) = kustomization()["images"]
    assert (image["name"], image["newTag"]) == ("kubegraf", _version())


@each_container
def test_a_container_gets_settings_and_secrets(name: str) -> None:
    assert containers()[name]["envFrom"] == [
        {"configMapRef": {"name": "kubegraf"}},
        {"secretRef": {"name": "kubegraf"}},
    ]


def _settings() -> dict[str, str]:
    (config,) = kustomization()["configMapGenerator"]
    assert config["name"] == "kubegraf"
    return dict(literal.split("=", 1) for literal in config["literals"])


def test_every_variable_that_is_set_is_one_that_is_read() -> None:
    set_here = set(_settings())
    for container in containers().values():
        set_here |= {variable["name"] for variable in container.get("env", ())}
    assert set_here >= {"KUBEGRAF_PUBLIC_URL", "KUBEGRAF_HEARTBEAT_FILE", "KUBEGRAF_DATA_DIR"}
    assert set_here - variables_asked_for() == set()


def test_no_secret_stands_among_the_settings() -> None:
    assert SECRET_NAMES & set(_settings()) == set()


# --- Probes ---------------------------------------------------------------------------------------------


@each_process
def test_a_process_has_all_three_probes(process: str) -> None:
    container = containers()[f"{process}/{process}"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        how = container[probe]
        assert ("httpGet" in how) is (process == "web")
        assert how["timeoutSeconds"] >= 5


def test_the_web_process_is_asked_for_its_life_and_for_its_readiness() -> None:
    web = containers()["web/web"]
    paths = {probe: web[probe]["httpGet"]["path"] for probe in web if probe.endswith("Probe")}
    assert paths == {"startupProbe": "/livez", "readinessProbe": "/readyz", "livenessProbe": "/livez"}
    assert {web[probe]["httpGet"]["port"] for probe in paths} == {web["ports"][0]["name"]}
