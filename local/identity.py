"""A token issuer for one machine: an ES256 key of its own, tokens for anybody who asks on loopback."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt.algorithms import ECAlgorithm

AUDIENCE = "wedsync"
KEY_SET_PATH = "/_local/jwks.json"
TOKEN_SECONDS = 12 * 3600


class Issuer:
    """Signs tokens that the authorizer accepts. The key is kept in `file`, so tokens outlive a restart."""

    def __init__(self, file: Path, url: str) -> None:
        self.url = url
        self._key = _load_or_make(file)
        public: dict[str, Any] = json.loads(ECAlgorithm.to_jwk(self._key.public_key()))
        # RFC 7638 would hash the key; its first coordinate names it as well.
        self._key_id = public["x"][:16]
        self.key_set = {"keys": [{**public, "kid": self._key_id, "use": "sig", "alg": "ES256"}]}

    def token(self, user_id: str, scope: str = "", expires_in: int = TOKEN_SECONDS) -> str:
        """An access token (RFC 9068); `expires_in` in seconds, negative for one that has expired."""
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": user_id,
            "iat": now + min(0, expires_in),
            "exp": now + expires_in,
        }
        if scope:
            claims["scope"] = scope
        return jwt.encode(
            claims, self._key, algorithm="ES256", headers={"kid": self._key_id, "typ": "at+jwt"}
        )


def _load_or_make(file: Path) -> ec.EllipticCurvePrivateKey:
    if file.exists():
        key = load_pem_private_key(file.read_bytes(), password=None)
        if isinstance(key, ec.EllipticCurvePrivateKey):
            return key
    key = ec.generate_private_key(ec.SECP256R1())
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return key
