"""Tokens that are good, and what is read from them. The bad ones are in tests/security."""

from __future__ import annotations

import time
from uuid import UUID

import pytest

from tests.fixtures.token_issuer import (
    AUDIENCE,
    SOMEBODY,
    Issuer,
    claims,
    ec_key,
    ed_key,
    public_jwk,
    rsa_key,
    signed,
    token,
)
from wedsync.identity.tokens import bearer_token, trust, verify
from wedsync.platform.errors import Unauthenticated, Unavailable


def test_a_good_token_says_who_is_asking_and_until_when(issuer: Issuer) -> None:
    expiry = int(time.time()) + 300

    principal = verify(token(exp=expiry), issuer.trust())

    assert principal.user_id == UUID(SOMEBODY)
    assert principal.kind == "user"
    assert principal.scopes == frozenset()
    assert principal.expires_at == expiry


def test_every_allowed_algorithm_is_accepted(issuer: Issuer) -> None:
    for key, algorithm, kid in (
        (rsa_key(), "RS256", "rsa"),
        (ec_key(), "ES256", "ec"),
        (ed_key(), "EdDSA", "ed"),
    ):
        assert verify(token(key, algorithm, kid), issuer.trust()).user_id == UUID(SOMEBODY)


@pytest.mark.parametrize(
    ("scope", "kind"),
    [
        ("service", "service"),
        ("support", "support"),
        ("openid profile service", "service"),
        ("support service", "service"),
        ("openid", "user"),
        ("services", "user"),
        ("Service", "user"),
        ("", "user"),
    ],
)
def test_the_scope_says_what_kind_of_caller_it_is(issuer: Issuer, scope: str, kind: str) -> None:
    principal = verify(token(scope=scope), issuer.trust())

    assert principal.kind == kind
    assert principal.scopes == frozenset(scope.split())


@pytest.mark.parametrize("audience", [AUDIENCE, [AUDIENCE], ["other", AUDIENCE]])
def test_one_of_several_audiences_is_enough(issuer: Issuer, audience: object) -> None:
    assert verify(token(aud=audience), issuer.trust())


@pytest.mark.parametrize("typ", ["JWT", "jwt", "at+jwt", "application/at+jwt"])
def test_access_tokens_may_say_that_they_are(issuer: Issuer, typ: str) -> None:
    assert verify(signed({"alg": "RS256", "kid": "rsa", "typ": typ}, claims()), issuer.trust())


def test_an_issuer_whose_clock_is_a_little_ahead_is_believed(issuer: Issuer) -> None:
    soon = int(time.time()) + 30

    assert verify(token(nbf=soon, iat=soon), issuer.trust())


@pytest.mark.parametrize("name", ["jku", "x5u", "jwk", "x5c"])
def test_headers_that_offer_a_key_are_not_followed(issuer: Issuer, name: str) -> None:
    elsewhere = {
        "jku": f"{issuer.url}/elsewhere",
        "x5u": f"{issuer.url}/elsewhere",
        "jwk": public_jwk(rsa_key(2048, "attacker"), "rsa"),
        "x5c": ["AAAA"],
    }
    header = {"alg": "RS256", "kid": "rsa", name: elsewhere[name]}

    assert verify(signed(header, claims()), issuer.trust())
    with pytest.raises(Unauthenticated):
        verify(signed(header, claims(), rsa_key(2048, "attacker")), issuer.trust())
    assert {request.path for request in issuer.requests} == {"/jwks.json"}


def test_a_rotated_key_is_accepted_while_the_old_one_still_is(issuer: Issuer) -> None:
    trusted = issuer.trust()
    old = token()
    verify(old, trusted)

    issuer.keys.append(public_jwk(rsa_key(2048, "next"), "next"))

    assert verify(token(rsa_key(2048, "next"), kid="next"), trusted)
    assert verify(old, trusted)


def test_without_keys_a_token_is_not_called_bad(issuer: Issuer) -> None:
    issuer.status = 503

    with pytest.raises(Unavailable):
        verify(token(), issuer.trust())


@pytest.mark.parametrize("header", ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c", "Bearer a.b.c "])
def test_the_token_is_taken_out_of_the_header(header: str) -> None:
    assert bearer_token(header) == "a.b.c"


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "a.b.c", "Basic a.b.c", "Bearer a.b.c d", "Bearer\ta.b.c", "Bearera.b.c"],
)
def test_a_header_without_a_bearer_token_is_refused(header: str | None) -> None:
    with pytest.raises(Unauthenticated):
        bearer_token(header)


def test_the_process_trusts_whom_its_settings_name(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT_ISSUER", "https://issuer.example")
    monkeypatch.setenv("JWT_AUDIENCE", AUDIENCE)
    monkeypatch.setenv("JWT_JWKS_URL", issuer.url)
    trust.cache_clear()

    assert verify(token(), trust())
    assert trust() is trust()

    trust.cache_clear()
