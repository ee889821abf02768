"""The clusters that this machine can reach without being told; one is registered on the first start."""

from __future__ import annotations

import os
from dataclasses import dataclass

from events.cluster import kubeconfig
from events.cluster.configuration import SERVICE_HOST, local_paths
from events.models import Access, Cluster

IN_CLUSTER = "in-cluster"


@dataclass(frozen=True, slots=True)
class Contexts:
    """The contexts of the server's kubeconfig, or (`problem`) why they are not known."""

    names: tuple[str, ...] = ()
    current: str = ""
    where: str = ""
    problem: str = ""


def contexts() -> Contexts:
    """Those that there are now, as this process can read them."""
    paths = [path for path in local_paths() if path.exists()]
    if not paths:
        where = " or ".join(map(str, local_paths()))
        return Contexts(problem=f"There is no kubeconfig here: {where} does not exist.")
    try:
        known = kubeconfig.read(paths)
    except kubeconfig.KubeconfigError as error:
        return Contexts(problem=str(error))
    current = known.current if known.current in known.contexts else ""
    return Contexts(tuple(sorted(known.contexts)), current, ", ".join(map(str, paths)))


def in_a_cluster() -> bool:
    """Whether this process runs in a pod of a cluster."""
    return bool(os.environ.get(SERVICE_HOST))


def register_local_cluster() -> str:
    """Register the current context of the kubeconfig, or the in-cluster account, if no cluster is known yet.

    The sentence that says what was done, or what there is to do. A broken kubeconfig is such a sentence too.
    """
    names = list(Cluster.objects.values_list("name", flat=True))
    if names:
        return f"Clusters: {', '.join(names)}."
    paths = [path for path in local_paths() if path.exists()]
    if paths:
        try:
            chosen = kubeconfig.read(paths).choose()
        except kubeconfig.KubeconfigError as error:
            return f"No cluster is registered. {error}"
        # Stored by name, so that the watch stays with it when the current context becomes another.
        Cluster.objects.create(name=chosen.context[:120], access=Access.CONTEXT, context=chosen.context)
        return f"Registered the cluster “{chosen.context}”, the current context of {paths[0]}."
    if in_a_cluster():
        Cluster.objects.create(name=IN_CLUSTER, access=Access.IN_CLUSTER)
        return "Registered the cluster KubeGraf runs in, as “in-cluster”."
    where = " or ".join(map(str, local_paths()))
    return (
        f"No cluster is registered: there is no kubeconfig ({where}), and this is no pod of a cluster."
        " Add one in the admin, under Clusters; everything else runs."
    )
