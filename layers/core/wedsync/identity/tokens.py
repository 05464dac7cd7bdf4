"""Bearer tokens: what makes one acceptable (RFC 7519, 7515, 8725).

The signature and the registered claims are PyJWT's work. Before it, the token is read strictly,
so that no two readers can understand it differently; its header never chooses a key or a method.
"""

from __future__ import annotations

import base64
import re
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import jwt

from wedsync.identity.jwks import KeySet
from wedsync.identity.principals import Principal, kind_of
from wedsync.platform import json_text
from wedsync.platform.errors import Unauthenticated
from wedsync.platform.ids import parse_uuid
from wedsync.platform.settings import settings

ALGORITHMS = frozenset({"RS256", "ES256", "EdDSA"})
LONGEST_TOKEN = 8192  # API Gateway takes 10,240 bytes of headers in all
LONGEST_KEY_ID = 255
LEEWAY_SECONDS = 60  # for a token "from the future"; an expired one is expired
LATEST_EXPIRY = 2**53

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_BEARER = re.compile(r"bearer +([^ ]+) *", re.IGNORECASE)
_TYPES = frozenset({"jwt", "at+jwt", "application/jwt", "application/at+jwt"})


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose tokens are taken: one issuer, one audience, the issuer's keys."""

    issuer: str
    audience: str
    keys: KeySet


@lru_cache(maxsize=1)
def trust() -> Trust:
    """The trust of this process, from its settings."""
    known = settings()
    return Trust(known.jwt_issuer, known.jwt_audience, KeySet(known.jwt_jwks_url))


def bearer_token(header: str | None) -> str:
    """The token in an `Authorization` header (RFC 6750). Raises Unauthenticated."""
    if header is None:
        raise Unauthenticated("no token")
    found = _BEARER.fullmatch(header)
    if not found:
        raise Unauthenticated("not a bearer token")
    return found[1]


def verify(token: str, trusted: Trust) -> Principal:
    """Who the token speaks for.

    Raises Unauthenticated with a reason that is for the log (it names no content), and
    Unavailable if the issuer's keys cannot be had: that is no fault of the token.
    """
    if len(token) > LONGEST_TOKEN:
        raise Unauthenticated("too long")
    if not _COMPACT.fullmatch(token):
        raise Unauthenticated("not a signed token")
    header, payload, _ = token.split(".")
    key_id, algorithm = _check_header(_read(header))
    _check_types(_read(payload))
    key = trusted.keys.find(key_id, algorithm)
    if key is None:
        raise Unauthenticated("unknown key")
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=trusted.audience,
            issuer=trusted.issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
    except jwt.PyJWTError as error:
        raise Unauthenticated(type(error).__name__) from None
    if claims["exp"] <= time.time():
        raise Unauthenticated("expired")
    return _principal(claims)


def _principal(claims: dict[str, Any]) -> Principal:
    user_id = parse_uuid(claims["sub"], lambda: Unauthenticated("the subject is no user id"))
    scopes = frozenset(claims.get("scope", "").split())
    return Principal(user_id, kind_of(scopes), scopes, int(claims["exp"]))


def _check_header(header: dict[str, Any]) -> tuple[str, str]:
    """Key id and algorithm. `jku`, `jwk`, `x5u` and `x5c` are not looked at: keys come from one place."""
    algorithm, key_id, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise Unauthenticated("algorithm not allowed")
    if "crit" in header or "b64" in header or "zip" in header:
        raise Unauthenticated("header extension not understood")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise Unauthenticated("not an access token")
    if not isinstance(key_id, str) or not 0 < len(key_id) <= LONGEST_KEY_ID:
        raise Unauthenticated("no key id")
    return key_id, algorithm


def _check_types(claims: dict[str, Any]) -> None:
    """Types PyJWT is generous about: it takes "123" and true for a time."""
    for name in ("exp", "nbf", "iat"):
        value = claims.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LATEST_EXPIRY:
            raise Unauthenticated(f"{name} is no time")
    for name in ("sub", "scope"):
        if not isinstance(claims.get(name, ""), str):
            raise Unauthenticated(f"{name} is no text")


def _read(segment: str) -> dict[str, Any]:
    """A JSON object in base64url, read strictly: UTF-8, no name twice, no NaN."""
    try:
        text = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)).decode("utf-8")
        value: Any = json_text.loads(text)
    except (ValueError, RecursionError):
        raise Unauthenticated("not readable") from None
    if not isinstance(value, dict):
        raise Unauthenticated("not readable")
    return cast("dict[str, Any]", value)
