from __future__ import annotations

from datetime import UTC, datetime

import pytest

from events.cluster.objects import Ref
from events.detectors.service_unavailable import EndpointSlice, ServiceUnavailable
from tests.events.detectors.objects import JSON, NOW, ask_group, endpoints

READY: JSON = {"ready": True, "serving": True, "terminating": False}
UNREADY: JSON = {"ready": False, "serving": False, "terminating": False}
GOING: JSON = {"ready": False, "serving": True, "terminating": True}


def test_a_service_of_which_no_endpoint_is_ready_is_told() -> None:
    (finding,) = ask_group(ServiceUnavailable(), endpoints(("pod-b", UNREADY), ("pod-a", UNREADY)))

    assert finding.key == "endpoints"
    assert finding.title == "Service my-app has no ready endpoint"
    assert finding.description == "None of its 2 endpoints is ready."
    assert finding.subject is None
    assert finding.severity is None
    assert finding.since is None
    assert finding.details == {
        "service": "my-app",
        "namespace": "default",
        "endpoints": 2,
        "ready_endpoints": 0,
        "pods": ["pod-a", "pod-b"],
    }
    assert [item.command for item in finding.recommendations] == [
        "kubectl describe service my-app -n default",
        "kubectl describe pod pod-a -n default",
        "kubectl logs pod-a -n default --tail=100",
    ]


def test_all_slices_of_a_service_are_judged_together() -> None:
    service = ServiceUnavailable().group(endpoints())
    unready = endpoints(("pod-a", UNREADY), uid="slice-1")

    assert service == Ref("Service", "my-app", "default")
    assert ask_group(ServiceUnavailable(), unready, endpoints(("pod-b", READY), uid="slice-2")) == []
    (finding,) = ask_group(ServiceUnavailable(), unready, endpoints(("pod-b", UNREADY), uid="slice-2"))
    assert finding.details["endpoints"] == 2


def test_the_answer_does_not_depend_on_which_slice_came_first() -> None:
    one, two = endpoints(("pod-a", UNREADY)), endpoints(("pod-b", UNREADY), uid="slice-2")

    assert ask_group(ServiceUnavailable(), one, two) == ask_group(ServiceUnavailable(), two, one)


def test_a_pod_in_two_address_families_counts_once() -> None:
    four = endpoints(("pod-a", UNREADY), uid="slice-4")
    six = endpoints(("pod-a", UNREADY), uid="slice-6", family="IPv6")
    (finding,) = ask_group(ServiceUnavailable(), four, six)

    assert finding.description == "Its only endpoint is not ready."
    assert finding.details["pods"] == ["pod-a"]


@pytest.mark.parametrize(
    "slice_",
    [
        endpoints(("pod-a", UNREADY), ("pod-b", READY)),
        endpoints(("pod-a", UNREADY), ("pod-b", {})),
        endpoints(("pod-a", UNREADY), ("pod-b", {"ready": None})),
    ],
    ids=["ready", "not said", "null"],
)
def test_one_endpoint_that_is_ready_or_may_be_is_enough(slice_: EndpointSlice) -> None:
    assert ask_group(ServiceUnavailable(), slice_) == []


def test_a_service_that_was_scaled_to_nothing_is_silent() -> None:
    assert ask_group(ServiceUnavailable(), endpoints(("pod-a", GOING), ("pod-b", GOING))) == []
    assert ask_group(ServiceUnavailable(), endpoints()) == []


def test_pods_that_are_to_take_over_are_awaited() -> None:
    (finding,) = ask_group(ServiceUnavailable(), endpoints(("old", GOING), ("new", UNREADY)))

    assert finding.details["endpoints"] == 1
    assert finding.details["pods"] == ["new"]


@pytest.mark.parametrize("manager", ["", "endpointslicemirroring-controller.k8s.io", "someone"])
def test_a_service_without_a_selector_is_left_alone(manager: str) -> None:
    labels = {"endpointslice.kubernetes.io/managed-by": manager}

    assert ask_group(ServiceUnavailable(), endpoints(("pod-a", UNREADY), labels=labels)) == []


def test_endpoints_added_by_hand_serve_as_well() -> None:
    by_hand = endpoints(("", READY), uid="slice-2", labels={"endpointslice.kubernetes.io/managed-by": "me"})

    assert ask_group(ServiceUnavailable(), endpoints(("pod-a", UNREADY)), by_hand) == []


def test_a_headless_service_counts_too() -> None:
    headless = endpoints(("pod-a", UNREADY), labels={"service.kubernetes.io/headless": ""})

    assert len(ask_group(ServiceUnavailable(), headless)) == 1


def test_a_slice_of_no_service_stands_alone() -> None:
    assert ServiceUnavailable().group(endpoints(labels={"kubernetes.io/service-name": ""})) is None


def test_of_many_pods_a_few_are_remembered() -> None:
    crowd = endpoints(*((f"pod-{number}", UNREADY) for number in range(100)))

    assert ServiceUnavailable().remember(crowd, None, NOW) == {
        "family": "IPv4",
        "selected": True,
        "ready": 0,
        "waiting": 100,
        "pods": ["pod-0", "pod-1", "pod-10"],
        "begun": None,
        "been_ready": False,
        "empty_since": None,
    }


def test_a_new_service_has_five_minutes_to_start() -> None:
    old = endpoints(("pod-a", UNREADY), created="2026-01-15T10:28:00Z")
    newer = endpoints(("pod-b", UNREADY), uid="slice-2", created="2026-01-15T10:29:00Z")

    (finding,) = ask_group(ServiceUnavailable(), newer, old)

    assert finding.not_before == datetime(2026, 1, 15, 10, 33, tzinfo=UTC)


def test_it_must_hold_and_be_over_for_a_minute() -> None:
    assert ServiceUnavailable.options_class().for_seconds == 60.0
    assert ServiceUnavailable.options_class().clear_after == 60.0
