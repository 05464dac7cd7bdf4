"""Which pages may talk to us."""

from __future__ import annotations

import pytest

from wedsync.identity.origins import allowed

OURS = frozenset({"https://app.wedsync.example", "http://127.0.0.1:8080"})


@pytest.mark.parametrize("origin", [*sorted(OURS), None])
def test_our_pages_and_native_clients_may(origin: str | None) -> None:
    assert allowed(origin, OURS)


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "*",
        "https://evil.example",
        "http://app.wedsync.example",
        "https://app.wedsync.example:8443",
        "https://app.wedsync.example/",
        "https://app.wedsync.example.evil.example",
        "https://evilapp.wedsync.example",
        "https://evil.example/https://app.wedsync.example",
        "https://app.wedsync.example@evil.example",
        "https://app.wedsync.example, https://evil.example",
        "HTTPS://APP.WEDSYNC.EXAMPLE",
        " https://app.wedsync.example",
        "http://127.0.0.1:80801",
    ],
)
def test_foreign_pages_may_not(origin: str) -> None:
    assert not allowed(origin, OURS)


@pytest.mark.parametrize("configured", [set[str](), {"null"}, {"*"}])
def test_no_configuration_lets_everybody_in(configured: set[str]) -> None:
    assert not allowed("null", configured)
    assert not allowed("https://evil.example", configured)
