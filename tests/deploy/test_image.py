"""The Dockerfile and what goes into it. No Docker engine is needed: the build's steps are read, and done."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from kubegraf.env import BASE_DIR
from tests.deploy.reading import Instruction, deployments, dockerfile, pod_of, procfile


def _all(name: str) -> list[Instruction]:
    return [one for one in dockerfile() if one.name == name]


def _copies() -> list[tuple[list[str], str]]:
    """What is copied from the project: sources and target."""
    copied = []
    for one in _all("COPY"):
        if not one.text.startswith("--from="):
            *sources, target = one.text.split()
            copied.append((sources, target))
    return copied


def _ignored(path: str) -> bool:
    """Whether .dockerignore keeps that file out: the last line that matches it, or its folder, decides."""
    decided = False
    for line in (BASE_DIR / ".dockerignore").read_text().splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        kept, pattern = pattern.startswith("!"), pattern.removeprefix("!")
        parts = Path(path).parts
        above = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
        plain = pattern.removeprefix("**/")
        if any(
            fnmatch(one, pattern) or (plain != pattern and fnmatch(Path(one).name, plain)) for one in above
        ):
            decided = not kept
    return decided


# Imports what the processes import, where only the packages of requirements.txt can be found.
_START = """
import importlib.metadata, re, sys
from pathlib import Path

def named(name):
    return re.sub(r"[-_.]+", "-", name).lower()

locked = {named(name) for name in re.findall(r"^([\\w.-]+)==", Path(sys.argv[1]).read_text(), re.MULTILINE)}
provided = importlib.metadata.packages_distributions()

class Missing:
    def find_spec(self, name, path=None, target=None):
        owners = provided.get(name.partition(".")[0])
        if owners and not locked & set(map(named, owners)):
            raise ModuleNotFoundError(f"{name} is of {owners}, not in requirements.txt", name=name)

sys.meta_path.insert(0, Missing())
import kubegraf.wsgi, kubegraf.urls
from kubegraf import celery_app
celery_app.loader.import_default_modules()
celery_app.connection_for_write().get_transport_cls()
import events.management.commands.watch_cluster
print(kubegraf.__file__)
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """/app as the image has it: what is copied and not ignored, and then the build's own command."""
    folder = tmp_path_factory.mktemp("image") / "app"
    folder.mkdir()
    for sources, target in _copies():
        if target.startswith("/"):
            continue
        for source in sources:
            for path in [BASE_DIR / source, *(BASE_DIR / source).rglob("*")]:
                relative = path.relative_to(BASE_DIR)
                if path.is_file() and not _ignored(str(relative)):
                    (folder / relative).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, folder / relative)
    (command,) = [one.text for one in _all("RUN") if "collectstatic" in one.text]
    command = command.replace("/opt/venv/bin/python", shlex.quote(sys.executable))
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder.parent)}
    done = subprocess.run(
        ["sh", "-c", command], cwd=folder, env=environment, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_both_stages_begin_with_the_same_pinned_slim_python() -> None:
    images = [one.text.split()[0] for one in _all("FROM")]
    assert len(images) == 2
    assert len(set(images)) == 1
    assert re.fullmatch(r"python:3\.\d+-slim-[a-z]+", images[0])
    oldest = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"]["requires-python"]
    assert images[0].startswith(f"python:{oldest.removeprefix('>=')}-")


def test_everything_copied_exists_and_is_not_ignored() -> None:
    for sources, _ in _copies():
        for source in sources:
            assert (BASE_DIR / source).exists(), source
            assert not _ignored(source), source


@pytest.mark.parametrize(
    "path",
    [
        "var/secret_key",
        "var/kubegraf.sqlite3",
        "var/compose.env",
        ".env",
        ".git/config",
        ".venv/bin/python",
        "deploy/compose.yaml",
        "tests/settings.py",
        "kubegraf/__pycache__/env.cpython-311.pyc",
    ],
)
def test_what_is_no_part_of_the_product_stays_out(path: str) -> None:
    assert _ignored(path)


def test_packages_are_installed_by_their_hashes_and_nothing_is_compiled() -> None:
    (install,) = [one.text for one in _all("RUN") if "install" in one.text]
    assert "--require-hashes" in install
    assert "--only-binary :all:" in install


def test_the_final_image_is_copied_together_and_runs_nothing_while_it_is_built() -> None:
    final = [one for one in dockerfile() if one.stage == 1]
    assert {one.name for one in final} == {"FROM", "ENV", "COPY", "WORKDIR", "USER", "EXPOSE", "CMD"}
    assert all(one.text.startswith("--from=build ") for one in final if one.name == "COPY")


def test_the_image_runs_as_the_user_that_the_pods_name() -> None:
    (user,) = _all("USER")
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user.text)
    for deployment in deployments().values():
        security = pod_of(deployment)["securityContext"]
        assert f"{security['runAsUser']}:{security['runAsGroup']}" == user.text


def test_no_key_is_left_in_the_image() -> None:
    kept = " ".join(one.text for one in dockerfile() if one.name in ("ENV", "ARG", "LABEL"))
    assert "KEY" not in kept


def test_the_image_runs_the_web_process_unless_told_otherwise() -> None:
    (command,) = _all("CMD")
    assert json.loads(command.text) == procfile()["web"]


def test_the_static_files_are_in_the_image(app: Path) -> None:
    manifest = json.loads((app / "var" / "static" / "staticfiles.json").read_text())
    styles = app / "var" / "static" / manifest["paths"]["admin/css/base.css"]
    assert styles.is_file()
    assert styles.with_name(styles.name + ".gz").is_file()


def test_the_files_and_packages_of_the_image_are_all_that_the_product_needs(
    app: Path, tmp_path: Path
) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "SECRET_KEY": "a key for this one process, long enough that Django has nothing to say of it",
        "FIELD_ENCRYPTION_KEY": "A" * 43 + "=",
        "DATABASE_URL": "postgresql://kubegraf@127.0.0.1:1/kubegraf",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "KUBEGRAF_PUBLIC_URL": "https://kubegraf.example.com",
        "KUBEGRAF_ALLOWED_HOSTS": "kubegraf.example.com",
    }
    done = subprocess.run(
        [sys.executable, "-c", _START, BASE_DIR / "requirements.txt"],
        cwd=app,
        env=environment | {"DJANGO_SETTINGS_MODULE": "kubegraf.settings"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert Path(done.stdout.strip()) == app / "kubegraf" / "__init__.py"
