"""The issuer's keys, fetched from a real server."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import RSAAlgorithm

from tests.fixtures.stub_server import answer, serving
from tests.fixtures.token_issuer import Issuer, ec_key, ed_key, public_jwk, rsa_key
from wedsync.identity.jwks import KEPT_SECONDS, PATIENCE_SECONDS, REFRESH_SECONDS, KeySet, fetch, usable_key
from wedsync.platform.errors import Unavailable
from wedsync.platform.wire import UnreachableError

pytestmark = pytest.mark.usefixtures("issuer_lines")


def test_the_key_set_is_fetched_once_and_then_known(issuer: Issuer) -> None:
    keys = issuer.key_set()

    assert keys.find("rsa", "RS256")
    assert keys.find("ec", "ES256")
    assert keys.find("ed", "EdDSA")
    assert issuer.fetches == 1


def test_a_key_is_found_only_for_its_own_algorithm(issuer: Issuer) -> None:
    assert issuer.key_set().find("ec", "RS256") is None


def test_a_new_key_is_fetched_when_it_is_first_met(issuer: Issuer) -> None:
    keys = issuer.key_set()
    keys.find("rsa", "RS256")

    issuer.keys.append(public_jwk(rsa_key(2048, "next"), "next"))

    assert keys.find("next", "RS256")
    assert keys.find("rsa", "RS256")
    assert issuer.fetches == 2


def test_invented_key_ids_do_not_make_us_hammer_the_issuer(issuer: Issuer) -> None:
    keys = issuer.key_set()
    keys.find("rsa", "RS256")

    assert [keys.find(f"invented-{n}", "RS256") for n in range(50)] == [None] * 50

    assert issuer.fetches == 2


def test_after_a_while_an_unknown_key_is_asked_for_again(issuer: Issuer) -> None:
    keys = issuer.key_set()
    keys.find("invented", "RS256")
    issuer.keys.append(public_jwk(rsa_key(2048, "next"), "next"))

    assert keys.find("next", "RS256") is None
    issuer.now += PATIENCE_SECONDS

    assert keys.find("next", "RS256")


def test_a_withdrawn_key_stops_working(issuer: Issuer) -> None:
    keys = issuer.key_set()
    assert keys.find("rsa", "RS256")

    issuer.keys = [public_jwk(ec_key(), "ec")]
    issuer.now += REFRESH_SECONDS + 1

    assert keys.find("rsa", "RS256") is None
    assert keys.find("ec", "ES256")


def test_known_keys_serve_while_the_issuer_is_down_and_it_is_not_asked_each_time(issuer: Issuer) -> None:
    keys = issuer.key_set()
    keys.find("rsa", "RS256")

    issuer.status = 503
    issuer.now += REFRESH_SECONDS + 1

    assert all(keys.find("rsa", "RS256") for _ in range(20))
    assert issuer.fetches == 2


def test_known_keys_do_not_serve_for_ever(issuer: Issuer) -> None:
    keys = issuer.key_set()
    keys.find("rsa", "RS256")

    issuer.status = 503
    issuer.now += KEPT_SECONDS + 1

    with pytest.raises(Unavailable):
        keys.find("rsa", "RS256")


def test_it_recovers_by_itself(issuer: Issuer) -> None:
    keys = issuer.key_set()
    issuer.status = 500
    with pytest.raises(Unavailable):
        keys.find("rsa", "RS256")

    issuer.status = 200
    issuer.now += PATIENCE_SECONDS

    assert keys.find("rsa", "RS256")


def test_an_unknown_key_is_not_called_false_while_the_issuer_cannot_be_asked(issuer: Issuer) -> None:
    keys = issuer.key_set()
    keys.find("rsa", "RS256")

    issuer.status = 503

    with pytest.raises(Unavailable):
        keys.find("next", "RS256")


@pytest.mark.parametrize(
    "document",
    [b"", b"[]", b"{}", b'{"keys": 3}', b'{"keys": null}', b"<html>", b"\xff", b"[" * 5000, b'"keys"'],
    ids=repr,
)
def test_a_document_that_is_no_key_set_replaces_nothing(issuer: Issuer, document: bytes) -> None:
    now = 1000.0
    documents = [issuer.reply, lambda _: answer(200, document)]
    with serving(lambda request: documents[0](request)) as stub:
        keys = KeySet(f"{stub.url}/jwks", lambda: now)
        keys.find("rsa", "RS256")

        documents.pop(0)
        now += REFRESH_SECONDS + 1

        assert keys.find("rsa", "RS256")


def test_strange_entries_of_a_key_set_are_passed_over(issuer: Issuer) -> None:
    no_keys = [None, 7, "rsa", [], {}, {"kid": 5}, {"kid": "x", "kty": "RSA"}, {"kid": "y", "kty": "EC"}]
    issuer.keys = [*no_keys, *issuer.keys]

    assert issuer.key_set().find("rsa", "RS256")


@pytest.mark.parametrize(
    "reply", [answer(302, b"", {"location": "https://other.example/"}), answer(404), None]
)
def test_only_a_plain_200_is_an_answer(reply: bytes | None) -> None:
    with serving(lambda _: reply) as stub, pytest.raises(UnreachableError):
        fetch(f"{stub.url}/jwks")


def test_an_enormous_document_is_no_answer() -> None:
    with serving(lambda _: answer(200, b" " * 300_000)) as stub, pytest.raises(UnreachableError):
        fetch(f"{stub.url}/jwks")


def test_the_query_of_the_address_is_sent() -> None:
    with serving(lambda _: answer(200, b"{}")) as stub:
        fetch(f"{stub.url}/keys?p=1")

        assert stub.requests[0].path == "/keys?p=1"


def test_keys_are_not_fetched_in_the_clear_from_another_machine() -> None:
    with pytest.raises(UnreachableError, match="TLS"):
        fetch("http://issuer.example/jwks")


def private_jwk() -> dict[str, object]:
    return {**RSAAlgorithm.to_jwk(rsa_key(), as_dict=True), "kid": "x"}


@pytest.mark.parametrize(
    "jwk",
    [
        public_jwk(rsa_key(1024), "short"),
        public_jwk(ec_key(ec.SECP384R1), "p384"),
        public_jwk(rsa_key(), "enc", use="enc"),
        public_jwk(rsa_key(), "rs512", alg="RS512"),
        public_jwk(rsa_key(), "oaep", alg="RSA-OAEP"),
        public_jwk(rsa_key(), "ops", key_ops=["encrypt"]),
        public_jwk(rsa_key(), "broken", n="!"),
        public_jwk(ec_key(), "off-curve", y=public_jwk(ec_key(), "x")["x"]),
        public_jwk(ed_key(), "ed448", crv="Ed448"),
        {"kty": "oct", "kid": "secret", "k": "c2VjcmV0"},
        {"kty": "RSA", "kid": "empty"},
        private_jwk(),
    ],
    ids=lambda jwk: str(jwk["kid"]),
)
def test_a_key_that_is_weak_or_not_for_signatures_is_not_usable(jwk: dict[str, object]) -> None:
    assert usable_key(jwk) is None


def test_a_key_that_says_what_it_is_for_is_usable() -> None:
    assert usable_key(public_jwk(rsa_key(), "k", use="sig", alg="RS256", key_ops=["verify"]))
