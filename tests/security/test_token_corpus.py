"""Tokens that must not open anything (threat 11: algorithm, key, claim and encoding tricks)."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from tests.fixtures.token_issuer import (
    ISSUER,
    SOMEBODY,
    Issuer,
    claims,
    ec_key,
    ed_key,
    pem,
    public_jwk,
    rsa_key,
    segment,
    signed,
    token,
)
from wedsync.identity.tokens import LONGEST_TOKEN, verify
from wedsync.platform.errors import Unauthenticated

HEADER = {"alg": "RS256", "typ": "JWT", "kid": "rsa"}
NOW = int(time.time())


def stranger() -> Any:
    """A key of the right kind that is not the issuer's."""
    return rsa_key(2048, "stranger")


def parts(good: str) -> list[str]:
    return good.split(".")


def with_signature(change: Callable[[str], str]) -> str:
    header, payload, signature = parts(token())
    return f"{header}.{payload}.{change(signature)}"


def with_payload(**changes: object) -> str:
    """A good token whose claims were changed after it was signed."""
    header, _, signature = parts(token())
    return f"{header}.{segment(claims(**changes))}.{signature}"


def hmac_with(secret: bytes, algorithm: str = "HS256", kid: str = "rsa") -> str:
    """Signed symmetrically with what everybody knows: the issuer's public key."""
    signing_input = f"{segment({'alg': algorithm, 'kid': kid})}.{segment(claims())}"
    digest = hmac.new(secret, signing_input.encode(), hashlib.sha256).digest()
    return f"{signing_input}.{segment(digest)}"


def es256_in_der() -> str:
    """An ECDSA signature in the encoding of certificates instead of JOSE's."""
    signing_input = f"{segment({'alg': 'ES256', 'kid': 'ec'})}.{segment(claims())}"
    from cryptography.hazmat.primitives.hashes import SHA256

    return f"{signing_input}.{segment(ec_key().sign(signing_input.encode(), ec.ECDSA(SHA256())))}"


def es256_of_zeros() -> str:
    """CVE-2022-21449: r = s = 0."""
    return f"{segment({'alg': 'ES256', 'kid': 'ec'})}.{segment(claims())}.{segment(bytes(64))}"


def es384_as_es256() -> str:
    key = ec.derive_private_key(7, ec.SECP384R1())
    signing_input = f"{segment({'alg': 'ES256', 'kid': 'ec'})}.{segment(claims())}"
    signature = ECAlgorithm(ECAlgorithm.SHA384).sign(signing_input.encode(), key)
    return f"{signing_input}.{segment(signature)}"


def raw_payload(text: str) -> str:
    return signed(HEADER, text.encode())


def raw_header(text: str) -> str:
    return signed(text.encode(), claims())


CLAIMS = json.dumps(claims())

CORPUS: dict[str, Callable[[], str]] = {
    # the algorithm
    "alg none, no signature": lambda: f"{segment({'alg': 'none', 'kid': 'rsa'})}.{segment(claims())}.",
    "alg none, some signature": lambda: f"{segment({'alg': 'none', 'kid': 'rsa'})}.{segment(claims())}.AAAA",
    "alg None": lambda: f"{segment({'alg': 'None', 'kid': 'rsa'})}.{segment(claims())}.AAAA",
    "alg nOnE with a good signature": lambda: signed({**HEADER, "alg": "nOnE"}, claims()),
    "alg null": lambda: signed({**HEADER, "alg": None}, claims()),
    "alg missing": lambda: signed({"kid": "rsa"}, claims()),
    "alg empty": lambda: signed({**HEADER, "alg": ""}, claims()),
    "alg a list": lambda: signed({**HEADER, "alg": ["RS256"]}, claims()),
    "alg rs256 in lower case": lambda: signed({**HEADER, "alg": "rs256"}, claims()),
    "alg RS512": lambda: jwt.encode(claims(), rsa_key(), "RS512", headers={"kid": "rsa"}),
    "alg PS256": lambda: jwt.encode(claims(), rsa_key(), "PS256", headers={"kid": "rsa"}),
    "alg ES384": lambda: jwt.encode(
        claims(), ec.derive_private_key(7, ec.SECP384R1()), "ES384", headers={"kid": "ec"}
    ),
    "alg HS256 with the public key as PEM": lambda: hmac_with(pem(rsa_key())),
    "alg HS256 with the public key as JWK": lambda: hmac_with(
        json.dumps(public_jwk(rsa_key(), "rsa")).encode()
    ),
    "alg HS256 with the modulus": lambda: hmac_with(public_jwk(rsa_key(), "rsa")["n"].encode()),
    "alg HS256 with an empty secret": lambda: hmac_with(b""),
    "RS256 over an HMAC": lambda: hmac_with(pem(rsa_key()), "RS256"),
    "alg ES256 over an RSA signature": lambda: signed({**HEADER, "alg": "ES256"}, claims()),
    "alg EdDSA over an RSA signature": lambda: signed({**HEADER, "alg": "EdDSA"}, claims()),
    "alg ES256 with a DER signature": es256_in_der,
    "alg ES256 with r and s zero": es256_of_zeros,
    "alg ES256 with a key on P-384": es384_as_es256,
    # the key
    "a stranger's key": lambda: token(stranger()),
    "a stranger's EC key": lambda: token(ec.derive_private_key(9, ec.SECP256R1()), "ES256", "ec"),
    "another kind's kid": lambda: token(ed_key(), "EdDSA", "rsa"),
    "kid unknown": lambda: token(kid="other"),
    "kid missing": lambda: signed({"alg": "RS256"}, claims()),
    "kid empty": lambda: signed({**HEADER, "kid": ""}, claims()),
    "kid a number": lambda: signed({**HEADER, "kid": 1}, claims()),
    "kid an object": lambda: signed({**HEADER, "kid": {"$ne": None}}, claims()),
    "kid a path": lambda: hmac_with(b"", kid="../../../../dev/null"),
    "kid SQL": lambda: hmac_with(b"k", kid="x' union select 'k"),
    "kid a command": lambda: signed({**HEADER, "kid": "|id"}, claims(), stranger()),
    "kid enormous": lambda: signed({**HEADER, "kid": "k" * 300}, claims()),
    "own key in jwk": lambda: signed({**HEADER, "jwk": public_jwk(stranger(), "rsa")}, claims(), stranger()),
    "own key in jwk, no kid": lambda: signed(
        {"alg": "RS256", "jwk": public_jwk(stranger(), "rsa")}, claims(), stranger()
    ),
    "own keys at jku": lambda: signed({**HEADER, "jku": "https://a.example/k"}, claims(), stranger()),
    "own keys at x5u": lambda: signed({**HEADER, "x5u": "https://a.example/k"}, claims(), stranger()),
    # the header
    "crit with an unknown extension": lambda: signed({**HEADER, "crit": ["exp2"], "exp2": 1}, claims()),
    "crit empty": lambda: signed({**HEADER, "crit": []}, claims()),
    "b64 false": lambda: signed({**HEADER, "crit": ["b64"], "b64": False}, claims()),
    "zip": lambda: signed({**HEADER, "zip": "DEF"}, claims()),
    "typ of an id token of another profile": lambda: signed({**HEADER, "typ": "secevent+jwt"}, claims()),
    "typ of a logout token": lambda: signed({**HEADER, "typ": "logout+jwt"}, claims()),
    "typ no text": lambda: signed({**HEADER, "typ": 1}, claims()),
    "header with alg twice": lambda: raw_header('{"alg":"none","alg":"RS256","kid":"rsa"}'),
    "header with kid twice": lambda: raw_header('{"alg":"RS256","kid":"other","kid":"rsa"}'),
    "header a list": lambda: raw_header('["RS256"]'),
    "header a text": lambda: raw_header('"RS256"'),
    "header not JSON": lambda: raw_header("alg=RS256"),
    "header with a byte order mark": lambda: raw_header('\ufeff{"alg":"RS256","kid":"rsa"}'),
    "header deeply nested": lambda: raw_header('{"a":' * 900 + "1" + "}" * 900),
    # the claims
    "iss of another": lambda: token(iss="https://evil.example"),
    "iss missing": lambda: token(iss=None),
    "iss with a slash more": lambda: token(iss=f"{ISSUER}/"),
    "iss in capitals": lambda: token(iss=ISSUER.upper()),
    "iss a list": lambda: signed(HEADER, claims(iss=[ISSUER])),
    "aud of another": lambda: token(aud="other"),
    "aud missing": lambda: token(aud=None),
    "aud empty": lambda: token(aud=""),
    "aud an empty list": lambda: token(aud=[]),
    "aud a prefix": lambda: token(aud="wedsync-admin"),
    "aud an object": lambda: token(aud={"wedsync": True}),
    "aud a list with a number": lambda: token(aud=[1]),
    "exp missing": lambda: token(exp=None),
    "exp a moment ago": lambda: token(exp=NOW - 1),
    "exp a year ago": lambda: token(exp=NOW - 31_536_000),
    "exp zero": lambda: token(exp=0),
    "exp negative": lambda: token(exp=-1),
    "exp a text": lambda: signed(HEADER, claims(exp=str(NOW + 600))),
    "exp true": lambda: signed(HEADER, claims(exp=True)),
    "exp null": lambda: signed(HEADER, {**claims(), "exp": None}),
    "exp a list": lambda: signed(HEADER, claims(exp=[NOW + 600])),
    "exp infinite": lambda: raw_payload(CLAIMS.replace('"exp": ', '"exp": 1e999, "e": ')),
    "exp Infinity": lambda: raw_payload(CLAIMS.replace('"exp": ', '"exp": Infinity, "e": ')),
    "exp NaN": lambda: raw_payload(CLAIMS.replace('"exp": ', '"exp": NaN, "e": ')),
    "exp with 5,000 digits": lambda: raw_payload(CLAIMS.replace('"exp": ', f'"exp": {"9" * 5000}, "e": ')),
    "exp twice": lambda: raw_payload(CLAIMS.replace('"exp": ', f'"exp": {NOW - 99}, "exp": ')),
    "nbf in ten minutes": lambda: token(nbf=NOW + 600),
    "nbf a text": lambda: signed(HEADER, claims(nbf="0")),
    "iat in ten minutes": lambda: token(iat=NOW + 600),
    "iat a text": lambda: signed(HEADER, claims(iat="yesterday")),
    "sub missing": lambda: token(sub=None),
    "sub empty": lambda: token(sub=""),
    "sub a name": lambda: token(sub="emma"),
    "sub a number": lambda: signed(HEADER, claims(sub=1)),
    "sub a list": lambda: signed(HEADER, claims(sub=[SOMEBODY])),
    "sub without hyphens": lambda: token(sub=SOMEBODY.replace("-", "")),
    "sub in braces": lambda: token(sub=f"{{{SOMEBODY}}}"),
    "sub as urn": lambda: token(sub=f"urn:uuid:{SOMEBODY}"),
    "sub with a line break": lambda: token(sub=f"{SOMEBODY}\n"),
    "sub with SQL": lambda: token(sub=f"{SOMEBODY}' or true --"),
    "sub in other digits": lambda: token(sub=SOMEBODY.replace("1", "\u0661")),
    "sub twice": lambda: raw_payload(CLAIMS.replace('"sub": ', '"sub": "x", "sub": ')),
    "scope a list": lambda: signed(HEADER, claims(scope=["service"])),
    "scope an object": lambda: signed(HEADER, claims(scope={"service": True})),
    "claims a list": lambda: raw_payload("[]"),
    "claims not JSON": lambda: raw_payload("sub=1"),
    "claims empty": lambda: raw_payload("{}"),
    "claims in UTF-16": lambda: signed(HEADER, CLAIMS.encode("utf-16")),
    "claims not UTF-8": lambda: signed(HEADER, CLAIMS.encode().replace(b"wedsync", b"wed\xff")),
    # what was signed
    "claims changed after signing": lambda: with_payload(sub="019a0000-0000-7000-8000-000000000002"),
    "scope added after signing": lambda: with_payload(scope="service"),
    "header changed after signing": lambda: ".".join([segment({**HEADER, "x": 1}), *parts(token())[1:]]),
    "signature truncated": lambda: with_signature(lambda s: s[:-4]),
    "signature one bit off": lambda: with_signature(lambda s: ("B" if s[0] == "A" else "A") + s[1:]),
    "signature of another token": lambda: with_signature(lambda _: parts(token(exp=NOW + 601))[2]),
    "signature of zeros": lambda: with_signature(lambda _: segment(bytes(256))),
    # the form
    "empty": lambda: "",
    "dots": lambda: "..",
    "one part": lambda: parts(token())[0],
    "two parts": lambda: ".".join(parts(token())[:2]),
    "no signature": lambda: with_signature(lambda _: ""),
    "four parts": lambda: f"{token()}.AAAA",
    "five parts, as if encrypted": lambda: f"{token()}.AAAA.AAAA",
    "signature with padding": lambda: with_signature(lambda s: f"{s}=="),
    "signature in plain base64": lambda: with_signature(lambda s: f"+/{s[2:]}"),
    "a line break at the end": lambda: f"{token()}\n",
    "a null byte": lambda: f"{token()}\x00",
    "a letter that is not ASCII": lambda: with_signature(lambda s: f"é{s[1:]}"),
    "JSON serialization": lambda: json.dumps({"payload": parts(token())[1], "signatures": []}),
    "oversized": lambda: signed(HEADER, claims(more="x" * LONGEST_TOKEN)),
}


@pytest.mark.parametrize("name", CORPUS)
def test_a_token_that_is_not_right_opens_nothing(issuer: Issuer, name: str) -> None:
    with pytest.raises(Unauthenticated):
        verify(CORPUS[name](), issuer.trust())


def test_the_token_the_others_are_made_from_is_right(issuer: Issuer) -> None:
    assert verify(signed(HEADER, claims()), issuer.trust())
    assert verify(raw_payload(CLAIMS), issuer.trust())


def test_a_refusal_repeats_nothing_of_the_token(issuer: Issuer) -> None:
    for make in CORPUS.values():
        with pytest.raises(Unauthenticated) as refusal:
            verify(make(), issuer.trust())

        assert len(refusal.value.detail) < 60
        assert SOMEBODY not in refusal.value.detail
