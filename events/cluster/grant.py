"""The commands that give an account a right which it lacks. Pure."""

from __future__ import annotations

import shlex

from events.cluster.objects import Resource

_SERVICE_ACCOUNT = "system:serviceaccount:"


def grant(resource: Resource, verbs: str, user: str = "", namespace: str = "") -> tuple[str, str]:
    """Two lines for a shell: a role with these verbs (`get,list`) on the resource, and who has it.

    `user` is the account as the API server names it; where it is not known, NAMESPACE:NAME is left to be
    filled in. In one namespace, or ("") in the whole cluster.
    """
    role, within = ("role", f" -n {shlex.quote(namespace)}") if namespace else ("clusterrole", "")
    name = f"kubegraf-{resource.plural.replace('/', '-')}"
    return (
        f"kubectl create {role} {name} --verb={verbs} --resource={qualified(resource)}{within}",
        f"kubectl create {role}binding {name} --{role}={name} {_subject(user)}{within}",
    )


def grant_ready(user: str = "") -> tuple[str, str]:
    """The same for asking the API server whether it can serve."""
    name = "kubegraf-readyz"
    return (
        f"kubectl create clusterrole {name} --verb=get --non-resource-url=/readyz",
        f"kubectl create clusterrolebinding {name} --clusterrole={name} {_subject(user)}",
    )


def qualified(resource: Resource) -> str:
    """As kubectl names it: `pods`, `deployments.apps`."""
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural


def _subject(user: str) -> str:
    if user.startswith(_SERVICE_ACCOUNT):
        return f"--serviceaccount={shlex.quote(user.removeprefix(_SERVICE_ACCOUNT))}"
    return f"--user={shlex.quote(user)}" if user else "--serviceaccount=NAMESPACE:NAME"
