"""The sockets underneath: whom they trust, how long they wait, what they take for an answer."""

from __future__ import annotations

import datetime
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.fixtures.stub_server import EMPTY_OK, Request, Stub, answer, serving
from wedsync.platform import wire
from wedsync.platform.wire import Address, Answer, Lines, UnreachableError

GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


@pytest.fixture
def lines() -> Iterator[Lines]:
    pool = Lines()
    yield pool
    pool.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificate and key of `localhost`, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


@contextmanager
def serving_tls(certificate: Path, reply: Callable[[Request], bytes | None]) -> Iterator[Stub]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serving(reply, tls=context) as stub:
        yield stub


def exchange(lines: Lines, url: str, request: bytes = GET, seconds: float = 5) -> Answer:
    return lines.exchange(Address.parse(url), request, time.monotonic() + seconds)


def test_a_certificate_that_nobody_vouches_for_is_refused(lines: Lines, certificate: Path) -> None:
    with serving_tls(certificate, lambda _: EMPTY_OK) as stub:
        with pytest.raises(UnreachableError, match="CERTIFICATE_VERIFY_FAILED"):
            exchange(lines, stub.url.replace("127.0.0.1", "localhost"))

        assert stub.requests == []


def test_a_certificate_of_another_name_is_refused(lines: Lines, certificate: Path) -> None:
    trusting = ssl.create_default_context(cafile=certificate)
    with (
        serving_tls(certificate, lambda _: EMPTY_OK) as stub,
        mock.patch.object(wire, "tls_context", return_value=trusting),
    ):
        with pytest.raises(UnreachableError, match="CERTIFICATE_VERIFY_FAILED"):
            exchange(lines, stub.url)

        assert stub.requests == []


def test_a_trusted_line_is_kept_and_used_again(lines: Lines, certificate: Path) -> None:
    trusting = ssl.create_default_context(cafile=certificate)
    with (
        serving_tls(certificate, lambda _: answer(200, b"x" * 100_000)) as stub,
        mock.patch.object(wire, "tls_context", return_value=trusting),
    ):
        url = stub.url.replace("127.0.0.1", "localhost")
        bodies = [len(exchange(lines, url).body) for _ in range(3)]
        lines.close()

    assert bodies == [100_000] * 3
    assert [request.line for request in stub.requests] == [1, 1, 1]


def test_a_trusted_line_that_was_closed_while_idle_is_replaced(lines: Lines, certificate: Path) -> None:
    def one_answer_per_line(request: Request) -> bytes | None:
        seen = [earlier for earlier in stub.requests if earlier.line == request.line]
        return EMPTY_OK if len(seen) == 1 else None

    trusting = ssl.create_default_context(cafile=certificate)
    with (
        serving_tls(certificate, one_answer_per_line) as stub,
        mock.patch.object(wire, "tls_context", return_value=trusting),
    ):
        url = stub.url.replace("127.0.0.1", "localhost")
        statuses = [exchange(lines, url).status for _ in range(3)]
        lines.close()

    assert statuses == [200] * 3


@pytest.mark.parametrize(
    ("url", "authority", "path"),
    [
        (
            "https://a1.execute-api.eu-west-1.amazonaws.com/v1",
            "a1.execute-api.eu-west-1.amazonaws.com",
            "/v1",
        ),
        ("https://example.com:443/", "example.com", ""),
        ("https://example.com:8443", "example.com:8443", ""),
        ("http://127.0.0.1:8081/v1/", "127.0.0.1:8081", "/v1"),
        ("http://example.com", "example.com", ""),
    ],
)
def test_the_host_header_leaves_out_only_the_port_of_the_scheme(url: str, authority: str, path: str) -> None:
    address = Address.parse(url)

    assert (address.authority, address.path) == (authority, path)


@pytest.mark.parametrize("url", ["ftp://example.com", "example.com", "https://", ""])
def test_what_is_no_http_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="not an http address"):
        Address.parse(url)


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
        b"HTTP/1.1 hello\r\n\r\n",
        b"HTTP/2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nmany\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-le",
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort",
    ],
)
def test_what_is_no_answer_is_not_taken_for_one(lines: Lines, raw: bytes) -> None:
    def reply(request: Request) -> bytes | None:
        return raw if len(stub.requests) == 1 else None

    with serving(reply, hang_up=True) as stub, pytest.raises(UnreachableError):
        exchange(lines, stub.url)

    assert lines.idle(Address.parse(stub.url)) is None


def test_an_answer_without_a_body_ends_with_its_head(lines: Lines) -> None:
    with serving(lambda _: b"HTTP/1.1 204 No Content\r\n\r\n") as stub:
        statuses = [exchange(lines, stub.url).status for _ in range(2)]

    assert statuses == [204, 204]
    assert stub.lines == 1


def test_no_time_left_is_no_answer(lines: Lines) -> None:
    with serving(lambda _: EMPTY_OK) as stub, pytest.raises(UnreachableError):
        exchange(lines, stub.url, seconds=0)
