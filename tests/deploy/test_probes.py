"""The probes that look at a file's age, run as a kubelet runs them."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from kubegraf.liveness import STUCK
from tests.deploy.reading import containers, own_services

HEARTBEAT = Path("/tmp/heartbeat")
PROCESSES = ("worker", "beat", "watcher")
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")

each = pytest.mark.parametrize(("process", "probe"), [(one, probe) for one in PROCESSES for probe in PROBES])


def _command(process: str, probe: str, folder: Path) -> list[str]:
    """The probe's command, with the file in `folder`."""
    command = containers()[f"{process}/{process}"][probe]["exec"]["command"]
    return [part.replace(str(HEARTBEAT.parent), str(folder)) for part in command]


def _succeeds(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _file(folder: Path, *, age: float) -> None:
    file = folder / HEARTBEAT.name
    file.touch()
    os.utime(file, (time.time() - age,) * 2)


@each
def test_a_process_that_beats_is_alive(process: str, probe: str, tmp_path: Path) -> None:
    _file(tmp_path, age=STUCK - 10)
    assert _succeeds(_command(process, probe, tmp_path))


@each
def test_a_process_that_stopped_beating_is_not(process: str, probe: str, tmp_path: Path) -> None:
    _file(tmp_path, age=STUCK + 1)
    assert not _succeeds(_command(process, probe, tmp_path))


@each
def test_a_process_that_has_not_begun_is_not(process: str, probe: str, tmp_path: Path) -> None:
    assert not _succeeds(_command(process, probe, tmp_path))


@pytest.mark.parametrize("process", PROCESSES)
def test_the_heartbeat_that_is_looked_at_is_the_one_that_is_written(process: str) -> None:
    written = {"name": "KUBEGRAF_HEARTBEAT_FILE", "value": str(HEARTBEAT)}
    assert written in containers()[f"{process}/{process}"]["env"]
    assert own_services()[process]["environment"]["KUBEGRAF_HEARTBEAT_FILE"] == str(HEARTBEAT)


@pytest.mark.parametrize("process", PROCESSES)
def test_compose_looks_as_kubernetes_does(process: str) -> None:
    kind, command = own_services()[process]["healthcheck"]["test"]
    probe = containers()[f"{process}/{process}"]["livenessProbe"]["exec"]["command"]
    assert kind == "CMD-SHELL"
    assert command.replace("$$", "$") == probe[-1]
