"""Where a webhook may go: rules for its URL and for the addresses its host resolves to. Nothing is resolved here.

A server that sends requests wherever a user says can be made to send them to its own neighbours (server-side request
forgery, CWE-918). So a URL is taken apart once, here; a host's addresses are all judged; and whoever sends connects to
an address that was judged, not to a name that may mean another by then.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from pipeline.settings import Environment, setting

VARIABLE = "THALWEG_WEBHOOK_ALLOW"
LONGEST = 2048
_PRINTABLE = re.compile(r"[!-~]+")
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PORTS = {"http": 80, "https": 443}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# IANA's special-purpose registries (RFC 6890) as of 2025, written out: what Python's `is_global` knows differs between
# its versions, and it takes multicast for global.
_SPECIAL_4 = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        "168.63.129.16/32",  # a public address, behind which a cloud's hosts find their agent
    )
)
_UNICAST_6 = ipaddress.IPv6Network("2000::/3")
_SPECIAL_6 = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "2001::/23",  # IETF protocols, Teredo among them
        "2001:db8::/32",
        "2002::/16",  # 6to4: an IPv4 address behind a relay
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True)
class Allowed:
    """What may be reached though it is not public (THALWEG_WEBHOOK_ALLOW): host names, addresses, networks. These may
    be spoken to without TLS, too."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def from_environment(cls, environ: Environment) -> Allowed:
        """Raises Misconfigured."""
        return setting(environ, VARIABLE, cls(), cls.parse)

    @classmethod
    def parse(cls, text: str) -> Allowed:
        """Names, addresses and networks, commas between. Raises ValueError."""
        hosts, networks = set(), []
        for part in (part.strip().lower() for part in text.split(",")):
            if not part:
                continue
            try:
                networks.append(ipaddress.ip_network(part))
            except ValueError:
                if not _NAME.fullmatch(part) or _NUMBER.fullmatch(part.rsplit(".", 1)[-1]):
                    raise ValueError(f"{part!r} is no host name, address or network") from None
                hosts.add(part)
        return cls(frozenset(hosts), tuple(networks))

    def holds(self, address: Address) -> bool:
        return any(address in network for network in self.networks)


@dataclass(frozen=True, slots=True)
class Destination:
    """A URL taken apart. `host` is a name in lower case or an address without brackets, `target` path and query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """What the Host header says (RFC 9110, 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def address(self) -> Address | None:
        """Where the host is one."""
        return _literal(self.host)


@dataclass(frozen=True, slots=True)
class Forbidden:
    """Why a webhook may not go there: `reason` is a stable code, `detail` a sentence for the webhook's owner."""

    reason: str
    detail: str


def destination_of(url: str) -> Destination | Forbidden:
    """Takes a URL apart, whose host may be anything."""
    if len(url) > LONGEST:
        return Forbidden("url_invalid", f"the URL is longer than {LONGEST} characters")
    if not _PRINTABLE.fullmatch(url) or "\\" in url:
        return Forbidden("url_invalid", "the URL holds spaces, control characters or letters that must be escaped")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").removesuffix("."), parts.port
    except ValueError:
        return Forbidden("url_invalid", "the URL cannot be read")
    if parts.scheme not in _PORTS:
        return Forbidden("scheme_forbidden", "the URL must begin with https://")
    if "@" in parts.netloc:
        return Forbidden("url_invalid", "the URL must hold no user name or password")
    if "#" in url:
        return Forbidden("url_invalid", "the URL must have no fragment")
    if port == 0 or not _host(host):
        return Forbidden("url_invalid", "the URL's host or port is none")
    literal = _literal(host)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Destination(parts.scheme, host if literal is None else str(literal), port or _PORTS[parts.scheme], target)


def examine(url: str, allowed: Allowed, addresses: Iterable[str] | None = None) -> Destination | Forbidden:
    """Where the URL leads, if a webhook may go there. `addresses` are all that its host resolves to; None where that is
    not known yet, and then only what needs no resolving is judged."""
    destination = destination_of(url)
    if isinstance(destination, Forbidden):
        return destination
    if destination.host in allowed.hosts:
        return destination
    known = [destination.address] if destination.address is not None else _read(addresses)
    if known is None:
        return _unresolved(destination, allowed)
    if not known:
        return Forbidden("host_unknown", "the URL's host has no address")
    if not all(allowed.holds(address) or is_public(address) for address in known):
        return Forbidden("address_forbidden", "the URL's host has an address that is not public")
    if destination.scheme != "https" and not all(allowed.holds(address) for address in known):
        return Forbidden("scheme_forbidden", "the URL must begin with https://")
    return destination


def is_public(address: Address) -> bool:
    """Whether the address is one of the public Internet's, and so is the IPv4 address in it, where there is one."""
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not any(address in network for network in _SPECIAL_4)
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if address in _NAT64:  # RFC 6052
        return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return address in _UNICAST_6 and address.is_global and not any(address in network for network in _SPECIAL_6)


def _unresolved(destination: Destination, allowed: Allowed) -> Destination | Forbidden:
    if destination.host == "localhost" or destination.host.endswith(".localhost"):  # RFC 6761
        if not allowed.networks:
            return Forbidden("address_forbidden", "the URL's host has an address that is not public")
    elif destination.scheme != "https" and not allowed.networks:
        return Forbidden("scheme_forbidden", "the URL must begin with https://")
    return destination


def _read(addresses: Iterable[str] | None) -> list[Address] | None:
    """Raises ValueError for what is no address. A zone (`%eth0`) is part of one, and never public."""
    return None if addresses is None else [ipaddress.ip_address(address) for address in addresses]


def _host(host: str) -> bool:
    """A name, or an address in its one usual form. Resolvers also take 127.1 or 0x7f000001 for addresses; a name that
    ends in a number is none (WHATWG URL, 3.5)."""
    if _literal(host) is not None:
        return True
    return len(host) <= 253 and _NAME.fullmatch(host) is not None and not _NUMBER.fullmatch(host.rsplit(".", 1)[-1])


def _literal(host: str) -> Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return None if "%" in host else address
