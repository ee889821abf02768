"""docs/deploying.md: its commands name what there is."""

from __future__ import annotations

import base64
import re
import subprocess

import yaml

from kubegraf.env import BASE_DIR
from tests.deploy.reading import (
    compose,
    deployments,
    kustomization,
    of_kind,
    pod_of,
    variables_asked_for,
)

GUIDE = (BASE_DIR / "docs" / "deploying.md").read_text()
SECRETS, COMPOSE_SECRETS = re.findall(r"<<END\n(.*?)\n    END", GUIDE, re.DOTALL)


def _names(lines: str) -> set[str]:
    return set(re.findall(r"^\s*(\w+)=", lines, re.MULTILINE))


def test_the_secret_has_what_the_settings_read() -> None:
    assert _names(SECRETS) == {"SECRET_KEY", "FIELD_ENCRYPTION_KEY", "DATABASE_URL", "REDIS_URL"}
    assert _names(SECRETS) <= variables_asked_for()


def test_composes_file_has_every_secret_that_compose_demands() -> None:
    assert _names(COMPOSE_SECRETS) == set(re.findall(r"\$\{(\w+):\?", yaml.safe_dump(compose())))


def test_the_encryption_key_is_made_as_it_is_wanted() -> None:
    (command,) = set(re.findall(r"FIELD_ENCRYPTION_KEY=\$\((.*)\)", GUIDE))
    made = subprocess.run(["sh", "-c", command], capture_output=True, check=True, text=True).stdout.strip()
    assert len(base64.urlsafe_b64decode(made)) == 32
    assert not set(made) & set("+/")


def test_the_secrets_that_are_created_are_those_the_pods_ask_for() -> None:
    created = set(re.findall(r"create secret generic (\S+)", GUIDE))
    asked = {"kubegraf"}
    for deployment in deployments().values():
        asked |= {one["secret"]["secretName"] for one in pod_of(deployment)["volumes"] if "secret" in one}
    assert created == asked


def test_every_deployment_and_service_it_names_is_there() -> None:
    assert set(re.findall(r"deployment/([\w-]+)", GUIDE)) <= set(of_kind("Deployment"))
    assert set(re.findall(r"service/([\w-]+)", GUIDE)) == set(of_kind("Service"))


def test_every_variable_it_names_is_read() -> None:
    assert set(re.findall(r"\bKUBEGRAF_[A-Z_]+\b", GUIDE)) - variables_asked_for() == set()


def test_the_image_it_builds_is_the_one_that_is_deployed() -> None:
    (image,) = kustomization()["images"]
    assert f"docker build -f deploy/Dockerfile -t {image['newName']}:{image['newTag']} ." in GUIDE


def test_a_kustomization_of_ones_own_names_the_image_that_it_is_to_replace() -> None:
    (text,) = re.findall(r"^    apiVersion: kustomize\..*?(?=^\S)", GUIDE, re.DOTALL | re.MULTILINE)
    own = yaml.safe_load(text)
    (image,) = kustomization()["images"]
    assert [one["name"] for one in own["images"]] == [image["newName"]]
    assert {one["name"] for one in own["replicas"]} <= set(of_kind("Deployment"))
