"""How findings become openings, updates and resolutions. The clock is a number of seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from events.cluster.objects import Ref
from events.decisions import Open, ProblemKey, Resolve, Update
from events.detection import Finding, Options
from events.tracking import OnRecord, Tracker

TYPE = "pod_crash_loop"
WEB = Ref("Deployment", "web", "shop")
AT_ONCE = Options()


def at(seconds: float) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)


def pod(name: str) -> Ref:
    return Ref("Pod", name, "shop", uid=f"uid-{name}")


def finding(key: str = "app", **more: object) -> Finding:
    return Finding(**{"key": key, "title": "Pod in crash loop", "subject": WEB, **more})  # type: ignore[arg-type]


def test_a_finding_opens_a_problem_once() -> None:
    tracker = Tracker()

    [opened] = tracker.observe(TYPE, pod("a"), [finding()], AT_ONCE, at(0))
    again = tracker.observe(TYPE, pod("a"), [finding()], AT_ONCE, at(1))

    assert isinstance(opened, Open)
    assert opened.problem == ProblemKey(TYPE, "shop", "Deployment/web", "app")
    assert opened.count == 1
    assert again == []


def test_a_finding_that_says_something_else_updates() -> None:
    tracker = Tracker()
    [opened] = tracker.observe(TYPE, pod("a"), [finding(details={"restart_count": 1})], AT_ONCE, at(0))

    [update] = tracker.observe(TYPE, pod("a"), [finding(details={"restart_count": 2})], AT_ONCE, at(1))

    assert isinstance(update, Update)
    assert update.event_id == opened.event_id
    assert update.sighting.finding.details == {"restart_count": 2}


def test_a_missing_finding_resolves() -> None:
    tracker = Tracker()
    [opened] = tracker.observe(TYPE, pod("a"), [finding()], AT_ONCE, at(0))

    [resolved] = tracker.observe(TYPE, pod("a"), [], AT_ONCE, at(5))

    assert resolved == Resolve(opened.problem, opened.event_id, at(5))
    assert tracker.observe(TYPE, pod("a"), [], AT_ONCE, at(6)) == []


def test_two_objects_of_one_subject_are_one_problem() -> None:
    tracker = Tracker()
    [opened] = tracker.observe(TYPE, pod("a"), [finding()], AT_ONCE, at(0))

    [more] = tracker.observe(TYPE, pod("b"), [finding()], AT_ONCE, at(1))
    [fewer] = tracker.observe(TYPE, pod("a"), [], AT_ONCE, at(2))
    [over] = tracker.observe(TYPE, pod("b"), [], AT_ONCE, at(3))

    assert isinstance(more, Update)
    assert (more.event_id, more.count) == (opened.event_id, 2)
    assert isinstance(fewer, Update)
    assert (fewer.event_id, fewer.count) == (opened.event_id, 1)
    assert isinstance(over, Resolve)


def test_what_began_last_is_told_whatever_is_seen_last() -> None:
    tracker = Tracker()
    old, new = finding(title="old scan", since=at(0)), finding(title="new scan", since=at(60))
    tracker.observe(TYPE, pod("new"), [new], AT_ONCE, at(100))

    [update] = tracker.observe(TYPE, pod("old"), [old], AT_ONCE, at(101))

    assert isinstance(update, Update)
    assert (update.sighting.finding.title, update.count) == ("new scan", 2)


def test_each_of_many_objects_is_compared_with_itself() -> None:
    tracker = Tracker()
    tracker.observe(TYPE, pod("a"), [finding(title="a")], AT_ONCE, at(0))
    tracker.observe(TYPE, pod("b"), [finding(title="b")], AT_ONCE, at(0))

    assert tracker.observe(TYPE, pod("a"), [finding(title="a")], AT_ONCE, at(1)) == []
    assert tracker.observe(TYPE, pod("b"), [finding(title="b")], AT_ONCE, at(1)) == []


def test_a_deleted_object_resolves_all_of_its_own_at_once() -> None:
    tracker = Tracker()
    options = Options(clear_after=600)
    tracker.observe(
        TYPE, pod("a"), [finding("app", subject=None), finding("sidecar", subject=None)], options, at(0)
    )

    decisions = tracker.gone(TYPE, pod("a"), at(1))

    assert {decision.problem.key for decision in decisions} == {"app", "sidecar"}
    assert all(isinstance(decision, Resolve) for decision in decisions)
    assert tracker.objects(TYPE) == []


def test_what_is_being_deleted_is_over_at_once_when_it_is_gone() -> None:
    tracker = Tracker()
    options = Options(clear_after=600)
    [opened] = tracker.observe(TYPE, pod("a"), [finding(subject=None)], options, at(0))

    assert tracker.observe(TYPE, pod("a"), [], options, at(1)) == []  # as it is while it terminates
    [resolved] = tracker.gone(TYPE, pod("a"), at(31))

    assert resolved == Resolve(opened.problem, opened.event_id, at(31))
    assert tracker.tick(at(1000)) == []


def test_a_workload_whose_pod_is_gone_at_once_may_have_another_in_the_same_trouble() -> None:
    tracker = Tracker()
    options = Options(clear_after=600)
    tracker.observe(TYPE, pod("a"), [finding()], options, at(0))

    assert tracker.gone(TYPE, pod("a"), at(10)) == []  # by force, or while nobody could watch
    assert tracker.tick(at(609)) == []
    [resolved] = tracker.tick(at(610))

    assert isinstance(resolved, Resolve)


def test_a_workload_whose_pod_is_being_deleted_may_have_another_in_the_same_trouble() -> None:
    tracker = Tracker()
    options = Options(clear_after=600)
    tracker.observe(TYPE, pod("a"), [finding()], options, at(0))
    tracker.observe(TYPE, pod("a"), [], options, at(1))

    assert tracker.gone(TYPE, pod("a"), at(31)) == []
    [update] = tracker.observe(TYPE, pod("b"), [finding()], options, at(60))

    assert isinstance(update, Update)


def test_a_namesake_that_has_the_trouble_is_not_what_was_deleted() -> None:
    tracker = Tracker()
    options = Options(clear_after=600)
    namesake = Ref("Pod", "a", "shop", uid="another")
    tracker.observe(TYPE, pod("a"), [finding(subject=None)], options, at(0))
    tracker.observe(TYPE, pod("a"), [], options, at(1))
    tracker.observe(TYPE, namesake, [finding(subject=None)], options, at(2))

    assert tracker.gone(TYPE, pod("a"), at(3)) == []


def test_a_problem_opens_only_when_it_has_held() -> None:
    tracker = Tracker()
    options = Options(for_seconds=60)

    assert tracker.observe(TYPE, pod("a"), [finding()], options, at(0)) == []
    assert tracker.tick(at(59)) == []
    [opened] = tracker.tick(at(60))

    assert isinstance(opened, Open)
    assert tracker.tick(at(61)) == []


def test_what_is_new_does_not_count_before_its_time() -> None:
    tracker = Tracker()
    options = Options(for_seconds=60)

    assert tracker.observe(TYPE, pod("a"), [finding(not_before=at(300))], options, at(0)) == []
    assert tracker.tick(at(299)) == []
    [opened] = tracker.tick(at(300))

    assert isinstance(opened, Open)


def test_holding_counts_from_when_the_cluster_says_it_began() -> None:
    tracker = Tracker()
    options = Options(for_seconds=60)

    [opened] = tracker.observe(TYPE, pod("a"), [finding(since=at(-60))], options, at(0))

    assert isinstance(opened, Open)


def test_what_begins_later_on_another_object_does_not_begin_the_holding_anew() -> None:
    tracker = Tracker()
    options = Options(for_seconds=60)
    tracker.observe(TYPE, pod("a"), [finding()], options, at(0))
    tracker.observe(TYPE, pod("b"), [finding()], options, at(40))

    [opened] = tracker.tick(at(60))

    assert isinstance(opened, Open)
    assert opened.count == 2


def test_what_passes_before_it_has_held_is_never_opened() -> None:
    tracker = Tracker()
    options = Options(for_seconds=60)
    tracker.observe(TYPE, pod("a"), [finding()], options, at(0))

    assert tracker.observe(TYPE, pod("a"), [], options, at(30)) == []
    assert tracker.tick(at(120)) == []


def test_a_problem_that_flaps_is_opened_once_and_resolved_once() -> None:
    tracker = Tracker()
    options = Options(clear_after=60)
    decisions = tracker.observe(TYPE, pod("a"), [finding()], options, at(0))
    for second in range(10, 200, 20):
        decisions += tracker.observe(TYPE, pod("a"), [], options, at(second))
        decisions += tracker.tick(at(second + 5))
        decisions += tracker.observe(TYPE, pod("a"), [finding()], options, at(second + 10))
    decisions += tracker.observe(TYPE, pod("a"), [], options, at(300))
    decisions += tracker.tick(at(359))
    decisions += tracker.tick(at(360))

    assert [type(decision) for decision in decisions if not isinstance(decision, Update)] == [Open, Resolve]


def test_what_was_open_before_a_restart_is_not_opened_again() -> None:
    first = Tracker()
    [opened] = first.observe(TYPE, pod("a"), [finding()], AT_ONCE, at(0))
    second = Tracker([OnRecord(opened.problem, opened.event_id, AT_ONCE)])

    [decision] = second.observe(TYPE, pod("a"), [finding()], AT_ONCE, at(10))
    second.confirm(TYPE, at(11), lambda _: True)

    assert isinstance(decision, Update)
    assert decision.event_id == opened.event_id
    assert second.tick(at(12)) == []


def test_what_was_open_before_a_restart_and_is_no_more_resolves_once_all_has_been_seen() -> None:
    first = Tracker()
    options = Options(clear_after=60)
    [opened] = first.observe(TYPE, pod("a"), [finding()], options, at(0))
    second = Tracker([OnRecord(opened.problem, opened.event_id, options)])

    assert second.tick(at(1000)) == []
    second.confirm(TYPE, at(1000), lambda _: True)
    assert second.tick(at(1059)) == []
    [resolved] = second.tick(at(1060))

    assert isinstance(resolved, Resolve)
    assert resolved.event_id == opened.event_id


def test_what_begins_and_ceases_to_wait_is_said_once() -> None:
    tracker = Tracker()
    options = Options(for_seconds=60, clear_after=60)
    problem = ProblemKey(TYPE, "shop", "Deployment/web", "app")

    tracker.observe(TYPE, pod("a"), [finding()], options, at(0))
    assert list(tracker.moved()) == [(problem, at(0))]
    tracker.observe(TYPE, pod("a"), [finding()], options, at(30))
    assert list(tracker.moved()) == []
    tracker.tick(at(60))
    assert list(tracker.moved()) == [(problem, None)]
    tracker.observe(TYPE, pod("a"), [], options, at(70))
    assert list(tracker.moved()) == [(problem, at(70))]
    tracker.tick(at(130))
    assert list(tracker.moved()) == [(problem, None)]


def test_the_open_event_of_a_subject_is_found() -> None:
    tracker = Tracker()
    [opened] = tracker.observe(TYPE, pod("a"), [finding()], AT_ONCE, at(0))

    assert tracker.open_event(TYPE, WEB) == opened.event_id
    assert tracker.open_event(TYPE, Ref("Deployment", "web", "other")) is None
    assert tracker.open_event("node_unhealthy", WEB) is None

    tracker.observe(TYPE, pod("a"), [], AT_ONCE, at(1))
    assert tracker.open_event(TYPE, WEB) is None


def test_an_event_id_already_on_record_is_taken_over() -> None:
    tracker = Tracker()
    on_record = Tracker().observe(TYPE, pod("a"), [finding()], AT_ONCE, at(0))[0].event_id
    [opened] = tracker.observe(TYPE, pod("a"), [finding()], AT_ONCE, at(0))

    tracker.adopt(opened.problem, on_record)

    [resolved] = tracker.observe(TYPE, pod("a"), [], AT_ONCE, at(1))
    assert resolved.event_id == on_record
