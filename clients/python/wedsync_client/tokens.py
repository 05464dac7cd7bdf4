"""Whose a token is, as far as it says so itself: whether that is true the API knows."""

from __future__ import annotations

import base64
import json
from typing import Any

from wedsync_client.rest import Token
from wedsync_client.store import StoreError


def of_person(user_id: str, token: Token) -> Token:
    """The same tokens, which raise StoreError once one is of somebody else: his threads are not for this store."""

    async def checked() -> str:
        bearer = await token()
        subject = _subject(bearer)
        if subject is not None and subject.lower() != user_id.lower():
            raise StoreError("the token and the store are of different people")
        return bearer

    return checked


def _subject(bearer: str) -> str | None:
    """The `sub` of a JWT; None of anything else."""
    try:
        _, payload, _ = bearer.split(".")
        claims: Any = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        subject = claims["sub"]
    except (ValueError, LookupError, TypeError):
        return None
    return subject if isinstance(subject, str) else None
