"""Following a collection of a real HTTP server through everything that can go wrong."""

from __future__ import annotations

import base64
import itertools
import json
import logging
import ssl
import time
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from events.cluster.backoff import Backoff
from events.cluster.objects import Deployment, Node, Pod
from events.cluster.trouble import Trouble
from events.cluster.watch import Connected, Gone, Listed, Problem, Seen
from events.models import Access, Cluster
from tests.events.cluster import recorded
from tests.events.cluster.following import FAST, following, stored
from tests.fakes.kubernetes import FakeKubernetes
from tests.fakes.objects import crash_looping, deployment, node, pod
from tests.waiting import BUSY, until


def put(server: FakeKubernetes, *names: str) -> None:
    for name in names:
        server.put(pod(name))


# --- what is seen ---


def test_a_list_comes_first_then_what_changes(server: FakeKubernetes) -> None:
    put(server, "a")
    with following(server) as it:
        it.wait(lambda it: it.of(Connected))
        put(server, "b")
        server.put(crash_looping(pod("a")))
        server.delete("Pod", "b")
        it.wait(lambda it: it.gone())
    assert [type(item) for item in it.items] == [Seen, Listed, Connected, Seen, Seen, Gone]
    assert it.names() == ["a", "b", "a"]
    latest = it.of(Seen)[2].obj
    assert isinstance(latest, Pod)
    waiting = latest.containers[0].state.waiting
    assert waiting is not None
    assert waiting.reason == "CrashLoopBackOff"


def test_the_list_tells_the_uids_of_all_pages(server: FakeKubernetes) -> None:
    put(server, "a", "b", "c", "d", "e")
    uids = {obj["metadata"]["uid"] for obj in server.store.of(server.store.kinds["Pod"])}
    with following(server) as it:
        it.wait(lambda it: it.lists())
    assert it.names() == ["a", "b", "c", "d", "e"]
    assert it.of(Listed)[0].uids == uids
    assert [asked.query["limit"] for asked in server.asked("list", "pods")] == ["2", "2", "2"]


def test_the_recorded_pages_of_a_real_server_are_one_list(server: FakeKubernetes) -> None:
    server.fail_next(*recorded.answer("list-page1"), verb="list")
    server.fail_next(*recorded.answer("list-page2"), verb="list")
    with following(server) as it:
        it.wait(lambda it: it.lists())
    # The fake server does not know the second page's token: that list is begun again, and is empty.
    tokens = [asked.query.get("continue", "") for asked in server.asked("list")]
    assert [bool(token) for token in tokens] == [False, True, True, False]
    assert it.names()[:4] == [
        "ledger-7978c598fc-5dpc4",
        "ledger-7978c598fc-w7wqv",
        "api-54d9f678b5-8q5f2",
        "api-54d9f678b5-9vxhp",
    ]


def test_a_gone_object_is_named_with_its_uid(server: FakeKubernetes) -> None:
    uid = server.put(pod("a", "shop"))["metadata"]["uid"]
    with following(server) as it:
        it.wait(lambda it: it.of(Connected))
        server.delete("Pod", "a", "shop")
        it.wait(lambda it: it.gone())
    ref = it.of(Gone)[0].ref
    assert (ref.kind, ref.namespace, ref.name, ref.uid) == ("Pod", "shop", "a", uid)


def test_only_the_namespace_asked_for_is_followed(server: FakeKubernetes) -> None:
    server.put(pod("mine", "shop"))
    server.put(pod("other", "payments"))
    with following(server, namespace="shop") as it:
        it.wait(lambda it: it.of(Connected))
        server.put(pod("other-2", "payments"))
        server.put(pod("mine-2", "shop"))
        it.wait(lambda it: len(it.names()) == 2)
    assert it.names() == ["mine", "mine-2"]
    assert it.of(Listed)[0].namespace == "shop"


def test_the_watch_goes_on_from_the_lists_version_and_asks_for_bookmarks(server: FakeKubernetes) -> None:
    put(server, "a")
    version = server.store.version
    with following(server) as it:
        it.wait(lambda it: it.of(Connected))
    query = server.asked("watch")[0].query
    assert query["resourceVersion"] == str(version)
    assert query["allowWatchBookmarks"] == "true"
    assert 290 <= int(query["timeoutSeconds"]) <= 319


# --- streams that end ---


def test_a_watch_whose_time_is_up_goes_on_from_the_last_version(server: FakeKubernetes) -> None:
    with following(server) as it:
        it.wait(lambda it: it.of(Connected))
        put(server, "a")
        it.wait(lambda it: it.names() == ["a"])
        server.end_watches()
        put(server, "b")
        it.wait(lambda it: it.names() == ["a", "b"])
    assert it.lists() == 1
    assert it.problems() == []


def test_a_bookmark_moves_the_version_on(server: FakeKubernetes) -> None:
    with following(server) as it:
        it.wait(lambda it: it.of(Connected))
        server.put(node("n"))  # other resources move the version, too
        server.bookmark("pods")
        server.end_watches("pods")
        server.compact()
        it.wait(lambda it: len(it.of(Connected)) == 2)
        put(server, "a")
        it.wait(lambda it: it.names() == ["a"])
    assert server.asked("watch")[1].query["resourceVersion"] == str(server.store.compacted)
    assert it.lists() == 1


def test_the_nearly_empty_object_of_a_bookmark_is_no_object(server: FakeKubernetes) -> None:
    with following(server) as it:
        it.wait(lambda it: it.of(Connected))
        server.bookmark()
        put(server, "a")
        it.wait(lambda it: it.names())
    assert it.names() == ["a"]


def test_a_connection_cut_in_the_middle_of_a_line_loses_nothing(
    server: FakeKubernetes, caplog: pytest.LogCaptureFixture
) -> None:
    with following(server) as it:
        it.wait(lambda it: it.of(Connected))
        put(server, "a")
        it.wait(lambda it: it.names() == ["a"])
        server.cut_watches(after=b'{"type":"ADDED","object":{"kind":"Pod","meta')
        put(server, "b")
        it.wait(lambda it: len(it.names()) == 2)
    assert it.names() == ["a", "b"]
    assert it.lists() == 1
    assert it.problems() == []


def test_a_garbled_line_is_logged_once_and_loses_nothing(
    server: FakeKubernetes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "events")
    with following(server) as it:
        it.wait(lambda it: it.of(Connected))
        put(server, "a")
        it.wait(lambda it: it.names() == ["a"])
        server.send_raw_line("<html>502 Bad Gateway</html>")
        put(server, "b")
        it.wait(lambda it: len(it.names()) == 2)
    assert it.names() == ["a", "b"]
    assert it.lists() == 1
    assert len([record for record in caplog.records if "not what a watch sends" in record.message]) == 1


def test_a_half_open_connection_is_noticed_and_nothing_is_lost(server: FakeKubernetes) -> None:
    with following(server, timings=replace(FAST, inactivity=0.5)) as it:
        it.wait(lambda it: it.of(Connected))
        put(server, "a")
        it.wait(lambda it: it.names() == ["a"])
        server.half_open()
        put(server, "b")
        it.wait(lambda it: len(it.names()) == 2)
    assert it.names() == ["a", "b"]
    assert it.lists() == 1


def test_watches_that_close_at_once_are_not_opened_in_a_hot_loop(server: FakeKubernetes) -> None:
    server.fail_next(200, {"Content-Type": "application/json"}, verb="watch", times=1000)
    slow = replace(FAST, backoff=Backoff(first=0.2, longest=30.0))
    with following(server, timings=slow):
        until(lambda: len(server.asked("watch")) == 4)
    times = [asked.at for asked in server.asked("watch")]
    assert times[1] - times[0] >= 0.1
    assert times[2] - times[1] >= 0.2
    assert times[3] - times[2] >= 0.4


# --- versions ---


def test_a_version_that_has_expired_leads_to_a_new_list(server: FakeKubernetes) -> None:
    with following(server) as it:
        it.wait(lambda it: it.of(Connected))
        put(server, "a")
        it.wait(lambda it: it.names() == ["a"])
        server.cut_watches()
        put(server, "b")
        server.put(node("n"))
        server.compact()
        it.wait(lambda it: it.lists() == 2)
        it.wait(lambda it: server.open_watches() == 1)
    assert it.names() == ["a", "a", "b"]
    assert it.problems() == []


def test_an_expired_version_may_be_told_as_http_status(server: FakeKubernetes) -> None:
    server.gone_as_status = True
    with following(server) as it:
        it.wait(lambda it: it.of(Connected))
        server.put(node("n"))
        server.compact()
        server.cut_watches()
        it.wait(lambda it: it.lists() == 2)
        it.wait(lambda it: server.open_watches() == 1)
    assert it.problems() == []


def test_the_recorded_410_line_leads_to_a_new_list(server: FakeKubernetes) -> None:
    server.fail_next(*recorded.answer("watch-rv1-pods"), verb="watch")
    with following(server) as it:
        it.wait(lambda it: it.lists() == 2)
        it.wait(lambda it: server.open_watches() == 1)
    assert it.problems() == []


def test_what_went_while_the_version_expired_is_missing_from_the_new_list(server: FakeKubernetes) -> None:
    put(server, "a", "b")
    with following(server) as it:
        it.wait(lambda it: it.of(Connected))
        kept = server.store.get("Pod", "a", "default")
        server.cut_watches()
        server.delete("Pod", "b", "default")
        server.compact()
        server.store.version += 1
        server.store.compacted += 1
        it.wait(lambda it: it.lists() == 2)
    assert kept is not None
    assert it.of(Listed)[1].uids == {kept["metadata"]["uid"]}


def test_a_version_from_the_future_is_given_up_for_a_new_list(server: FakeKubernetes) -> None:
    # The API server's data has been restored from a backup: its counter is behind what we have seen.
    server.store.version = 1000
    with following(server, timings=replace(FAST, inactivity=0.3)) as it:
        it.wait(lambda it: it.of(Connected))
        server.store.version = 5
        server.cut_watches()
        it.wait(lambda it: it.lists() == 2)
        put(server, "a")
        it.wait(lambda it: it.names() == ["a"])


def test_the_recorded_silence_on_a_future_version_leads_to_a_new_list(server: FakeKubernetes) -> None:
    server.fail_next(*recorded.answer("watch-future-rv"), verb="watch", times=2)
    with following(server) as it:
        it.wait(lambda it: it.lists() == 2)


def test_a_version_that_the_server_cannot_read_leads_to_a_new_list(server: FakeKubernetes) -> None:
    server.fail_next(*recorded.answer("watch-garbage-rv"), verb="watch", times=2)
    with following(server) as it:
        it.wait(lambda it: it.lists() == 2)
        it.wait(lambda it: it.recovered())
    assert it.problems() == [
        f'{server.url} answered 500: resourceVersion: Invalid value: "abc":'
        ' strconv.ParseUint: parsing "abc": invalid syntax'
    ]


def test_an_expired_continue_token_begins_the_list_again(server: FakeKubernetes) -> None:
    put(server, "a", "b", "c")
    gone = {"kind": "Status", "status": "Failure", "reason": "Expired", "message": "too old", "code": 410}
    server.fail_next(200, {"Content-Type": "application/json"}, json.dumps(page_one(server)), verb="list")
    server.fail_next(410, {"Content-Type": "application/json"}, gone, verb="list")
    with following(server) as it:
        it.wait(lambda it: it.lists())
    assert it.names() == ["a", "a", "b", "c"]
    assert len(it.of(Listed)[0].uids) == 3
    assert it.problems() == []


def test_a_continue_token_that_is_refused_begins_the_list_again(server: FakeKubernetes) -> None:
    put(server, "a", "b", "c")
    server.fail_next(200, {"Content-Type": "application/json"}, json.dumps(page_one(server)), verb="list")
    server.fail_next(*recorded.answer("list-bad-continue"), verb="list")
    with following(server) as it:
        it.wait(lambda it: it.lists())
    assert len(it.of(Listed)[0].uids) == 3
    assert it.problems() == []


def page_one(server: FakeKubernetes) -> dict[str, object]:
    return server.store.page(server.store.kinds["Pod"], "", 1, "")


# --- objects that cannot be read ---


def test_an_object_that_cannot_be_read_is_named_and_skipped(
    server: FakeKubernetes, caplog: pytest.LogCaptureFixture
) -> None:
    put(server, "a")
    with following(server) as it:
        it.wait(lambda it: it.of(Connected))
        broken = pod("broken", "shop")
        broken["status"]["containerStatuses"] = "none"
        server.put(broken)
        server.put(broken)
        put(server, "b")
        it.wait(lambda it: "b" in it.names())
    assert it.names() == ["a", "b"]
    complaints = [r.message for r in caplog.records if "cannot be read" in r.message]
    assert len(complaints) == 1
    assert (
        "test: pods: Pod shop/broken cannot be read and was skipped: Expected `array | null`" in complaints[0]
    )


def test_an_object_that_cannot_be_read_still_counts_as_listed(server: FakeKubernetes) -> None:
    broken = pod("broken")
    broken["spec"] = []
    uid = server.put(broken)["metadata"]["uid"]
    with following(server) as it:
        it.wait(lambda it: it.lists())
    assert it.names() == []
    assert it.of(Listed)[0].uids == {uid}


def test_an_object_that_cannot_be_read_can_still_be_gone(server: FakeKubernetes) -> None:
    broken = pod("broken")
    broken["spec"] = []
    server.put(broken)
    with following(server) as it:
        it.wait(lambda it: it.of(Connected))
        server.delete("Pod", "broken")
        it.wait(lambda it: it.gone())
    assert it.gone() == ["broken"]


@pytest.mark.parametrize("line", ['{"type":"ADDED","object":{}}', '{"type":"RENAMED","object":%s}'])
def test_a_line_that_makes_no_sense_is_skipped(server: FakeKubernetes, line: str) -> None:
    obj = json.dumps({**pod("x"), "metadata": {"name": "x", "uid": "1", "resourceVersion": "1"}})
    with following(server) as it:
        it.wait(lambda it: it.of(Connected))
        server.send_raw_line(line.replace("%s", obj))
        put(server, "a")
        it.wait(lambda it: it.names())
    assert it.names() == ["a"]
    assert len(server.asked("watch")) == 1


# --- refusals ---


def test_a_missing_right_is_told_with_the_command_that_grants_it(server: FakeKubernetes) -> None:
    server.forbid("nodes")
    with following(server, Node) as it:
        it.wait(lambda it: it.of(Problem))
        problem = it.of(Problem)[0]
        server.put(node("n"))
        server.allow("nodes")
        it.wait(lambda it: it.recovered())
    assert problem == Problem(
        "nodes",
        "system:serviceaccount:kubegraf:kubegraf has no right to get, list and watch nodes. To grant it:"
        " kubectl create clusterrole kubegraf-nodes --verb=get,list,watch --resource=nodes"
        " && kubectl create clusterrolebinding kubegraf-nodes --clusterrole=kubegraf-nodes"
        " --serviceaccount=kubegraf:kubegraf",
        Trouble.FORBIDDEN,
    )
    assert it.names() == ["n"]


def test_a_missing_right_is_told_once_and_tried_slowly(server: FakeKubernetes) -> None:
    server.forbid("pods")
    with following(server, timings=replace(FAST, slow_retry=0.5)) as it:
        until(lambda: len(server.asked("list")) == 3)
    times = [asked.at for asked in server.asked("list")]
    assert times[1] - times[0] >= 0.45
    assert times[2] - times[1] >= 0.45
    assert len(it.problems()) == 1


def test_a_right_lost_in_mid_stream_loses_nothing_once_it_is_back(server: FakeKubernetes) -> None:
    with following(server) as it:
        it.wait(lambda it: it.of(Connected))
        server.forbid("pods", "watch")
        it.wait(lambda it: it.of(Problem))
        put(server, "a")
        server.allow("pods")
        it.wait(lambda it: it.names() == ["a"])
    assert it.lists() == 1


def test_what_is_not_installed_is_watched_as_soon_as_it_is(server: FakeKubernetes) -> None:
    kind = server.uninstall("Deployment")
    with following(server, Deployment) as it:
        it.wait(lambda it: it.of(Problem))
        server.install(kind)
        server.put(deployment("web"))
        it.wait(lambda it: it.names() == ["web"])
        it.wait(lambda it: it.recovered())
    problem = it.of(Problem)[0]
    assert problem.kind == Trouble.NOT_FOUND
    assert problem.text == f"{server.url} does not know deployments (apps/v1): not installed."


def test_the_recorded_answer_for_a_missing_group_is_not_installed(server: FakeKubernetes) -> None:
    server.fail_next(*recorded.answer("crd-missing"), verb="list")
    with following(server) as it:
        it.wait(lambda it: it.recovered())
    assert [problem.kind for problem in it.of(Problem)] == [Trouble.NOT_FOUND]


def test_what_disappears_and_comes_back_is_listed_anew(server: FakeKubernetes) -> None:
    with following(server, Deployment) as it:
        it.wait(lambda it: it.of(Connected))
        kind = server.uninstall("Deployment")
        it.wait(lambda it: it.of(Problem))
        server.install(kind)
        it.wait(lambda it: it.lists() == 2)


def test_retry_after_is_waited_for(server: FakeKubernetes) -> None:
    server.fail_next(429, {"Retry-After": "1"}, verb="list")
    with following(server) as it:
        it.wait(lambda it: it.lists())
    times = [asked.at for asked in server.asked("list")]
    assert times[1] - times[0] >= 1.0


def test_a_failing_server_is_asked_again_with_growing_pauses(server: FakeKubernetes) -> None:
    server.fail_next(503, {}, "<html>no</html>", verb="list", times=4)
    with following(server, timings=replace(FAST, backoff=Backoff(first=0.1, longest=30.0))) as it:
        it.wait(lambda it: it.recovered())
    times = [asked.at for asked in server.asked("list")]
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert [pause >= least for pause, least in zip(pauses, (0.05, 0.1, 0.2, 0.4), strict=True)] == [True] * 4
    assert it.problems() == [f"{server.url} answered 503."]


def test_a_server_that_is_away_is_found_again_and_nothing_is_lost(server: FakeKubernetes) -> None:
    with following(server) as it:
        it.wait(lambda it: it.of(Connected))
        put(server, "a")
        it.wait(lambda it: it.names() == ["a"])
        server.stop()
        it.wait(lambda it: it.of(Problem))
        put(server, "b")
        server.start()
        it.wait(lambda it: it.names() == ["a", "b"])
        it.wait(lambda it: it.recovered())
    problem = it.of(Problem)[0]
    assert problem.kind == Trouble.UNREACHABLE
    assert problem.text == f"Nothing listens at {server.url}: the connection was refused."
    assert it.lists() == 1


# --- credentials ---


def test_a_token_that_was_replaced_is_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeKubernetes(token="first-token") as server:
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path / "config")))
        cluster = Cluster(name="test", access=Access.CONTEXT)
        with following(server, cluster=cluster) as it:
            it.wait(lambda it: it.of(Connected))
            server.token = "second-token"
            server.kubeconfig(tmp_path / "config")
            server.send_error(401, "Unauthorized", "Unauthorized")
            put(server, "a")
            it.wait(lambda it: it.names() == ["a"])
    assert it.problems() == []
    assert it.lists() == 1


def test_a_token_that_stays_wrong_is_a_problem_without_the_token(server: FakeKubernetes) -> None:
    cluster = stored(server)
    server.token = "another-token"
    with following(server, cluster=cluster) as it:
        it.wait(lambda it: it.of(Problem))
        problem = it.of(Problem)[0]
        server.token = ""
        it.wait(lambda it: it.recovered())
    assert problem.kind == Trouble.UNAUTHORIZED
    assert problem.text == (
        f"{server.url} does not accept the credentials of this cluster (401):"
        " the token or certificate is missing, wrong or out of date."
    )
    assert len(it.problems()) == 1


# --- stopping ---


@pytest.mark.parametrize("secure", [False, True])
def test_an_open_watch_stops_at_once(secure: bool) -> None:
    context = None
    authority = trustme.CA()
    if secure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
    with FakeKubernetes(tls=context) as server:
        cluster = stored(text=server.kubeconfig_text(cluster=with_authority(authority) if secure else {}))
        with following(server, cluster=cluster, timings=replace(FAST, inactivity=60)) as it:
            it.wait(lambda it: it.of(Connected))
            began = time.monotonic()
        assert time.monotonic() - began < BUSY


def test_a_slow_retry_stops_at_once(server: FakeKubernetes) -> None:
    server.forbid("pods")
    with following(server, timings=replace(FAST, slow_retry=60)) as it:
        it.wait(lambda it: it.of(Problem))
        began = time.monotonic()
    assert time.monotonic() - began < BUSY


def with_authority(authority: trustme.CA) -> dict[str, str]:
    return {"certificate-authority-data": base64.b64encode(authority.cert_pem.bytes()).decode()}
