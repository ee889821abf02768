"""compose.yaml: the same processes by the same commands, and no secret in it."""

from __future__ import annotations

import re

import pytest

from kubegraf.env import BASE_DIR
from tests.deploy.reading import DEPLOY, compose, containers, own_services, procfile, variables_asked_for

SECRETS = ("SECRET_KEY", "FIELD_ENCRYPTION_KEY", "POSTGRES_PASSWORD")


def test_every_process_is_a_service_with_the_procfiles_command() -> None:
    commands = procfile()
    commands["release"] = commands["release"][: commands["release"].index("&&")]
    assert {name: service["command"] for name, service in own_services().items()} == commands


def test_beside_them_run_a_database_and_a_broker_of_a_pinned_version() -> None:
    others = {name: one["image"] for name, one in compose()["services"].items() if name not in own_services()}
    assert set(others) == {"postgres", "valkey"}
    for image in others.values():
        assert re.fullmatch(r"[a-z/]+:\d+(\.\d+)*", image)


def test_the_broker_refuses_rather_than_forget() -> None:
    command = compose()["services"]["valkey"]["command"]
    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"


@pytest.mark.parametrize("name", sorted(own_services()))
def test_a_service_gains_nothing_and_writes_only_to_tmp(name: str) -> None:
    service = own_services()[name]
    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "user" not in service  # the image's own


def test_the_build_is_made_from_the_project_by_the_dockerfile() -> None:
    for service in own_services().values():
        context = (DEPLOY / service["build"]["context"]).resolve()
        assert (context / "manage.py").exists()
        assert (context / service["build"]["dockerfile"]).resolve() == DEPLOY / "Dockerfile"


def test_every_variable_that_is_set_is_one_that_is_read() -> None:
    for name, service in own_services().items():
        assert set(service["environment"]) - variables_asked_for() == set(), name


@pytest.mark.parametrize("name", sorted(own_services()))
def test_any_other_setting_in_the_file_of_the_secrets_reaches_a_service(name: str) -> None:
    (file,) = set(re.findall(r"--env-file (\S+)", (BASE_DIR / "docs" / "deploying.md").read_text()))
    assert (DEPLOY / own_services()[name]["env_file"]).resolve() == BASE_DIR / file


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_comes_from_outside_and_its_absence_is_said(secret: str) -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    assert re.findall(r"\$\{" + secret + r"[^?\w][^}]*\}", text) == re.findall(
        r"\$\{" + secret + r":\?see docs/deploying\.md\}", text
    )
    assert f"${{{secret}:?see docs/deploying.md}}" in text


def test_the_web_process_is_reached_from_this_machine_alone() -> None:
    published = {name: one["ports"] for name, one in compose()["services"].items() if "ports" in one}
    assert published == {"web": ["127.0.0.1:8000:8000"]}
    (port,) = containers()["web/web"]["ports"]
    assert published["web"][0].endswith(f":{port['containerPort']}")


@pytest.mark.parametrize("name", ["web", "worker", "beat", "watcher"])
def test_processes_start_when_the_database_is_migrated(name: str) -> None:
    assert own_services()[name]["depends_on"]["release"] == {"condition": "service_completed_successfully"}
