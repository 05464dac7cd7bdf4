"""Verifies AWS Signature Version 4 on `@connections` requests: a wrong signer must fail here, not in the cloud.

AWS general reference, "Create a signed AWS API request".
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import parse_qsl, quote

from aiohttp import web

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 "
    r"Credential=(?P<key>[^/,\s]+)/(?P<date>\d{8})/(?P<region>[\w-]+)/(?P<service>[\w-]+)/aws4_request,\s*"
    r"SignedHeaders=(?P<headers>[\w;-]+),\s*Signature=(?P<signature>[0-9a-f]{64})"
)
SKEW_SECONDS = 300.0


class SignatureError(Exception):
    """The request is not validly signed; the message is what the caller is told."""


class SignatureVerifier:
    """Holds the access keys (id → secret) that are known here."""

    def __init__(self, credentials: Mapping[str, str], clock: Callable[[], float] = time.time) -> None:
        self._credentials = credentials
        self._clock = clock

    def verify(self, request: web.BaseRequest, body: bytes) -> None:
        """Raises SignatureError unless signed for execute-api, with a known key, within five minutes."""
        given = request.headers.get("Authorization")
        if not given:
            raise SignatureError("Missing Authentication Token")
        parts = _AUTHORIZATION.fullmatch(given)
        if parts is None or parts["service"] != "execute-api":
            raise SignatureError("Authorization header is no signature for execute-api")
        secret = self._credentials.get(parts["key"])
        if secret is None:
            raise SignatureError("The security token included in the request is invalid.")
        signed = parts["headers"].split(";")
        if not {"host", "x-amz-date"} <= set(signed):
            raise SignatureError("host and x-amz-date must be signed")
        stamp = request.headers.get("X-Amz-Date", "")
        self._check_age(stamp, parts["date"])
        scope = f"{parts['date']}/{parts['region']}/execute-api/aws4_request"
        canonical = hashlib.sha256(_canonical_request(request, signed, body).encode()).hexdigest()
        to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{canonical}"
        key = _signing_key(secret, parts["date"], parts["region"])
        expected = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, parts["signature"]):
            raise SignatureError(
                "The request signature we calculated does not match the signature you provided."
            )

    def _check_age(self, stamp: str, date: str) -> None:
        try:
            at = _epoch(stamp)
        except ValueError:
            raise SignatureError("X-Amz-Date is missing or malformed") from None
        if not stamp.startswith(date) or abs(self._clock() - at) > SKEW_SECONDS:
            raise SignatureError("Signature expired")


def _canonical_request(request: web.BaseRequest, signed: list[str], body: bytes) -> str:
    # Every service but S3 signs the path encoded once more than it is sent: %3D becomes %253D, @ becomes %40.
    path = quote(request.rel_url.raw_path, safe="/~-._")
    pairs = sorted(parse_qsl(request.rel_url.raw_query_string, keep_blank_values=True))
    query = "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in pairs)
    headers = "".join(f"{name}:{_header(request, name)}\n" for name in signed)
    digest = hashlib.sha256(body).hexdigest()
    return f"{request.method}\n{path}\n{query}\n{headers}\n{';'.join(signed)}\n{digest}"


def _header(request: web.BaseRequest, name: str) -> str:
    return ",".join(" ".join(value.split()) for value in request.headers.getall(name, []))


@lru_cache(maxsize=64)
def _epoch(stamp: str) -> float:
    return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()


@lru_cache(maxsize=64)
def _signing_key(secret: str, date: str, region: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (date, region, "execute-api", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
