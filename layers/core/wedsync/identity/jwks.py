"""The issuer's public keys: fetched, kept, replaced when they rotate (RFC 7517)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import urlsplit

from jwt import PyJWK
from jwt.exceptions import PyJWTError

from wedsync.platform.errors import Unavailable
from wedsync.platform.observability import logger
from wedsync.platform.wire import LINES, Address, UnreachableError

REFRESH_SECONDS = 600  # a key taken out of the set stops working after this long
KEPT_SECONDS = 24 * 3600  # how long known keys serve while the issuer is out of reach
PATIENCE_SECONDS = 5  # between two fetches for keys we do not know, or after one that failed
FETCH_SECONDS = 2.0
LARGEST_DOCUMENT = 256 * 1024
MINIMUM_RSA_BITS = 2048

_ALGORITHMS = {("RSA", None): "RS256", ("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}


def usable_key(jwk: dict[str, Any]) -> PyJWK | None:
    """The key with the one algorithm it may verify, or None if it is not for our signatures.

    The algorithm follows from the key and never from a token: RS256 with at least 2048 bits,
    ES256 on P-256, EdDSA on Ed25519. Symmetric keys and keys published with their private half
    are not usable.
    """
    algorithm = _ALGORITHMS.get((str(jwk.get("kty")), jwk.get("crv")))
    if algorithm is None or jwk.get("alg", algorithm) != algorithm or "d" in jwk:
        return None
    if jwk.get("use", "sig") != "sig" or "verify" not in jwk.get("key_ops", ["verify"]):
        return None
    try:
        key = PyJWK(jwk, algorithm)
    except (PyJWTError, ValueError, TypeError):
        return None
    too_short = algorithm == "RS256" and key.key.key_size < MINIMUM_RSA_BITS
    return None if too_short else key


def parse_key_set(document: bytes) -> dict[tuple[str, str], PyJWK]:
    """Usable keys of a JWK set by (kid, algorithm). Raises ValueError if it is no key set."""
    try:
        listed = list(cast("dict[str, list[Any]]", json.loads(document))["keys"])
    except (KeyError, TypeError, RecursionError):
        raise ValueError("not a JWK set") from None
    found: dict[tuple[str, str], PyJWK] = {}
    for jwk in (cast("dict[str, Any]", entry) for entry in listed if isinstance(entry, dict)):
        if isinstance(jwk.get("kid"), str) and (key := usable_key(jwk)):
            found[jwk["kid"], key.algorithm_name] = key
    return found


def fetch(url: str) -> bytes:
    """The document at `url`: https, or http on this machine. Redirects are not followed.

    Raises UnreachableError for everything but a 200 of a sane size.
    """
    address = Address.parse(url)
    if not address.tls and address.host not in ("127.0.0.1", "::1", "localhost"):
        raise UnreachableError("keys are fetched over TLS")
    parts = urlsplit(url)
    path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    request = f"GET {path} HTTP/1.1\r\nHost: {address.authority}\r\nAccept: application/json\r\n\r\n"
    answer = LINES.exchange(address, request.encode("ascii"), time.monotonic() + FETCH_SECONDS)
    if answer.status != 200 or len(answer.body) > LARGEST_DOCUMENT:
        raise UnreachableError(f"the issuer answered {answer.status}")
    return answer.body


class KeySet:
    """The keys behind one URL, for the life of the process."""

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._clock = clock
        self._keys: dict[tuple[str, str], PyJWK] = {}
        self._fetched: float | None = None
        self._asked: float | None = None
        self._failed = False

    def find(self, kid: str, algorithm: str) -> PyJWK | None:
        """The key of a token, or None if the issuer has no such key.

        Raises Unavailable where that cannot be told: no keys, or none recent enough, and the
        issuer is out of reach. A valid token is never refused for a network failure of ours.
        """
        if self._age() > REFRESH_SECONDS:
            self._fetch(patient=self._failed)
        key = self._known(kid, algorithm)
        if key is None and self._fetch(patient=True):
            key = self._known(kid, algorithm)
        if key is None and self._failed:
            raise Unavailable("the issuer's keys cannot be fetched")
        return key

    def _age(self) -> float:
        return float("inf") if self._fetched is None else self._clock() - self._fetched

    def _known(self, kid: str, algorithm: str) -> PyJWK | None:
        return self._keys.get((kid, algorithm)) if self._age() <= KEPT_SECONDS else None

    def _fetch(self, *, patient: bool) -> bool:
        """Whether new keys were fetched; a patient caller waits for the next allowed moment."""
        now = self._clock()
        if patient and self._asked is not None and now - self._asked < PATIENCE_SECONDS:
            return False
        # The first fetch of a process is not held against the first unknown key.
        self._asked = now if patient else self._asked
        try:
            self._keys = parse_key_set(fetch(self._url))
        except (UnreachableError, ValueError) as error:
            self._asked, self._failed = now, True
            logger().warning("keys not fetched", extra={"reason": type(error).__name__})
            return False
        self._fetched, self._failed = now, False
        return True
