"""The form of a cluster: what it asks for, what it takes, where errors land."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.files.uploadedfile import SimpleUploadedFile

from events.cluster.kubeconfig import SIZE_LIMIT
from events.console.cluster_form import ClusterForm
from events.models import Cluster
from tests.events.console.test_subscription_form import KUBECONFIG, errors_of
from tests.fakes.kubernetes import FakeKubernetes
from tests.making import make_cluster

pytestmark = pytest.mark.django_db


def cluster_form(instance: Cluster | None = None, file: bytes | None = None, **posted: Any) -> ClusterForm:
    """The form of a cluster, as posted."""
    files = {"kubeconfig_file": SimpleUploadedFile("config", file)} if file is not None else {}
    return ClusterForm({"name": "production", "access": "kubeconfig", **posted}, files, instance=instance)


def test_a_kubeconfig_is_taken_as_text() -> None:
    form = cluster_form(kubeconfig_text=KUBECONFIG)
    assert errors_of(form) == {}
    form.save()
    assert "hush-hush-4711" in Cluster.objects.get().kubeconfig


def test_a_kubeconfig_is_taken_as_a_file() -> None:
    form = cluster_form(file=KUBECONFIG.encode())
    assert errors_of(form) == {}
    form.save()
    assert Cluster.objects.get().kubeconfig == KUBECONFIG


def test_a_kubeconfig_left_blank_is_kept() -> None:
    cluster = make_cluster(access="kubeconfig", kubeconfig=KUBECONFIG)
    form = cluster_form(cluster, namespaces="production")
    assert errors_of(form) == {}
    form.save()
    stored = Cluster.objects.get()
    assert (stored.kubeconfig, stored.namespaces) == (KUBECONFIG, ["production"])


def test_a_kubeconfig_is_never_shown_again() -> None:
    cluster = make_cluster(access="kubeconfig", kubeconfig=KUBECONFIG)
    assert "hush-hush" not in ClusterForm(instance=cluster).as_p()
    mistaken = cluster_form(kubeconfig_text=KUBECONFIG.replace("server", "sever"))
    assert not mistaken.is_valid()
    assert "hush-hush" not in mistaken.as_p()


def test_access_by_kubeconfig_takes_one() -> None:
    assert errors_of(cluster_form()) == {
        "kubeconfig_text": ["Enter the kubeconfig of the cluster, or choose another access."]
    }


def test_what_is_wrong_with_a_kubeconfig_is_said_at_its_field() -> None:
    program = KUBECONFIG.replace("token: hush-hush-4711", "exec: {command: aws}")
    (words,) = errors_of(cluster_form(kubeconfig_text=program))["kubeconfig_text"]
    assert "from a program on your machine" in words


def test_a_context_that_the_stored_kubeconfig_has_not_is_said_at_the_context() -> None:
    cluster = make_cluster(access="kubeconfig", kubeconfig=KUBECONFIG)
    (words,) = errors_of(cluster_form(cluster, context="staging"))["context"]
    assert "no context “staging”" in words


@pytest.mark.parametrize(
    ("chosen", "asked"),
    [
        ("kubeconfig", ["context", "kubeconfig_file", "kubeconfig_text"]),
        ("context", ["context"]),
        ("in_cluster", []),
    ],
)
def test_only_what_the_access_takes_is_asked_for(chosen: str, asked: list[str]) -> None:
    fields = set(ClusterForm(initial={"access": chosen}).fields)
    assert sorted(fields - {"name", "enabled", "access", "namespaces", "version"}) == asked


def test_an_access_that_there_is_not_is_refused() -> None:
    assert list(errors_of(cluster_form(access="telepathy", kubeconfig_text=KUBECONFIG))) == ["access"]


def test_what_belongs_to_another_access_is_neither_used_nor_kept() -> None:
    cluster = make_cluster(access="kubeconfig", kubeconfig=KUBECONFIG, context="production")
    form = cluster_form(cluster, access="in_cluster", kubeconfig_text=KUBECONFIG, context="production")
    assert errors_of(form) == {}
    form.save()
    stored = Cluster.objects.get()
    assert (stored.access, stored.kubeconfig, stored.context) == ("in_cluster", "", "")


def test_the_contexts_of_the_server_are_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = FakeKubernetes().kubeconfig(tmp_path / "config", context="staging")
    monkeypatch.setenv("KUBECONFIG", str(path))
    form = cluster_form(access="context", context="staging")
    assert form.fields["context"].choices == [("", "the current one (now staging)"), ("staging", "staging")]  # type: ignore[attr-defined]
    assert errors_of(form) == {}
    assert list(errors_of(cluster_form(access="context", context="nowhere"))) == ["context"]


def test_a_stored_context_that_is_gone_can_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(FakeKubernetes().kubeconfig(tmp_path / "config")))
    cluster = make_cluster(access="context", context="old")
    form = cluster_form(cluster, access="context", context="old")
    assert errors_of(form) == {}
    assert "old (not there at present)" in form.as_p()


def test_where_the_servers_kubeconfig_cannot_be_read_a_context_is_typed_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    form = cluster_form(access="context", context="anything")
    assert form.fields["context"].help_text.startswith("There is no kubeconfig here:")
    assert errors_of(form) == {}


def test_a_file_that_is_no_text_or_too_large_is_refused() -> None:
    assert errors_of(cluster_form(file=b"\xff\xfe")) == {"kubeconfig_file": ["This is not a text file."]}
    assert list(errors_of(cluster_form(file=b"a" * (SIZE_LIMIT + 1)))) == ["kubeconfig_file"]


def test_an_unreadable_kubeconfig_survives_a_change_of_something_else(settings: Any) -> None:
    make_cluster(access="kubeconfig", kubeconfig=KUBECONFIG)
    good = settings.FIELD_ENCRYPTION_KEY
    settings.FIELD_ENCRYPTION_KEY = [Fernet.generate_key().decode()]
    form = cluster_form(Cluster.objects.get(), name="renamed")
    assert form.fields["kubeconfig_text"].widget.is_set is True
    assert errors_of(form) == {}
    form.save()
    settings.FIELD_ENCRYPTION_KEY = good
    stored = Cluster.objects.get()
    assert (stored.name, stored.kubeconfig) == ("renamed", KUBECONFIG)
