"""Whether what is said of a cluster can be used to reach it: form and API ask the same question."""

from __future__ import annotations

from connectors.fields import Unreadable
from events.cluster import kubeconfig
from events.models import Access


def problems(access: str, context: str, text: str, *, entered: bool) -> dict[str, str]:
    """What is wrong with the way to a cluster, by field; empty when it can be tried.

    `text` is the kubeconfig that would be stored, whether it was entered just now (`entered`) or before.
    """
    if access == Access.KUBECONFIG and not isinstance(text, Unreadable):  # else the watcher says so
        if not text:
            return {"kubeconfig": "Enter the kubeconfig of the cluster, or choose another access."}
        try:
            kubeconfig.check(text, context)
        except ValueError as error:
            return {"kubeconfig" if entered else "context": str(error)}
        return {}
    if entered:
        return {"kubeconfig": f"This is used only with the access “{Access.KUBECONFIG.label}”."}
    if access == Access.IN_CLUSTER and context:
        return {"context": "The in-cluster service account has no contexts. Leave this empty."}
    return {}
