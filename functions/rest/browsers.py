"""What browsers are told: which pages may read our answers, and which may change anything."""

# Powertools leaves the type parameter of Response open where it takes middlewares.
# pyright: reportUnknownVariableType=false

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, CORSConfig, Response
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware

from wedsync.identity.origins import allowed
from wedsync.platform.errors import Forbidden
from wedsync.platform.settings import settings

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def cors() -> CORSConfig | None:
    """Browsers read answers from our own pages only; there are no cookies to send."""
    origins = sorted(settings().allowed_origins)
    if not origins:
        return None
    return CORSConfig(
        allow_origin=origins[0],
        extra_origins=origins[1:],
        allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match"],
        expose_headers=["ETag", "Idempotency-Replayed", "Location", "Retry-After", "X-Request-Id"],
        max_age=600,
    )


def refuse_foreign_origins(resolver: APIGatewayRestResolver, proceed: NextMiddleware) -> Response[Any]:
    """A page that is not ours changes nothing (contract.md section 1)."""
    event = resolver.current_event
    if event.http_method not in SAFE and not allowed(event.headers.get("origin"), settings().allowed_origins):
        raise Forbidden("requests from this origin are refused")
    return proceed(resolver)
