"""Who else can send webhooks: the obvious loop, and Alertmanager."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self

import requests

from bench.receiver import Receiver
from tests.running import free_port

_PLACES = ("prometheus-alertmanager", "alertmanager", "/usr/bin/prometheus-alertmanager")
_AT_ONCE = 200


def requests_loop(receiver: Receiver, bodies: list[bytes]) -> float:
    """Posts in one thread over one connection, one after the other; how many a second."""
    started = time.monotonic()
    with requests.Session() as session:
        for body in bodies:
            session.post(receiver.url, data=body, headers={"Content-Type": "application/json"}, timeout=10)
    return len(bodies) / (time.monotonic() - started)


def alertmanager_binary() -> str | None:
    """Where Alertmanager is installed; None where it is not."""
    return next((found for place in _PLACES if (found := shutil.which(place))), None)


class Alertmanager:
    """A server of its own that sends one webhook for each alert."""

    def __init__(self, binary: str, receiver: Receiver) -> None:
        self._receiver = receiver
        self._folder = Path(tempfile.mkdtemp(prefix="kubegraf-bench-alertmanager-"))
        config = {
            "route": {
                "receiver": "hook",
                "group_by": ["..."],
                "group_wait": "0s",
                "group_interval": "5m",
                "repeat_interval": "4h",
            },
            "receivers": [
                {"name": "hook", "webhook_configs": [{"url": receiver.url, "send_resolved": False}]}
            ],
        }
        path = self._folder / "alertmanager.yml"
        path.write_text(json.dumps(config))  # JSON is YAML
        port = free_port()
        self._url = f"http://127.0.0.1:{port}"
        self._process = subprocess.Popen(  # noqa: S603 - a binary found on this machine
            [
                binary,
                f"--config.file={path}",
                f"--storage.path={self._folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
                "--log.level=error",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._run = 0
        self._wait()

    def burst(self, count: int) -> float:
        """Has so many webhooks sent; how many a second."""
        self._run += 1
        before, started = self._receiver.count, time.monotonic()
        for first in range(0, count, _AT_ONCE):
            alerts = [
                {
                    "labels": {
                        "alertname": "PodCrashLoop",
                        "severity": "critical",
                        "cluster": "production",
                        "namespace": "default",
                        "pod": f"my-app-{self._run}-{number}",
                    },
                    "annotations": {
                        "summary": f"Pod my-app-{number} in crash loop",
                        "description": "Pod has restarted 5 times in the last 10 minutes",
                    },
                }
                for number in range(first, min(first + _AT_ONCE, count))
            ]
            self._post("/api/v2/alerts", json.dumps(alerts).encode())
        return count / (self._receiver.wait_for(before + count, timeout=120) - started)

    def _post(self, path: str, body: bytes) -> None:
        request = urllib.request.Request(  # noqa: S310 - our own server on loopback
            self._url + path, data=body, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30):  # noqa: S310 - as above
            pass

    def _wait(self) -> None:
        pause, until = threading.Event(), time.monotonic() + 30
        while True:
            try:
                with urllib.request.urlopen(f"{self._url}/-/ready", timeout=5):  # noqa: S310 - as above
                    return
            except (OSError, urllib.error.URLError):
                if time.monotonic() > until or self._process.poll() is not None:
                    raise
                pause.wait(0.1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
