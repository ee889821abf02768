"""Opens every connection outwards, and refuses those to addresses that the policy does not allow.

Connectors are configured by people who are not this server's operators, so what they enter must not reach
what only this server can reach: itself, its private network, a cloud's metadata service. The check is made
on the very addresses that are then connected to, for each new connection: so it holds however a host is
written, and however often its name resolves to something else.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from functools import lru_cache
from typing import Any, TypeAlias

from django.conf import settings

from connectors.errors import Reason, SendError
from connectors.transport.address_policy import METADATA, Address, AddressPolicy, parse_networks

SETTING = "KUBEGRAF_EGRESS_ALLOW"

_SocketAddress: TypeAlias = tuple[socket.AddressFamily, Any]
# The second is (address, port, …), in the shape that the family has in `socket`.


def connect(host: str, port: int, timeout: float) -> socket.socket:
    """A TCP connection to `host`, within `timeout` seconds, the name's look-up included.

    The name is looked up once. Raises SendError: BLOCKED, NETWORK or TIMEOUT.
    """
    deadline = time.monotonic() + timeout
    addresses = _resolve(host, port, timeout)
    failures: list[tuple[str, OSError]] = []
    for position, (family, sockaddr) in enumerate(addresses):
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            break
        try:
            # What one address does not use up is left for the next ones.
            return _open(family, sockaddr, remaining / (len(addresses) - position))
        except OSError as error:
            failures.append((sockaddr[0], error))
    raise no_connection(host, port, timeout, failures)


def resolve(host: str, port: int, timeout: float) -> list[str]:
    """The addresses of a host, all of which may be connected to. Raises SendError like `connect`."""
    return [sockaddr[0] for _, sockaddr in _resolve(host, port, timeout)]


def _resolve(host: str, port: int, timeout: float) -> list[_SocketAddress]:
    addresses = _look_up(host, port, timeout)
    # If one of its addresses is refused, so is the name: with mixed answers one of them is a trick.
    for _, sockaddr in addresses:
        require_allowed(host, sockaddr[0])
    return addresses


@lru_cache(maxsize=8)
def _policy(entries: tuple[str, ...]) -> AddressPolicy:
    # An entry that cannot be read allows nothing; the system check names it.
    return AddressPolicy(parse_networks(entries)[0])


def require_allowed(host: str, found: str) -> None:
    """Raises SendError(BLOCKED) if the policy of `settings.EGRESS_ALLOW` has something against an address."""
    address = ipaddress.ip_address(found)
    objection = _policy(tuple(settings.EGRESS_ALLOW)).objection(address)
    if objection is None:
        return
    subject = found if _is_written_as(host, address) else f"{host} resolves to {found}, which"
    if address in METADATA:
        remedy = f"It is refused unless {SETTING} lists exactly {found}."
    else:
        remedy = f"To allow it, add it or its network to {SETTING}."
    raise SendError(Reason.BLOCKED, f"{subject} is {objection}. {remedy}")


def _is_written_as(host: str, address: Address) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")) == address
    except ValueError:
        return False


def _open(family: socket.AddressFamily, sockaddr: Any, timeout: float) -> socket.socket:
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        connection.connect(sockaddr)
        # A request is written in two pieces, head and body: do not hold back the second one.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        connection.close()
        raise
    return connection


def no_connection(host: str, port: int, timeout: float, failures: list[tuple[str, OSError]]) -> SendError:
    """The verdict when none of the addresses that were tried could be connected to."""
    tried = "; ".join(
        f"{address}: {'no answer' if isinstance(error, TimeoutError) else error.strerror or error}"
        for address, error in failures
    )
    if all(isinstance(error, TimeoutError) for _, error in failures):
        text = f"No connection to {host}, port {port}, within {timeout:.3g} s ({tried or 'no time left'})."
        return SendError(Reason.TIMEOUT, text, retry=True)
    return SendError(Reason.NETWORK, f"No connection to {host}, port {port} ({tried}).", retry=True)


def _look_up(host: str, port: int, timeout: float) -> list[_SocketAddress]:
    """The addresses of a host, each once, in the system's order of preference."""
    answer: list[_SocketAddress] = []
    failure: list[Exception] = []

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
            answer.extend(dict.fromkeys((family, sockaddr) for family, _, _, _, sockaddr in found))
        except Exception as error:  # noqa: BLE001 - not handled here but by the thread that asked for it
            failure.append(error)

    # The system's look-up has no time limit and cannot be interrupted, so a thread of its own waits for it.
    asking = threading.Thread(target=ask, name=f"look up {host}", daemon=True)
    asking.start()
    asking.join(timeout)
    if asking.is_alive():
        text = f"The name {host} did not resolve within {timeout:.3g} s."
        raise SendError(Reason.TIMEOUT, text, retry=True)
    if not failure:
        return answer
    if isinstance(failure[0], OSError):
        text = f"The name {host} does not resolve: {failure[0].strerror or failure[0]}."
        raise SendError(Reason.NETWORK, text, retry=True)
    if isinstance(failure[0], ValueError):
        raise SendError(Reason.NETWORK, f"{host!r} is not a host name.", retry=True)
    raise failure[0]
