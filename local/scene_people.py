"""The people of the scene: what each of them does with the API, and what he has seen."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import Any
from uuid import uuid4

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

PHONE = "Phone of the demo"
FRAME_SECONDS = 10.0


class StageError(Exception):
    """The stack answered something that does not belong into the scene."""


class Stage:
    """A running local stack, as anybody on this machine reaches it."""

    def __init__(self, session: ClientSession, console: str) -> None:
        self._session = session
        self.console = console

    async def ask(
        self, method: str, path: str, body: object = None, token: str = ""
    ) -> tuple[int, dict[str, Any]]:
        """Status and body of an answer."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        address = self.console + path
        async with self._session.request(method, address, json=body, headers=headers) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else {}

    async def enter(self, first_name: str) -> Person:
        """One of the demo people, with a token."""
        _, people = await self.ask("GET", "/_local/people")
        named = [p for p in people.get("data", []) if p["display_name"].startswith(f"{first_name} ")]
        if not named:
            raise StageError(f"there is no {first_name} here; start the stack with --fresh")
        user_id = named[0]["user_id"]
        _, issued = await self.ask("POST", "/_local/tokens", {"user_id": user_id})
        person = Person(self, self._session, first_name, user_id, issued["access_token"])
        person.addresses = await person.ask("GET", "/me")
        return person

    async def accepted(self, channel: str, since: str) -> list[dict[str, Any]]:
        """What a provider has accepted since a moment."""
        _, outbox = await self.ask("GET", f"/_local/outbox?channel={channel}")
        return [each for each in outbox["data"] if each["accepted_at"] >= since]


class Person:
    """Somebody with a token; perhaps with a phone, perhaps with the app open."""

    def __init__(
        self, stage: Stage, session: ClientSession, first_name: str, user_id: str, token: str
    ) -> None:
        self.first_name, self.user_id = first_name, user_id
        self.addresses: dict[str, Any] = {}
        self._stage, self._session, self._token = stage, session, token
        self._endpoint = ""
        self._socket: ClientWebSocketResponse | None = None
        self._reading: asyncio.Task[None] | None = None
        self._frames: list[tuple[float, dict[str, Any]]] = []
        self._arrived = asyncio.Condition()

    async def ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """The answer of the API to this person. Raises StageError for a refusal."""
        status, answer = await self._stage.ask(method, f"/v1{path}", body, self._token)
        if status >= 400:
            raise StageError(f"{method} {path} answered {self.first_name} {status}: {answer.get('detail')}")
        return answer

    async def look(self, thread_id: str) -> int:
        """The status that this person gets for a thread."""
        status, _ = await self._stage.ask("GET", f"/v1/threads/{thread_id}", token=self._token)
        return status

    async def register_phone(self) -> None:
        """One phone for pushes; those of an earlier play are given up."""
        for device in (await self.ask("GET", "/me/devices"))["data"]:
            if device["name"] == PHONE:
                await self.ask("DELETE", f"/me/devices/{device['id']}")
        _, subscription = await self._stage.ask("POST", "/_local/devices")
        self._endpoint = subscription["endpoint"]
        await self.ask("POST", "/me/devices", {**subscription, "name": PHONE})

    async def open_app(self) -> None:
        """Connect a socket and catch up."""
        device_id = str(uuid4())
        ticket = await self.ask("POST", "/realtime/tickets", {"device_id": device_id})
        url = f"{ticket['url']}?ticket={ticket['ticket']}&device_id={device_id}"
        self._socket = await self._session.ws_connect(url)
        self._reading = asyncio.create_task(self._read_frames(self._socket))
        await self._socket.send_json({"action": "sync", "id": "scene"})
        await self._frame(lambda frame: frame["type"] == "synced" and not frame["more"])

    async def close_app(self) -> None:
        """Disconnect, if connected."""
        if self._socket is not None and self._reading is not None:
            await self._socket.close()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reading

    async def create_thread(self, subject: str, people: list[Person]) -> str:
        """The id of a new thread of the wedding that all of them share."""
        [wedding] = [w for w in self.addresses["weddings"] if w["title"] == "Ana & Ben"]
        new = {
            "wedding_id": wedding["wedding_id"],
            "subject": subject,
            "participants": [{"user_id": person.user_id} for person in people],
        }
        return (await self.ask("POST", "/threads", new))["id"]

    async def write(self, thread_id: str, text: str, **more: str) -> dict[str, Any]:
        """The message, as it is stored."""
        new = {"message": text, "client_msg_id": str(uuid4()), **more}
        began = time.monotonic()
        message = await self.ask("POST", f"/threads/{thread_id}/messages", new)
        WRITTEN[message["id"]] = began
        return message

    async def live(self, message_id: str) -> float:
        """Seconds from the writing of a message to its frame on this person's socket."""
        arrived = await self._frame(lambda frame: _holds(frame, message_id))
        return arrived - WRITTEN[message_id]

    async def notified(self, message_id: str) -> None:
        """Wait for the socket to say that a message is in the inbox."""
        await self._frame(
            lambda frame: (
                frame["type"] == "notification" and frame["notification"]["message_id"] == message_id
            )
        )

    async def catch_up(self, thread_id: str) -> list[str]:
        """The messages of a thread, from its first event on."""
        socket = self._socket
        if socket is None:
            raise StageError(f"{self.first_name} has not opened the app")
        thread = await self.ask("GET", f"/threads/{thread_id}")
        cursors = {thread_id: {"epoch": thread["epoch"], "seq": 0}}
        await socket.send_json({"action": "sync", "id": "catch-up", "cursors": cursors})
        await self._frame(lambda frame: frame["type"] == "synced" and frame["re"] == "catch-up")
        frames = [frame for _, frame in self._frames if frame.get("re") == "catch-up"]
        events = [event for frame in frames if frame["type"] == "events" for event in frame["events"]]
        return [event["message"]["message"] for event in events if event["kind"] == "message.created"]

    async def read(self, thread_id: str, seq: int) -> None:
        """Say that everything up to here was seen."""
        thread = await self.ask("GET", f"/threads/{thread_id}")
        await self.ask("PUT", f"/threads/{thread_id}/read", {"seq": seq, "epoch": thread["epoch"]})

    async def receipts(self, message_id: str) -> list[dict[str, Any]]:
        """What became of a message."""
        return (await self.ask("GET", f"/messages/{message_id}/receipts"))["data"]

    async def inbox_items(self, message_id: str) -> int:
        """How often a message is in this person's inbox."""
        items = (await self.ask("GET", "/notifications?limit=100"))["data"]
        return sum(item["message_id"] == message_id for item in items)

    async def inbox_line(self) -> str:
        """What a badge would show."""
        return f"{(await self.ask('GET', '/notifications?limit=1'))['unread_count']} unread"

    def among(
        self, accepted: list[dict[str, Any]], channel: str, message: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """Those of a provider's messages that brought this one to this person."""
        mine = {"email": self.addresses["email"], "sms": self.addresses["phone"], "push": self._endpoint}
        to = [each for each in accepted if mine[channel] and each["to"] in (mine[channel], [mine[channel]])]
        return [each for each in to if message["message"] in each["text"]]

    def frames_about(self, thread_id: str) -> int:
        """How many frames named a thread, or a notification from it."""
        return sum(thread_id in json.dumps(frame) for _, frame in self._frames)

    async def _read_frames(self, socket: ClientWebSocketResponse) -> None:
        async for received in socket:
            if received.type is WSMsgType.TEXT:
                async with self._arrived:
                    self._frames.append((time.monotonic(), json.loads(received.data)))
                    self._arrived.notify_all()

    async def _frame(self, wanted: Any) -> float:
        """When the first frame arrived that is wanted."""

        def arrived() -> float | None:
            return next((at for at, frame in self._frames if wanted(frame)), None)

        try:
            async with asyncio.timeout(FRAME_SECONDS), self._arrived:
                while (at := arrived()) is None:
                    await self._arrived.wait()
                return at
        except TimeoutError:
            raise StageError(f"{self.first_name} waits for a frame in vain") from None


# When each message of the scene was written, on the clock of this process.
WRITTEN: dict[str, float] = {}


def _holds(frame: dict[str, Any], message_id: str) -> bool:
    return frame["type"] == "events" and any(
        event.get("message", {}).get("id") == message_id for event in frame["events"]
    )
