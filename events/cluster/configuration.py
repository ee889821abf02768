"""How a cluster is reached and who we are there: the official client's configuration from a Cluster row."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from kubernetes import client as kubernetes
from kubernetes import config

from connectors.fields import Unreadable
from events.cluster import kubeconfig
from events.cluster.trouble import ClusterError, Trouble
from events.models import Access

if TYPE_CHECKING:
    from events.models import Cluster

# The client is typed, but not its configuration loaders.
load_incluster_config: Callable[..., None] = config.load_incluster_config
load_kube_config: Callable[..., None] = config.load_kube_config
load_kube_config_from_dict: Callable[..., None] = config.load_kube_config_from_dict

# Set in every pod: the address of the API server.
SERVICE_HOST = "KUBERNETES_SERVICE_HOST"

# Every stream of a cluster holds a connection; more than are kept would be opened anew for each list.
_CONNECTIONS = 64


def configure(cluster: Cluster) -> kubernetes.Configuration:
    """Server, credentials and their renewal. Raises ClusterError with what is wrong, and no secret."""
    configuration = kubernetes.Configuration()
    try:
        if cluster.access == Access.IN_CLUSTER:
            load_incluster_config(client_configuration=configuration)
        elif cluster.access == Access.KUBECONFIG:
            _load_stored(cluster, configuration)
        else:
            _load_context(cluster.context, configuration)
    except kubeconfig.KubeconfigError as error:
        raise ClusterError(Trouble.CONFIG, str(error)) from None
    except ClusterError:
        raise
    # The client and its plug-ins raise what they like, and quote the entry they stumble over.
    except Exception as error:  # noqa: BLE001
        if cluster.access == Access.IN_CLUSTER:
            text = "KubeGraf does not run inside a cluster, or its pod has no service account token."
        else:
            text = f"The kubeconfig cannot be used ({type(error).__name__})."
        raise ClusterError(Trouble.CONFIG, text) from None
    configuration.retries = False  # one attempt is one attempt: the watch knows when to try again
    configuration.keep_alive = True
    configuration.connection_pool_maxsize = _CONNECTIONS
    return configuration


def local_paths() -> list[Path]:
    """Where kubectl looks for a kubeconfig: the files that $KUBECONFIG names, else `~/.kube/config`."""
    named = [part for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return [Path(part).expanduser() for part in named or ["~/.kube/config"]]


def _load_context(context: str, configuration: kubernetes.Configuration) -> None:
    paths = local_paths()
    if not any(path.exists() for path in paths):
        where = " and ".join(map(str, paths))
        raise ClusterError(Trouble.CONFIG, f"There is no kubeconfig: {where} does not exist on this server.")
    chosen = kubeconfig.read(paths).choose(context)
    load_kube_config(
        config_file=os.pathsep.join(map(str, paths)),
        context=chosen.context,
        client_configuration=configuration,
    )
    if chosen.command and not (configuration.api_key or configuration.cert_file):
        raise ClusterError(
            Trouble.UNAUTHORIZED,
            f"The program {chosen.command}, which gives the credentials of the context “{chosen.context}”,"
            f" gave none. To see why: kubectl --context {chosen.context} get namespaces",
        )


def _load_stored(cluster: Cluster, configuration: kubernetes.Configuration) -> None:
    text: str = cluster.kubeconfig
    if isinstance(text, Unreadable):
        raise ClusterError(
            Trouble.CONFIG,
            "The stored kubeconfig cannot be read with the present FIELD_ENCRYPTION_KEY. Put back the key"
            " that it was encrypted with, or enter the kubeconfig again.",
        )
    if not text:
        raise ClusterError(Trouble.CONFIG, "No kubeconfig is stored for this cluster. Enter one.")
    load_kube_config_from_dict(
        kubeconfig.check(text, cluster.context),
        context=cluster.context or None,
        client_configuration=configuration,
        persist_config=False,
    )
    for address in (configuration.host, configuration.proxy):
        _object_to(kubeconfig.host_of(address or ""))


def _object_to(host: str) -> None:
    """Raises ClusterError where a name is that of an address which nobody calls for an API server."""
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None)} if host else set()
    except OSError:
        return  # whoever connects will say so
    if any(map(kubeconfig.objection, found)):
        text = f"{host} is an address from which clouds hand out credentials, and no API server."
        raise ClusterError(Trouble.CONFIG, text)
