"""What a detector is. Pure: no Django, no clock, no network; time comes in with the change.

A detector answers one question, *what is wrong with this object now?*, and is asked again whenever the
object changes. What it says is compared with what is on record elsewhere (`events.tracking`): new findings
open an event, known ones update it, missing ones resolve it, and a deleted object resolves all of its. So a
restart of the watcher, a new list and a resolution need no code in any detector.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from connectors.message import JSONDict, Recommendation, Severity
from events import detectors
from events.cluster.objects import Object, Ref

T = TypeVar("T", bound=Object)

MOST_LISTED = 100
"""How many entries a detail has at most that lists what a finding consists of, the worst first."""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an operator can set for a detector; each detector may add its own.

    `for_seconds`: how long it must be so before it counts. `clear_after`: how long it must be over before it
    is resolved, so that what flaps rings once. `enabled` false silences the detector altogether.
    """

    enabled: bool = True
    for_seconds: float = 0.0
    clear_after: float = 0.0


O = TypeVar("O", bound=Options)  # noqa: E741  # the letter of the word, as T is of type


@dataclass(frozen=True, slots=True)
class Change(Generic[T]):
    """An object as it is now, at the moment we learned of it.

    `new` is None when the object is gone. `before` is what this detector asked to have remembered of it the
    last time it was seen, however long ago and by whichever process; None if it was never seen. `group` is
    what it now has remembered of every object of the same group, this one included, by uid; see
    `Detector.group`.
    """

    ref: Ref
    new: T | None
    at: datetime
    before: Mapping[str, Any] | None = None
    group: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is wrong now, or that happened.

    `key` tells it from others of the same subject and type: a container's name, say. Of something that
    merely happened, it names the occurrence (container id, generation), so that the same one seen twice is
    one event.
    `subject` is whom the trouble belongs to, where that is not the object itself: twenty pods of one
    Deployment in trouble are one event. `since` is when it began, or happened, where the cluster says so.
    `occurrence` names, where the trouble is that something happens time and again, which time this was: it is
    over when nothing has happened, by `since`, for the detector's `clear_after`, whatever the object goes on
    showing of the past.
    `not_before` is until when it does not count, however long it has been so: what is new is not ready yet.
    `severity` overrides the catalog's. `rests_on` names what the object cannot do without, such as the node
    of a pod: what is wrong with that may explain the finding; see `Detector.inhibited_by`.
    """

    key: str
    title: str
    description: str = ""
    severity: Severity | None = None
    subject: Ref | None = None
    rests_on: tuple[Ref, ...] = ()
    since: datetime | None = None
    occurrence: str = ""
    not_before: datetime | None = None
    details: JSONDict = field(default_factory=dict)
    recommendations: tuple[Recommendation, ...] = ()


class Detector(ABC, Generic[T, O]):
    """Looks at one kind of object for one type of event. One file each in `events.detectors`.

    `inhibited_by` names event types, or `type/key`: while such an event is open for the finding's subject, or
    for what it rests on, the finding is recorded but nobody is told; if it outlasts that event, they are
    told then. `outlives_object` is for objects that are deleted and made anew as a matter of course, such as
    a scanner's reports: what was found on one is over only after `clear_after`, not when it is deleted. With
    `only_news`, what was so before the cluster was registered is recorded but nobody is told. `grows_by`
    names the detail that lists what a finding consists of, the worst first and no more than MOST_LISTED;
    when it gains an entry, those who know of the event are told.
    """

    event_type: ClassVar[str]
    watches: ClassVar[tuple[type[Object], ...]]
    options_class: type[O]
    inhibited_by: ClassVar[tuple[str, ...]] = ()
    outlives_object: ClassVar[bool] = False
    only_news: ClassVar[bool] = False
    grows_by: ClassVar[str] = ""

    def remember(self, obj: T, before: Mapping[str, Any] | None, at: datetime) -> JSONDict | None:
        """What must be known of this object next time, across any downtime; None for nothing.

        `before` is what was remembered of it until now, and `at` the moment. What is remembered is written
        when it changes, so that it should not with every look.
        """
        return None

    def repeated(self, finding: Finding, times: int, options: O) -> Finding:
        """What is said of something that has happened so many times by now; see `Finding.occurrence`."""
        return finding

    def group(self, obj: T) -> Ref | None:
        """The thing that several objects make up together, such as the Service of some EndpointSlices.

        A detector with groups is asked about the whole group whenever one object of it changes: `change.ref`
        is then the group, `change.group` what it has remembered of each member, and `change.new` the member
        that changed, None if that one is gone. What it finds is found on the group. None for an object that
        stands alone.
        """
        return None

    @abstractmethod
    def detect(self, change: Change[T], options: O) -> Iterator[Finding]:
        """What is wrong with the object now. Must not raise on missing fields, nor depend on call order."""


@cache
def all_detectors() -> tuple[Detector[Any, Any], ...]:
    """Every detector there is, in the order of their event types."""
    found: list[Detector[Any, Any]] = []
    for module_info in pkgutil.iter_modules(detectors.__path__, detectors.__name__ + "."):
        module = importlib.import_module(module_info.name)
        found.extend(
            member()
            for _, member in inspect.getmembers(module, inspect.isclass)
            if issubclass(member, Detector) and member.__module__ == module.__name__
        )
    return tuple(sorted(found, key=lambda detector: detector.event_type))


def options_for(detector: Detector[Any, Any], configured: Mapping[str, Mapping[str, Any]]) -> Options:
    """The detector's options with what is configured for its event type.

    Raises ValueError that says which option of which detector is wrong.
    """
    try:
        options: Options = msgspec.convert(
            dict(configured.get(detector.event_type, {})), detector.options_class
        )
    except msgspec.ValidationError as error:
        raise ValueError(f"KUBEGRAF_DETECTORS: {detector.event_type}: {error}") from error
    return options


def check_options(configured: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises ValueError where an option, or the event type that it is for, is not one that there is."""
    found = {detector.event_type for detector in all_detectors()}
    for name in configured:
        if name not in found:
            raise ValueError(
                f"KUBEGRAF_DETECTORS: no detector finds {name}. Found are: {', '.join(sorted(found))}."
            )
    for detector in all_detectors():
        options_for(detector, configured)
