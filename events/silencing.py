"""What may be said of a silence, whether a form says it or the API; and the silence of one kind of event."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from events.models import Event, Silence, SilenceState
from events.routing import subscription_keys
from events.routing.subscription_keys import Wrong

LONGEST = timedelta(days=366)
TWICE = timedelta(seconds=5)
"""Within which the same, said by the same person, is a button pressed twice."""

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_DURATION = re.compile(r"([1-9][0-9]{0,5})([mhd])")


def duration(text: Any) -> timedelta:
    """A length of time such as 30m, 2h or 3d. Raises Wrong."""
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise Wrong({"": "This must be a number with m, h or d after it, such as 30m, 2h or 3d."})
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def resources(value: Any) -> list[str]:
    """Names or patterns of resources. Raises Wrong for what could never match."""
    names = subscription_keys.names_or_patterns(value)
    wrong = {
        f"[{index}]": f"{name!r} is no resource. It is Kind/name, such as Deployment/web or */web-*."
        for index, name in enumerate(names)
        if "/" not in name and not set("*?[") & set(name)
    }
    if wrong:
        raise Wrong(wrong)
    return names


MATCHERS: dict[str, Callable[[Any], list[str]]] = {
    "event_types": subscription_keys.event_types,
    "clusters": subscription_keys.names_or_patterns,
    "namespaces": subscription_keys.names_or_patterns,
    "resources": resources,
}
"""How each matcher is read."""


def problems(said: Mapping[str, Any], before: Silence | None = None) -> dict[str, str]:
    """What is wrong with a silence, by field ("" for the whole); `before` is the one that is changed.

    `said` holds the whole of it: matchers, starts_at and ends_at.
    """
    if before is not None and before.state is SilenceState.OVER:
        return {"": "It is over. Make another one."}
    if before is not None and before.state is SilenceState.IN_FORCE:
        fixed = [name for name in (*MATCHERS, "starts_at") if said[name] != getattr(before, name)]
        if fixed:
            return dict.fromkeys(fixed, "It is in force: this cannot be changed any more. End it instead.")
    if not any(said[name] for name in MATCHERS):
        return {"": "Say what is to be silenced. For everything, enter * under clusters."}
    wrong = problem_of_times(said["starts_at"], said["ends_at"])
    return {"ends_at": wrong} if wrong else {}


def problem_of_times(starts_at: datetime, ends_at: datetime) -> str:
    """What is wrong with when a silence ends, in words; "" if nothing is."""
    begins = max(timezone.now(), starts_at)
    if ends_at <= begins:
        return "This must be later than now, and than its beginning."
    if ends_at - begins > LONGEST:
        return f"A silence lasts at most {LONGEST.days} days."
    return ""


def of_kind(event: Event) -> dict[str, list[str]]:
    """The matchers for exactly that kind of event: the same type, of the same workload or resource."""
    of = {
        "event_types": event.event_type,
        "clusters": event.cluster_name,
        "namespaces": event.namespace,
        "resources": event.subject or event.resource,
    }
    return {
        name: [value if name == "event_types" else glob.escape(value)] if value else []
        for name, value in of.items()
    }


@transaction.atomic
def silence_kind(event: Event, ends_at: datetime, reason: str, by: str) -> Silence:
    """Silences exactly that kind of event from now on. The same said twice in a row is one silence."""
    # Whoever comes second waits here.
    list(Event.objects.select_for_update(of=("self",), no_key=True).filter(pk=event.pk).values_list("pk"))
    now = timezone.now()
    said = {**of_kind(event), "reason": reason, "created_by": by}
    just_made = Silence.objects.filter(**said, ended_at=None, created_at__gte=now - TWICE)
    same = just_made.filter(ends_at__range=(ends_at - TWICE, ends_at + TWICE)).first()
    return same or Silence.objects.create(**said, starts_at=now, ends_at=ends_at)
