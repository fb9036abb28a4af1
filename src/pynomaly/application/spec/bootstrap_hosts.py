"""Who a `host:port` list names, and whether that is this machine."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator


def addresses(bootstrap: str) -> Iterator[tuple[str, int]]:
    """Yield host and port of each broker in a list; a port that is missing or no number is Kafka's 9092."""
    for entry in filter(None, map(str.strip, bootstrap.split(","))):
        place = entry.rpartition("://")[2]
        host, colon, port = place.rpartition(":")
        if not colon or (":" in host and not host.endswith("]")):  # no port, or a bare IPv6 address
            host, port = place, ""
        yield host.strip("[]"), int(port) if port.isdecimal() else 9092


def hosts(bootstrap: str) -> list[str]:
    """Return the host of each broker in a list."""
    return [host for host, _ in addresses(bootstrap)]


def is_loopback(host: str) -> bool:
    """Tell whether what goes to a host stays on this machine, by its name alone: nothing is looked up."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):  # RFC 6761, section 6.3
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
