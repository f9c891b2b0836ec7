"""Which names a request may be addressed to, by where the server is bound."""

import ipaddress
import re
import socket
from dataclasses import dataclass

_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[^:\[\]@/?#\s]+)(:[0-9]{0,5})?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class Hosts:
    """What a Host header may name; its port is left to the client, who may come through a tunnel.

    Attributes:
      names: in lower case; an IPv6 address without brackets.
      any_address: whether every IP address may be named too.
    """

    names: frozenset[str]
    any_address: bool = False

    def serves(self, header: str) -> bool:
        """Whether `header`, the value of Host, names one of these."""
        found = _HOST.fullmatch(header)
        if found is None:
            return False
        name = found["name"].lower().strip("[]").removesuffix(".")
        address = _address(name)
        if address is None:
            return name in self.names
        return self.any_address or str(address) in self.names

    def __str__(self) -> str:
        names = [f"[{name}]" if ":" in name else name for name in sorted(self.names)]
        return " or ".join([*names, *(["an IP address"] if self.any_address else [])])


LOOPBACK = Hosts(frozenset({"127.0.0.1", "::1", "localhost"}))


def hosts_at(bound: str) -> Hosts:
    """The names of a server that is bound to `bound`, a name or an address.

    A page of another site can give its own name this machine's address (DNS rebinding), and its scripts then ask this
    server as if it were theirs; the Host header still holds that name. An IP address in it can't be given to another
    machine, so on all interfaces ("0.0.0.0") every address is one of ours, and of names only those known here.

    >>> str(hosts_at("192.168.1.5"))
    '192.168.1.5'
    """
    address = _address(bound)
    if is_loopback(bound):
        return Hosts(LOOPBACK.names | {_plain(bound)})
    if address is not None and address.is_unspecified:
        return Hosts(frozenset({"localhost", _plain(socket.gethostname())}), any_address=True)
    return Hosts(frozenset({_plain(bound)}))


def is_loopback(bound: str) -> bool:
    """Whether a server that is bound to `bound` is reached from this machine alone."""
    address = _address(bound)
    return address.is_loopback if address is not None else _plain(bound) == "localhost"


def _plain(name):
    address = _address(name)
    return str(address) if address is not None else name.lower().removesuffix(".")


def _address(name):
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
