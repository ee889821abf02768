"""`make demo`: all that `make run` runs, a simulated cluster, and an inbox that shows what arrives."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import socket
import subprocess
import sys

from demo.cluster import TOKEN
from kubegraf import env
from kubegraf.local import up
from kubegraf.local.embedded import ensure_data_dir
from kubegraf.local.supervisor import Program

CONTEXT = "demo"
# The simulated troubles last a minute or two, so they are told of after seconds.
DETECTORS = {
    "hpa_maxed": {"for_seconds": 5, "clear_after": 5},
    "node_unhealthy": {"for_seconds": 5, "clear_after": 5},
    "pod_crash_loop": {"clear_after": 10},
    "service_unavailable": {"for_seconds": 5, "clear_after": 5},
}


def main() -> int:
    """Run until stopped; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--speed", type=float, default=1.0, help="how fast the incident goes (default 1)")
    speed = parser.parse_args().speed
    os.environ.setdefault("KUBEGRAF_DATA_DIR", str(env.BASE_DIR / "var" / "demo"))
    os.environ["KUBEGRAF_DEMO"] = "1"
    os.environ["KUBEGRAF_ALLOW_HTTP"] = "1"
    os.environ["KUBEGRAF_EGRESS_ALLOW"] = "127.0.0.0/8"
    os.environ.setdefault("KUBEGRAF_DETECTORS", json.dumps(DETECTORS))
    cluster, mail = _free_port(), _free_port()
    return up.main(_Demo(cluster, mail, speed))


class _Demo(up.Beside):
    """What the demo runs beside the product, and what it sets up."""

    def __init__(self, cluster: int, mail: int, speed: float) -> None:
        self._cluster = cluster
        self._speed = speed
        self._mail = mail
        self._password = ""

    def before(self, address: str) -> None:
        """Write the kubeconfig that the product finds when it looks for a cluster."""
        path = ensure_data_dir() / "kubeconfig.json"
        path.write_text(json.dumps(_kubeconfig(self._cluster), indent=2))
        os.environ["KUBECONFIG"] = str(path)
        self._choose_password()

    def _choose_password(self) -> None:
        """Have a password that is the same at every start, and that the page may tell who sits here."""
        folder = ensure_data_dir()
        path = folder / "password"
        if not path.exists():
            if any(folder.glob("*.sqlite3")) or "DATABASE_URL" in os.environ:
                return  # there is somebody already, whose password nobody knows
            path.write_text(os.environ.get("KUBEGRAF_ADMIN_PASSWORD") or secrets.token_urlsafe(9))
        self._password = path.read_text()
        os.environ["KUBEGRAF_ADMIN_PASSWORD"] = self._password
        host, _ = up.address()
        if host in ("127.0.0.1", "::1", "localhost"):
            os.environ["KUBEGRAF_DEMO_PASSWORD"] = self._password

    def prepared(self, address: str) -> None:
        """Bring the demo's connectors to where this run receives; whatever else there is stays."""
        path = ensure_data_dir() / "connectors.json"
        path.write_text(json.dumps({"connectors": _connectors(address, self._mail)}, indent=2))
        command = [sys.executable, str(env.BASE_DIR / "manage.py"), "import_connectors", str(path)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def programs(self, address: str) -> list[Program]:
        """The simulated cluster and the mail server."""
        python = sys.executable
        return [
            Program("cluster", [python, "-m", "demo.cluster", str(self._cluster), str(self._speed)]),
            Program("mail", [python, "-m", "demo.mail", str(self._mail), f"{address}/demo/inbox/email/"]),
        ]

    def lines(self, address: str) -> list[str]:
        """For the banner."""
        return [
            "  This is a demo: the cluster is simulated, and messages go to an inbox of its own.",
            *([f"  Sign in as             admin, password {self._password}"] if self._password else []),
            f"  Inbox                  {address}/admin/demo/received/",
            "  An incident begins now and comes again every three minutes.",
        ]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _kubeconfig(port: int) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": CONTEXT,
        "clusters": [{"name": CONTEXT, "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": CONTEXT, "user": {"token": TOKEN}}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT}}],
    }


def _connectors(address: str, mail: int) -> list[dict[str, object]]:
    """Four ways into the inbox, each with what a team would subscribe it to."""
    inbox = f"{address}/demo/inbox"
    return [
        {
            "name": "Demo: on-call channel (Slack)",
            "type": "slack",
            "config": {
                "webhook_url": f"{inbox}/slack/",
                "severity": "high",
                "events": ["pod_crash", "node_down", "service_unavailable", "hpa_maxed"],
            },
        },
        {
            "name": "Demo: shop team (Teams)",
            "type": "teams",
            "config": {"webhook_url": f"{inbox}/teams/", "namespaces": ["shop"], "events": ["all"]},
        },
        {
            "name": "Demo: platform team (e-mail)",
            "type": "email",
            "config": {
                "smtp_host": "127.0.0.1",
                "smtp_port": mail,
                "security": "none",
                "sender": "KubeGraf <kubegraf@example.com>",
                "to": ["platform@example.com"],
                "severity": "critical",
                "events": ["all"],
            },
        },
        {
            "name": "Demo: everything (webhook)",
            "type": "webhook",
            "config": {"url": f"{inbox}/webhook/", "events": ["all"]},
        },
    ]


if __name__ == "__main__":
    sys.exit(main())
