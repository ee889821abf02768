"""Reads kubeconfigs and says what is wrong with one, in words that never hold what it keeps secret. Pure.

The official client's own error texts quote the entry they stumble over, token and all; so what can be wrong
is found out here first. The format: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from connectors.transport.address_policy import METADATA, faces

# Far more than any kubeconfig of sense; etcd would not keep an object of this size either.
SIZE_LIMIT = 1024 * 1024

_FILES = {
    "cluster": ("certificate-authority",),
    "user": ("client-certificate", "client-key", "tokenFile"),
}
_ENCODED = {
    "cluster": ("certificate-authority-data",),
    "user": ("client-certificate-data", "client-key-data"),
}
_TEXTS = {
    "cluster": ("server", "proxy-url", "tls-server-name", *_ENCODED["cluster"]),
    "user": ("token", "username", "password", *_ENCODED["user"]),
    "context": ("cluster", "user"),
}
# Written in C where it is there: a megabyte takes Python's own ten seconds and more.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_METADATA = "is where clouds hand out credentials to whoever asks, which no API server is."


class KubeconfigError(ValueError):
    """What is wrong with a kubeconfig, as a sentence for people."""


@dataclass(frozen=True)
class Chosen:
    """A context with the cluster and the user that it names."""

    context: str
    cluster: Mapping[str, Any]
    user: Mapping[str, Any]

    @property
    def command(self) -> str:
        """The program that gives the credentials, where the user has one; "" otherwise."""
        execute = self.user.get("exec")
        return str(execute.get("command", "")) if isinstance(execute, dict) else ""


@dataclass
class Kubeconfig:
    """Contexts, clusters and users by their names, and the context that is current."""

    contexts: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    clusters: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    users: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    current: str = ""

    def choose(self, context: str = "") -> Chosen:
        """The context of that name, or the current one. Raises KubeconfigError with those there are."""
        name = context or self.current
        there_are = f"There are: {', '.join(sorted(self.contexts))}." if self.contexts else "There are none."
        if not name:
            raise KubeconfigError(f"No context is current in the kubeconfig; name one. {there_are}")
        if name not in self.contexts:
            raise KubeconfigError(f"The kubeconfig has no context “{name}”. {there_are}")
        entry = self.contexts[name]
        cluster, user = entry.get("cluster") or "", entry.get("user") or ""
        if cluster not in self.clusters:
            raise KubeconfigError(f"The context “{name}” names the cluster “{cluster}”, which is not there.")
        if user and user not in self.users:
            raise KubeconfigError(f"The context “{name}” names the user “{user}”, which is not there.")
        _check_server(cluster, self.clusters[cluster])
        return Chosen(name, self.clusters[cluster], self.users.get(user, {}))


def check(text: str, context: str = "") -> dict[str, Any]:
    """A kubeconfig that is to be stored, as the document it is. Raises KubeconfigError with the reason.

    It must stand on its own: what makes the server run a program or read its files (`exec`, `auth-provider`,
    paths) is refused wherever in it, for whoever may enter a kubeconfig must not gain the server's account.
    `context` must be one of its contexts; "" for its current one.
    """
    document = parse(text)
    _refuse_aliases(text)
    kubeconfig = Kubeconfig()
    add(kubeconfig, document)
    for name, user in kubeconfig.users.items():
        for way in ("exec", "auth-provider"):
            if way in user:
                raise KubeconfigError(
                    f"The user “{name}” gets its credentials from a program on your machine ({way}), which"
                    " is not run here. Give the token of a service account instead:"
                    " kubectl create token NAME --duration 8760h"
                )
    for kind, entries in (("cluster", kubeconfig.clusters), ("user", kubeconfig.users)):
        for name, entry in entries.items():
            for file in _FILES[kind]:
                if file in entry:
                    raise KubeconfigError(
                        f"The {kind} “{name}” points at a file on your machine ({file}), which is not read"
                        " here. Put the contents in: kubectl config view --raw --flatten --minify"
                    )
    kubeconfig.choose(context)
    return document


def parse(text: str, where: str = "The kubeconfig") -> dict[str, Any]:
    """The document, if it has the form of a kubeconfig; `where` begins the sentence of a KubeconfigError."""
    if len(text) > SIZE_LIMIT:
        raise KubeconfigError(f"{where} is larger than {SIZE_LIMIT // 1024} KiB.")
    try:
        document = yaml.load(text, _Loader)  # noqa: S506 (it is a safe one)
    except yaml.MarkedYAMLError as error:
        line = f" (line {error.problem_mark.line + 1})" if error.problem_mark else ""
        raise KubeconfigError(f"{where} is not valid YAML{line}.") from None  # the cause quotes the text
    except (yaml.YAMLError, ValueError, RecursionError):
        raise KubeconfigError(f"{where} is not valid YAML.") from None
    if not isinstance(document, dict) or not isinstance(document.get("clusters"), list):
        raise KubeconfigError(
            f"{where} is not one: a kubeconfig has clusters, users and contexts, as in `kubectl config view`."
        )
    add(Kubeconfig(), document, where)
    return document


def add(kubeconfig: Kubeconfig, document: Mapping[str, Any], where: str = "The kubeconfig") -> None:
    """Add what a document holds to what is there: the first to name something has it, as with kubectl."""
    for kind, known in (
        ("cluster", kubeconfig.clusters),
        ("user", kubeconfig.users),
        ("context", kubeconfig.contexts),
    ):
        for name, entry in _entries(document, kind, where).items():
            known.setdefault(name, entry)
    current = document.get("current-context")
    if isinstance(current, str):
        kubeconfig.current = kubeconfig.current or current


def read(paths: list[Path]) -> Kubeconfig:
    """The kubeconfig that these files are together; those that do not exist count for nothing.

    Raises KubeconfigError for a file that cannot be read or is not a kubeconfig, and for files missing that
    one of them points at.
    """
    kubeconfig = Kubeconfig()
    for path in paths:
        try:
            text = path.read_text()
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise KubeconfigError(f"The kubeconfig {path} cannot be read: {reason}.") from error
        document = parse(text, f"The kubeconfig {path}")
        for kind in ("cluster", "user"):
            for name, entry in _entries(document, kind, str(path)).items():
                for file in _FILES[kind]:
                    if entry.get(file) and not (path.parent / str(entry[file])).is_file():
                        raise KubeconfigError(
                            f"The {kind} “{name}” in {path} points at {entry[file]} ({file}): no such file."
                        )
        add(kubeconfig, document, str(path))
    return kubeconfig


def _refuse_aliases(text: str) -> None:
    """Raises KubeconfigError: a few lines of aliases can stand for more than any memory holds."""
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, _Loader)):
        raise KubeconfigError(
            "The kubeconfig uses aliases of YAML (*name), which are not taken here. Write it out:"
            " kubectl config view --raw --flatten --minify"
        )


def _entries(document: Mapping[str, Any], kind: str, where: str) -> dict[str, Mapping[str, Any]]:
    """The named entries of `clusters`, `users` or `contexts`, checked for the form of their fields."""
    items = document.get(f"{kind}s") or []
    if not isinstance(items, list):
        raise KubeconfigError(f"{where}: {kind}s must be a list.")
    entries: dict[str, Mapping[str, Any]] = {}
    for number, item in enumerate(items, 1):
        if not isinstance(item, dict) or not isinstance(item.get("name"), str):
            raise KubeconfigError(f"{where}: number {number} of its {kind}s has no name.")
        entry = item.get(kind) or {}
        if not isinstance(entry, dict):
            raise KubeconfigError(f"{where}: the {kind} “{item['name']}” must be a mapping.")
        if item["name"] in entries:
            raise KubeconfigError(f"{where}: there are two {kind}s named “{item['name']}”.")
        _check_fields(kind, item["name"], entry, where)
        entries[item["name"]] = entry
    return entries


def _check_fields(kind: str, name: str, entry: Mapping[str, Any], where: str) -> None:
    for key in _TEXTS.get(kind, ()):
        if not isinstance(entry.get(key, ""), str):
            raise KubeconfigError(f"{where}: {key} of the {kind} “{name}” must be text; put it in quotes.")
    for key in _ENCODED.get(kind, ()):
        if key not in entry:
            continue
        try:
            pem = base64.b64decode(entry[key], validate=True)
        except (binascii.Error, ValueError):
            pem = b""
        if b"-----BEGIN " not in pem:
            raise KubeconfigError(f"{where}: {key} of the {kind} “{name}” is not a PEM text in base64.")


def host_of(address: str) -> str:
    """The host of a web address; "" where it has none."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def objection(host: str) -> str:
    """Why nobody calls this host, a name or an address, as an API server; "" where nothing is known.

    API servers are private more often than not, so that private addresses are none; those from which clouds
    hand out credentials are. What a name resolves to is asked when it is called.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return _METADATA if host.rstrip(".").lower() in _METADATA_NAMES else ""
    ends = faces(address)
    return _METADATA if any(end in METADATA or end.is_link_local for end in ends) else ""


_METADATA_NAMES = ("metadata", "metadata.google.internal", "instance-data", "instance-data.ec2.internal")


def _check_server(name: str, cluster: Mapping[str, Any]) -> None:
    try:
        server = urlsplit(cluster.get("server") or "")
        usable = server.scheme in ("http", "https") and server.hostname and (server.port or True)
    except ValueError:
        usable = False
    if not usable:
        raise KubeconfigError(
            f"The cluster “{name}” has no server with an address such as https://kubernetes.example.com:6443."
        )
    for key in ("server", "proxy-url"):
        host = host_of(cluster.get(key) or "")
        if objection(host):
            raise KubeconfigError(f"The {key} of the cluster “{name}”, {host}, {_METADATA}")
    if server.username is not None:
        raise KubeconfigError(f"The server of the cluster “{name}” must not hold a user name or password.")
