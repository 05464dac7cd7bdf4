"""Which web pages may talk to us (cross-site WebSocket hijacking, CSRF: OWASP ASVS 5 V4.4.2)."""

from __future__ import annotations

from collections.abc import Collection


def allowed(origin: str | None, configured: Collection[str]) -> bool:
    """Whether a request with this `Origin` header may change state or open a socket.

    Compared as a whole and exactly: a browser sends scheme, host and port in one canonical form
    (RFC 6454), so prefixes, suffixes and patterns would only let strangers in. A missing header
    is a native client, which no page can steer; `null` is a sandboxed page or a redirect and
    never ours, whatever the configuration says.
    """
    if origin is None:
        return True
    return origin != "null" and origin in configured
