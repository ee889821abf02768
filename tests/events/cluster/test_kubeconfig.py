"""What a kubeconfig may hold, and what is said about one that will not do."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from events.cluster.kubeconfig import KubeconfigError, check, read

SECRET = "very-secret-token"
PEM = base64.b64encode(b"-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n").decode()


def document(**user: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "prod",
        "clusters": [{"name": "c", "cluster": {"server": "https://kubernetes.example.com:6443"}}],
        "users": [{"name": "u", "user": user or {"token": SECRET}}],
        "contexts": [
            {"name": "prod", "context": {"cluster": "c", "user": "u"}},
            {"name": "staging", "context": {"cluster": "c", "user": "u"}},
        ],
    }


def refusal(doc: object, context: str = "") -> str:
    text = doc if isinstance(doc, str) else yaml.safe_dump(doc)
    with pytest.raises(KubeconfigError) as caught:
        check(text, context)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    return str(caught.value)


def test_one_that_stands_on_its_own_is_taken() -> None:
    doc = document(token=SECRET)
    doc["clusters"][0]["cluster"]["certificate-authority-data"] = PEM
    assert check(yaml.safe_dump(doc), "staging") == doc


@pytest.mark.parametrize("way", ["exec", "auth-provider"])
def test_a_program_for_credentials_is_refused(way: str) -> None:
    assert refusal(document(**{way: {"command": "aws"}})) == (
        f"The user “u” gets its credentials from a program on your machine ({way}), which is not run here."
        " Give the token of a service account instead: kubectl create token NAME --duration 8760h"
    )


@pytest.mark.parametrize("file", ["client-certificate", "client-key", "tokenFile"])
def test_a_users_file_is_refused(file: str) -> None:
    assert refusal(document(**{file: "/etc/passwd"})) == (
        f"The user “u” points at a file on your machine ({file}), which is not read here."
        " Put the contents in: kubectl config view --raw --flatten --minify"
    )


def test_a_clusters_file_is_refused() -> None:
    doc = document()
    doc["clusters"][0]["cluster"]["certificate-authority"] = "/etc/passwd"
    assert refusal(doc).startswith("The cluster “c” points at a file on your machine (certificate-authority)")


def test_a_program_is_refused_in_a_user_that_no_context_names() -> None:
    doc = document()
    doc["users"].append({"name": "other", "user": {"exec": {"command": "sh"}}})
    assert refusal(doc).startswith("The user “other” gets its credentials from a program")


def test_a_context_that_is_not_there_is_told_with_those_that_are() -> None:
    assert refusal(document(), "dev") == "The kubeconfig has no context “dev”. There are: prod, staging."


def test_no_current_context_is_told_with_those_there_are() -> None:
    doc = document()
    del doc["current-context"]
    assert refusal(doc) == "No context is current in the kubeconfig; name one. There are: prod, staging."


def test_a_context_whose_cluster_is_missing_is_told() -> None:
    doc = document()
    doc["contexts"][0]["context"]["cluster"] = "gone"
    assert refusal(doc) == "The context “prod” names the cluster “gone”, which is not there."


def test_a_context_whose_user_is_missing_is_told() -> None:
    doc = document()
    doc["contexts"][0]["context"]["user"] = "gone"
    assert refusal(doc) == "The context “prod” names the user “gone”, which is not there."


@pytest.mark.parametrize(
    "server", ["", "kubernetes.example.com", "ftp://example.com", "https://", "https://a:b"]
)
def test_a_server_without_a_usable_address_is_told(server: str) -> None:
    doc = document()
    doc["clusters"][0]["cluster"]["server"] = server
    assert refusal(doc) == (
        "The cluster “c” has no server with an address such as https://kubernetes.example.com:6443."
    )


def test_a_password_in_the_address_is_refused() -> None:
    doc = document()
    doc["clusters"][0]["cluster"]["server"] = f"https://me:{SECRET}@example.com"
    assert refusal(doc) == "The server of the cluster “c” must not hold a user name or password."


@pytest.mark.parametrize("key", ["client-certificate-data", "client-key-data"])
@pytest.mark.parametrize("value", [SECRET, base64.b64encode(SECRET.encode()).decode()])
def test_a_certificate_that_is_none_is_told(key: str, value: str) -> None:
    assert refusal(document(**{key: value})) == (
        f"The kubeconfig: {key} of the user “u” is not a PEM text in base64."
    )


def test_a_token_that_yaml_takes_for_a_number_is_told() -> None:
    assert refusal(document(token=12345)) == (
        "The kubeconfig: token of the user “u” must be text; put it in quotes."
    )


def test_broken_yaml_is_told_by_its_line_and_never_quoted() -> None:
    assert (
        refusal(f"clusters:\n- name: c\n token: {SECRET}: [\n")
        == "The kubeconfig is not valid YAML (line 3)."
    )


@pytest.mark.parametrize("text", ["", "hello", "[1, 2]", "{}", "clusters: many"])
def test_what_is_no_kubeconfig_is_told(text: str) -> None:
    assert refusal(text) == (
        "The kubeconfig is not one: a kubeconfig has clusters, users and contexts,"
        " as in `kubectl config view`."
    )


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        ("users", {"u": 1}, "The kubeconfig: users must be a list."),
        ("users", [{"user": {}}], "The kubeconfig: number 1 of its users has no name."),
        ("users", [{"name": "u", "user": SECRET}], "The kubeconfig: the user “u” must be a mapping."),
        ("users", [{"name": "u"}, {"name": "u"}], "The kubeconfig: there are two users named “u”."),
    ],
)
def test_a_part_of_the_wrong_form_is_told(part: str, value: object, said: str) -> None:
    assert refusal({**document(), part: value}) == said


def test_one_far_too_large_is_refused_unread() -> None:
    assert refusal("a" * (1024 * 1024 + 1)) == "The kubeconfig is larger than 1024 KiB."


def test_deep_nesting_is_not_valid() -> None:
    assert refusal("[" * 10_000).startswith("The kubeconfig is not valid YAML")


# --- files ---


def write(path: Path, doc: object) -> Path:
    path.write_text(doc if isinstance(doc, str) else yaml.safe_dump(doc))
    return path


def test_of_several_files_the_first_to_name_something_has_it(tmp_path: Path) -> None:
    second = document()
    second["current-context"] = "staging"
    second["clusters"][0]["cluster"]["server"] = "https://other.example.com"
    paths = [write(tmp_path / "a", document()), write(tmp_path / "b", second), tmp_path / "missing"]
    chosen = read(paths).choose()
    assert (chosen.context, chosen.cluster["server"]) == ("prod", "https://kubernetes.example.com:6443")


def test_a_file_that_is_pointed_at_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("-")
    assert read([write(tmp_path / "a", document(**{"client-key": "key"}))]).choose().context == "prod"
    path = write(tmp_path / "b", document(**{"client-key": "nothing"}))
    with pytest.raises(KubeconfigError) as caught:
        read([path])
    assert str(caught.value) == f"The user “u” in {path} points at nothing (client-key): no such file."


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a", "clusters: [\n")
    with pytest.raises(KubeconfigError) as caught:
        read([path])
    assert str(caught.value) == f"The kubeconfig {path} is not valid YAML (line 2)."


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(KubeconfigError) as caught:
        read([path])
    assert str(caught.value) == f"The kubeconfig {path} cannot be read: it is not text."


def test_a_folder_in_its_place_is_named(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError) as caught:
        read([tmp_path])
    assert str(caught.value) == f"The kubeconfig {tmp_path} cannot be read: Is a directory."


# --- What somebody would do who means harm ---------------------------------------------------------------


def bomb(key: str, where: str) -> str:
    """Nine lines that stand for a thousand million texts."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 10)}]" for number in range(1, 9)]
    kubeconfig = document()
    kubeconfig[where][0][where.removesuffix("s")][key] = "BOMB"
    return "\n".join([*lines, yaml.safe_dump(kubeconfig).replace("BOMB", "*a8")])


@pytest.mark.parametrize(
    ("key", "where"),
    [
        ("certificate-authority-data", "clusters"),
        ("cluster", "contexts"),
        ("user", "contexts"),
        ("extra", "users"),
    ],
)
def test_a_bomb_of_aliases_is_refused_unexploded(key: str, where: str) -> None:
    with pytest.raises(KubeconfigError, match=r"aliases|must be text"):
        check(bomb(key, where))


@pytest.mark.parametrize("key", ["server", "proxy-url"])
@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "169.254.1.1",
        "[fd00:ec2::254]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::169.254.169.254]",
        "metadata.google.internal.",
    ],
)
def test_where_clouds_hand_out_credentials_is_no_api_server(key: str, host: str) -> None:
    kubeconfig = document()
    kubeconfig["clusters"][0]["cluster"][key] = f"http://{host}:80"
    with pytest.raises(KubeconfigError, match="hand out credentials"):
        check(yaml.safe_dump(kubeconfig))


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.1", "[fd00::1]", "kubernetes.default.svc"])
def test_a_private_address_is_where_most_api_servers_are(host: str) -> None:
    kubeconfig = document()
    kubeconfig["clusters"][0]["cluster"]["server"] = f"https://{host}:6443"
    check(yaml.safe_dump(kubeconfig))
