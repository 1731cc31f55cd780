"""Which addresses an outbound call may reach.

A call goes through three steps: `check_url` refuses addresses that are written to
deceive, the caller resolves the host once, and `pick` tells which of the resolved
addresses to connect to. The connection is made to *that* address, so a name that
resolves differently the next time (DNS rebinding) gains nothing. Each redirect goes
through all three steps again.

    >>> check_url("https://api.openai.com/v1/chat")
    Target(scheme='https', host='api.openai.com', port=443)
    >>> pick(["104.18.7.192", "10.0.0.5"], Policy())
    ['104.18.7.192']
    >>> pick(["10.0.0.5"], Policy())
    Traceback (most recent call last):
    ...
    odoo.addons.steward.kernel.netguard.Refusal: 10.0.0.5 is a private address.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

URL_LIMIT = 8192  # characters

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Refusal(Exception):
    """An address that must not be called; `rule` is a stable name of the reason.

    >>> Refusal("private", "10.0.0.5 is a private address.").rule
    'private'
    """

    def __init__(self, rule: str, sentence: str) -> None:
        super().__init__(sentence)
        self.rule = rule


class Target(NamedTuple):
    """Where a URL leads: the host in lower case, an IPv6 address without brackets.

    >>> check_url("http://[2606:4700::1]:8080/").host
    '2606:4700::1'
    """

    scheme: str
    host: str
    port: int


# --- Addresses ------------------------------------------------------------------------

_SENTENCES = {
    "private": "a private address",
    "loopback": "this machine itself",
    "link_local": "a link-local address",
    "metadata": "the metadata service of a cloud, which hands out credentials",
    "cgnat": "an address inside a provider's network (RFC 6598)",
    "multicast": "a multicast address",
    "documentation": "an address from documentation",
    "unspecified": "no address of a machine",
    "tunnel": "an address of an obsolete tunnel (6to4, Teredo)",
    "reserved": "a reserved address",
}


def _networks(kind: str, *networks: str) -> list[tuple[str, Network]]:
    return [(kind, ipaddress.ip_network(network)) for network in networks]


# The first that holds an address decides.
_SPECIAL = [
    *_networks(
        "metadata",
        *("169.254.169.254", "169.254.170.2", "169.254.170.23"),  # AWS and others
        *("fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254"),  # AWS, Google over IPv6
        *("100.100.100.200", "192.0.0.192", "168.63.129.16"),  # Alibaba, Oracle, Azure
    ),
    *_networks("unspecified", "0.0.0.0/8", "::"),
    *_networks("loopback", "127.0.0.0/8", "::1"),
    *_networks("link_local", "169.254.0.0/16", "fe80::/10"),
    *_networks("private", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
    *_networks("private", "64:ff9b:1::/48"),  # NAT64 of one's own network
    *_networks("cgnat", "100.64.0.0/10"),
    *_networks("multicast", "224.0.0.0/4", "ff00::/8"),
    *_networks("documentation", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"),
    *_networks("documentation", "2001:db8::/32", "3fff::/20"),
    *_networks("tunnel", "192.88.99.0/24", "2001::/32", "2002::/16"),
    *_networks("reserved", "192.0.0.0/24", "198.18.0.0/15", "240.0.0.0/4"),
    *_networks("reserved", "2001::/23"),
]
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")
_SIX_TO_FOUR = ipaddress.ip_network("2002::/16")
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")


def _embedded(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that a packet to this IPv6 address ends up at, if any."""
    if ip.ipv4_mapped:
        return ip.ipv4_mapped
    if ip in _NAT64 or (ip in _COMPATIBLE and int(ip) > 0xFFFF):
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    if ip in _SIX_TO_FOUR:
        return ip.sixtofour
    return None


def classify(address: str | Address) -> str:
    """Tell what kind of address it is; only ``"public"`` is meant for everyone.

    >>> classify("1.1.1.1"), classify("192.168.0.1"), classify("169.254.169.254")
    ('public', 'private', 'metadata')

    An IPv4 address inside an IPv6 address counts as what it leads to.

    >>> classify("::ffff:127.0.0.1"), classify("64:ff9b::10.0.0.1")
    ('loopback', 'private')
    """
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.scope_id:  # fe80::1%eth0
            return "link_local"
        inner = _embedded(ip)
        if inner:
            kind = classify(inner)
            # NAT64 is how a network without IPv4 reaches public addresses; nobody
            # needs the other detours for that
            if kind != "public" or ip in _NAT64:
                return kind
    for kind, network in _SPECIAL:
        if ip in network:
            return kind
    # what the registry of this Python knows beyond the list above
    if not ip.is_global or (ip.version == 6 and ip not in _GLOBAL_UNICAST):
        return "reserved"
    return "public"


@dataclass(frozen=True)
class Policy:
    """What an administrator allows beyond public addresses.

    `allowed_networks` may be called by any name. The private, loopback and CGNAT
    addresses of `allowed_hosts` may be called, too. The metadata service of a cloud
    is allowed only by a network that holds it alone.

    >>> policy = Policy.of(networks=["10.1.0.0/16"], hosts=["ollama.lan"])
    >>> policy.refuses("10.1.2.3"), policy.refuses("10.2.0.1")
    (None, 'private')
    >>> policy.refuses("10.2.0.1", host="ollama.lan")
    >>> Policy.of(networks=["169.254.0.0/16"]).refuses("169.254.169.254")
    'metadata'
    """

    allowed_networks: tuple[Network, ...] = ()
    allowed_hosts: frozenset[str] = frozenset()

    @classmethod
    def of(cls, networks: Iterable[str] = (), hosts: Iterable[str] = ()) -> "Policy":
        """Make a policy of texts; raises ValueError for what is no network.

        >>> Policy.of(["::1", "10.0.0.0/8"]).allowed_networks[0].prefixlen
        128
        """
        return cls(
            tuple(ipaddress.ip_network(network) for network in networks),
            frozenset(host.lower() for host in hosts),
        )

    def refuses(self, address: str | Address, host: str = "") -> str | None:
        """The rule against an address, None if it may be called.

        >>> Policy().refuses("8.8.8.8"), Policy().refuses("127.0.0.1")
        (None, 'loopback')
        """
        ip = ipaddress.ip_address(address)
        kind = classify(ip)
        if kind == "public":
            return None
        if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
            ip = ip.ipv4_mapped  # the same machine, written another way
        for network in self.allowed_networks:
            alone = network.prefixlen == network.max_prefixlen
            if ip in network and (kind != "metadata" or alone):
                return None
        by_name = host.lower() in self.allowed_hosts
        if by_name and kind in ("private", "loopback", "cgnat"):
            return None
        return kind


def pick(addresses: Iterable[str], policy: Policy, host: str = "") -> list[str]:
    """Return the addresses of a host that may be called, in the order given.

    Connect to these and to nothing else. Raises `Refusal` if none is left.

    >>> pick(["127.0.0.1"], Policy.of(hosts=["localhost"]), host="localhost")
    ['127.0.0.1']
    """
    allowed: list[str] = []
    refusal = Refusal("unresolved", "The host has no address.")
    for address in addresses:
        try:
            rule = policy.refuses(address, host)
        except ValueError:
            refusal = Refusal("address", "The host resolves to no IP address.")
            continue
        if rule:
            refusal = Refusal(rule, f"{address} is {_SENTENCES[rule]}.")
        elif address not in allowed:
            allowed.append(address)
    if not allowed:
        raise refusal
    return allowed


# --- URLs -----------------------------------------------------------------------------

_PORTS = {"http": 80, "https": 443}
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_\-]{0,61}[a-z0-9_])?")
# what some resolver reads as a number: 2130706433, 0x7f000001, 0177
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_AUTHORITY = re.compile(
    r"(?:\[(?P<literal>[^\[\]]*)\]|(?P<name>[^\[\]:]*))(?P<port>:[^:]*)?"
)


def check_url(url: str) -> Target:
    """Return where a URL leads, or raise `Refusal` if it is written to deceive.

    >>> check_url("http://2130706433/")
    Traceback (most recent call last):
    ...
    odoo.addons.steward.kernel.netguard.Refusal: The host is a number that only some \
programs read as an address.
    >>> check_url("https://erp.example.com@evil.example/")
    Traceback (most recent call last):
    ...
    odoo.addons.steward.kernel.netguard.Refusal: A URL with a user name is refused.
    """
    if len(url) > URL_LIMIT:
        raise Refusal("length", f"The URL has more than {URL_LIMIT} characters.")
    if not url.isascii():
        # full-width digits, "ⓔ" and dots of other scripts become ASCII on the way
        raise Refusal("characters", "The URL has characters beyond ASCII: encode them.")
    if any(char <= " " or char in "\x7f\\" for char in url):
        raise Refusal("characters", "The URL has spaces, backslashes or line breaks.")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise Refusal("host", "The URL cannot be read.") from None
    port = _PORTS.get(parts.scheme)
    if port is None:
        raise Refusal("scheme", "Only http and https are allowed.")
    if "@" in parts.netloc:
        raise Refusal("userinfo", "A URL with a user name is refused.")
    authority = _AUTHORITY.fullmatch(parts.netloc)
    if not authority:
        raise Refusal("host", "The URL cannot be read.")
    if authority["port"]:
        port = _check_port(authority["port"][1:])
    if authority["literal"] is not None:
        return Target(parts.scheme, _check_literal(authority["literal"]), port)
    return Target(parts.scheme, _check_name(authority["name"].lower()), port)


def _check_port(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,4}", text) or int(text) > 65535:
        raise Refusal("port", "The port is not a number from 1 to 65535.")
    return int(text)


def _check_literal(text: str) -> str:
    if "%" in text:
        raise Refusal("zone", "An IPv6 address with a zone is refused.")
    try:
        return str(ipaddress.IPv6Address(text))
    except ValueError:
        raise Refusal("host", "The host is no IPv6 address.") from None


def _check_name(host: str) -> str:
    if host.endswith("."):
        raise Refusal("host", "A host that ends in a dot is refused.")
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise Refusal(
                "number",
                "The host is a number that only some programs read as an address.",
            ) from None
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise Refusal("host", "The host is no valid name.")
    return host
