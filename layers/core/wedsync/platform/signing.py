"""AWS Signature Version 4, by hand: the hot path cannot afford botocore (decision 9).

Source of the algorithm: AWS General Reference, "Create a signed AWS API request". The tests compare
every form used here with botocore's own signers.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from hmac import digest
from urllib.parse import quote

from wedsync.platform.settings import Credentials

ALGORITHM = "AWS4-HMAC-SHA256"
RDS_TOKEN_SECONDS = 900  # IAM database authentication: a token is accepted for 15 minutes


def timestamp() -> str:
    """Now as SigV4 writes it, e.g. `20260613T140311Z`; signatures are good for 5 minutes around it."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())


@lru_cache(maxsize=16)
def _signing_key(secret_key: str, day: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, service, "aws4_request"):
        key = digest(key, part.encode(), "sha256")
    return key


class RequestSigner:
    """Renders signed HTTP/1.1 requests that differ in nothing but their path.

    The payload is hashed and the key derived once; each `render` costs one hash and one HMAC.
    """

    __slots__ = ("_after_path", "_before_path", "_head", "_key", "_method", "_tail", "_to_sign")

    def __init__(
        self,
        method: str,
        host: str,
        body: bytes,
        *,
        service: str,
        region: str,
        credentials: Credentials,
        moment: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        signed = {"host": host, "x-amz-date": moment, **(headers or {})}
        if credentials.session_token:
            signed["x-amz-security-token"] = credentials.session_token
        names = sorted(signed)
        canonical = "".join(f"{name}:{signed[name]}\n" for name in names)
        listed = ";".join(names)
        scope = f"{moment[:8]}/{region}/{service}/aws4_request"
        self._method = f"{method} ".encode()
        self._before_path = f"{method}\n".encode()
        self._after_path = f"\n\n{canonical}\n{listed}\n{sha256(body).hexdigest()}".encode()
        self._to_sign = f"{ALGORITHM}\n{moment}\n{scope}\n"
        self._key = _signing_key(credentials.secret_key, moment[:8], region, service)
        sent = "".join(f"{name}: {signed[name]}\r\n" for name in names)
        self._head = (
            f" HTTP/1.1\r\n{sent}content-length: {len(body)}\r\nauthorization: {ALGORITHM} "
            f"Credential={credentials.access_key}/{scope}, SignedHeaders={listed}, Signature="
        ).encode()
        self._tail = b"\r\n\r\n" + body

    def render(self, path: str) -> bytes:
        """The whole request for `path`, which is sent as given and signed percent-encoded once more."""
        canonical = self._before_path + quote(path, safe="/~").encode() + self._after_path
        to_sign = self._to_sign + sha256(canonical).hexdigest()
        signature = digest(self._key, to_sign.encode(), "sha256").hex()
        return b"".join((self._method, path.encode(), self._head, signature.encode(), self._tail))


def rds_token(host: str, port: int, user: str, *, region: str, credentials: Credentials, moment: str) -> str:
    """The password of one IAM login to a database or its proxy: a presigned URL without a scheme.

    Good for 15 minutes (RDS User Guide, "IAM database authentication").
    """
    scope = f"{moment[:8]}/{region}/rds-db/aws4_request"
    fields = {
        "Action": "connect",
        "DBUser": user,
        "X-Amz-Algorithm": ALGORITHM,
        "X-Amz-Credential": f"{credentials.access_key}/{scope}",
        "X-Amz-Date": moment,
        "X-Amz-Expires": str(RDS_TOKEN_SECONDS),
    }
    if credentials.session_token:
        fields["X-Amz-Security-Token"] = credentials.session_token
    fields["X-Amz-SignedHeaders"] = "host"
    query = "&".join(f"{name}={quote(fields[name], safe='-_.~')}" for name in sorted(fields))
    empty = sha256(b"").hexdigest()
    canonical = f"GET\n/\n{query}\nhost:{host}:{port}\n\nhost\n{empty}"
    to_sign = f"{ALGORITHM}\n{moment}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
    key = _signing_key(credentials.secret_key, moment[:8], region, "rds-db")
    return f"{host}:{port}/?{query}&X-Amz-Signature={digest(key, to_sign.encode(), 'sha256').hex()}"
