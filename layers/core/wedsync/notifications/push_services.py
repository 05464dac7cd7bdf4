"""Which addresses may be push services: people choose them, and they must not lead into our own network."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from wedsync.platform.settings import settings

INSIDE = (".internal", ".local", ".localhost")


def may_be_called(endpoint: str) -> bool:
    """Https to a public name on its own port, and loopback where AWS is emulated. Raises ValueError for no URL."""
    url = urlsplit(endpoint)
    host = url.hostname or ""
    if url.scheme == "http" and host == "127.0.0.1":
        return settings().aws_endpoint_url is not None
    if url.scheme != "https" or url.username is not None or url.port not in (None, 443):
        return False
    try:
        ip_address(host)
    except ValueError:
        return "." in host and not host.endswith(INSIDE)
    return False
