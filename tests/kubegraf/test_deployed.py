"""The settings of production: what Django's own checks, and a browser, are told with an https address."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from kubegraf.env import BASE_DIR

ASK = """
import json, django; django.setup()
from django.conf import settings
from django.urls import reverse
from django.test import Client
answer = Client().get(reverse("admin:login"), secure=True, headers={"host": "kubegraf.example.com"})
print(json.dumps({
    "status": answer.status_code,
    "headers": {name: answer.headers.get(name) for name in (
        "Strict-Transport-Security", "X-Frame-Options", "X-Content-Type-Options", "Referrer-Policy",
        "Cross-Origin-Opener-Policy",
    )},
    "cookies": {name: [bool(c["secure"]), bool(c["httponly"]), c["samesite"]]
                for name, c in answer.cookies.items()},
    "session": [getattr(settings, f"SESSION_COOKIE_{name}") for name in ("SECURE", "HTTPONLY", "SAMESITE")],
    "provider": "Sign in with Example" in answer.text,
    "start": reverse("oidc_authentication_init"),
}))
"""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A process of the product as it is deployed, with a provider of sign-in configured."""
    secret = folder / "client-secret"
    secret.write_text("the client's secret\n")
    environment = {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "kubegraf.settings",
        "SECRET_KEY": "f7Jk" * 20 + "+different_characters-92",
        "FIELD_ENCRYPTION_KEY": os.environ["FIELD_ENCRYPTION_KEY"],
        "DATABASE_URL": "sqlite://:memory:",
        "KUBEGRAF_DATA_DIR": str(folder),
        "KUBEGRAF_PUBLIC_URL": "https://kubegraf.example.com",
        "KUBEGRAF_ALLOWED_HOSTS": "kubegraf.example.com",
        "KUBEGRAF_OIDC_ISSUER": "https://id.example.com",
        "KUBEGRAF_OIDC_CLIENT_ID": "kubegraf",
        "KUBEGRAF_OIDC_CLIENT_SECRET_FILE": str(secret),
        "KUBEGRAF_OIDC_NAME": "Example",
        "KUBEGRAF_OIDC_ROLES": "groups:sre=operator",
    }
    return subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )


def test_djangos_checks_for_deployment_have_nothing_to_say(tmp_path: Path) -> None:
    done = run(tmp_path, "manage.py", "check", "--deploy", "--fail-level", "INFO")
    assert (done.returncode, done.stderr) == (0, "")
    assert "no issues" in done.stdout


def test_headers_and_cookies_are_those_of_a_site_behind_https(tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    run(tmp_path, "manage.py", "collectstatic", "--noinput", "-v0")
    done = run(tmp_path, "-c", ASK)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told == {
        "status": 200,
        "headers": {
            "Strict-Transport-Security": "max-age=31536000",
            "X-Frame-Options": "DENY",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
        },
        "cookies": {"csrftoken": [True, False, "Lax"]},
        "session": [True, True, "Lax"],
        "provider": True,
        "start": "/oidc/start/",
    }
