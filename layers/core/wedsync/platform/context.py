"""The signed context of a transaction: who is asking, in a form that injected SQL cannot forge (R5, R12)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from hmac import digest
from typing import Literal, Protocol
from uuid import UUID

from wedsync.platform.keys import keys

LIFETIME_SECONDS = 15 * 60


class Caller(Protocol):
    """Anybody a transaction can be for; `kind` is user, service, support or worker."""

    @property
    def user_id(self) -> UUID: ...

    @property
    def kind(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Acting:
    """Whose eyes and rights a transaction of a worker has: its own, which see nobody's text, or a person's."""

    user_id: UUID
    kind: Literal["worker", "user"]


WORKER = Acting(UUID(int=0), "worker")


def sign(who: Caller) -> str:
    """`key id|user|kind|expiry|HMAC-SHA-256 in hex`, as `app.context()` verifies it."""
    known = keys()
    stated = f"{known.current}|{who.user_id}|{who.kind}|{int(time.time()) + LIFETIME_SECONDS}"
    return f"{stated}|{digest(known.by_id[known.current], stated.encode(), 'sha256').hex()}"
