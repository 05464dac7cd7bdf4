"""`Idempotency-Key`: one act, however often it is asked for (R28)."""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha256
from typing import Final

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import BaseRouter
from request import principal

from wedsync.identity.principals import Principal
from wedsync.platform.context import Caller
from wedsync.platform.errors import FieldError, Invalid
from wedsync.platform.idempotency import KEY, ROUTE_CHARACTERS, Answered, Keyed

_KEY: Final = re.compile(KEY)


def once(
    router: BaseRouter,
    act: Callable[[Caller], Response[str]],
    again: Callable[[Principal, Answered], Response[str]],
    *,
    status: int = 200,
) -> Response[str]:
    """The answer of `act`, or if this key's act is done, that of `again`, which shows what became of it.

    `act` hands its caller to one transaction, whose key a second one would find taken; `status` is that of its
    usual answer. Refusals keep no key: they changed nothing. Raises Invalid for a key of another request,
    Conflict while the act is being done.
    """
    who = principal(router)
    key = router.current_event.headers.get("idempotency-key")
    if key is None:
        return act(who)
    if not _KEY.fullmatch(key):
        raise Invalid(errors=(FieldError("Idempotency-Key", "1 to 255 visible ASCII characters"),))
    try:
        return act(Keyed(who, key, _route(router)[:ROUTE_CHARACTERS], _fingerprint(router), status))
    except Answered as known:
        repeated = again(who, known)
        repeated.headers["Idempotency-Replayed"] = "true"
        return repeated


def _route(router: BaseRouter) -> str:
    return f"{router.current_event.http_method} {router.current_event.path}"


def _fingerprint(router: BaseRouter) -> bytes:
    """Tells this request from another one."""
    return sha256(
        f"{_route(router)}\n{router.current_event.decoded_body or ''}".encode(errors="surrogatepass")
    ).digest()
