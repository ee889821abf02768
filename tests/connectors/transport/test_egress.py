"""Which addresses may be connected to, and that nothing else is."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from pytest_django import Settings

from connectors import checks
from connectors.conversation import Conversation, Receipt, Request
from connectors.errors import Reason, SendError
from connectors.transport import egress
from connectors.transport.address_policy import METADATA, AddressPolicy, parse_networks
from connectors.transport.drive import drive
from tests.fakes import hostile
from tests.fakes.hostile import Hostile
from tests.waiting import BUSY


@pytest.fixture
def canary() -> Iterator[Hostile]:
    """Listens on 127.0.0.1, where nothing may arrive."""
    with Hostile(hostile.friendly) as canary:
        yield canary


def objection(address: str, *allowed: str) -> str | None:
    networks, problems = parse_networks(allowed)
    assert problems == []
    return AddressPolicy(networks).objection(ipaddress.ip_address(address))


def blocked(host: str, port: int) -> SendError:
    with pytest.raises(SendError) as caught:
        egress.connect(host, port, 2)
    assert (caught.value.reason, caught.value.retry) == (Reason.BLOCKED, False)
    return caught.value


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Makes each look-up of a name give the next of these answers; returns the names that were asked for."""
    asked: list[str] = []
    left = list(answers)

    def getaddrinfo(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        asked.append(host)
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (address, port, 0, 0) if ":" in address else (address, port),
            )
            for address in left.pop(0)
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


# --- The policy -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "93.184.215.14",
        "8.8.8.8",
        "172.15.255.255",
        "172.32.0.1",
        "100.128.0.1",
        "2606:2800:21f:cb07:6820:80da:af6b:8b2c",
        "2001:4860:4860::8888",
        "64:ff9b::808:808",
        "::ffff:8.8.8.8",
    ],
)
def test_public_addresses_are_allowed(address: str) -> None:
    assert objection(address) is None


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.0.1", "this machine itself"),
        ("127.255.255.254", "this machine itself"),
        ("0.0.0.0", "this machine itself"),
        ("0.1.2.3", "this machine itself"),
        ("::1", "this machine itself"),
        ("::", "this machine itself"),
        ("10.0.0.1", "a private address"),
        ("172.16.0.1", "a private address"),
        ("172.31.255.255", "a private address"),
        ("192.168.1.1", "a private address"),
        ("100.64.0.1", "a private address"),
        ("fc00::1", "a private address"),
        ("fd12:3456::1", "a private address"),
        ("169.254.1.1", "a link-local address"),
        ("fe80::1", "a link-local address"),
        ("fe80::1%eth0", "a link-local address"),
        ("224.0.0.1", "a multicast address"),
        ("ff02::1", "a multicast address"),
        ("240.0.0.1", "a reserved address"),
        ("255.255.255.255", "a reserved address"),
        ("192.0.0.8", "a reserved address"),
        ("192.0.2.1", "a reserved address"),
        ("192.88.99.1", "a reserved address"),
        ("198.51.100.1", "a reserved address"),
        ("203.0.113.1", "a reserved address"),
        ("198.18.0.1", "a reserved address"),
        ("2001:db8::1", "a reserved address"),
        ("3fff::1", "a reserved address"),
        ("4000::1", "a reserved address"),
        ("fec0::1", "a reserved address"),
        # IPv4 addresses within IPv6 addresses: mapped, compatible, translated, 6to4, Teredo.
        ("::ffff:127.0.0.1", "this machine itself"),
        ("::ffff:10.0.0.1", "a private address"),
        ("::127.0.0.1", "a reserved address"),
        ("64:ff9b::7f00:1", "this machine itself"),
        ("64:ff9b::a00:1", "a private address"),
        ("64:ff9b:1::a00:1", "a private address"),
        ("2002:7f00:1::", "a reserved address"),
        ("2002:808:808::", "a reserved address"),
        ("2001:0:808:808:0:0:80ff:fffe", "a reserved address"),
        ("::ffff:169.254.169.254", "the metadata service of a cloud"),
        ("64:ff9b::a9fe:a9fe", "the metadata service of a cloud"),
    ],
)  # fmt: skip
def test_other_addresses_are_refused(address: str, words: str) -> None:
    assert objection(address) == words


def test_a_network_can_be_allowed() -> None:
    assert objection("10.1.2.3", "10.0.0.0/8") is None
    assert objection("::ffff:10.1.2.3", "10.0.0.0/8") is None
    assert objection("64:ff9b::a01:203", "10.0.0.0/8") is None
    assert objection("11.1.2.3", "10.0.0.0/8") is None
    assert objection("192.168.1.1", "10.0.0.0/8") == "a private address"
    assert objection("fd00::1", "fd00::/8") is None


def test_a_single_address_can_be_allowed() -> None:
    assert objection("192.168.7.20", "192.168.7.20") is None
    assert objection("192.168.7.21", "192.168.7.20") == "a private address"


@pytest.mark.parametrize("address", sorted(map(str, METADATA)))
def test_metadata_stays_refused_within_an_allowed_network(address: str) -> None:
    assert objection(address, "0.0.0.0/0", "::/0") == "the metadata service of a cloud"


@pytest.mark.parametrize("address", sorted(map(str, METADATA)))
def test_metadata_is_allowed_by_its_exact_address_alone(address: str) -> None:
    assert objection(address, address) is None


def test_what_an_allowed_network_embeds_is_still_looked_at() -> None:
    assert objection("2002:7f00:1::", "2002::/16") == "this machine itself"
    assert objection("2002:a9fe:a9fe::", "2002::/16", "169.254.0.0/16") == "the metadata service of a cloud"
    assert objection("2001:0:7f00:1::", "2001::/32") == "this machine itself"
    assert objection("2001:0:808:808:0:0:80ff:fffe", "2001::/32") == "this machine itself"
    assert objection("64:ff9b:1::7f00:1", "64:ff9b:1::/48") == "this machine itself"
    assert objection("::127.0.0.1", "::/96") == "this machine itself"


def test_a_scope_hides_no_metadata_service() -> None:
    assert objection("fd00:ec2::254%eth0", "fd00::/8") == "the metadata service of a cloud"


def test_networks_that_cannot_be_read_are_told_in_words() -> None:
    networks, problems = parse_networks(["10.0.0.0/8", " 192.168.7.20 ", "10.1.2.3/8", "intranet", ""])

    assert [str(network) for network in networks] == ["10.0.0.0/8", "192.168.7.20/32"]
    assert problems == [
        "“10.1.2.3/8” has bits set to the right of its mask: did you mean 10.0.0.0/8?",
        "“intranet” is neither an address nor a network such as 10.0.0.0/8.",
        "“” is neither an address nor a network such as 10.0.0.0/8.",
    ]


def test_a_bad_entry_in_the_setting_is_named_by_the_system_check(settings: Settings) -> None:
    settings.EGRESS_ALLOW = ["10.0.0.0/8", "intranet"]

    [error] = checks.egress_allow()

    assert error.id == "connectors.E001"
    assert error.msg == (
        "KUBEGRAF_EGRESS_ALLOW: “intranet” is neither an address nor a network such as 10.0.0.0/8."
    )
    with pytest.raises(SystemCheckError, match="intranet"):
        call_command("check")


def test_a_bad_entry_in_the_setting_allows_nothing(settings: Settings, canary: Hostile) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.1/8"]

    blocked("127.0.0.1", canary.port)

    assert canary.connections == 0


# --- Connecting -----------------------------------------------------------------------------------------

# However this machine is written. The port is put in for {}.
ADDRESSES = [
    "http://127.0.0.1:{}/",
    "http://localhost:{}/",
    "http://LOCALHOST.:{}/",
    "http://[::1]:{}/",
    "http://[::]:{}/",
    "http://[::ffff:127.0.0.1]:{}/",
    "http://[::ffff:7f00:1]:{}/",
    "http://[64:ff9b::7f00:1]:{}/",
    "http://0.0.0.0:{}/",
    "http://0:{}/",
    "http://2130706433:{}/",
    "http://0177.0.0.1:{}/",
    "http://0x7f000001:{}/",
    "http://0x7f.1:{}/",
    "http://127.1:{}/",
    "http://127.0.0.1.:{}/",
    "http://example.com@127.0.0.1:{}/",
    "http://127.0.0.1:{}#@example.com/",
    "http://example.com\\@127.0.0.1:{}/",
    "http://①②⑦.⓪.⓪.①:{}/",
    "http://10.0.0.1:{}/",
    "http://100.64.0.1:{}/",
    "http://169.254.169.254:{}/latest/meta-data/",
    "http://metadata.google.internal:{}/",
    "file:///etc/passwd",
    "ftp://127.0.0.1:{}/",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_way_of_writing_it_reaches_a_private_address(
    canary: Hostile, settings: Settings, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    settings.ALLOW_HTTP = True
    real = socket.getaddrinfo

    def getaddrinfo(host: str, *args: Any, **kwargs: Any) -> Any:
        names = {"metadata.google.internal": "169.254.169.254"}
        return real(names.get(host, host), *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    def conversation() -> Conversation:
        yield Request("GET", address.format(canary.port))
        return Receipt()

    [[(_, result)]] = drive({1: conversation()}, timeout=2)

    assert result.error is not None
    assert result.error.reason in (Reason.BLOCKED, Reason.MISCONFIGURED, Reason.NETWORK)
    assert canary.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "localhost"])
def test_an_address_is_refused_with_words_about_what_to_do(canary: Hostile, host: str) -> None:
    error = blocked(host, canary.port)

    assert error.text.startswith(host)
    assert error.text.endswith(
        "is this machine itself. To allow it, add it or its network to KUBEGRAF_EGRESS_ALLOW."
    )
    assert canary.connections == 0


def test_a_metadata_service_is_refused_with_words_of_its_own(settings: Settings) -> None:
    settings.EGRESS_ALLOW = ["169.254.0.0/16"]

    error = blocked("169.254.169.254", 80)

    assert error.text == (
        "169.254.169.254 is the metadata service of a cloud. It is refused unless KUBEGRAF_EGRESS_ALLOW lists"
        " exactly 169.254.169.254."
    )


def test_an_allowed_address_is_connected_to(canary: Hostile, settings: Settings) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.0/8", "::1"]

    with egress.connect("localhost", canary.port, 2) as connection:
        assert connection.getpeername() == ("127.0.0.1", canary.port)


def test_a_name_with_mixed_answers_is_refused(
    canary: Hostile, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.1"]
    resolving(monkeypatch, ["127.0.0.1", "10.0.0.5"])

    error = blocked("mixed.example.com", canary.port)

    assert error.text == (
        "mixed.example.com resolves to 10.0.0.5, which is a private address. To allow it, add it or its"
        " network to KUBEGRAF_EGRESS_ALLOW."
    )
    assert canary.connections == 0


def test_a_name_is_looked_up_once_and_the_checked_address_is_connected_to(
    canary: Hostile, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.1"]
    asked = resolving(monkeypatch, ["127.0.0.1"], ["10.0.0.5"])

    with egress.connect("rebinding.example.com", canary.port, 2) as connection:
        assert connection.getpeername()[0] == "127.0.0.1"

    assert asked == ["rebinding.example.com"]


def test_a_name_that_turns_private_later_is_refused_then(
    canary: Hostile, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.1"]
    resolving(monkeypatch, ["127.0.0.1"], ["127.0.0.2"])
    egress.connect("rebinding.example.com", canary.port, 2).close()

    error = blocked("rebinding.example.com", canary.port)

    assert "rebinding.example.com resolves to 127.0.0.2" in error.text
    assert canary.connections == 1


def test_the_next_address_is_tried_when_one_does_not_answer(
    canary: Hostile, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.1", "::1"]
    resolving(monkeypatch, ["::1", "127.0.0.1"])

    with egress.connect("both.example.com", canary.port, 2) as connection:
        assert connection.getpeername() == ("127.0.0.1", canary.port)


def test_that_no_address_answers_is_told_for_each(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, canary: Hostile
) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.1", "::1"]
    port = canary.port
    canary.close()
    resolving(monkeypatch, ["::1", "127.0.0.1"])

    with pytest.raises(SendError) as caught:
        egress.connect("both.example.com", port, 2)

    assert (caught.value.reason, caught.value.retry) == (Reason.NETWORK, True)
    assert caught.value.text == (
        f"No connection to both.example.com, port {port}"
        " (::1: Connection refused; 127.0.0.1: Connection refused)."
    )


def test_a_port_that_does_not_answer_is_given_up_in_time(settings: Settings) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.1"]
    # A queue of one that is full: the system drops further attempts to connect.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        started = time.monotonic()

        with pytest.raises(SendError) as caught:
            egress.connect("127.0.0.1", port, 0.3)

        for one in waiting:
            one.close()
    assert 0.2 < time.monotonic() - started < 0.3 + BUSY
    assert (caught.value.reason, caught.value.retry) == (Reason.TIMEOUT, True)
    assert (
        caught.value.text == f"No connection to 127.0.0.1, port {port}, within 0.3 s (127.0.0.1: no answer)."
    )


def test_a_name_server_that_does_not_answer_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: over.wait(60) and [])
    started = time.monotonic()

    with pytest.raises(SendError) as caught:
        egress.connect("slow.example.com", 443, 0.2)

    over.set()
    assert time.monotonic() - started < 0.2 + BUSY
    assert (caught.value.reason, caught.value.retry) == (Reason.TIMEOUT, True)
    assert caught.value.text == "The name slow.example.com did not resolve within 0.2 s."


def test_a_name_that_does_not_exist_is_a_network_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    with pytest.raises(SendError) as caught:
        egress.connect("nowhere.example.com", 443, 2)

    assert (caught.value.reason, caught.value.retry) == (Reason.NETWORK, True)
    assert caught.value.text == "The name nowhere.example.com does not resolve: Name or service not known."


@pytest.mark.parametrize("host", ["a..b", "a" * 70 + ".example.com"])
def test_what_is_no_name_at_all_is_said_to_be_none(host: str) -> None:
    with pytest.raises(SendError) as caught:
        egress.connect(host, 443, 2)

    assert caught.value.text == f"{host!r} is not a host name."


def test_many_can_connect_at_once(canary: Hostile, settings: Settings) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.1"]
    done: list[socket.socket] = []
    connect: Callable[[], None] = lambda: done.append(egress.connect("127.0.0.1", canary.port, 5))  # noqa: E731
    threads = [threading.Thread(target=connect) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for connection in done:
        connection.close()

    assert len(done) == 20
