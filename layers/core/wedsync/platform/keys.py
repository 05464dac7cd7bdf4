"""The secret keys of this deployment, from one secret: they sign database contexts and list cursors.

The secret holds `{"current": 2, "keys": {"1": "<base64>", "2": "<base64>"}}`: two ids overlap in a
rotation (R12).
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hmac import digest
from types import MappingProxyType

from wedsync.platform import aws
from wedsync.platform.errors import Unavailable
from wedsync.platform.settings import settings

CACHE_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Keys:
    """`current` is the id that signs; every listed key verifies."""

    current: int
    by_id: Mapping[int, bytes]

    def sign(self, purpose: bytes, text: bytes) -> bytes:
        """HMAC-SHA-256 under a key derived for this purpose."""
        return _sign(self.by_id[self.current], purpose, text)

    def signed(self, purpose: bytes, text: bytes) -> list[bytes]:
        """What `sign` may have answered, under each key that is still good."""
        return [_sign(key, purpose, text) for key in self.by_id.values()]


def _sign(key: bytes, purpose: bytes, text: bytes) -> bytes:
    return digest(digest(key, purpose, "sha256"), text, "sha256")


def parse(secret: str) -> Keys:
    """The keys of the secret's JSON. Raises ValueError or KeyError if it is none."""
    stated = json.loads(secret)
    by_id = {int(key_id): base64.b64decode(key, validate=True) for key_id, key in stated["keys"].items()}
    current = int(stated["current"])
    if current not in by_id or not all(32 <= len(key) <= 64 for key in by_id.values()):
        raise ValueError("the current key is missing, or a key is not of 32 to 64 bytes")
    return Keys(current, MappingProxyType(by_id))


_cached: tuple[float, Keys] | None = None


def keys() -> Keys:
    """The keys, read at most once in `CACHE_SECONDS`; old ones serve while Secrets Manager is away.

    Raises Unavailable if it is away and there are none yet.
    """
    global _cached
    if _cached is not None and time.monotonic() < _cached[0]:
        return _cached[1]
    try:
        read = parse(aws.secret(settings().context_key_secret))
    except (aws.UnavailableError, aws.ThrottledError) as error:
        if _cached is None:
            raise Unavailable("the keys cannot be read") from error
        read = _cached[1]
    _cached = (time.monotonic() + CACHE_SECONDS, read)
    return read
