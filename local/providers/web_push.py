"""The receiving side of Web Push: device keys, VAPID (RFC 8292) and the aes128gcm encoding (RFC 8188, 8291)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
import time
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_CURVE = ec.SECP256R1()
_CURVE_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_VAPID = re.compile(r"vapid\s+(.+)")
# RFC 8292, 2: no longer than 24 hours.
_LONGEST_CLAIM = 24 * 3600
_NAME_BYTES, _PROOF_BYTES = 12, 6


class RefusedError(Exception):
    """A push service refuses a request: `status` and the reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class Device:
    """A browser's subscription: the name in its endpoint and the keys that only the browser has."""

    name: str
    key: ec.EllipticCurvePrivateKey
    auth: bytes

    def keys(self) -> dict[str, str]:
        """`keys` of a PushSubscription."""
        return {"p256dh": b64(_point(self.key.public_key())), "auth": b64(self.auth)}


class Devices:
    """Devices made from one secret: an endpoint alone tells the keys, so nothing has to be kept."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def make(self) -> Device:
        """A new device."""
        name = secrets.token_bytes(_NAME_BYTES)
        return self._device(name)

    def find(self, text: str) -> Device | None:
        """The device of an endpoint's name, None for a name that was never made here."""
        try:
            name = bytes.fromhex(text)[:_NAME_BYTES]
        except ValueError:
            return None
        device = self._device(name)
        return device if hmac.compare_digest(device.name, text) else None

    def _device(self, name: bytes) -> Device:
        proof, number, auth = (self._derive(purpose + name) for purpose in (b"proof", b"key", b"auth"))
        scalar = int.from_bytes(number) % (_CURVE_ORDER - 1) + 1
        return Device((name + proof[:_PROOF_BYTES]).hex(), ec.derive_private_key(scalar, _CURVE), auth[:16])

    def _derive(self, purpose: bytes) -> bytes:
        return hmac.digest(self._secret, purpose, hashlib.sha256)


def check_vapid(authorization: str, audience: str, public_key: str) -> dict[str, Any]:
    """The claims of `Authorization: vapid t=…, k=…`, signed by `public_key` (base64url).

    Raises: RefusedError with 401 for what is missing or malformed, 403 for what does not fit.
    """
    found = _VAPID.fullmatch(authorization.strip())
    if found is None:
        raise RefusedError(401, "no VAPID authorization")
    parts = {name: value for name, _, value in (part.strip().partition("=") for part in found[1].split(","))}
    if parts.keys() != {"t", "k"}:
        raise RefusedError(401, "VAPID takes t and k")
    if parts["k"].rstrip("=") != public_key:
        raise RefusedError(403, "the subscription was made for another application server key")
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, unb64(parts["k"]))
        claims: dict[str, Any] = jwt.decode(
            parts["t"],
            key,
            algorithms=["ES256"],
            audience=audience,
            options={"require": ["aud", "exp", "sub"]},
        )
    except (jwt.InvalidTokenError, ValueError) as error:
        raise RefusedError(403, f"VAPID: {error}") from None
    if claims["exp"] > time.time() + _LONGEST_CLAIM:
        raise RefusedError(403, "VAPID: exp is more than 24 hours away")
    if not str(claims["sub"]).startswith(("mailto:", "https:")):
        raise RefusedError(403, "VAPID: sub is neither mailto: nor https:")
    return claims


def decrypt(device: Device, body: bytes) -> bytes:
    """The text of an `aes128gcm` body of one record. Raises: RefusedError with 400."""
    if len(body) < 21 or len(body) < 21 + body[20]:
        raise RefusedError(400, "the body has no aes128gcm header")
    salt, size, end = body[:16], int.from_bytes(body[16:20]), 21 + body[20]
    sender, sealed = body[21:end], body[end:]
    if not 18 <= len(sealed) <= size:
        raise RefusedError(400, "the body is not one record")
    try:
        public = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, sender)
        key, nonce = _content_keys(device, public, sender, salt)
        padded = AESGCM(key).decrypt(nonce, sealed, None).rstrip(b"\0")
    except (ValueError, InvalidTag):
        raise RefusedError(400, "the body cannot be decrypted with the keys of this device") from None
    if not padded.endswith(b"\2"):
        raise RefusedError(400, "the record is not the last one")
    return padded[:-1]


def _content_keys(
    device: Device, public: ec.EllipticCurvePublicKey, sender: bytes, salt: bytes
) -> tuple[bytes, bytes]:
    shared = device.key.exchange(ec.ECDH(), public)
    info = b"WebPush: info\0" + _point(device.key.public_key()) + sender
    secret = _hkdf(device.auth, shared, info, 32)
    key = _hkdf(salt, secret, b"Content-Encoding: aes128gcm\0", 16)
    return key, _hkdf(salt, secret, b"Content-Encoding: nonce\0", 12)


def application_server_keys() -> dict[str, str]:
    """A fresh VAPID pair as base64url: `private_key` (32 bytes) and `public_key` (the uncompressed point)."""
    key = ec.generate_private_key(_CURVE)
    private = key.private_numbers().private_value.to_bytes(32)
    return {"private_key": b64(private), "public_key": b64(_point(key.public_key()))}


def b64(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """The bytes of base64url, padded or not."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def readable(text: bytes) -> Any:
    """The JSON of a payload, or its text where it is none."""
    decoded = text.decode(errors="replace")
    try:
        return json.loads(decoded)
    except ValueError:
        return decoded


def _hkdf(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
