"""Connections to the API server of a cluster: who we are there, one page of a list, one watch.

The official client finds the server and the credentials (and renews them), and keeps the connections; what
comes back is handed on undecoded. One call is one attempt: when to try again is the caller's matter.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Generator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
import urllib3
from kubernetes import client as kubernetes

from events.cluster import buffers
from events.cluster.configuration import configure
from events.cluster.lines import without_nul
from events.cluster.objects import Resource
from events.cluster.trouble import ClusterError, Trouble, from_answer, from_exception

if TYPE_CHECKING:
    from connectors.message import JSONDict
    from events.models import Cluster

    Written = tuple[str, JSONDict | None]  # the method, and the document that goes with it

CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 30.0
# etcd keeps no object of more than 1.5 MiB as it comes; a line beyond this is no object.
LINE_LIMIT = 16 * 1024 * 1024
# A page of lists has 500 objects, and other answers are a few kilobytes. A server that does not end, or whose
# few bytes unpack to gigabytes, must not take the memory that the watches of other clusters need.
PAGE_LIMIT = 512 * 1024 * 1024
ANSWER_LIMIT = 4 * 1024 * 1024
_CHUNK = 256 * 1024
# A kubeconfig is read again, and its credential program run again, no more often than this (seconds).
_RENEWAL_INTERVAL = 5.0


class _ListMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    continue_: str | None = msgspec.field(default=None, name="continue")


class Page(msgspec.Struct):
    """A page of a list: the objects as they came, the list's version, and the next page's token."""

    metadata: _ListMeta = msgspec.field(default_factory=_ListMeta)
    items: list[msgspec.Raw] | None = None

    @property
    def version(self) -> str:
        """The version of the whole list, from which a watch goes on."""
        return self.metadata.resource_version

    @property
    def next(self) -> str:
        """The continue token; "" on the last page."""
        return self.metadata.continue_ or ""


class Client:
    """One cluster's API server as one account. Threads may share it.

    Every call raises ClusterError in words for people. `close` ends whatever is being read, in any thread.
    """

    def __init__(self, configuration: kubernetes.Configuration) -> None:
        self._api = kubernetes.ApiClient(configuration)
        self._api.user_agent = "kubegraf"
        buffers.enlarge(self._api.rest_client.pool_manager)
        self._auth = threading.Lock()
        self._reading: set[urllib3.HTTPResponse] = set()
        self._closed = False
        address = urlsplit(configuration.host)
        self.server = f"{address.scheme}://{address.netloc.rpartition('@')[2]}"

    def version(self, timeout: float = 0.0) -> str:
        """The server's version, such as `v1.36.2`. `timeout` in seconds, where it is not the usual one."""
        body = self._read("/version", {}, timeout=timeout)
        try:
            return str(msgspec.json.decode(body)["gitVersion"])
        except (msgspec.DecodeError, KeyError, TypeError) as error:
            raise self._garbled("/version") from error

    def check_ready(self, timeout: float) -> None:
        """Ask the server whether it can serve; return if it says so. `timeout` in seconds.

        Raises ClusterError: with the status that it answered and the checks that fail by its own account
        (https://kubernetes.io/docs/reference/using-api/health-checks/), or UNREACHABLE.
        """
        self._read("/readyz", {}, timeout=timeout)

    def list_page(
        self, resource: Resource, namespace: str = "", limit: int = 500, continue_token: str = ""
    ) -> Page:
        """One page of a collection of one namespace, or of all; `limit` objects at most."""
        query = {"limit": str(limit)}
        if continue_token:
            query["continue"] = continue_token
        body = self._read(resource.path(namespace), query, resource, namespace, limit=PAGE_LIMIT)
        try:
            page = msgspec.json.decode(without_nul(body), type=Page)
        except msgspec.DecodeError as error:
            raise self._garbled(resource.plural) from error
        if not page.version:
            raise self._garbled(resource.plural)
        return page

    def get(
        self,
        path: str,
        query: dict[str, str],
        resource: Resource,
        namespace: str = "",
        *,
        timeout: float,
        limit: int,
    ) -> bytes:
        """The first `limit` bytes of what stands at a path, on which it spends about `timeout` seconds.

        `resource` and `namespace` (all, if empty) are the right to it, for when that is missing.
        """
        deadline = time.monotonic() + timeout
        response = self._open(path, query, timeout, resource, namespace)
        body = bytearray()
        try:
            while len(body) < limit and (
                chunk := response.read1(min(_CHUNK, limit - len(body)), decode_content=False)
            ):
                body += chunk
                if time.monotonic() > deadline:  # what trickles in is never silent for long
                    raise TimeoutError
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise from_exception(error, server=self.server, waited=timeout) from error
        finally:
            self._done(response)
        return bytes(body)

    def send(self, method: str, path: str, document: JSONDict | None, *, timeout: float) -> bytes:
        """Read (GET), create (POST) or replace (PUT) one object: the object as it is then.

        A status of 409 means that it is there already, or no longer as it was when it was read. It is given
        up when nothing comes for `timeout` seconds.
        """
        response = self._open(path, {}, timeout, None, "", (method, document))
        try:
            return self._whole(response, path, ANSWER_LIMIT)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise from_exception(error, server=self.server, waited=timeout) from error
        finally:
            self._done(response)

    def watch(
        self,
        resource: Resource,
        namespace: str,
        resource_version: str,
        timeout_seconds: float,
        inactivity: float,
    ) -> Generator[bytes, None, None]:
        """Lines of a watch from that version on, until the server ends it: in `timeout_seconds`, or before.

        The request is made at once. The lines end silently if the server ends the stream or `close` is
        called; a connection that breaks, or is silent for `inactivity` seconds, is a ClusterError
        (UNREACHABLE).
        """
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(max(1, round(timeout_seconds))),
        }
        response = self._open(resource.path(namespace), query, inactivity, resource, namespace)
        return self._lines(response, inactivity)

    def close(self) -> None:
        """End all that is being read, and take no more calls."""
        self._closed = True
        for response in list(self._reading):
            self._interrupt(response)
        self._api.rest_client.pool_manager.clear()

    # --- one request ------------------------------------------------------------------------------------

    def _read(
        self,
        path: str,
        query: dict[str, str],
        resource: Resource | None = None,
        namespace: str = "",
        timeout: float = 0.0,
        limit: int = ANSWER_LIMIT,
    ) -> bytes:
        timeout = timeout or READ_TIMEOUT
        response = self._open(path, query, timeout, resource, namespace)
        try:
            return self._whole(response, path, limit)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise from_exception(error, server=self.server, waited=timeout) from error
        finally:
            self._done(response)

    def _open(
        self,
        path: str,
        query: dict[str, str],
        silence: float,
        resource: Resource | None,
        namespace: str,
        written: Written | None = None,
    ) -> urllib3.HTTPResponse:
        """A success, its body unread. `silence`: seconds without a byte after which to give up."""
        method, url, headers, body, _ = self._request(path, query, written)
        try:
            response: urllib3.HTTPResponse = self._api.call_api(
                method, url, headers, body, _request_timeout=(min(CONNECT_TIMEOUT, silence), silence)
            ).response
        except (urllib3.exceptions.HTTPError, kubernetes.ApiException, OSError) as error:
            raise from_exception(error, server=self.server, waited=silence) from error
        self._reading.add(response)
        if self._closed:
            self._interrupt(response)
        if response.status in (200, 201):
            return response
        try:
            said = response.read(ANSWER_LIMIT, decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError):
            said = b""  # the status says enough
        finally:
            self._done(response)
        headers = dict(response.headers)
        raise from_answer(
            response.status, headers, said, server=self.server, resource=resource, namespace=namespace
        )

    def _request(self, path: str, query: dict[str, str], written: Written | None = None) -> Any:
        """What the official client makes of it, with credentials renewed where they run out."""
        method, document = written or ("GET", None)
        if self._closed:
            raise ClusterError(Trouble.UNREACHABLE, f"The connection to {self.server} has been closed.")
        with self._auth:
            try:
                return self._api.param_serialize(
                    method,
                    path,
                    query_params=list(query.items()),
                    header_params={"Accept": "application/json"},
                    body=document,
                    auth_settings=["BearerToken"],
                )
            # Plug-ins for credentials raise what they like, and their texts may quote the credentials.
            except Exception as error:  # noqa: BLE001
                text = f"The credentials for {self.server} could not be renewed ({type(error).__name__})."
                raise ClusterError(Trouble.UNAUTHORIZED, text) from None

    def _whole(self, response: urllib3.HTTPResponse, what: str, limit: int) -> bytes:
        """The body, as it came: we ask for none that is packed."""
        body = response.read(limit + 1, decode_content=False)
        if len(body) > limit:
            raise self._garbled(what)
        # What is missing is noticed by whoever reads up to the end.
        return body + response.read(decode_content=False)

    def _lines(self, response: urllib3.HTTPResponse, inactivity: float) -> Generator[bytes, None, None]:
        rest = b""
        try:
            while chunk := response.read1(_CHUNK, decode_content=False):
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    if line:
                        yield line
                if len(rest) > LINE_LIMIT:
                    raise self._garbled("a watch")
            if rest.strip():
                yield rest
        except (urllib3.exceptions.HTTPError, OSError) as error:
            if not self._closed:
                raise from_exception(error, server=self.server, waited=inactivity) from error
        finally:
            self._done(response)

    def _done(self, response: urllib3.HTTPResponse) -> None:
        self._reading.discard(response)
        # What has been read to its end has gone back to the pool, and this changes nothing.
        response.close()

    @staticmethod
    def _interrupt(response: urllib3.HTTPResponse) -> None:
        try:
            response.shutdown()
        except (OSError, ValueError, RuntimeError):
            return  # it has ended by itself

    def _garbled(self, what: str) -> ClusterError:
        text = f"What {self.server} answered for {what} is not what an API server says. Is the address right?"
        return ClusterError(Trouble.GARBLED, text)


class Session:
    """The client that all streams of a cluster share, made anew when its credentials or address fail."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        # Held while a client is made, which may take as long as a credential program takes; nobody who
        # wants to close must wait for that, so what is remembered has a lock of its own.
        self._making = threading.Lock()
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._made_at = 0.0
        self._made: weakref.WeakSet[Client] = weakref.WeakSet()  # those in use by some stream
        self._closed = False

    @property
    def name(self) -> str:
        """The cluster's."""
        return self._cluster.name

    def client(self) -> Client:
        """The client of the moment. Raises ClusterError if there is none to be had."""
        with self._making:
            if self._closed:
                raise ClusterError(Trouble.UNREACHABLE, "The connection has been closed.")
            with self._lock:
                if self._client is not None:
                    return self._client
            self._made_at = time.monotonic()
            made = connect(self._cluster)
            with self._lock:
                self._client = made
                self._made.add(made)
        if self._closed:
            made.close()
        return made

    def renew(self, failed: Client, *, at_once: bool = False) -> None:
        """Have configuration and credentials read again for the next caller, unless that was just done.

        `at_once`: even then. Streams that others have open on the failed client go on.
        """
        with self._lock:
            recent = time.monotonic() - self._made_at < _RENEWAL_INTERVAL
            if self._client is failed and (at_once or not recent):
                self._client = None

    def close(self) -> None:
        """End everything that is being read, in any thread. Returns at once."""
        self._closed = True
        with self._lock:
            clients = list(self._made)
        for client in clients:
            client.close()


def connect(cluster: Cluster) -> Client:
    """A client for the cluster; nothing is sent yet. Raises ClusterError (CONFIG) with what is wrong."""
    return Client(configure(cluster))
