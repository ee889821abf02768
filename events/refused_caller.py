"""Somebody whom an API server refuses: who they are, how often, and what is said of it. Pure.

Names and agents are the words of strangers: cleaned, cut and masked before they are kept.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache

import msgspec

from connectors.message import Recommendation, Severity
from connectors.text import one_line, shorten
from events.cluster.objects import Ref
from events.detection import Finding
from events.masking import mask

EVENT_TYPE = "unauthorized_access"

ENOUGH = 5
"""How many refusals of one caller open the event."""
WITHIN = timedelta(minutes=5)
"""The time in which they are."""
REMEMBERED = timedelta(minutes=15)
"""How long a refusal is known again. An API server gives a batch up after a minute and a half."""
MOST_REMEMBERED = 1000
"""How many refusals of one caller are known again."""
MOST_NAMED = 20
"""Entries of each list in the details."""

ANONYMOUS = "system:anonymous"

_SERVICE_ACCOUNT = re.compile(r"system:serviceaccount:([a-z0-9-]{1,63}):([a-z0-9.-]{1,253})")
_LONGEST_NAME = 253
_LONGEST_WORD = 100
_LONGEST_AGENT = 200
_LONGEST_CALLER = 200
_READ = 2000


class Kind(StrEnum):
    """What is known of who was refused."""

    USER = "user"
    ANONYMOUS = "anonymous"
    UNKNOWN = "unknown"  # credentials that are not valid
    OTHERS = "others"  # more callers than are told apart


class Caller(msgspec.Struct, frozen=True):
    """Who was refused, by name or, where that is nobody's, by address.

    `name` is fit to be shown; `whole` tells callers apart of whom that shows only a part.
    """

    kind: Kind
    name: str = ""
    whole: str = ""

    @property
    def ref(self) -> Ref:
        """As events name it."""
        account = _SERVICE_ACCOUNT.fullmatch(self.name)
        if account is not None:
            return Ref("ServiceAccount", account[2], account[1])
        if self.kind is Kind.USER:
            return Ref("User", self.name)
        # Not the user system:anonymous, or a silence of one of them would be one of all.
        return Ref("Address", self.name or self.kind.value)

    @property
    def key(self) -> str:
        """What tells it from every other."""
        return " ".join(filter(None, (self.kind.value, self.name, self.whole)))


OTHERS = Caller(Kind.OTHERS)
"""Stands for all who come once as many are told apart as may be."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that was refused, and counts. `id` names it however often it is sent."""

    id: str
    caller: Caller
    at: datetime | None
    grave: bool
    code: int
    verb: str
    resource: str
    namespace: str
    reason: str
    addresses: tuple[str, ...]
    user_agent: str
    groups: tuple[str, ...]
    acting_as: str


@lru_cache(maxsize=256)
def caller_of(kind: Kind, name: str) -> Caller:
    if kind is Kind.USER and len(name) <= _LONGEST_CALLER and _SERVICE_ACCOUNT.fullmatch(name):
        return Caller(kind, name)  # `secrets:x` in it is a namespace, and hides nothing
    shown = _shown(name, _LONGEST_CALLER) or ("?" if name else "")
    return Caller(kind, shown, "" if shown == name else digest(name))


class Record(msgspec.Struct, omit_defaults=True):
    """What is kept of a caller while they are refused. `recent`: when each of the latest refusals was."""

    caller: Caller
    count: int = 0
    since: datetime | None = None
    enough: bool = False
    grave: bool = False
    recent: dict[str, float] = {}
    codes: list[int] = []
    verbs: list[str] = []
    resources: list[str] = []
    namespaces: list[str] = []
    reasons: list[str] = []
    addresses: list[str] = []
    agents: list[str] = []
    groups: list[str] = []
    acting_as: list[str] = []

    def take(self, refusals: Iterable[Refusal], now: datetime) -> int:
        """Counts those that are new, and says how many these are."""
        unlike = {refusal.id: refusal for refusal in refusals}
        fresh = [refusal for name, refusal in unlike.items() if name not in self.recent]
        if not fresh:
            return 0
        for refusal in fresh:
            at = min(refusal.at or now, now)
            self.since = min(self.since or at, at)
            self.recent[refusal.id] = round(at.timestamp(), 3)
        self.count += len(fresh)
        self.grave = self.grave or any(refusal.grave for refusal in fresh)
        self.enough = self.enough or self.grave or _are_enough(sorted(self.recent.values()))
        latest = sorted(self.recent.items(), key=lambda entry: entry[1])[-MOST_REMEMBERED:]
        oldest = latest[-1][1] - REMEMBERED.total_seconds()
        self.recent = {name: at for name, at in latest if at >= oldest}
        self.codes = sorted({*self.codes, *(refusal.code for refusal in fresh)})
        _name(self.verbs, (refusal.verb for refusal in fresh))
        _name(self.resources, (refusal.resource for refusal in fresh))
        _name(self.namespaces, (refusal.namespace for refusal in fresh), _LONGEST_NAME)
        _name(self.reasons, (refusal.reason for refusal in fresh), _LONGEST_AGENT)
        _name(self.addresses, (name for refusal in fresh for name in refusal.addresses))
        _name(self.agents, (refusal.user_agent for refusal in fresh), _LONGEST_AGENT)
        _name(self.groups, (name for refusal in fresh for name in refusal.groups), _LONGEST_NAME)
        _name(self.acting_as, (refusal.acting_as for refusal in fresh), _LONGEST_NAME)
        return len(fresh)

    def finding(self) -> Finding:
        """What is said of it, once they are enough."""
        details = {
            "user": self._user,
            "refused": self.count,
            "groups": self.groups,
            "source_ips": self.addresses,
            "user_agents": self.agents,
            "verbs": self.verbs,
            "resources": self.resources,
            "namespaces": self.namespaces,
            "acting_as": self.acting_as,
            "reason": "; ".join(self.reasons),
            "status_codes": [str(code) for code in self.codes],
        }
        return Finding(
            key=self.caller.key,
            title=self._title,
            description=self._description,
            severity=Severity.CRITICAL if self.grave else Severity.HIGH,
            since=self.since,
            details={name: value for name, value in details.items() if value},
            recommendations=tuple(self._recommendations()),
        )

    @property
    def _user(self) -> str:
        """The name that the API server knows them by, as far as it does."""
        if self.caller.kind is Kind.USER:
            return self.caller.name
        return ANONYMOUS if self.caller.kind is Kind.ANONYMOUS else ""

    @property
    def _title(self) -> str:
        ref, place = self.caller.ref, self.caller.name or "an unknown address"
        if self.caller.kind is Kind.ANONYMOUS and self.grave:
            return f"Somebody from {place} asked for secrets or a way into pods without signing in"
        if self.caller.kind is Kind.ANONYMOUS:
            return f"Somebody from {place} is refused again and again without signing in"
        if self.caller.kind is Kind.UNKNOWN:
            return f"Somebody from {place} is refused again and again: their credentials are not valid"
        if self.caller.kind is Kind.OTHERS:
            return "More callers are refused by the API server than are told apart"
        if ref.namespace:
            return f"The service account {ref.namespace}/{ref.name} is refused again and again"
        return f"The user {ref.name} is refused again and again"

    @property
    def _description(self) -> str:
        number = "1 request was" if self.count == 1 else f"{self.count} requests were"
        what = f"{', '.join(self.verbs)} {', '.join(self.resources)}".strip()
        where = f" in {', '.join(self.namespaces)}" if self.namespaces else ""
        return f"{number} refused ({', '.join(map(str, self.codes))}): {what}{where}."

    def _recommendations(self) -> Iterable[Recommendation]:
        if self.caller.kind is Kind.USER:
            command = f"kubectl auth can-i --list --as={shlex.quote(self.caller.name)}"
            # A name that was cut or masked is somebody else's.
            yield Recommendation(
                "See what they may do, and whether they should try this", "" if self.caller.whole else command
            )
        elif self.caller.kind is Kind.UNKNOWN:
            # A pod's, perhaps; of a network there is no asking.
            command = f"kubectl get pods -A -o wide --field-selector=status.podIP={self.caller.name}"
            yield Recommendation(
                "See what runs at that address, and whether its token has expired",
                command if _is_address(self.caller.name) else "",
            )
        if self.caller.kind is Kind.ANONYMOUS:
            yield Recommendation("See whether that address should reach the API server at all")
        if self.grave:
            yield Recommendation(
                "See what anonymous callers may do", f"kubectl auth can-i --list --as={ANONYMOUS}"
            )


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text  # an IPv6 zone may be any text


def _are_enough(times: list[float]) -> bool:
    """Whether ENOUGH of these, which are sorted, lie WITHIN one span of time."""
    within = WITHIN.total_seconds()
    return any(last - first <= within for first, last in zip(times, times[ENOUGH - 1 :], strict=False))


def _name(names: list[str], more: Iterable[str], limit: int = _LONGEST_WORD) -> None:
    """Adds what is not named yet, up to MOST_NAMED."""
    for text in dict.fromkeys(more):
        if len(names) >= MOST_NAMED:
            return
        if text and (shown := _shown(text, limit)) and shown not in names:
            names.append(shown)


def _shown(text: str, limit: int) -> str:
    """A stranger's words, fit to be kept: on one line, cut, and without what looks like a secret."""
    return shorten(one_line(mask(text[:_READ])), limit)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
