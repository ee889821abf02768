"""What stands in deploy/, as data: manifests, containers, the Dockerfile's lines, the Procfile's commands."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml
from cryptography.fernet import Fernet

from kubegraf.env import BASE_DIR

DEPLOY = BASE_DIR / "deploy"
KUBERNETES = DEPLOY / "kubernetes"

Manifest = dict[str, Any]


@cache
def kustomization() -> Manifest:
    """kustomization.yaml."""
    loaded: Manifest = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())
    return loaded


@cache
def manifests() -> tuple[Manifest, ...]:
    """Every object of the files that kustomization.yaml names, in their order."""
    found: list[Manifest] = []
    for name in kustomization()["resources"]:
        found += yaml.safe_load_all((KUBERNETES / name).read_text())
    return tuple(found)


def of_kind(kind: str) -> dict[str, Manifest]:
    """The objects of that kind by their names."""
    return {one["metadata"]["name"]: one for one in manifests() if one["kind"] == kind}


def deployments() -> dict[str, Manifest]:
    """The Deployments by the name of their process: `web`, `worker`, …"""
    return {name.removeprefix("kubegraf-"): one for name, one in of_kind("Deployment").items()}


def pod_of(deployment: Manifest) -> dict[str, Any]:
    """The spec of its pods."""
    spec: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return spec


def containers() -> dict[str, dict[str, Any]]:
    """Every container, init containers too, as `web/migrated`."""
    return {
        f"{process}/{container['name']}": container
        for process, deployment in deployments().items()
        for part in ("initContainers", "containers")
        for container in pod_of(deployment)[part]
    }


@cache
def compose() -> dict[str, Any]:
    """compose.yaml, with its anchors resolved."""
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return loaded


def own_services() -> dict[str, dict[str, Any]]:
    """The services of compose.yaml that are KubeGraf's processes."""
    return {name: one for name, one in compose()["services"].items() if one["image"] == "kubegraf"}


def procfile() -> dict[str, list[str]]:
    """Each process's command as a shell takes it apart, with ${NAME:-default} as its default."""
    commands = {}
    for line in (BASE_DIR / "Procfile").read_text().splitlines():
        name, _, command = line.partition(":")
        commands[name] = shlex.split(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", command))
    return commands


@dataclass(frozen=True)
class Instruction:
    """One instruction of the Dockerfile, its continued lines joined. `stage` counts from 0."""

    stage: int
    name: str
    text: str


@cache
def dockerfile() -> tuple[Instruction, ...]:
    """The Dockerfile's instructions."""
    lines = [line for line in (DEPLOY / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    stage, found = -1, []
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        if not line.strip():
            continue
        name, text = line.split(maxsplit=1)
        stage += name == "FROM"
        found.append(Instruction(stage, name, " ".join(text.split())))
    return tuple(found)


# Loads the settings as a process does, and prints every variable that was asked for on the way.
_SPY = """
import json, os, sys

class Spy(dict):
    asked = set()
    def __getitem__(self, name):
        self.asked.add(name)
        return super().__getitem__(name)
    def get(self, name, default=None):
        self.asked.add(name)
        return super().get(name, default)
    def __contains__(self, name):
        self.asked.add(name)
        return super().__contains__(name)

os.environ = Spy(os.environ)
import django
django.setup()
from connectors import heartbeat
heartbeat.file()
print(json.dumps(sorted(map(str, Spy.asked))))
"""


@cache
def variables_asked_for() -> frozenset[str]:
    """The names of all environment variables that the settings and the heartbeat really look up."""
    environment = {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "kubegraf.settings",
        "SECRET_KEY": "a key for this one process",
        "FIELD_ENCRYPTION_KEY": Fernet.generate_key().decode(),
    }
    done = subprocess.run(
        [sys.executable, "-c", _SPY], cwd=BASE_DIR, env=environment, check=True, capture_output=True
    )
    return frozenset(json.loads(done.stdout))
