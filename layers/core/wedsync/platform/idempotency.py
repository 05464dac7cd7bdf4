"""One act per Idempotency-Key: the key is claimed by the first statement of the act's own transaction (R28).

So the two are committed together or not at all, a crash in between loses nothing and doubles nothing, and it costs
no round trip. What a repetition is answered with is rendered anew, with the rights that its sender has by then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, LiteralString
from uuid import UUID

from wedsync.platform.context import Caller

KEY: Final = r"[!-~]{1,255}"
ROUTE_CHARACTERS: Final = 200

_CLAIM: Final[LiteralString] = "select app.claim_key(%(key)s, %(route)s, %(fingerprint)s, %(status)s)"


@dataclass(frozen=True, slots=True)
class Keyed:
    """A caller whose one transaction is the act of a key: another would find it done, and raise Answered.

    `fingerprint` is 32 bytes that tell this request from another one; `status` is that of its usual answer.
    """

    caller: Caller
    key: str
    route: str
    fingerprint: bytes
    status: int

    @property
    def user_id(self) -> UUID:
        return self.caller.user_id

    @property
    def kind(self) -> str:
        return self.caller.kind

    def claim(self) -> tuple[LiteralString, Mapping[str, Any]]:
        """The statement that comes first; it fails with the state that `Answered` stands for if the act is done."""
        return _CLAIM, {
            "key": self.key,
            "route": self.route,
            "fingerprint": self.fingerprint,
            "status": self.status,
        }


class Answered(Exception):  # noqa: N818 (no error: the act is done)
    """The act of this key is done: the status it was answered with, and what it made, where it made something."""

    def __init__(self, status: int, resource: UUID | None) -> None:
        super().__init__(status, resource)
        self.status = status
        self.resource = resource

    @property
    def made(self) -> UUID:
        """What the act made. Raises LookupError where the request names it itself."""
        if self.resource is None:
            raise LookupError("this act kept no resource")
        return self.resource
