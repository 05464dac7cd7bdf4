"""The few requests of the REST API that a device needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, cast

import aiohttp

from wedsync_client.frames import Message, Page

SECONDS = 30.0
GOOD_SECONDS = 45.0  # of the 60 that a ticket lives
RETRY_SECONDS = 2.0  # where an answer does not say

# Nobody is away: too many requests, or a token that has expired in between; by the next attempt there is a newer one.
_LATER = {401: "unauthenticated", 429: "rate_limited"}

# It raises what aiohttp raises, or OSError (TimeoutError is one), while there is none to be had.
Token = Callable[[], Awaitable[str]]


class Unreachable(Exception):  # noqa: N818 - a state of the world
    """The API was not reached, or could not answer: ask again later, after `retry_after` seconds if it did answer.

    `status` is that of what a stranger answered in its place.
    """

    def __init__(
        self,
        why: str,
        retry_after: float | None = None,
        code: str = "unavailable",
        status: int | None = None,
    ) -> None:
        super().__init__(why)
        self.status = status
        self.retry_after = retry_after
        self.code = code


class Problem(Exception):  # noqa: N818 - as the API calls it
    """The API refuses, for the reason `code`."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class Ticket:
    """Where a socket is opened, and as what; the secret alone renews one that is open."""

    secret: str
    address: str
    protocol: str
    asked_at: float = field(default_factory=monotonic)

    def is_old(self) -> bool:
        """Whether it may not be good any more."""
        return monotonic() > self.asked_at + GOOD_SECONDS


class Rest:
    """The API at `api` (`https://host/v1`), as the person whom `token` names."""

    def __init__(self, http: aiohttp.ClientSession, api: str, token: Token) -> None:
        self._http = http
        self._api = api.rstrip("/")
        self._token = token

    async def ticket(self, device_id: str) -> Ticket:
        """A ticket, good once and for a minute. Raises Unreachable, Problem."""
        answer = await self._ask("POST", "/realtime/tickets", {"device_id": device_id})
        address = f"{answer['url']}?ticket={answer['ticket']}&device_id={device_id}"
        return Ticket(answer["ticket"], address, answer["protocol"])

    async def newest(self, thread_id: str) -> Page:
        """The newest page of a thread, and its head in the same snapshot. Raises Unreachable, Problem."""
        return await self._page(thread_id, "")

    async def older(self, thread_id: str, before: int, limit: int) -> Page:
        """The last messages before the number `before`. Raises Unreachable, Problem."""
        return await self._page(thread_id, f"?before_seq={before}&limit={limit}")

    async def _page(self, thread_id: str, query: str) -> Page:
        answer = await self._ask("GET", f"/threads/{thread_id}/messages{query}")
        return Page(
            thread_id, answer["epoch"], answer["head_seq"], [_shared(each) for each in answer["data"]]
        )

    async def message(self, message_id: str) -> Message:
        """One message. Raises Unreachable, Problem."""
        return _shared(await self._ask("GET", f"/messages/{message_id}"))

    async def send(self, thread_id: str, message: Message) -> Message:
        """Send one message; it, with `duplicate` if it was known. Raises Unreachable, Problem."""
        return await self._ask("POST", f"/threads/{thread_id}/messages", message)

    async def move(self, thread_id: str, cursor: str, epoch: str, seq: int) -> None:
        """Move the cursor `read` or `delivered`. Raises Unreachable, Problem."""
        await self._ask("PUT", f"/threads/{thread_id}/{cursor}", {"epoch": epoch, "seq": seq})

    async def sync(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """Catch up: `frames`, and whether there are `more`. Raises Unreachable, Problem."""
        return await self._ask("POST", "/sync", asked, SECONDS + asked["wait"])

    async def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, seconds: float = SECONDS
    ) -> Any:
        try:
            headers = {"Authorization": f"Bearer {await self._token()}"}
            timeout = aiohttp.ClientTimeout(total=seconds)
            async with self._http.request(
                method, self._api + path, json=body, headers=headers, timeout=timeout
            ) as answer:
                stated = await _json(answer)
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(str(error)) from error
        if answer.status >= 500 or answer.status in _LATER:
            pause = _seconds(answer.headers.get("Retry-After"))
            raise Unreachable(f"{answer.status}", pause, _LATER.get(answer.status, "unavailable"))
        if answer.status < 400:
            return stated
        if not isinstance(stated, dict) or "code" not in stated:
            raise Unreachable(f"{answer.status} of a stranger", status=answer.status)
        raise Problem(answer.status, cast("str", stated["code"]))


def _shared(message: Message) -> Message:
    """Without what is the reader's: no event tells of that, so it would stay as it was."""
    return {name: value for name, value in message.items() if name not in ("is_read", "my_ack")}


async def _json(answer: aiohttp.ClientResponse) -> Any:
    try:
        return await answer.json(content_type=None)
    except ValueError as error:
        raise Unreachable(f"{answer.status} of a stranger: {error}", status=answer.status) from error


def _seconds(retry_after: str | None) -> float:
    return float(retry_after) if retry_after and retry_after.isdecimal() else RETRY_SECONDS
