"""Events reported from outside."""

from __future__ import annotations

import pytest

from connectors.message import Severity, Status
from connectors.models import Delivery
from events.catalog import UnknownEventType
from events.external import report
from events.models import Event
from events.report import ExternalReport
from tests.making import WHEN, make_connector, make_subscription

pytestmark = pytest.mark.django_db


def crash(**more: object) -> ExternalReport:
    known: dict[str, object] = {
        "event_type": "pod_crash_loop",
        "title": "Pod in crash loop",
        "cluster": "edge",
    }
    return ExternalReport(**{**known, **more})  # type: ignore[arg-type]


def test_a_report_is_an_event_with_the_catalogs_severity() -> None:
    event = report(crash())

    assert Event.objects.get() == event
    assert (event.severity, event.status, event.source) == ("critical", "occurred", "api")


def test_a_report_goes_to_whoever_subscribes_to_it() -> None:
    make_subscription(make_connector(), "pod_crash", clusters=["edge"])

    event = report(crash())

    assert Delivery.objects.get().message_id == str(event.pk)


def test_the_same_report_twice_is_one_event() -> None:
    make_subscription(make_connector())

    first = report(crash(timestamp=WHEN))
    second = report(crash(timestamp=WHEN))

    assert first.pk == second.pk
    assert Delivery.objects.count() == 1


def test_the_same_trouble_at_another_time_is_another_event() -> None:
    assert report(crash(timestamp=WHEN)).pk != report(crash(timestamp=WHEN.replace(hour=11))).pk


def test_a_report_with_a_key_opens_and_is_resolved_by_its_key() -> None:
    opened = report(crash(key="web"))
    resolved = report(crash(key="web", status=Status.RESOLVED))

    assert opened.status == "firing"
    assert resolved.pk == opened.pk
    assert resolved.status == "resolved"


def test_a_report_of_what_is_open_updates_it() -> None:
    opened = report(crash(key="web", severity=Severity.HIGH))
    updated = report(crash(key="web", severity=Severity.CRITICAL, title="Worse"))

    assert updated.pk == opened.pk
    assert (updated.title, updated.severity) == ("Worse", "critical")


def test_what_comes_back_after_it_was_resolved_is_a_new_event_of_the_same_problem() -> None:
    first = report(crash(key="web"))
    report(crash(key="web", status=Status.RESOLVED))
    second = report(crash(key="web"))

    assert second.pk != first.pk
    assert second.fingerprint == first.fingerprint


def test_resolving_what_never_was_is_an_error() -> None:
    with pytest.raises(LookupError, match="no event pod_crash_loop with the key 'web'"):
        report(crash(key="web", status=Status.RESOLVED))
    assert Event.objects.count() == 0


@pytest.mark.parametrize("name", ["pod_crashed", "pod_crash", "all"])
def test_what_is_no_event_type_is_an_error(name: str) -> None:
    with pytest.raises(UnknownEventType):
        report(crash(event_type=name))
    assert Event.objects.count() == 0
