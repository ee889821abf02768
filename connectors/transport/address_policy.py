"""Which addresses may be connected to: nothing private, unless the operator allows it. Pure.

The ranges come from the registries of special-purpose addresses,
https://www.iana.org/assignments/iana-ipv4-special-registry and …/iana-ipv6-special-registry.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_SPECIAL: tuple[tuple[Network, str], ...] = tuple(
    (ipaddress.ip_network(network), words)
    for words, networks in {
        "this machine itself": ("127.0.0.0/8", "::1/128", "0.0.0.0/8", "::/128"),
        "a private address": (
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "100.64.0.0/10",
            "fc00::/7",
            "64:ff9b:1::/48",
        ),
        "a link-local address": ("169.254.0.0/16", "fe80::/10"),
        "a multicast address": ("224.0.0.0/4", "ff00::/8"),
        "a reserved address": (
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "240.0.0.0/4",
            "2001::/23",
            "2001:db8::/32",
            "2002::/16",
            "3fff::/20",
        ),
    }.items()
    for network in networks
)
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
# Networks that have only IPv6 reach the whole IPv4 internet through addresses of this range (RFC 6052), so
# each is as good as the IPv4 address that is embedded in it.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_EMBEDDING = (_NAT64, ipaddress.ip_network("64:ff9b:1::/48"), ipaddress.ip_network("::/96"))

METADATA = frozenset(
    ipaddress.ip_address(address)
    for address in (
        "169.254.169.254",  # nearly all clouds
        "fd00:ec2::254",  # AWS
        "169.254.170.2",  # AWS, for containers
        "169.254.170.23",  # AWS, for pods
        "fd00:ec2::23",
        "fd20:ce::254",  # Google Cloud
        "168.63.129.16",  # Azure
        "100.100.100.200",  # Alibaba Cloud
        "192.0.0.192",  # Oracle Cloud
    )
)
"""Where clouds hand out credentials to whoever can connect."""


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Allows the public addresses, and what lies in `allowed`.

    A metadata service is allowed only by listing exactly its address, not by a range around it.
    """

    allowed: tuple[Network, ...] = ()

    def objection(self, address: Address) -> str | None:
        """What speaks against this address, in words that follow “is”; None if it may be connected to."""
        return next(filter(None, map(self._objection, faces(address))), None)

    def _objection(self, address: Address) -> str | None:
        if address in METADATA:
            exact = ipaddress.ip_network(address)
            return None if exact in self.allowed else "the metadata service of a cloud"
        if any(_within(address, network) for network in self.allowed):
            return None
        for network, words in _SPECIAL:
            if _within(address, network):
                return words
        if address.version == 6 and address not in _GLOBAL_UNICAST and address not in _NAT64:
            return "a reserved address"
        return None


def _within(address: Address, network: Network) -> bool:
    return address.version == network.version and address in network


def faces(address: Address) -> Iterator[Address]:
    """The addresses at which packets to `address` may end up: itself, and any IPv4 address within it."""
    if isinstance(address, ipaddress.IPv4Address):
        yield address
        return
    if address.ipv4_mapped is not None:
        # No address of its own: the system connects to the IPv4 address.
        yield address.ipv4_mapped
        return
    address = ipaddress.IPv6Address(int(address))  # without its scope (fe80::1%eth0)
    yield address
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if any(address in network for network in _EMBEDDING) and int(address) > 1:
        yield ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)


def parse_networks(entries: Iterable[str]) -> tuple[tuple[Network, ...], list[str]]:
    """The networks written there, and a sentence for each entry that is none."""
    networks: list[Network] = []
    problems: list[str] = []
    for entry in entries:
        text = entry.strip()
        try:
            networks.append(ipaddress.ip_network(text))
        except ValueError:
            problems.append(_problem(text))
    return tuple(networks), problems


def _problem(text: str) -> str:
    try:
        meant = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return f"“{text}” is neither an address nor a network such as 10.0.0.0/8."
    return f"“{text}” has bits set to the right of its mask: did you mean {meant}?"
