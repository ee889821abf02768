"""Conversations over real sockets: what is sent, where to, and over which connections."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from pytest_django import Settings

from connectors.conversation import Conversation, Receipt, Request, get, post
from connectors.errors import Reason, SendError
from connectors.transport import bounds
from tests.connectors.transport.driving import Drive, lead, lead_to_error, once, server_context
from tests.fakes import hostile
from tests.fakes.hostile import Hostile
from tests.receiver import Receiver

pytestmark = pytest.mark.usefixtures("loopback")


# --- What is sent ---------------------------------------------------------------------------------------


def test_exactly_the_bytes_of_the_request_are_sent(driver: Drive, receiver: Receiver) -> None:
    body = '{"text":"Grüße ☃"}'.encode()
    request = Request(
        "PUT", f"{receiver.url}/a/b?c=d", {"Content-Type": "application/json", "X-A": "1"}, body
    )

    result = lead(driver, once(request))

    [got] = receiver.requests
    assert result.http_status == 200
    assert (got.method, got.path, got.body) == ("PUT", "/a/b?c=d", body)
    assert got.headers.items() == [
        ("Host", receiver.host),
        ("User-Agent", "KubeGraf/0.1.0"),
        ("Accept-Encoding", "identity"),
        ("Accept", "*/*"),
        ("Content-Type", "application/json"),
        ("X-A", "1"),
        ("Content-Length", str(len(body))),
    ]


def test_a_provider_may_set_its_own_user_agent(driver: Drive, receiver: Receiver) -> None:
    lead(driver, once(get(receiver.url, headers={"user-agent": "special"})))

    assert receiver.requests[0].headers.get_all("User-Agent") == ["special"]


def test_space_around_a_headers_value_is_no_part_of_it(driver: Drive, receiver: Receiver) -> None:
    lead(driver, once(get(receiver.url, headers={"X-A": " Bearer abc "})))

    assert receiver.requests[0].headers["X-A"] == "Bearer abc"


def test_a_conversation_goes_on_with_what_it_was_answered(driver: Drive, receiver: Receiver) -> None:
    receiver.script([(200, {}, {"number": 7}), (201, {"X-Id": "9"}, {"done": True})])

    def conversation() -> Conversation:
        first = yield get(f"{receiver.url}/first")
        second = yield post(f"{receiver.url}/second", payload={"number": first.object["number"]})
        return Receipt(
            {"done": second.object["done"], "id": second.headers["x-id"]}, url="https://example.com/9"
        )

    result = lead(driver, conversation())

    assert result.receipt == Receipt({"done": True, "id": "9"}, url="https://example.com/9")
    assert [request.path for request in receiver.requests] == ["/first", "/second"]
    assert receiver.requests[1].json() == {"number": 7}
    assert len(result.exchanges) == 2


def test_an_error_is_thrown_into_the_conversation_which_may_go_on(
    driver: Drive, receiver: Receiver, receive: Callable[..., Hostile]
) -> None:
    broken = receive(hostile.closes_early)

    def conversation() -> Conversation:
        try:
            yield get(broken.url)
        except SendError as error:
            response = yield post(receiver.url, payload={"instead": error.reason})
        return Receipt({"status": response.status})

    result = lead(driver, conversation())

    assert result.receipt == Receipt({"status": 200})
    assert receiver.requests[0].json() == {"instead": "network"}


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"Host": "other.example.com"}, "The header Host cannot be set."),
        ({"content-length": "3"}, "The header content-length cannot be set."),
        ({"Transfer-Encoding": "chunked"}, "The header Transfer-Encoding cannot be set."),
        (
            {"X-A": "a\r\nX-B: hidden-value"},
            "The header X-A has a line break or a character in it that HTTP cannot carry.",
        ),
        ({"X-A": "☃"}, "The header X-A has a line break or a character in it that HTTP cannot carry."),
        ({"X A": "a"}, "A header's name has characters that are not allowed in one."),
        ({"X-A\r\nX-B": "a"}, "A header's name has characters that are not allowed in one."),
    ],
)
def test_a_header_that_would_change_the_request_is_refused(
    driver: Drive, receive: Callable[..., Hostile], headers: dict[str, str], words: str
) -> None:
    receiver = receive(hostile.friendly)

    error = lead_to_error(driver, once(get(receiver.url, headers=headers)))

    assert (error.reason, error.text, error.disable) == (Reason.MISCONFIGURED, words, True)
    assert receiver.connections == 0


def test_environment_proxies_and_netrc_are_ignored(
    driver: Drive,
    receiver: Receiver,
    receive: Callable[..., Hostile],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    proxy = receive(hostile.friendly)
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password netrc-password\n")
    monkeypatch.setenv("NETRC", str(netrc))

    result = lead(driver, once(get(receiver.url)))

    assert result.http_status == 200
    assert proxy.connections == 0
    assert "Authorization" not in receiver.requests[0].headers


def test_cookies_are_not_kept(driver: Drive, receiver: Receiver) -> None:
    receiver.script([(200, {"Set-Cookie": "session=abc"}, b""), (200, {}, b"")])

    lead(driver, once(get(receiver.url)))
    lead(driver, once(get(receiver.url)))

    assert "Cookie" not in receiver.requests[1].headers


# --- Where to -------------------------------------------------------------------------------------------


def test_plain_http_is_refused_before_anything_is_connected_to(
    driver: Drive, receive: Callable[..., Hostile], settings: Settings
) -> None:
    settings.ALLOW_HTTP = False
    receiver = receive(hostile.friendly)

    error = lead_to_error(driver, once(get(f"{receiver.url}/path")))

    assert (error.reason, error.retry) == (Reason.BLOCKED, False)
    assert error.text == (
        "localhost would be sent everything in the clear. Use https, or set KUBEGRAF_ALLOW_HTTP=1 where the"
        " network can be trusted."
    )
    assert receiver.connections == 0


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://example.com/", "gopher://127.0.0.1:6379/_x", ""]
)
def test_other_schemes_are_refused(driver: Drive, url: str) -> None:
    error = lead_to_error(driver, once(Request("GET", url)))

    assert (error.reason, error.text, error.retry) == (
        Reason.BLOCKED,
        "Only https addresses are called.",
        False,
    )


def test_a_private_address_is_refused(
    driver: Drive, receive: Callable[..., Hostile], settings: Settings
) -> None:
    settings.EGRESS_ALLOW = []
    receiver = receive(hostile.friendly)

    error = lead_to_error(driver, once(get(f"http://127.0.0.1:{receiver.port}/path")))

    assert (error.reason, error.retry) == (Reason.BLOCKED, False)
    assert error.text == (
        "127.0.0.1 is this machine itself. To allow it, add it or its network to KUBEGRAF_EGRESS_ALLOW."
    )
    assert receiver.connections == 0


def test_credentials_in_the_address_are_refused(driver: Drive, receive: Callable[..., Hostile]) -> None:
    receiver = receive(hostile.friendly)

    error = lead_to_error(driver, once(get(f"http://someone:hunter22@127.0.0.1:{receiver.port}/")))

    assert (error.reason, receiver.connections) == (Reason.MISCONFIGURED, 0)
    assert "hunter22" not in error.text


@pytest.mark.parametrize(
    "url",
    ["https://[::1", "https:///secret-path", "https://a..b/secret-path", "https://" + "a" * 80 + ".example/"],
)
def test_an_unreadable_address_is_said_to_be_one(driver: Drive, url: str) -> None:
    error = lead_to_error(driver, once(Request("GET", url)))

    assert error.reason in (Reason.MISCONFIGURED, Reason.NETWORK)
    assert "secret-path" not in error.text


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(driver: Drive, receive: Callable[..., Hostile], status: int) -> None:
    canary = receive(hostile.friendly)
    receiver = receive(hostile.redirecting(status, canary.url))

    result = lead(driver, once(post(receiver.url, payload={})))

    assert result.receipt is not None
    assert (result.receipt.remote["status"], result.receipt.note) == (status, canary.url)
    assert canary.connections == 0


def test_a_redirect_to_the_metadata_service_is_not_followed(
    driver: Drive, receive: Callable[..., Hostile]
) -> None:
    receiver = receive(hostile.redirecting(302, "http://169.254.169.254/latest/meta-data/"))

    result = lead(driver, once(get(receiver.url)))

    assert result.http_status == 302
    assert len(receiver.requests) == 1


# --- TLS ------------------------------------------------------------------------------------------------


def test_a_certificate_of_an_authority_in_ssl_cert_file_is_believed(
    driver: Drive, receive: Callable[..., Hostile], authority: trustme.CA
) -> None:
    receiver = receive(hostile.friendly, tls=server_context(authority, "localhost"))

    result = lead(driver, once(get(receiver.url)))

    assert result.error is None
    assert result.http_status == 200


@pytest.mark.parametrize(
    ("names", "known", "words"),
    [
        (("other.example.com",), True, "Hostname mismatch"),
        (("localhost",), False, "unable to get local issuer certificate"),
    ],
)
def test_a_bad_certificate_is_refused_before_anything_is_sent(
    driver: Drive,
    receive: Callable[..., Hostile],
    authority: trustme.CA,
    names: tuple[str, ...],
    known: bool,
    words: str,
) -> None:
    issuer = authority if known else trustme.CA()
    receiver = receive(hostile.friendly, tls=server_context(issuer, *names))

    error = lead_to_error(driver, once(get(f"{receiver.url}/secret-path")))

    assert (error.reason, error.retry) == (Reason.TLS, True)
    assert error.text.startswith("The certificate of localhost is not to be trusted: ")
    assert words in error.text
    assert "secret-path" not in error.text
    assert receiver.requests == []


def test_https_to_a_plain_http_server_says_so(driver: Drive, receive: Callable[..., Hostile]) -> None:
    receiver = receive(hostile.speaks_first)

    error = lead_to_error(driver, once(get(f"https://localhost:{receiver.port}/")))

    assert (error.reason, error.text) == (
        Reason.TLS,
        "No TLS connection with localhost: what answers there speaks no TLS, perhaps plain http.",
    )


# --- Kept-alive connections -----------------------------------------------------------------------------


def test_a_connection_is_used_again(driver: Drive, receive: Callable[..., Hostile]) -> None:
    receiver = receive(hostile.friendly)

    for _ in range(3):
        assert lead(driver, once(get(receiver.url))).http_status == 200

    assert (receiver.connections, len(receiver.requests)) == (1, 3)


def test_a_connection_whose_answer_was_not_read_to_the_end_is_not_used_again(
    driver: Drive, receive: Callable[..., Hostile]
) -> None:
    body = b"a" * 200_000
    receiver = receive(hostile.answering(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + body))

    lead(driver, once(get(receiver.url)))
    result = lead(driver, once(get(receiver.url)))

    assert (result.http_status, receiver.connections) == (200, 2)


def test_a_connection_that_the_receiver_closed_meanwhile_is_replaced_without_a_failure(
    driver: Drive, receive: Callable[..., Hostile]
) -> None:
    receiver = receive(hostile.one_per_connection)

    for number in (1, 2, 3):
        assert lead(driver, once(get(receiver.url))).http_status == 200
        receiver.wait_until_done()
        assert (receiver.connections, len(receiver.requests)) == (number, number)


def test_a_connection_idle_for_long_is_replaced(
    driver: Drive, receive: Callable[..., Hostile], monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver = receive(hostile.friendly)
    lead(driver, once(get(receiver.url)))

    monkeypatch.setattr(bounds, "IDLE_SECONDS", 0.0)
    result = lead(driver, once(get(receiver.url)))

    assert (result.http_status, receiver.connections) == (200, 2)


def test_the_guard_is_asked_again_for_each_new_connection(
    driver: Drive, receive: Callable[..., Hostile], settings: Settings
) -> None:
    receiver = receive(hostile.one_per_connection)
    assert lead(driver, once(get(receiver.url))).http_status == 200
    receiver.wait_until_done()

    settings.EGRESS_ALLOW = []
    error = lead_to_error(driver, once(get(receiver.url)))

    assert (error.reason, receiver.connections) == (Reason.BLOCKED, 1)
