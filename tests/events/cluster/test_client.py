"""Reaching an API server, and what is said when it cannot be reached."""

from __future__ import annotations

import base64
import gzip
import json
import logging
import socket
import ssl
import stat
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from connectors.fields import Unreadable
from events.cluster import client as client_module
from events.cluster.client import Session, connect
from events.cluster.objects import Node, Pod
from events.cluster.trouble import ClusterError, Trouble
from events.models import Access, Cluster
from tests.events.cluster import recorded
from tests.events.cluster.following import stored
from tests.fakes.kubernetes import FakeKubernetes
from tests.fakes.objects import pod
from tests.running import free_port
from tests.waiting import PATIENCE, until

SECRET = "very-secret-token"


def failure(cluster: Cluster) -> ClusterError:
    with pytest.raises(ClusterError) as caught:
        connect(cluster).version()
    assert SECRET not in str(caught.value)
    return caught.value


def in_context(path: Path, monkeypatch: pytest.MonkeyPatch, context: str = "") -> Cluster:
    monkeypatch.setenv("KUBECONFIG", str(path))
    return Cluster(name="test", access=Access.CONTEXT, context=context)


# --- who we are ---


def test_a_stored_kubeconfig_is_used(server: FakeKubernetes) -> None:
    server.token = SECRET
    assert connect(stored(server)).version() == "v1.36.2"
    assert server.asked()[0].headers["authorization"] == f"Bearer {SECRET}"
    assert server.asked()[0].headers["user-agent"] == "kubegraf"


def test_the_recorded_version_is_understood(server: FakeKubernetes) -> None:
    server.fail_next(*recorded.answer("version"))
    assert connect(stored(server)).version() == "v1.36.2"


def test_the_current_context_of_the_kubeconfig_is_used(
    server: FakeKubernetes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.token = SECRET
    assert connect(in_context(server.kubeconfig(tmp_path / "config"), monkeypatch)).version() == "v1.36.2"


def test_a_context_may_stand_in_any_file_that_kubeconfig_names(
    server: FakeKubernetes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = server.kubeconfig(tmp_path / "a", context="first", cluster={"server": "http://127.0.0.1:1"})
    second = server.kubeconfig(tmp_path / "b", context="second")
    cluster = Cluster(name="test", access=Access.CONTEXT, context="second")
    monkeypatch.setenv("KUBECONFIG", f"{first}:{tmp_path / 'missing'}:{second}")
    assert connect(cluster).version() == "v1.36.2"


def test_the_kubeconfig_of_the_home_folder_is_the_default(
    server: FakeKubernetes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".kube").mkdir()
    server.kubeconfig(tmp_path / ".kube" / "config")
    assert connect(Cluster(name="test", access=Access.CONTEXT)).version() == "v1.36.2"


def test_a_context_that_is_not_there_is_told_with_those_that_are(
    server: FakeKubernetes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = failure(in_context(server.kubeconfig(tmp_path / "config"), monkeypatch, "prod"))
    assert (error.kind, error.text) == (
        Trouble.CONFIG,
        "The kubeconfig has no context “prod”. There are: fake.",
    )


def test_no_kubeconfig_at_all_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = failure(in_context(tmp_path / "missing", monkeypatch))
    assert error.text == f"There is no kubeconfig: {tmp_path / 'missing'} does not exist on this server."


def test_not_running_in_a_cluster_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    error = failure(Cluster(name="test", access=Access.IN_CLUSTER))
    assert error.text == "KubeGraf does not run inside a cluster, or its pod has no service account token."


def test_a_credential_program_of_a_local_context_is_run(
    server: FakeKubernetes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.token = SECRET
    path = server.kubeconfig(tmp_path / "config", user=program(tmp_path, credential(SECRET)))
    assert connect(in_context(path, monkeypatch)).version() == "v1.36.2"


def test_a_credential_program_that_fails_is_named_and_not_quoted(
    server: FakeKubernetes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = server.kubeconfig(tmp_path / "config", user=program(tmp_path, SECRET))
    error = failure(in_context(path, monkeypatch))
    assert error.kind == Trouble.UNAUTHORIZED
    assert error.text == (
        f"The program {tmp_path / 'login'}, which gives the credentials of the context “fake”, gave none."
        " To see why: kubectl --context fake get namespaces"
    )


def test_a_token_that_runs_out_is_fetched_again(
    server: FakeKubernetes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.token = "first"
    soon = datetime.now(UTC) + timedelta(seconds=60)  # the client renews five minutes before the end
    path = server.kubeconfig(tmp_path / "config", user=program(tmp_path, credential("first", soon)))
    client = connect(in_context(path, monkeypatch))
    server.token = "second"
    program(tmp_path, credential("second", soon))
    assert client.version() == "v1.36.2"


def program(folder: Path, output: str) -> dict[str, object]:
    path = folder / "login"
    path.write_text(f"#!/bin/sh\ncat <<'EOF'\n{output}\nEOF\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(path)}}


def credential(token: str, until: datetime | None = None) -> str:
    status = {"token": token}
    if until:
        status["expirationTimestamp"] = until.strftime("%Y-%m-%dT%H:%M:%SZ")
    document = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    return json.dumps(document)


def test_a_stored_kubeconfig_runs_no_program(server: FakeKubernetes, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    login = {"apiVersion": "client.authentication.k8s.io/v1", "command": "touch", "args": [str(trace)]}
    cluster = stored(text=server.kubeconfig_text(user={"exec": login}))
    error = failure(cluster)
    assert error.kind == Trouble.CONFIG
    assert error.text.startswith("The user “fake” gets its credentials from a program on your machine (exec)")
    assert not trace.exists()
    assert server.asked() == []


def test_a_stored_kubeconfig_that_no_key_decrypts_is_told(server: FakeKubernetes) -> None:
    cluster = stored(text=Unreadable(Cluster._meta.get_field("kubeconfig")))
    assert failure(cluster).text == (
        "The stored kubeconfig cannot be read with the present FIELD_ENCRYPTION_KEY. Put back the key that it"
        " was encrypted with, or enter the kubeconfig again."
    )


def test_no_stored_kubeconfig_is_told(server: FakeKubernetes) -> None:
    cluster = stored(text="")
    assert failure(cluster).text == "No kubeconfig is stored for this cluster. Enter one."


def test_the_token_stands_in_no_log(server: FakeKubernetes, caplog: pytest.LogCaptureFixture) -> None:
    server.token = SECRET
    cluster = stored(server)
    server.token = "another"
    caplog.set_level(logging.DEBUG)
    failure(cluster)
    assert SECRET not in caplog.text


# --- the connection ---


def test_a_refused_connection_is_told_after_one_attempt() -> None:
    port = free_port()
    error = failure(stored(text=kubeconfig_for(f"http://127.0.0.1:{port}")))
    assert (error.kind, error.text) == (
        Trouble.UNREACHABLE,
        f"Nothing listens at http://127.0.0.1:{port}: the connection was refused.",
    )


def kubeconfig_for(url: str) -> str:
    return FakeKubernetes(token=SECRET).kubeconfig_text(cluster={"server": url})


def test_a_name_that_cannot_be_resolved_is_told() -> None:
    cluster = stored(text=kubeconfig_for("https://nowhere.invalid"))
    assert failure(cluster).text == (
        "The name of https://nowhere.invalid is not known: it cannot be resolved."
    )


def test_an_error_is_one_attempt(server: FakeKubernetes) -> None:
    server.fail_next(503, {"Retry-After": "1"}, times=5)
    error = failure(stored(server))
    assert (error.kind, error.retry_after) == (Trouble.FAILED, 1.0)
    assert len(server.asked()) == 1


def test_a_redirect_is_not_followed(server: FakeKubernetes) -> None:
    server.fail_next(302, {"Location": f"{server.url}/elsewhere"})
    assert failure(stored(server)).text == (
        f"{server.url} answered 302, which an API server does not do. Is the address right?"
    )
    assert [asked.path for asked in server.asked()] == ["/version"]


def test_a_page_of_something_else_makes_one_doubt_the_address(server: FakeKubernetes) -> None:
    server.fail_next(200, {"Content-Type": "text/html"}, "<html>Welcome</html>")
    with pytest.raises(ClusterError) as caught:
        connect(stored(server)).list_page(Pod.resource)
    assert caught.value.kind == Trouble.GARBLED
    assert caught.value.text == (
        f"What {server.url} answered for pods is not what an API server says. Is the address right?"
    )


@contextmanager
def saying(head: bytes, body: bytes, times: int = 1) -> Iterator[str]:
    """The address of a server that says this, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            accepted, _ = listening.accept()
            with accepted, suppress(OSError):
                accepted.recv(65536)
                accepted.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n")
                for _ in range(times):
                    accepted.sendall(body)

        threading.Thread(target=answer, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


BOMB = gzip.compress(bytes(100_000_000))


@pytest.mark.parametrize(
    ("head", "body", "times"),
    [
        (b"Content-Length: 100000000", bytes(1_000_000), 100),
        (b"Content-Encoding: gzip\r\nContent-Length: %d" % len(BOMB), BOMB, 1),
    ],
    ids=["huge", "bomb"],
)
def test_an_answer_without_end_takes_no_memory(head: bytes, body: bytes, times: int) -> None:
    with saying(head, body, times) as url:
        client = connect(stored(text=kubeconfig_for(url)))
        tracemalloc.start()
        with pytest.raises(ClusterError) as caught:
            client.version()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert caught.value.kind == Trouble.GARBLED
    assert most < 20_000_000


def test_a_list_that_breaks_off_is_told() -> None:
    with saying(b"Content-Length: 1000", b"{") as url, pytest.raises(ClusterError) as caught:
        connect(stored(text=kubeconfig_for(url))).list_page(Pod.resource)
    assert caught.value.text == f"The connection to {url} broke."


def tls_context(name: str = "127.0.0.1") -> tuple[ssl.SSLContext, str]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context, base64.b64encode(authority.cert_pem.bytes()).decode()


def test_a_certificate_of_the_clusters_own_authority_is_trusted() -> None:
    context, authority = tls_context()
    with FakeKubernetes(tls=context) as server:
        cluster = stored(text=server.kubeconfig_text(cluster={"certificate-authority-data": authority}))
        assert connect(cluster).version() == "v1.36.2"


def test_a_certificate_of_an_unknown_authority_is_not_trusted() -> None:
    context, _ = tls_context()
    with FakeKubernetes(tls=context, token=SECRET) as server:
        error = failure(stored(server))
        assert error.text == (
            f"The certificate of {server.url} is not trusted: unable to get local issuer certificate."
        )
        assert server.asked() == []


def test_a_certificate_for_another_name_is_not_trusted() -> None:
    context, authority = tls_context("other.example.com")
    with FakeKubernetes(tls=context, token=SECRET) as server:
        cluster = stored(text=server.kubeconfig_text(cluster={"certificate-authority-data": authority}))
        assert failure(cluster).text.startswith(f"The certificate of {server.url} is not trusted: ")
        assert server.asked() == []


def test_a_server_that_speaks_no_tls_is_told(server: FakeKubernetes) -> None:
    url = f"https://127.0.0.1:{server.port}"
    cluster = stored(text=kubeconfig_for(url))
    error = failure(cluster)
    assert error.kind == Trouble.UNREACHABLE
    assert error.text.startswith(f"No secure connection to {url}: ")


def test_a_server_that_never_answers_is_given_up(
    server: FakeKubernetes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "READ_TIMEOUT", 0.2)
    server.hang_next()
    assert failure(stored(server)).text == f"{server.url} has been silent for 0.2 s."


def test_a_server_that_hangs_up_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def hang_up() -> None:
            accepted, _ = listening.accept()
            accepted.close()

        threading.Thread(target=hang_up, daemon=True).start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        cluster = stored(text=kubeconfig_for(url))
        assert failure(cluster).text == f"The connection to {url} broke."


# --- lists and watches ---


def test_a_page_has_the_objects_the_version_and_the_token_of_the_next(server: FakeKubernetes) -> None:
    server.fail_next(*recorded.answer("list-page1"))
    page = connect(stored(server)).list_page(Pod.resource)
    assert (len(page.items or ()), page.version) == (2, "998")
    assert page.next.startswith("eyJ2Ijoi")


def test_the_last_page_has_no_token(server: FakeKubernetes) -> None:
    assert connect(stored(server)).list_page(Node.resource).next == ""


def test_lines_are_put_together_however_they_arrive(server: FakeKubernetes) -> None:
    server.fail_next(*recorded.answer("watch-sendinitial"))
    lines = list(connect(stored(server)).watch(Pod.resource, "", "1", 10, 5))
    assert [json.loads(line)["type"] for line in lines] == ["ADDED", "ADDED", "BOOKMARK"]


def test_a_line_without_end_is_given_up(server: FakeKubernetes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "LINE_LIMIT", 1000)
    server.fail_next(200, {}, b"x" * 2000)
    with pytest.raises(ClusterError) as caught:
        list(connect(stored(server)).watch(Pod.resource, "", "1", 10, 5))
    assert caught.value.kind == Trouble.GARBLED


def test_closing_ends_a_watch_that_another_thread_reads(server: FakeKubernetes) -> None:
    client = connect(stored(server))
    server.put(pod("a"))
    lines: list[bytes] = []
    reader = threading.Thread(target=lambda: lines.extend(client.watch(Pod.resource, "", "1", 60, 60)))
    reader.start()
    until(lambda: server.open_watches() == 1)
    client.close()
    reader.join(PATIENCE)
    assert not reader.is_alive()
    with pytest.raises(ClusterError):
        client.version()


# --- the client that streams share ---


def test_streams_share_a_client(server: FakeKubernetes) -> None:
    session = Session(stored(server))
    assert session.client() is session.client()


def test_of_several_streams_that_fail_together_one_renews_the_client(server: FakeKubernetes) -> None:
    session = Session(stored(server))
    failed = session.client()
    session.renew(failed, at_once=True)
    renewed = session.client()
    session.renew(failed, at_once=True)
    assert renewed is not failed
    assert session.client() is renewed


def test_a_client_that_was_just_made_is_not_made_anew(server: FakeKubernetes) -> None:
    session = Session(stored(server))
    client = session.client()
    session.renew(client)
    assert session.client() is client


def test_closing_a_session_closes_the_clients_that_were_replaced(server: FakeKubernetes) -> None:
    session = Session(stored(server))
    first = session.client()
    session.renew(first, at_once=True)
    second = session.client()
    session.close()
    for client in (first, second):
        with pytest.raises(ClusterError):
            client.version()
    with pytest.raises(ClusterError):
        session.client()
