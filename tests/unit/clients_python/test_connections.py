"""Sockets, REST and what the client makes of their ends, against a server that does what a test says."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.fixtures.gateways import eventually
from wedsync_client import (
    Applied,
    Client,
    Filled,
    Hint,
    Left,
    Reloaded,
    Sent,
    State,
    StateChanged,
    StoreError,
    Timing,
    Told,
)
from wedsync_client.frames import Frame, Page
from wedsync_client.rest import Problem, Rest, Unreachable
from wedsync_client.rest_channel import RestChannel

TIMING = Timing(gap=0.01, answer=5.0, retry=0.01, longest_retry=0.05, receipts_every=0.01)
DEAD = replace(TIMING, ping_every=0.05, pong=0.05)
SOON_POLLING = replace(TIMING, refusals=1, pong=1.0)
UNKNOWN = {
    "type": "bye",
    "code": 4010,
    "retry": {"min_ms": 60_000, "max_ms": 60_000},
}  # longer than tests wait
Says = Callable[["Server", web.WebSocketResponse, Frame], Awaitable[None]]


async def up_to_date(server: Server, socket: web.WebSocketResponse, frame: Frame) -> None:
    """Answers every sync: nothing has changed. The gateway answers a ping."""
    if frame["action"] == "ping":
        await say(socket, type="pong")
    if frame["action"] == "sync":
        await say(
            socket,
            type="synced",
            re=frame["id"],
            threads=server.threads,
            gone=[],
            part=1,
            more=False,
            since="s",
        )


async def say(socket: web.WebSocketResponse, **frame: Any) -> None:
    await socket.send_str(json.dumps(frame))


@dataclass
class Server:
    """The API in so far as a device needs it. `statuses` answer the next requests to a path."""

    says: Says = up_to_date
    threads: list[Frame] = field(default_factory=list[Frame])
    statuses: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    asked: list[tuple[str, str, Any]] = field(default_factory=list[tuple[str, str, Any]])
    sockets: list[web.WebSocketResponse] = field(default_factory=list[web.WebSocketResponse])
    answers: list[list[Frame]] = field(default_factory=list[list[Frame]])
    api: str = ""

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/realtime/tickets", self._ticket),
            web.get("/socket", self._socket),
            web.post("/v1/sync", self._sync),
            web.route("*", "/v1/{path:.*}", self._other),
        ]

    def refuses(self, path: str) -> web.Response | None:
        """What a test wants a path to answer instead of the usual."""
        status = self.statuses[path].pop(0) if self.statuses.get(path) else 200
        headers = {"Retry-After": "0"} if status in (429, 503) else {}
        return (
            web.json_response({"code": "because"}, status=status, headers=headers) if status >= 400 else None
        )

    async def _ticket(self, request: web.Request) -> web.Response:
        self.asked.append(("POST", "/realtime/tickets", await request.json()))
        refused = self.refuses("/realtime/tickets")
        address = self.api.replace("http", "ws").replace("/v1", "/socket")
        ticket = {"ticket": "t", "url": address, "protocol": "wedsync.v1"}
        return refused or web.json_response(ticket)

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if refused := self.refuses("/socket"):
            return refused
        socket = web.WebSocketResponse(protocols=["wedsync.v1"])
        await socket.prepare(request)
        self.sockets.append(socket)
        async for received in socket:
            await self.says(self, socket, json.loads(received.data))
        return socket

    async def _sync(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.asked.append(("POST", "/sync", body))
        return await self.answer_sync(request, body)

    async def answer_sync(self, _request: web.Request, body: Frame) -> web.StreamResponse:
        """The next of `answers`, at last that nothing has changed; one without an end is a part."""
        if refused := self.refuses("/sync"):
            return refused
        if not self.answers and body["wait"]:
            await asyncio.sleep(0.02)
        synced = {
            "type": "synced",
            "re": "r",
            "threads": self.threads,
            "gone": [],
            "part": 1,
            "more": False,
            "since": "s",
        }
        frames = self.answers.pop(0) if self.answers else [synced]
        return web.json_response({"frames": frames, "more": frames[-1]["type"] != "synced"})

    async def _other(self, request: web.Request) -> web.Response:
        path = request.path.removeprefix("/v1")
        body = json.loads(await request.text() or "null")
        self.asked.append((request.method, path, body))
        if refused := self.refuses(path):
            return refused
        if request.method == "POST":
            return web.json_response({"id": "m", "seq": 7, "duplicate": False, "epoch": "e"}, status=201)
        message = {"id": "m", "seq": 3, "message": "the whole text", "is_read": False, "my_ack": None}
        if path.startswith("/messages/"):
            return web.json_response(message)
        if "before_seq" in request.query:
            message = {"id": "n", "seq": int(request.query["before_seq"]) - 1, "message": "older"}
        data = [message] if message["seq"] else []
        return web.json_response({"data": data, "epoch": "e", "head_seq": 3})


@asynccontextmanager
async def serving(server: Server) -> AsyncIterator[Server]:
    app = web.Application()
    app.add_routes(server.routes())
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.api = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    yield server
    for socket in server.sockets:
        await socket.close()
    await runner.cleanup()


async def token() -> str:
    return "bearer"


@asynccontextmanager
async def device(server: Server, folder: Path, timing: Timing = TIMING) -> AsyncIterator[Client]:
    store = folder / "store"
    async with serving(server), Client(server.api, "flora", "phone", token, store, timing=timing) as client:
        yield client


async def until(client: Client, wanted: Callable[[Told], bool]) -> list[Told]:
    """What is told, up to the first that is wanted."""
    told: list[Told] = []
    async with asyncio.timeout(5):
        async for each in client:
            told.append(each)
            if wanted(each):
                break
    return told


def is_state(state: State) -> Callable[[Told], bool]:
    return lambda told: told == StateChanged(state)


@asynccontextmanager
async def rest_channel(server: Server) -> AsyncIterator[RestChannel]:
    async with serving(server), aiohttp.ClientSession() as http:
        channel = RestChannel(Rest(http, server.api, token))
        yield channel
        await channel.close()


async def answer(channel: RestChannel, **frame: Any) -> Frame | None:
    await channel.send(frame)
    return await asyncio.wait_for(channel.receive(), 5)


def batch(*names: str) -> dict[str, Any]:
    messages = [{"client_msg_id": name, "message": name} for name in names]
    return {"action": "send", "id": "m1", "thread_id": "t1", "messages": messages}


async def test_a_token_that_ends_soon_is_renewed_on_the_open_socket(tmp_path: Path) -> None:
    handed_in: list[Frame] = []

    async def says(server: Server, socket: web.WebSocketResponse, frame: Frame) -> None:
        await up_to_date(server, socket, frame)
        if frame["action"] == "sync":
            for _ in range(3):  # each sync says it
                await say(socket, type="auth_expiring", expires_at="2026-06-13T15:00:00.000Z")
        elif frame["action"] == "auth":
            handed_in.append(frame)

    server = Server(says)
    async with device(server, tmp_path):
        await eventually(lambda: len(handed_in) == 1)
        await asyncio.sleep(0.05)

    assert handed_in == [{"action": "auth", "id": "auth", "ticket": "t"}]
    assert len(server.sockets) == 1


async def test_a_renewal_without_a_ticket_is_given_up_and_the_socket_stays(tmp_path: Path) -> None:
    async def says(server: Server, socket: web.WebSocketResponse, frame: Frame) -> None:
        if frame["action"] == "sync":
            server.statuses["/realtime/tickets"] = [503]
            await say(socket, type="auth_expiring", expires_at="2026-06-13T15:00:00.000Z")
            await eventually(lambda: server.statuses["/realtime/tickets"] == [])
        await up_to_date(server, socket, frame)

    server = Server(says)
    async with device(server, tmp_path) as client:
        await eventually(lambda: client.state is State.LIVE)

    assert len(server.sockets) == 1


async def test_over_rest_a_batch_is_sent_one_by_one_and_in_order() -> None:
    async with rest_channel(server := Server()) as channel:
        sent = await answer(channel, **batch("a", "b"))

    assert sent is not None
    assert [(each["client_msg_id"], each["status"], each["seq"]) for each in sent["results"]] == [
        ("a", "ok", 7),
        ("b", "ok", 7),
    ]
    assert sent["epoch"] == "e"
    assert [body["client_msg_id"] for _, _, body in server.asked] == ["a", "b"]


@pytest.mark.parametrize(
    ("statuses", "outcomes", "pause"),
    [
        ([422], [("error", "because")], None),
        ([200, 404], [("ok", None), ("error", "because")], None),
        ([503], [("skipped", "unavailable")], 0),
        ([200, 401], [("ok", None), ("skipped", "unauthenticated")], 2000),
        ([200, 429], [("ok", None), ("skipped", "rate_limited")], 0),
    ],
)
async def test_over_rest_what_is_not_stored_ends_a_batch(
    statuses: list[int], outcomes: list[tuple[str, str | None]], pause: int | None
) -> None:
    async with rest_channel(Server(statuses={"/threads/t1/messages": statuses})) as channel:
        sent = await answer(channel, **batch("a", "b", "c"))

    assert sent is not None
    assert [(each["status"], each["code"]) for each in sent["results"]] == outcomes
    assert sent.get("retry_after_ms") == pause


async def test_an_emergency_is_stored_over_rest_by_the_time_a_socket_has_not_answered(tmp_path: Path) -> None:
    heard: list[Frame] = []

    async def deaf_to_messages(server: Server, socket: web.WebSocketResponse, frame: Frame) -> None:
        heard.append(frame)
        await up_to_date(server, socket, frame)

    server = Server(deaf_to_messages, statuses={"/threads/t1/messages": [503, 200]})
    async with device(server, tmp_path) as client:
        await until(client, is_state(State.LIVE))
        written = client.send("t1", "before"), client.send("t1", "help", priority_level="emergency")
        other = client.send("t2", "elsewhere")
        told = [await until(client, lambda each: isinstance(each, Sent)) for _ in written]
        await eventually(lambda: sum(frame["action"] == "send" for frame in heard) == 2)
        unsent = client.unsent()

    assert [each.client_msg_id for [*_, each] in told if isinstance(each, Sent)] == [*written]
    posted = [body["client_msg_id"] for _, path, body in server.asked if path.endswith("/messages")]
    assert posted == [written[0], *written]
    assert [each["client_msg_id"] for each in unsent] == [other]


async def test_over_rest_cursors_move() -> None:
    async with rest_channel(server := Server()) as channel:
        await channel.send({"action": "ack", "epoch": "e", "cursors": {"t1": 4, "t2": 5}})
        await channel.send({"action": "read", "epoch": "e", "thread_id": "t1", "seq": 4})
        pong = await answer(channel, action="ping")
        await eventually(lambda: len(server.asked) == 3)

    assert pong == {"type": "pong"}
    assert sorted((path, body["seq"]) for _, path, body in server.asked) == [
        ("/threads/t1/delivered", 4),
        ("/threads/t1/read", 4),
        ("/threads/t2/delivered", 5),
    ]


@pytest.mark.parametrize(("status", "code"), [(404, "because"), (503, "unavailable")])
async def test_over_rest_a_cursor_that_does_not_move_is_an_error_frame(status: int, code: str) -> None:
    async with rest_channel(Server(statuses={"/threads/t1/read": [status]})) as channel:
        refused = await answer(channel, action="read", epoch="e", thread_id="t1", seq=4)

    assert refused == {"type": "error", "re": None, "code": code}


async def test_a_rest_channel_that_is_closed_gives_up_what_is_on_its_way() -> None:
    async with aiohttp.ClientSession() as http:
        channel = RestChannel(Rest(http, "http://127.0.0.1:9/v1", token))
        await channel.send(batch("a"))

        await channel.close()

        assert await channel.receive() is None


async def test_an_api_that_is_away_and_one_that_refuses_are_told_apart() -> None:
    async with aiohttp.ClientSession() as http:
        with pytest.raises(Unreachable):
            await Rest(http, "http://127.0.0.1:9/v1", token).ticket("phone")
        async with serving(Server(statuses={"/realtime/tickets": [403]})) as server:
            with pytest.raises(Problem) as refused:
                await Rest(http, server.api, token).ticket("phone")

    assert (refused.value.status, refused.value.code) == (403, "because")


@pytest.mark.parametrize("body", [{"message": "Forbidden"}, ["no"], None])
async def test_a_stranger_who_refuses_is_not_the_api(body: object) -> None:
    async def refuse(_request: web.Request) -> web.Response:
        return web.json_response(body, status=403)

    app = web.Application()
    app.add_routes([web.route("*", "/{path:.*}", refuse)])
    async with aiohttp.ClientSession() as http, TestServer(app) as server:
        with pytest.raises(Unreachable):
            await Rest(http, str(server.make_url("/v1")), token).ticket("phone")


async def test_what_keeps_a_device_offline_is_told_each_time_it_is_something_else(tmp_path: Path) -> None:
    refusals = [401, 401, 422, 503]

    async with device(Server(statuses={"/realtime/tickets": refusals}), tmp_path) as client:
        told = await until(client, is_state(State.LIVE))

    codes = ["unauthenticated", "because", "unavailable"]
    assert told == [
        StateChanged(State.CONNECTING),
        *(StateChanged(State.OFFLINE, code) for code in codes),
        StateChanged(State.CATCHING_UP),
        StateChanged(State.LIVE),
    ]


async def test_a_stranger_is_told_from_nobody(tmp_path: Path) -> None:
    async with (
        serving(server := Server()),
        Client(server.api.replace("/v1", "/v2"), "flora", "phone", token, tmp_path / "a") as astray,
        Client("http://127.0.0.1:9/v1", "flora", "phone", token, tmp_path / "b") as alone,
    ):
        await until(astray, lambda told: told == StateChanged(State.OFFLINE, "http_404"))
        await until(alone, is_state(State.OFFLINE))


async def test_a_device_comes_back_however_its_connection_ends(tmp_path: Path) -> None:
    async with device(server := Server(), tmp_path) as client:
        await until(client, is_state(State.LIVE))
        await server.sockets[-1].close()
        told = await until(client, is_state(State.LIVE))
        retry = {"min_ms": 0, "max_ms": 10}
        await say(server.sockets[-1], type="bye", code=4010, reason="gone", retry=retry)
        again = await until(client, is_state(State.LIVE))

    assert told == again == [StateChanged(each) for each in (State.OFFLINE, State.CATCHING_UP, State.LIVE)]
    assert len(server.sockets) == 3


async def test_a_device_that_is_closed_at_once_ends_what_it_tells(tmp_path: Path) -> None:
    async with Client("http://127.0.0.1:9/v1", "flora", "phone", token, tmp_path / "store") as client:
        client.send("t1", "later")

    assert await until(client, lambda _: False) == []
    assert client.state is State.CLOSED


async def test_a_device_whose_place_is_taken_stays_away(tmp_path: Path) -> None:
    async with device(server := Server(), tmp_path) as client:
        await until(client, is_state(State.LIVE))
        await say(server.sockets[-1], type="bye", code=4009, reason="replaced")
        await until(client, is_state(State.ENDED))
        await asyncio.sleep(0.2)

    assert len(server.sockets) == 1


async def test_a_line_that_is_dead_is_left(tmp_path: Path) -> None:
    async def silent_once(server: Server, socket: web.WebSocketResponse, frame: Frame) -> None:
        if len(server.sockets) > 1:
            await up_to_date(server, socket, frame)

    async with device(server := Server(silent_once), tmp_path, replace(TIMING, pong=0.5)) as client:
        await until(client, is_state(State.LIVE))

    assert len(server.sockets) > 1


async def test_what_is_no_frame_is_passed_over(tmp_path: Path) -> None:
    async def noisy(server: Server, socket: web.WebSocketResponse, frame: Frame) -> None:
        await socket.send_str("hello")
        await socket.send_str("[]")
        await up_to_date(server, socket, frame)

    async with device(Server(noisy), tmp_path) as client:
        await until(client, is_state(State.LIVE))


async def test_refused_tickets_and_sockets_are_asked_for_again(tmp_path: Path) -> None:
    server = Server(statuses={"/realtime/tickets": [503, 401], "/socket": [503, 503, 503]})

    async with device(server, tmp_path) as client:
        told = await until(client, is_state(State.LIVE))

    states = [each.state for each in told if isinstance(each, StateChanged)]
    assert State.OFFLINE in states
    assert State.POLLING in states


QUESTION = {"action": "sync", "id": "s1", "since": None, "cursors": {}, "limit": 300, "wait": 0}


async def test_over_rest_a_question_is_answered_by_the_frames_of_a_socket() -> None:
    part = {"type": "events", "re": "r", "thread_id": "t1", "events": []}
    async with rest_channel(server := Server(answers=[[part]])) as channel:
        cut = [await answer(channel, **QUESTION), await channel.receive()]
        whole = await answer(channel, **{**QUESTION, "id": "s2"})

    assert cut == [
        {**part, "re": "s1"},
        {"type": "error", "re": "s1", "code": "unavailable", "retry_after_ms": 0},
    ]
    assert whole is not None
    assert (whole["type"], whole["re"]) == ("synced", "s2")
    assert server.asked[0] == ("POST", "/sync", {"since": None, "cursors": {}, "limit": 300, "wait": 0})


@pytest.mark.parametrize(("status", "pause"), [(503, 0), (429, 0), (500, 2000)])
async def test_over_rest_a_question_that_is_put_off_is_asked_later(status: int, pause: int) -> None:
    async with rest_channel(Server(statuses={"/sync": [status]})) as channel:
        refused = await answer(channel, **QUESTION)

    assert refused == {"type": "error", "re": "s1", "code": "unavailable", "retry_after_ms": pause}


async def test_over_rest_a_question_that_arrives_nowhere_ends_the_channel() -> None:
    async with aiohttp.ClientSession() as http:
        channel = RestChannel(Rest(http, "http://127.0.0.1:9/v1", token))

        assert await answer(channel, **QUESTION) is None


@pytest.mark.parametrize("end", ["refused", "cut", "broken"])
async def test_over_rest_a_question_gives_up_the_one_before_whose_end_means_nothing(end: str) -> None:
    polled, asked_anew = asyncio.Event(), asyncio.Event()

    class Polled(Server):
        async def answer_sync(self, request: web.Request, body: Frame) -> web.StreamResponse:
            if not body["wait"]:
                return await super().answer_sync(request, body)
            polled.set()
            await asked_anew.wait()
            if end == "broken" and request.transport is not None:
                request.transport.close()
            status = 503 if end == "refused" else 200
            return web.json_response({"frames": [], "more": True}, status=status)

    async with rest_channel(Polled()) as channel:
        await channel.send({**QUESTION, "id": "s1", "wait": 20})
        await asyncio.wait_for(polled.wait(), 5)
        heard = await answer(channel, **{**QUESTION, "id": "s2"})
        asked_anew.set()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(channel.receive(), 0.1)

    assert heard is not None
    assert (heard["type"], heard["re"]) == ("synced", "s2")


async def test_where_no_socket_gets_through_news_are_waited_for_over_rest(tmp_path: Path) -> None:
    me = {"role": "participant", "delivered_seq": 0, "read_seq": 0}
    listed = {"thread_id": "t1", "epoch": "e", "head_seq": 1, "me": me}
    event = {"seq": 1, "kind": "message.created", "message": {"seq": 1, "message": "hello"}}
    where = {"thread_id": "t1", "epoch": "e", "re": "r", "head_seq": 1}
    end = {"type": "synced", "re": "r", "gone": [], "part": 1, "more": False, "since": "s"}
    news: list[Frame] = [{**end, "threads": [listed]}]
    events: list[Frame] = [{"type": "events", **where, "events": [event]}, {**end, "threads": []}]
    server = Server(statuses={"/socket": [503] * 1000}, answers=[[{**end, "threads": []}], news, events])

    async with device(server, tmp_path) as client:
        await until(client, lambda told: isinstance(told, Applied))
        await until(client, is_state(State.POLLING)) if client.state is not State.POLLING else []
        server.statuses["/socket"].clear()
        await until(client, is_state(State.LIVE))
        shown = client.messages("t1")

    assert [message["message"] for message in shown] == ["hello"]
    polls = [body for _, path, body in server.asked if path == "/sync"]
    assert [body["wait"] for body in polls[:4]] == [0, 20, 0, 20]
    assert [body["cursors"] for body in polls[2:4]] == [
        {"t1": {"epoch": "e", "seq": 0}},
        {"t1": {"epoch": "e", "seq": 1}},
    ]


async def test_sockets_that_open_and_swallow_everything_are_given_up_too(tmp_path: Path) -> None:
    async def swallow(server: Server, socket: web.WebSocketResponse, frame: Frame) -> None:
        pass

    async with device(server := Server(swallow), tmp_path, DEAD) as client:
        await until(client, is_state(State.POLLING))

    assert len(server.sockets) >= 3


async def test_rest_goes_on_until_something_passes_on_a_socket_and_nothing_of_that_is_lost(
    tmp_path: Path,
) -> None:
    async def push_first(server: Server, socket: web.WebSocketResponse, frame: Frame) -> None:
        if socket is server.sockets[0]:
            return
        if frame["action"] == "ping":
            await say(socket, type="notification", notification={})
        await up_to_date(server, socket, frame)

    server = Server(push_first, statuses={"/socket": [503]})
    async with device(server, tmp_path, SOON_POLLING) as client:
        await until(client, is_state(State.POLLING))
        told = await until(client, is_state(State.LIVE))

    assert [each for each in told if not isinstance(each, Hint)] == [
        StateChanged(State.CATCHING_UP),
        StateChanged(State.LIVE),
    ]
    assert told[1] == Hint({"type": "notification", "notification": {}})
    assert len(server.sockets) == 2
    assert server.sockets[0].closed


async def test_a_socket_that_says_only_that_it_will_end_takes_nothings_place(tmp_path: Path) -> None:
    async def end_at_once(server: Server, socket: web.WebSocketResponse, frame: Frame) -> None:
        if len(server.sockets) < 3:
            await say(socket, **UNKNOWN)
        else:
            await up_to_date(server, socket, frame)

    server = Server(end_at_once, statuses={"/socket": [503]})
    async with device(server, tmp_path, SOON_POLLING) as client:
        await until(client, is_state(State.POLLING))
        told = await until(client, is_state(State.LIVE))

    assert told == [StateChanged(State.CATCHING_UP), StateChanged(State.LIVE)]


async def test_rest_is_back_at_once_when_the_socket_that_took_its_place_fails(tmp_path: Path) -> None:
    async def end_at_sync(server: Server, socket: web.WebSocketResponse, frame: Frame) -> None:
        if frame["action"] == "ping":
            await say(socket, type="pong")
        else:
            await say(socket, **UNKNOWN)

    server = Server(end_at_sync, statuses={"/socket": [503]})
    async with device(server, tmp_path, SOON_POLLING) as client:
        await until(client, is_state(State.POLLING))
        told = await until(client, is_state(State.POLLING))

    states = (State.CATCHING_UP, State.OFFLINE, State.CATCHING_UP, State.POLLING)
    assert told == [StateChanged(each) for each in states]


async def test_a_device_whose_place_is_taken_while_it_tries_a_socket_beside_rest_stays_away(
    tmp_path: Path,
) -> None:
    async def replaced(server: Server, socket: web.WebSocketResponse, frame: Frame) -> None:
        await say(socket, type="bye", code=4009, reason="replaced")

    server = Server(replaced, statuses={"/socket": [503]})
    async with device(server, tmp_path, SOON_POLLING) as client:
        await until(client, is_state(State.ENDED))
        await asyncio.sleep(0.2)

    assert len(server.sockets) == 1


async def test_pages_are_loaded_until_that_works_or_there_is_none(tmp_path: Path) -> None:
    def listed(thread: str) -> Frame:
        me = {"role": "participant", "delivered_seq": 0, "read_seq": 0}
        return {"thread_id": thread, "epoch": "e", "head_seq": 4000, "me": me}

    server = Server(threads=[listed("t1"), listed("t2")])
    server.statuses = {"/threads/t1/messages": [503], "/threads/t2/messages": [404]}

    async with device(server, tmp_path) as client:
        told = await until(client, lambda each: isinstance(each, Reloaded))
        told += await until(client, lambda each: isinstance(each, Left)) if Left("t2") not in told else []
        shown = client.messages("t1")

    assert Left("t2") in told
    assert Reloaded("t1", Page("t1", "e", 3, shown)) in told
    assert shown == [{"id": "m", "seq": 3, "message": "the whole text"}]


async def test_what_is_older_than_a_page_is_loaded_when_it_is_asked_for(tmp_path: Path) -> None:
    me = {"role": "participant", "delivered_seq": 0, "read_seq": 0}
    server = Server(threads=[{"thread_id": "t1", "epoch": "e", "head_seq": 4000, "me": me}])

    async with device(server, tmp_path) as client:
        server.statuses["/threads/t9/messages"] = [404]
        with pytest.raises(Problem):
            await client.older("t9")
        await until(client, lambda each: isinstance(each, Reloaded))
        pages = [[each["seq"] for each in await client.older("t1", limit=1)] for _ in range(4)]
        shown = [each["seq"] for each in client.messages("t1")]

    assert pages == [[2], [1], [], []]
    assert shown == [1, 2, 3]


async def test_an_older_page_that_cannot_be_loaded_is_told_to_who_asked(tmp_path: Path) -> None:
    me = {"role": "participant", "delivered_seq": 0, "read_seq": 0}
    server = Server(threads=[{"thread_id": "t1", "epoch": "e", "head_seq": 4000, "me": me}])

    async with device(server, tmp_path) as client:
        await until(client, lambda each: isinstance(each, Reloaded))
        server.statuses["/threads/t1/messages"] = [503, 404]
        with pytest.raises(Unreachable):
            await client.older("t1")
        with pytest.raises(Problem):
            await client.older("t1")


async def test_of_a_text_loaded_late_only_the_newest_counts(tmp_path: Path) -> None:
    async def push(server: Server, socket: web.WebSocketResponse, frame: Frame) -> None:
        if frame["action"] == "sync":
            cut = {"message_id": "m", "truncated": True}
            events = [
                {"seq": 1, "to_seq": 2, "kind": "void"},
                {"seq": 3, "kind": "message.created", **cut},
                {"seq": 4, "kind": "message.edited", **cut},
            ]
            where = {"thread_id": "t1", "epoch": "e", "re": frame["id"], "head_seq": 4}
            await say(socket, type="events", events=events, **where)
            await up_to_date(server, socket, frame)

    server = Server(push)
    async with device(server, tmp_path) as client:
        told = await until(client, lambda each: isinstance(each, Filled))
        shown = client.messages("t1")

    assert [path for _, path, _ in server.asked if "messages" in path] == ["/messages/m"]
    assert shown == [{"id": "m", "seq": 3, "message": "the whole text"}]
    assert [each for each in told if isinstance(each, Filled)] == [Filled("t1", shown[0])]


@pytest.mark.parametrize(
    "use",
    [
        lambda client: client.send("t1", "hello"),
        lambda client: client.focus("t1"),
        lambda client: client.typing("t1"),
        lambda client: client.messages("t1"),
        lambda client: client.unsent(),
    ],
)
async def test_a_client_is_of_use_only_while_it_is_open(
    tmp_path: Path, use: Callable[[Client], object]
) -> None:
    async def token() -> str:
        return "t"

    client = Client("http://127.0.0.1:9/v1", "flora", "phone", token, tmp_path / "store")
    with pytest.raises(RuntimeError, match="not open"):
        use(client)
    async with client:
        use(client)
    with pytest.raises(RuntimeError, match="not open"):
        use(client)
    with pytest.raises(RuntimeError, match="not open"):
        await client.older("t1")


@pytest.mark.parametrize(
    "mistake", [RuntimeError("no token today"), KeyError("token"), ValueError("no JSON")]
)
async def test_a_mistake_in_the_application_is_told_where_it_reads(
    mistake: Exception, tmp_path: Path
) -> None:
    async def broken() -> str:
        raise mistake

    async with Client("http://127.0.0.1:9/v1", "flora", "phone", broken, tmp_path / "store") as client:
        with pytest.raises(type(mistake)) as told:
            await until(client, lambda each: False)

    assert told.value is mistake


async def test_a_mistake_in_the_application_is_told_where_all_goes_over_rest(tmp_path: Path) -> None:
    async def broken_later() -> str:
        if client.state is State.CATCHING_UP:
            raise KeyError("token")
        return "bearer"

    server, store = Server(statuses={"/socket": [503] * 1000}), tmp_path / "store"
    async with (
        serving(server),
        Client(server.api, "flora", "phone", broken_later, store, timing=TIMING) as client,
    ):
        with pytest.raises(KeyError):
            await until(client, lambda each: False)


def bearer_of(**claims: str) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"header.{payload}.signature"


async def test_a_token_of_somebody_else_is_not_used_and_nothing_of_his_is_stored(tmp_path: Path) -> None:
    async def petras() -> str:
        return bearer_of(sub="petra")

    server, store = Server(), tmp_path / "store"
    async with serving(server), Client(server.api, "flora", "phone", petras, store) as client:
        with pytest.raises(StoreError):
            await until(client, is_state(State.LIVE))

    assert server.asked == []


@pytest.mark.parametrize("bearer", [bearer_of(sub="Flora"), bearer_of(), "a.b.c", "a.MQ.c", "opaque"])
async def test_a_token_that_names_nobody_else_is_used(bearer: str, tmp_path: Path) -> None:
    async def token() -> str:
        return bearer

    server, store = Server(), tmp_path / "store"
    async with serving(server), Client(server.api, "flora", "phone", token, store) as client:
        await until(client, is_state(State.LIVE))


@pytest.mark.parametrize("trouble", [aiohttp.ClientError(), TimeoutError(), ConnectionResetError()])
async def test_a_token_that_cannot_be_had_is_asked_for_again(trouble: Exception, tmp_path: Path) -> None:
    troubles = [trouble] * 2

    async def token_in_the_end() -> str:
        if troubles:
            raise troubles.pop()
        return "bearer"

    server, store = Server(), tmp_path / "store"
    async with (
        serving(server),
        Client(server.api, "flora", "phone", token_in_the_end, store, timing=TIMING) as client,
    ):
        await until(client, is_state(State.LIVE))


async def test_a_gateway_that_opens_too_many_sockets_already_is_asked_again_with_the_same_ticket(
    tmp_path: Path,
) -> None:
    server = Server(statuses={"/socket": [429] * 5})

    async with device(server, tmp_path) as client:
        told = await until(client, is_state(State.LIVE))

    assert [path for _, path, _ in server.asked] == ["/realtime/tickets"]
    assert StateChanged(State.POLLING) not in told
