"""What holds for every detector there is, now and later."""

from __future__ import annotations

import copy
import importlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from types import ModuleType
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events import catalog
from events.cluster.decoding import decode
from events.cluster.objects import Object, Ref
from events.detection import Change, Detector, Finding, Options, all_detectors
from tests.recordings import items, plurals, recorded

NOW = datetime(2026, 11, 23, 3, 10, tzinfo=UTC)

every_detector = pytest.mark.parametrize(
    "detector", all_detectors(), ids=[type(detector).__name__ for detector in all_detectors()]
)


def is_momentary(detector: Detector[Any, Any]) -> bool:
    return catalog.EVENT_TYPES[detector.event_type].momentary


def detect(detector: Detector[Any, Any], change: Change[Any]) -> list[Finding]:
    return list(detector.detect(change, detector.options_class()))


def seen(
    detector: Detector[Any, Any],
    obj: Object,
    before: dict[str, Any] | None = None,
    members: dict[str, Any] | None = None,
) -> Change[Any]:
    """The object as it is now, in its group if it has one, of which these are the other members."""
    group = detector.group(obj)
    if group is None:
        return Change(obj.ref, obj, NOW, before)
    ref = Ref(group.kind, group.name, group.namespace, f"{group.namespace}/{group.resource}")
    return Change(
        ref, obj, NOW, before, {**(members or {}), obj.metadata.uid: detector.remember(obj, None, NOW) or {}}
    )


# --- what is fed to them: what a real API server sent, with pieces taken out or null ---

BEFORE = ({"replicas": 1}, {"removal": "", "cordoned": False, "ready": True}, {}, None)


def own_tests(detector: Detector[Any, Any]) -> ModuleType:
    """The detector's own tests. TROUBLED there are objects, as JSON, for lack of such a recording."""
    module = type(detector).__module__.rpartition(".")[2]
    return importlib.import_module(f"tests.events.detectors.test_{module}")


@cache
def telling(detector: Detector[Any, Any]) -> list[tuple[type[Object], Any]]:
    """Objects, as JSON, on which the detector finds something; any there are, if it never does."""
    known = [
        (kind, msgspec.json.decode(raw))
        for kind in detector.watches
        if kind.resource.plural in plurals()
        for raw in (*items(kind.resource.plural), *(line.object for line in recorded(kind.resource.plural)))
    ]
    known += getattr(own_tests(detector), "TROUBLED", [])
    told = [
        (kind, raw)
        for kind, raw in known
        if any(
            detect(detector, seen(detector, decode(json.dumps(raw).encode(), kind), before))
            for before in BEFORE
        )
    ]
    return told or known or [(kind, {}) for kind in detector.watches]


@st.composite
def damaged(draw: st.DrawFn, whole: Any) -> Any:
    """The same with up to three pieces taken out, or null instead: a field, a list's item, a whole part."""
    copied = copy.deepcopy(whole)
    for _ in range(draw(st.integers(0, 3))):
        holder, piece = None, copied
        while isinstance(piece, dict | list) and piece and (holder is None or draw(st.integers(0, 3))):
            holder = piece
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            key = draw(st.sampled_from(keys))
            piece = holder[key]
        if holder is not None and draw(st.booleans()):
            holder[key] = None
        elif holder is not None:
            del holder[key]
    return copied


def check(detector: Detector[Any, Any], change: Change[Any], finding: Finding) -> None:
    """What any finding must be, so that it can be recorded and told."""
    subject = finding.subject or change.ref
    assert len(finding.key) <= 255
    assert 0 < len(finding.title) <= 500
    assert len(subject.resource) <= 320
    assert finding.since is None or finding.since.tzinfo is not None
    assert json.loads(json.dumps(finding.details)) == finding.details
    for recommendation in finding.recommendations:
        assert recommendation.action
    if is_momentary(detector) and change.before is None:
        assert finding.since is not None, "on a first list nothing could tell it from what is long past"


@every_detector
@settings(max_examples=75, deadline=None, database=None)
@given(data=st.data())
def test_whatever_is_missing_or_null_it_answers_and_the_answer_can_be_recorded(
    detector: Detector[Any, Any], data: st.DataObject
) -> None:
    kind, whole = data.draw(st.sampled_from(telling(detector)), label="whole")
    obj = decode(json.dumps(data.draw(damaged(whole), label="damaged")).encode(), kind)
    before = data.draw(st.sampled_from(BEFORE), label="before")

    for change in (seen(detector, obj, before), Change(obj.ref, None, NOW, before)):
        for finding in detect(detector, change):
            check(detector, change, finding)
    remembered = detector.remember(obj, detector.remember(obj, None, NOW), NOW)
    assert json.loads(json.dumps(remembered)) == remembered


@every_detector
@pytest.mark.parametrize(
    "raw", [b"{}", b'{"metadata": {"name": "x", "uid": "1"}}', b'{"status": {}, "spec": {}}']
)
def test_an_empty_object_is_nothing(detector: Detector[Any, Any], raw: bytes) -> None:
    for kind in detector.watches:
        assert detect(detector, seen(detector, decode(raw, kind))) == []


@every_detector
def test_an_object_that_is_gone_and_was_never_seen_is_nothing(detector: Detector[Any, Any]) -> None:
    for kind in detector.watches:
        gone = Change(Ref(kind.resource.kind, "x", "default", "1"), None, NOW, None)
        assert detect(detector, gone) == []


def every_recorded_change(detector: Detector[Any, Any]) -> list[Change[Any]]:
    """Each object that a real API server sent, as a change after the one before it, and as gone."""
    changes: list[Change[Any]] = []
    for kind in detector.watches:
        plural = kind.resource.plural
        if plural not in plurals():
            continue
        sent = [*items(plural), *(line.object for line in recorded(plural) if line.type != "BOOKMARK")]
        remembered: dict[str, Any] = {}
        groups: dict[Ref | None, dict[str, Any]] = {}
        for raw in sent:
            obj = decode(raw, kind)
            uid, members = obj.metadata.uid, groups.setdefault(detector.group(obj), {})
            before = remembered.get(uid)
            changes += [seen(detector, obj, before, members), Change(obj.ref, None, NOW, before)]
            members[uid] = remembered[uid] = detector.remember(obj, before, NOW)
    return changes


@every_detector
def test_the_same_change_gives_the_same_answer_at_any_time_and_in_any_order(
    detector: Detector[Any, Any],
) -> None:
    changes = every_recorded_change(detector)
    later = [replace(change, at=NOW + timedelta(days=1)) for change in changes]

    asked = [detect(detector, change) for change in changes]
    again = [detect(detector, change) for change in reversed(later)]

    assert again[::-1] == asked


@every_detector
def test_what_it_finds_in_the_recordings_can_be_recorded(detector: Detector[Any, Any]) -> None:
    for change in every_recorded_change(detector):
        for finding in detect(detector, change):
            check(detector, change, finding)


@every_detector
def test_a_lasting_problem_is_the_same_for_every_pod_of_a_workload(detector: Detector[Any, Any]) -> None:
    if is_momentary(detector):
        return
    for change in every_recorded_change(detector):
        if change.ref.kind == "Pod":
            assert all(change.ref.name not in finding.key for finding in detect(detector, change))


@every_detector
def test_it_reports_a_type_that_the_catalog_knows(detector: Detector[Any, Any]) -> None:
    assert detector.event_type in catalog.EVENT_TYPES
    assert {name.partition("/")[0] for name in detector.inhibited_by} <= set(catalog.EVENT_TYPES)
    assert detector.watches


@every_detector
def test_what_merely_happened_has_nothing_to_wait_for(detector: Detector[Any, Any]) -> None:
    options: Options = detector.options_class()
    if is_momentary(detector):
        assert (options.for_seconds, options.clear_after) == (0.0, 0.0)


@every_detector
def test_its_options_can_be_set_and_a_misspelt_one_is_refused(detector: Detector[Any, Any]) -> None:
    assert msgspec.convert({"for_seconds": 5}, detector.options_class).for_seconds == 5.0
    with pytest.raises(msgspec.ValidationError, match="for_second"):
        msgspec.convert({"for_second": 5}, detector.options_class)


@every_detector
def test_it_has_a_test_file_of_its_own(detector: Detector[Any, Any]) -> None:
    assert any(name.startswith("test_") for name in vars(own_tests(detector)))


def of_one_type() -> list[list[Detector[Any, Any]]]:
    by_type: dict[str, list[Detector[Any, Any]]] = {}
    for detector in all_detectors():
        by_type.setdefault(detector.event_type, []).append(detector)
    return list(by_type.values())


def test_detectors_of_one_type_have_the_same_options_and_never_the_same_key() -> None:
    for detectors in of_one_type():
        options = [msgspec.to_builtins(detector.options_class()) for detector in detectors]
        keys = [key for detector in detectors for key in {finding.key for finding in told(detector)}]
        assert all(other == options[0] for other in options)
        assert len(keys) == len(set(keys))


def test_detectors_of_one_type_never_watch_the_same_kind() -> None:
    # What one of them finds on an object, the other does not: each would resolve the other's events.
    for detectors in of_one_type():
        watched = [kind for detector in detectors for kind in detector.watches]
        assert len(watched) == len(set(watched))


def told(detector: Detector[Any, Any]) -> list[Finding]:
    """What it finds on what it is known to find something on."""
    return [
        finding
        for kind, raw in telling(detector)
        for before in BEFORE
        for finding in detect(detector, seen(detector, decode(json.dumps(raw).encode(), kind), before))
    ]


@every_detector
def test_there_is_an_object_on_which_it_finds_something(detector: Detector[Any, Any]) -> None:
    gone: list[Finding] = [
        finding
        for kind, raw in telling(detector)
        for before in BEFORE
        for finding in detect(detector, Change(decode(json.dumps(raw).encode(), kind).ref, None, NOW, before))
    ]

    assert told(detector) or gone
