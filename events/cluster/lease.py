"""Who watches a cluster, written down in a Lease of that cluster, as Kubernetes' own components do it.

The Lease is taken, renewed and given back by writing it with the version it was read with: of two who want it
at the same time the API server refuses one. Nobody's clock is compared with anybody else's: a Lease counts as
abandoned when it has been seen unchanged for as long as it says it lasts.
https://kubernetes.io/docs/concepts/architecture/leases/
"""

from __future__ import annotations

import hashlib
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from connectors.message import JSONDict
from events.cluster import kubeconfig
from events.cluster.client import Session
from events.cluster.configuration import local_paths
from events.cluster.objects import Resource
from events.cluster.objects.base import Meta, Struct
from events.cluster.trouble import ClusterError, Trouble, missing_right
from events.models import Access

if TYPE_CHECKING:
    from events.models import Cluster

LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
_VERBS = "get,create,update"
_WHY = (
    "Who watches is to be written in a Lease of the cluster (in the database instead, with"
    " KUBEGRAF_LEASE=database)."
)
# A Lease that cannot be read or written in this time is not worth waiting for: it may have run out meanwhile.
_TIMEOUT = 3.0
# Where a pod finds the name of its own namespace.
_OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_NAME_LIMIT = 100


class _Spec(Struct, frozen=True):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class _Lease(Struct, frozen=True):
    metadata: Meta = msgspec.field(default_factory=Meta)
    spec: _Spec = msgspec.field(default_factory=_Spec)


class KubernetesLease:
    """The Lease `kubegraf-<cluster>` of a cluster, as one candidate sees it. For one thread at a time.

    `holder` names the candidate, `length` is in seconds. Every call raises ClusterError in words for people.
    """

    def __init__(self, cluster: Cluster, holder: str, length: float) -> None:
        self._cluster = cluster
        self._session = Session(cluster)
        self._holder = holder
        self._length = length
        self._name = lease_name(cluster.name)
        self._namespace = ""
        self._lease: _Lease | None = None  # as it was last seen; None where there is none
        self._seen_at = 0.0  # since when it has been like that

    def free_in(self) -> float:
        """Seconds until it is free to be taken, if its holder does not renew it; 0 when it is."""
        lease = self._read()
        if lease is None or not lease.spec.holder_identity or lease.spec.holder_identity == self._holder:
            return 0.0
        unchanged = time.monotonic() - self._seen_at
        return max(0.0, (lease.spec.lease_duration_seconds or 0) - unchanged)

    def take(self) -> bool:
        """Take it as it was last seen. False if somebody else has written it since."""
        if self._lease is None:
            return self._write(0, _now())
        return self._write((self._lease.spec.lease_transitions or 0) + 1, _now())

    def renew(self) -> bool:
        """Go on holding it. False if it is no longer ours.

        However late: as long as nobody else has written it, nobody else has taken it.
        """
        before = self._lease
        if before is None:
            return False
        spec = before.spec
        if self._write(spec.lease_transitions or 0, spec.acquire_time or ""):
            return True
        # A renewal of which the answer was lost makes the version we know an old one.
        now = self._read()
        if now is None or (now.spec.holder_identity, now.spec.acquire_time) != (
            self._holder,
            spec.acquire_time,
        ):
            return False
        return self._write(spec.lease_transitions or 0, spec.acquire_time or "")

    def release(self) -> None:
        """Give it back, so that the next one need not wait. Nothing happens if it is no longer ours."""
        if self._lease is not None:
            self._write(self._lease.spec.lease_transitions or 0, _now(), ours=False)

    def close(self) -> None:
        """Close its connections."""
        self._session.close()

    # --- reading and writing ------------------------------------------------------------------------------

    def _read(self) -> _Lease | None:
        try:
            body = self._call("GET")
        except ClusterError as error:
            if error.status != 404:
                raise
            self._lease = None
            return None
        lease = self._decoded(body)
        if self._lease is None or lease.spec != self._lease.spec:
            self._seen_at = time.monotonic()
        self._lease = lease
        return lease

    def _write(self, transitions: int, acquired: str, *, ours: bool = True) -> bool:
        """Write it on the version that was last seen. False if that is no longer the present one."""
        spec = _Spec(
            holder_identity=self._holder if ours else None,
            lease_duration_seconds=max(1, round(self._length)),
            acquire_time=acquired,
            renew_time=_now(),
            lease_transitions=transitions,
        )
        metadata = {"name": self._name, "namespace": self._own_namespace()}
        if self._lease is not None:
            metadata["resourceVersion"] = self._lease.metadata.resource_version
        document: JSONDict = {
            "apiVersion": f"{LEASES.group}/{LEASES.version}",
            "kind": LEASES.kind,
            "metadata": metadata,
            "spec": msgspec.to_builtins(spec),
        }
        try:
            body = self._call("PUT" if self._lease is not None else "POST", document)
        except ClusterError as error:
            if error.status == 409 or (error.status == 404 and self._lease is not None):
                return False
            raise
        self._lease, self._seen_at = self._decoded(body), time.monotonic()
        return True

    def _call(self, method: str, document: JSONDict | None = None) -> bytes:
        client = self._session.client()
        namespace = self._own_namespace()
        path = LEASES.path(namespace) + ("" if method == "POST" else f"/{self._name}")
        try:
            return client.send(method, path, document, timeout=_TIMEOUT)
        except ClusterError as error:
            if error.kind in (Trouble.UNAUTHORIZED, Trouble.UNREACHABLE):
                self._session.renew(client)
            raise self._explained(error, method, namespace) from error

    def _explained(self, error: ClusterError, method: str, namespace: str) -> ClusterError:
        """What went wrong, with what to do about it where that is known."""
        text = error.text
        if error.kind == Trouble.FORBIDDEN:
            text = missing_right(LEASES, namespace, error.text, _VERBS)
        elif error.status == 404 and method == "POST":
            text = f"There is no namespace {namespace}. To make it: kubectl create namespace {namespace}"
        if text != error.text:
            text = f"{_WHY} {text}"
        return ClusterError(error.kind, text, status=error.status, retry_after=error.retry_after)

    def _decoded(self, body: bytes) -> _Lease:
        try:
            lease = msgspec.json.decode(body, type=_Lease)
        except msgspec.DecodeError as error:
            raise self._garbled() from error
        if not lease.metadata.resource_version:
            raise self._garbled()
        return lease

    def _garbled(self) -> ClusterError:
        text = f"What the API server answered for the Lease {self._name} is not a Lease."
        return ClusterError(Trouble.GARBLED, text)

    def _own_namespace(self) -> str:
        if not self._namespace:
            self._namespace = own_namespace(self._cluster)
        return self._namespace


def lease_name(cluster: str) -> str:
    """The name of a cluster's Lease: one that Kubernetes allows, and no other cluster has.

    https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names
    """
    plain = re.sub(r"[^a-z0-9]+", "-", cluster.lower()).strip("-")
    if plain == cluster and len(plain) <= _NAME_LIMIT:
        return f"kubegraf-{plain}"
    digest = hashlib.sha256(cluster.encode()).hexdigest()[:8]
    return "-".join(filter(None, ("kubegraf", plain[:_NAME_LIMIT].rstrip("-"), digest)))


def own_namespace(cluster: Cluster) -> str:
    """The namespace that we are at home in: the pod's, or the one that the context names, or `default`.

    Raises ClusterError (CONFIG) if the kubeconfig cannot be used.
    """
    if cluster.access == Access.IN_CLUSTER:
        try:
            return _OWN_NAMESPACE.read_text().strip() or "default"
        except OSError:
            return "default"
    try:
        if cluster.access == Access.KUBECONFIG:
            known = kubeconfig.Kubeconfig()
            kubeconfig.add(known, kubeconfig.check(cluster.kubeconfig, cluster.context))
        else:
            known = kubeconfig.read(local_paths())
        context = known.contexts[known.choose(cluster.context).context]
    except kubeconfig.KubeconfigError as error:
        raise ClusterError(Trouble.CONFIG, str(error)) from None
    return str(context.get("namespace") or "default")


def _now() -> str:
    """The moment as a MicroTime: six digits after the second, always."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
