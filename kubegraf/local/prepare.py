"""`python -m kubegraf.local.prepare`: what `make run` does with Django before it starts the processes.

It is a process of its own, so that the supervisor stays small. On standard output it says in JSON what it did
(`Prepared`); what a person has to put right goes to standard error, with exit code 1.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import sys
from dataclasses import asdict, dataclass
from urllib.parse import unquote

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command

from kubegraf import env
from kubegraf.local.embedded import Problem

ADMIN = "admin"


@dataclass(frozen=True)
class Prepared:
    """`password` is the first administrator's, where one was made and given a random one; else "".

    `notes` are sentences for the log.
    """

    password: str
    notes: list[str]


def prepare() -> Prepared:
    """Everything in its order. Raises Problem."""
    _load_settings()
    _reach_database()
    _reach_broker()
    call_command("migrate", interactive=False, verbosity=0)
    _collect_static()
    password = _first_admin()
    # Imported here: models need Django to be set up.
    from events.cluster.local import register_local_cluster

    note = register_local_cluster()
    return Prepared(password=password, notes=[note] if note else [])


def _load_settings() -> None:
    try:
        url = env.database_url()
        env.env.db_url_config(url)
    except (ImproperlyConfigured, ValueError):
        # The reason would quote the address, and with it a password.
        raise Problem(
            "DATABASE_URL is not an address KubeGraf understands."
            " It should look like postgresql://USER:PASSWORD@HOST:5432/NAME,"
            " with special characters in the password percent-encoded."
        ) from None
    try:
        django.setup()
    except (ImproperlyConfigured, ValueError) as error:
        raise Problem(
            f"The configuration is not right: {blanked(str(error), url, env.redis_url())}"
        ) from error


def _reach_database() -> None:
    from django.db import Error, connection  # needs the settings

    url = env.database_url()
    try:
        connection.ensure_connection()
    except (Error, ImproperlyConfigured, ValueError) as error:
        raise Problem(f"The database {shown(url)} cannot be reached: {blanked(str(error), url)}") from None
    finally:
        connection.close()


def _reach_broker() -> None:
    url = env.env.str("REDIS_URL", default="")
    if not url:
        return  # the embedded one is started later
    from kubegraf.celery import app  # needs the settings

    try:
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=5)
    except Exception as error:  # noqa: BLE001 (what a transport raises depends on the address)
        raise Problem(f"The broker {shown(url)} cannot be reached: {blanked(str(error), url)}") from None


def _collect_static() -> None:
    """Collect the static files, unless the very same ones have been collected."""
    from django.contrib.staticfiles.finders import get_finders  # needs the settings

    digest = hashlib.sha256()
    for finder in get_finders():
        for name, storage in finder.list([]):
            found = os.stat(storage.path(name))
            digest.update(f"{storage.path(name)}\0{found.st_size}\0{found.st_mtime_ns}\n".encode())
    done = env.generated("static.collected")
    collected = digest.hexdigest()
    manifest = settings.STATIC_ROOT / "staticfiles.json"
    if manifest.exists() and done.exists() and done.read_text() == collected:
        return
    done.unlink(missing_ok=True)
    call_command("collectstatic", interactive=False, clear=True, verbosity=0)
    done.write_text(collected)


def _first_admin() -> str:
    """Make the first administrator if there is none; the password, if nobody chose it."""
    from django.contrib.auth.models import User  # needs the settings

    if User.objects.filter(is_superuser=True).exists():
        return ""
    if User.objects.filter(username=ADMIN).exists():
        raise Problem(
            f"There is no administrator, and a user {ADMIN!r} who is none."
            " Make one: .venv/bin/python manage.py createsuperuser"
        )
    chosen = env.env.str("KUBEGRAF_ADMIN_PASSWORD", default="").strip()
    password = chosen or secrets.token_urlsafe(15)
    User.objects.create_superuser(ADMIN, password=password)
    return "" if chosen else password


def shown(url: str) -> str:
    """An address without user, password and options."""
    return re.sub(r"//.*@", "//", url).partition("?")[0].partition("#")[0]


def blanked(text: str, *urls: str) -> str:
    """`text` without the passwords of these addresses, and on one line."""
    for url in urls:
        for password in re.findall(r"//[^:/@]*:(.+)@", url):
            for secret in (url, password, unquote(password)):
                text = text.replace(secret, "***")
    return " ".join(text.split())


def main() -> int:
    """The exit code."""
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what anything else prints must not end up in the JSON
            prepared = prepare()
    except Problem as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    sys.stdout.write(json.dumps(asdict(prepared)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
