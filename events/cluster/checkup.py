"""Looks a cluster over while somebody waits: whether it is reached, who we are there, what we may do.

Whoever asks waits for `wait` seconds at most, whatever the API server, or a program that gives credentials,
does meanwhile. Nothing is written, here or there: a SelfSubjectAccessReview is a question that takes a POST.
https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from events.cluster.client import Client, connect
from events.cluster.grant import grant, grant_ready, qualified
from events.cluster.objects import Resource
from events.cluster.trouble import ClusterError, Trouble

if TYPE_CHECKING:
    from connectors.message import JSONDict
    from events.models import Cluster

WAIT = 6.0
"""Seconds after which no more answers are waited for."""
_TIMEOUT = 4.0  # of one request
_THREADS = 8
_DISCOVERY_LIMIT = 1024 * 1024
# Each leaves a thread behind if a credential program never ends, and nobody may pile those up.
_AT_ONCE = threading.BoundedSemaphore(8)

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


@dataclass(frozen=True, slots=True)
class Right:
    """Verbs that are needed on a resource, in one namespace or ("") in all of them, and what for."""

    resource: Resource
    verbs: tuple[str, ...]
    namespace: str = ""
    purpose: str = ""


class Answer(StrEnum):
    """What is known of a right."""

    GRANTED = "granted"
    MISSING = "missing"
    NOT_INSTALLED = "not installed"  # the cluster has no such resource, so that no right to it is missed
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A right, and whether we have it. `commands` grant what is missing of it."""

    right: Right
    answer: Answer
    missing: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The resource as kubectl names it."""
        return qualified(self.right.resource)


@dataclass(frozen=True, slots=True)
class Checkup:
    """What was found. `error` says why nothing could be found out; `remarks`, what else there is to say.

    `ready` is None where the server does not tell; `account` is "" where it does not.
    """

    error: str = ""
    server: str = ""
    version: str = ""
    account: str = ""
    ready: bool | None = None
    remarks: tuple[str, ...] = ()
    rights: tuple[Reviewed, ...] = ()
    seconds: float = 0.0

    def of(self, answer: Answer) -> list[Reviewed]:
        """The rights that were answered so."""
        return [reviewed for reviewed in self.rights if reviewed.answer is answer]

    @property
    def missing(self) -> list[Reviewed]:
        """The rights that are missing."""
        return self.of(Answer.MISSING)

    @property
    def granted(self) -> list[Reviewed]:
        """The rights that are there."""
        return self.of(Answer.GRANTED)

    @property
    def not_installed(self) -> list[Reviewed]:
        """Of what the cluster does not have."""
        return self.of(Answer.NOT_INSTALLED)

    @property
    def unknown(self) -> list[Reviewed]:
        """The rights of which nothing was said in time."""
        return self.of(Answer.UNKNOWN)

    @property
    def fine(self) -> bool:
        """Whether all is as it should be."""
        return not (self.error or self.missing or self.unknown or self.ready is False)

    @property
    def words(self) -> str:
        """The whole in a sentence."""
        if self.error:
            return self.error
        if self.missing:
            number = len(self.missing)
            return f"Reached; {number} {'right is' if number == 1 else 'rights are'} missing."
        if self.ready is False:
            return "Reached, but the API server is not ready."
        if self.unknown:
            return "Reached; not every right could be asked for in time."
        return "Reached; every right is there."


def check(cluster: Cluster, rights: Callable[[], Sequence[Right]], *, wait: float = WAIT) -> Checkup:
    """Look it over, for `wait` seconds at most. `cluster` need not be saved.

    `rights` is called in another thread, and must not ask the database; it may raise ClusterError.
    """
    began = time.monotonic()
    if not _AT_ONCE.acquire(blocking=False):
        return Checkup(error="Too many clusters are being checked at this moment. Try again.")
    run = _Run(cluster, rights, began + wait)
    threading.Thread(target=run.run, name=f"{cluster}: checkup", daemon=True).start()
    run.finished.wait(wait)
    return run.result(time.monotonic() - began)


@dataclass(slots=True)
class _Found:
    """What has been answered so far. One thread writes a field, another reads it."""

    error: str = ""
    server: str = ""
    version: str = ""
    account: str = ""
    ready: bool | None = None
    unready: str = ""
    no_ready_right: bool = False
    refused: str = ""  # why the reviews themselves were not answered
    rights: tuple[Right, ...] = ()
    installed: dict[tuple[str, str], set[str] | None] = field(default_factory=dict)  # None: not served
    allowed: dict[tuple[Right, str], bool] = field(default_factory=dict)


class _Run:
    def __init__(self, cluster: Cluster, rights: Callable[[], Sequence[Right]], deadline: float) -> None:
        self._cluster = cluster
        self._rights = rights
        self._deadline = deadline
        self._found = _Found()
        self._over = threading.Event()  # nobody waits any more
        self.finished = threading.Event()

    def run(self) -> None:
        """In a thread of its own: connect, and put all questions, several at a time."""
        client = None
        try:
            self._found.rights = tuple(self._rights())
            client = connect(self._cluster)
            self._found.server = client.server
            self._ask(client)
        except ClusterError as error:
            self._found.error = error.text
        finally:
            if client is not None:
                client.close()
            _AT_ONCE.release()
            self.finished.set()

    def result(self, seconds: float) -> Checkup:
        """What is known now; whatever is still being asked is not waited for."""
        self._over.set()
        found = self._found
        error = found.error
        if not error and not (found.version or found.allowed):
            error = (
                f"{found.server} does not answer in time."
                if found.server
                else "There were no credentials in time: what gives them is too slow, or never ends."
            )
        if error:
            return Checkup(error=error, server=found.server, seconds=seconds)
        remarks = tuple(filter(None, (found.unready, found.refused)))
        reviewed = [self._reviewed(right) for right in found.rights]
        if found.no_ready_right:
            reviewed.append(Reviewed(_READY, Answer.MISSING, _READY.verbs, grant_ready(found.account)))
        return Checkup(
            server=found.server,
            version=found.version,
            account=found.account,
            ready=found.ready,
            remarks=remarks,
            rights=tuple(reviewed),
            seconds=seconds,
        )

    def _reviewed(self, right: Right) -> Reviewed:
        found, resource = self._found, right.resource
        if resource.is_custom:
            served = found.installed.get((resource.group, resource.version), {resource.plural})
            if served is None or resource.plural not in served:
                return Reviewed(right, Answer.NOT_INSTALLED)
        answers = [found.allowed.get((right, verb)) for verb in right.verbs]
        missing = tuple(verb for verb, said in zip(right.verbs, answers, strict=True) if said is False)
        if missing:
            # All verbs: a role that had only the missing ones would be in the way of the next.
            commands = grant(resource, ",".join(right.verbs), found.account, right.namespace)
            return Reviewed(right, Answer.MISSING, missing, commands)
        return Reviewed(right, Answer.UNKNOWN if None in answers else Answer.GRANTED)

    # --- questions ----------------------------------------------------------------------------------------

    def _ask(self, client: Client) -> None:
        try:
            self._found.version = client.version(self._left())
        except ClusterError as error:
            if error.kind is not Trouble.FORBIDDEN:  # it may keep its version to itself
                raise
        questions: queue.SimpleQueue[Callable[[Client], None]] = queue.SimpleQueue()
        for question in self._questions():
            questions.put(question)
        workers = [
            threading.Thread(target=self._work, args=(client, questions), name="checkup", daemon=True)
            for _ in range(_THREADS)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(max(0.0, self._deadline - time.monotonic()))

    def _questions(self) -> Iterable[Callable[[Client], None]]:
        yield self._who
        yield self._ready
        custom = {right.resource for right in self._found.rights if right.resource.is_custom}
        for resource in {(one.group, one.version): one for one in custom}.values():
            yield partial(self._discover, resource=resource)
        for right in self._found.rights:
            for verb in right.verbs:
                yield partial(self._review, right=right, verb=verb)

    def _work(self, client: Client, questions: queue.SimpleQueue[Callable[[Client], None]]) -> None:
        while not self._over.is_set() and time.monotonic() < self._deadline:
            try:
                question = questions.get_nowait()
            except queue.Empty:
                return
            try:
                question(client)
            except ClusterError as error:
                # The credentials, or the way there, will not be better for the next question.
                if error.kind in (Trouble.UNAUTHORIZED, Trouble.UNREACHABLE):
                    if error.kind is Trouble.UNAUTHORIZED or not self._found.allowed:
                        self._found.error = self._found.error or error.text
                    return

    def _who(self, client: Client) -> None:
        said = self._post(client, _WHO, "authentication.k8s.io/v1", "SelfSubjectReview", {})
        user = (said.get("status") or {}).get("userInfo") or {}
        self._found.account = str(user.get("username") or "")

    def _ready(self, client: Client) -> None:
        try:
            client.check_ready(self._left())
        except ClusterError as error:
            if error.status == 403:
                self._found.no_ready_right = True
            elif error.status >= 500:
                self._found.ready, self._found.unready = False, error.text
            else:
                raise
        else:
            self._found.ready = True

    def _discover(self, client: Client, resource: Resource) -> None:
        key = (resource.group, resource.version)
        path = f"/apis/{resource.group}/{resource.version}"
        try:
            body = client.get(path, {}, resource, timeout=self._left(), limit=_DISCOVERY_LIMIT)
        except ClusterError as error:
            if error.kind is Trouble.NOT_FOUND:
                self._found.installed[key] = None
                return
            raise
        listed = _decoded(body).get("resources") or []
        self._found.installed[key] = {one.get("name", "") for one in listed if isinstance(one, dict)}

    def _review(self, client: Client, right: Right, verb: str) -> None:
        plural, _, part = right.resource.plural.partition("/")
        asked = {"verb": verb, "group": right.resource.group, "resource": plural, "subresource": part}
        if right.namespace:
            asked["namespace"] = right.namespace
        try:
            said = self._post(
                client,
                _REVIEWS,
                "authorization.k8s.io/v1",
                "SelfSubjectAccessReview",
                {"spec": {"resourceAttributes": asked}},
            )
        except ClusterError as error:
            if error.kind not in (Trouble.UNAUTHORIZED, Trouble.UNREACHABLE):
                self._found.refused = f"What we may do there was not told: {error.text}"
            raise
        allowed = (said.get("status") or {}).get("allowed")
        if isinstance(allowed, bool):
            self._found.allowed[right, verb] = allowed

    def _post(self, client: Client, path: str, version: str, kind: str, more: JSONDict) -> dict[str, Any]:
        document: JSONDict = {"apiVersion": version, "kind": kind, **more}
        return _decoded(client.send("POST", path, document, timeout=self._left()))

    def _left(self) -> float:
        return max(0.1, min(_TIMEOUT, self._deadline - time.monotonic()))


_READY = Right(Resource("", "", "/readyz", ""), ("get",), purpose="to see whether the API server can serve")


def _decoded(body: bytes) -> dict[str, Any]:
    """The object; {} for what is none, which says nothing."""
    try:
        said = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return {}
    return said if isinstance(said, dict) else {}
