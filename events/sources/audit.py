"""Who is refused by an API server, as its audit log tells: EventLists of audit.k8s.io/v1. Pure.

A request counts that was answered with 401, or with 403 for want of a right. A 401 is logged at the stage
ResponseStarted, for nobody is known who could be answered further. A 403 that the authorization allowed is no
refusal: a quota is used up, or a policy for pods is not met.

What clusters do all day does not count, or nobody would look at the rest. The control plane, kubelets and
the service accounts of kube-system are refused as a matter of course: a kubelet asks for the secrets of a pod
that was deleted a moment ago. Probes of health come from load balancers without any credentials, and kubectl
with an expired token asks for the API groups five times before it gives up. Who may not have a lease asks for
it every two seconds. (`kubectl auth can-i` asks for a review, which is answered.)

Of bodies nothing is read.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import msgspec

from events.refused_caller import ANONYMOUS, Kind, Refusal, caller_of, digest

API_VERSION = "audit.k8s.io/v1"
KIND = "EventList"

UNAUTHORIZED, FORBIDDEN = 401, 403
UNAUTHENTICATED = "system:unauthenticated"

_COMPONENTS = frozenset(
    {"system:apiserver", "system:kube-controller-manager", "system:kube-scheduler", "system:kube-proxy"}
)
_ROUTINELY_REFUSED = ("system:node:", "system:serviceaccount:kube-system:")
_HEALTH = re.compile(r"/(?:livez|readyz|healthz)(?:/|$)")
_DISCOVERY = re.compile(r"/(?:$|version/?$|api(?:/v1)?/?$|apis(?:/[^/]+){0,2}/?$|openapi/)")
_ENTERING = frozenset({"exec", "attach", "portforward"})


class NotAnEventList(ValueError):
    """The body is not what an API server sends to its audit webhook; the text says why not."""


class _User(msgspec.Struct, gc=False):
    username: str = ""
    groups: list[str] | None = None


class _Object(msgspec.Struct, gc=False):
    resource: str = ""
    namespace: str = ""
    subresource: str = ""
    group: str = msgspec.field(default="", name="apiGroup")


class _Answer(msgspec.Struct, gc=False):
    code: int = 0
    reason: str = ""


class _Code(msgspec.Struct, gc=False):
    code: int = 0


class _Annotations(msgspec.Struct, gc=False):
    decision: str = msgspec.field(default="", name="authorization.k8s.io/decision")
    reason: str = msgspec.field(default="", name="authorization.k8s.io/reason")


class _Glance(msgspec.Struct, gc=False):
    """What tells whether a request was refused: hardly any was."""

    answer: _Code | None = msgspec.field(default=None, name="responseStatus")


class _Request(msgspec.Struct, gc=False, rename="camel"):
    """What is read of a request that was refused."""

    answer: _Answer = msgspec.field(name="responseStatus")
    audit_id: str = msgspec.field(name="auditID")
    stage: str = ""
    verb: str = ""
    address: str = msgspec.field(default="", name="requestURI")
    user: _User = msgspec.field(default_factory=_User)
    impersonated: _User | None = msgspec.field(default=None, name="impersonatedUser")
    sources: list[str] | None = msgspec.field(default=None, name="sourceIPs")
    user_agent: str = ""
    object: _Object | None = msgspec.field(default=None, name="objectRef")
    annotations: _Annotations | None = None
    at: Annotated[datetime, msgspec.Meta(tz=True)] | None = msgspec.field(
        default=None, name="requestReceivedTimestamp"
    )

    @property
    def path(self) -> str:
        """The address without its query, which may hold anything."""
        return self.address.partition("?")[0]


class _EventList(msgspec.Struct):
    items: list[msgspec.Raw]
    kind: str
    api_version: str = msgspec.field(name="apiVersion")


@dataclass(frozen=True, slots=True)
class Log:
    """What a body held: how many requests it told of, those that count, and how many made no sense."""

    requests: int
    refusals: list[Refusal]
    odd: int


_list_decoder = msgspec.json.Decoder(_EventList)
_glance_decoder = msgspec.json.Decoder(_Glance)
_decoder = msgspec.json.Decoder(_Request)


def read(body: bytes) -> Log:
    """What the body of an audit webhook tells. An item that makes no sense costs no other.

    Raises NotAnEventList.
    """
    try:
        sent = _list_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotAnEventList(f"This is no {KIND} of {API_VERSION}: {error}.") from None
    if (sent.kind, sent.api_version) != (KIND, API_VERSION):
        raise NotAnEventList(f"This is no {KIND} of {API_VERSION}: kind and apiVersion say otherwise.")
    refusals, odd = [], 0
    for item in sent.items:
        try:
            answer = _glance_decoder.decode(item).answer
            if answer is None or answer.code not in (UNAUTHORIZED, FORBIDDEN):
                continue
            request = _decoder.decode(item)
        except (msgspec.DecodeError, UnicodeDecodeError):
            odd += 1
            continue
        if _counts(request):
            refusals.append(_refusal(request))
    return Log(len(sent.items), refusals, odd)


def _counts(request: _Request) -> bool:
    code, said = request.answer.code, request.annotations
    if code == FORBIDDEN and (request.stage != "ResponseComplete" or (said and said.decision == "allow")):
        return False
    return not _is_routine(request)


def _is_routine(request: _Request) -> bool:
    """Whether it is what clusters do all day."""
    name, asked = request.user.username, request.object
    if name in _COMPONENTS or name.startswith(_ROUTINELY_REFUSED):
        return True
    nobody = request.answer.code == UNAUTHORIZED or _is_anonymous(request.user)
    if asked is None:
        return bool(_HEALTH.match(request.path) or (nobody and _DISCOVERY.match(request.path)))
    return not nobody and asked.resource == "leases" and asked.group == "coordination.k8s.io"


def _is_anonymous(user: _User) -> bool:
    return user.username == ANONYMOUS or UNAUTHENTICATED in (user.groups or ())


def _refusal(request: _Request) -> Refusal:
    asked, said = request.object or _Object(), request.annotations or _Annotations()
    anonymous = _is_anonymous(request.user)
    # The last is the one that the API server was called from; those before it a caller may make up.
    address = request.sources[-1] if request.sources else ""
    if anonymous or not request.user.username:
        caller = caller_of(Kind.ANONYMOUS if anonymous else Kind.UNKNOWN, _network(address))
    else:
        caller = caller_of(Kind.USER, request.user.username)
    secrets = asked.resource == "secrets" and not asked.group
    return Refusal(
        # A caller may choose the auditID, and give every request the same; not when it is received.
        id=digest(f"{request.audit_id}\x1f{request.at}\x1f{request.answer.code}"),
        caller=caller,
        at=request.at,
        grave=anonymous and (secrets or asked.subresource in _ENTERING),
        code=request.answer.code,
        verb=request.verb,
        resource=_resource(asked) or request.path,
        namespace=asked.namespace,
        reason=said.reason or request.answer.reason,
        addresses=tuple(request.sources or ()),
        user_agent=request.user_agent,
        groups=tuple(request.user.groups or ()),
        acting_as=request.impersonated.username if request.impersonated else "",
    )


def _resource(asked: _Object) -> str:
    """As kubectl names it: deployments.apps, pods/exec."""
    named = f"{asked.resource}.{asked.group}" if asked.group else asked.resource
    return f"{named}/{asked.subresource}" if asked.subresource else named


def _network(address: str) -> str:
    """The address; of IPv6 the network (/64), of which one caller has all addresses."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
