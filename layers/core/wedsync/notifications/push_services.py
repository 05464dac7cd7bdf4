"""Which addresses may be push services: people choose them, and they must not lead into our own network."""

from __future__ import annotations

import re
import socket
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from wedsync.platform.settings import settings

INSIDE = (".internal", ".local", ".localhost")
# Two labels or more, and the last begins with a letter: whatever inet_aton reads (127.1, 0x7f.1) ends in a number.
NAME = re.compile(r"(?=.{4,253}\Z)(?:(?!-)[a-z0-9-]{1,63}(?<!-)\.)+(?=[a-z])[a-z0-9-]{2,63}(?<!-)")


def may_be_called(endpoint: str, *, resolve: bool = False) -> bool:
    """Https to a public name on its own port, and loopback where AWS is emulated.

    With `resolve`, each address of the name has to be a public one, too. Raises ValueError for no URL, OSError
    for a name that cannot be resolved.
    """
    url = urlsplit(endpoint)
    host = url.hostname or ""
    if url.scheme == "http" and host == "127.0.0.1":
        return settings().aws_endpoint_url is not None
    if url.scheme != "https" or url.username is not None or url.port not in (None, 443) or "#" in endpoint:
        return False
    if not NAME.fullmatch(host) or host.endswith(INSIDE):
        return False
    return not resolve or all(
        _is_public(str(found[4][0])) for found in socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM)
    )


def _is_public(address: str) -> bool:
    found = ip_address(address)
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    return found.is_global and not found.is_multicast
