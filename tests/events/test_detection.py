from __future__ import annotations

import pytest

from events.detection import Options, all_detectors, check_options, options_for
from events.detectors.crash_loop import CrashLoop, CrashLoopOptions
from events.detectors.node_unhealthy import NodeUnhealthy


def test_every_module_in_the_folder_is_found() -> None:
    assert {detector.event_type for detector in all_detectors()} >= {
        "deployment_scaled",
        "node_scaled_down",
        "node_unhealthy",
        "pod_crash_loop",
        "pod_oom_restart",
        "pod_restarted",
    }


def test_they_come_in_the_order_of_their_types() -> None:
    types = [detector.event_type for detector in all_detectors()]

    assert types == sorted(types)


def test_what_is_not_configured_is_as_the_detector_has_it() -> None:
    assert options_for(CrashLoop(), {}) == CrashLoopOptions(clear_after=600.0)


def test_what_is_configured_stands_for_its_own_type_alone() -> None:
    configured = {"node_unhealthy": {"for_seconds": 5}}

    assert options_for(NodeUnhealthy(), configured).for_seconds == 5.0
    assert options_for(NodeUnhealthy(), configured).clear_after == 120.0
    assert options_for(CrashLoop(), configured).for_seconds == 0.0


def test_a_detector_can_be_silenced() -> None:
    assert options_for(CrashLoop(), {"pod_crash_loop": {"enabled": False}}).enabled is False


@pytest.mark.parametrize(
    ("configured", "message"),
    [
        ({"for_second": 5}, "KUBEGRAF_DETECTORS: pod_crash_loop: .*for_second"),
        ({"for_seconds": "5"}, r"KUBEGRAF_DETECTORS: pod_crash_loop: .*\$\.for_seconds"),
    ],
)
def test_a_wrong_option_is_refused_by_its_name(configured: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        options_for(CrashLoop(), {"pod_crash_loop": configured})


@pytest.mark.parametrize("name", ["node_unhealhty", "high_cpu"])
def test_options_of_what_no_detector_finds_are_refused_with_what_there_is(name: str) -> None:
    with pytest.raises(ValueError, match=rf"KUBEGRAF_DETECTORS: no detector finds {name}\. .*node_unhealthy"):
        check_options({"pod_crash_loop": {"clear_after": 60}, name: {"enabled": False}})


def test_every_option_of_every_type_is_checked() -> None:
    with pytest.raises(ValueError, match=r"KUBEGRAF_DETECTORS: pod_crash_loop: .*for_second"):
        check_options({"node_unhealthy": {"for_seconds": 5}, "pod_crash_loop": {"for_second": 5}})


def test_options_cannot_be_changed_by_a_detector() -> None:
    with pytest.raises(AttributeError):
        Options().enabled = False  # type: ignore[misc]  # that is what is tried here
