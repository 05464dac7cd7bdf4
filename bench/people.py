"""The people of a load: weddings of ten, who talk in threads of five, each with two devices connected."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import uuid4

import aiohttp

DEVICES = 2
# Who of a wedding's ten people is in which of its four threads: each in two.
THREADS = [(0, 1, 2, 3, 4), (5, 6, 7, 8, 9), (0, 2, 4, 6, 8), (1, 3, 5, 7, 9)]
WEDDING = 10
IN_THREAD = len(THREADS[0])
AT_ONCE = 8
TOO_MANY = 429
NOTHING: dict[str, str] = {}

T = TypeVar("T")


@dataclass(eq=False)
class Person:
    """Somebody with devices, and the threads he is in."""

    number: int
    token: str
    user_id: str = field(default_factory=lambda: str(uuid4()))
    threads: list[str] = field(default_factory=list[str])
    sockets: list[aiohttp.ClientWebSocketResponse] = field(
        default_factory=list[aiohttp.ClientWebSocketResponse]
    )


class Api:
    """What people ask of a running stack."""

    def __init__(self, http: aiohttp.ClientSession, console: str) -> None:
        self._http = http
        self._console = console

    async def local(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """A request of what only local mode has."""
        async with self._http.request(method, f"{self._console}/_local{path}", json=body) as answer:
            return await answer.json()

    async def token(self, user_id: str, scope: str = "") -> str:
        """A token that lasts as long as any benchmark."""
        wish = {"user_id": user_id, "scope": scope, "expires_in": 7200}
        return (await self.local("POST", "/tokens", wish))["access_token"]

    async def call(self, method: str, path: str, body: object, token: str) -> dict[str, Any]:
        """A request of the REST API. Ends the program when it is refused."""
        async with self._ask(method, path, body, token) as answer:
            if answer.status >= 300:
                raise SystemExit(f"{method} {path}: {answer.status} {await answer.text()}")
            return await answer.json() if answer.status != 204 else NOTHING

    async def is_taken(self, method: str, path: str, body: object, token: str) -> bool:
        """Whether a request was not put off. Ends the program when it is refused."""
        async with self._ask(method, path, body, token) as answer:
            if 300 <= answer.status < 500 and answer.status != TOO_MANY:
                raise SystemExit(f"{method} {path}: {answer.status} {await answer.text()}")
            return answer.status < 300

    def _ask(
        self, method: str, path: str, body: object, token: str
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        headers = {"Authorization": f"Bearer {token}"}
        return self._http.request(method, f"{self._console}/v1{path}", json=body, headers=headers)

    async def connect(self, person: Person) -> None:
        """One more device of this person: a socket that has synced."""
        device = str(uuid4())
        ticket = await self.call("POST", "/realtime/tickets", {"device_id": device}, person.token)
        socket = await self._http.ws_connect(f"{ticket['url']}?ticket={ticket['ticket']}&device_id={device}")
        await socket.send_json({"action": "sync", "id": "s"})
        while (await socket.receive_json())["type"] != "synced":
            pass
        person.sockets.append(socket)

    async def subscribe(self, person: Person) -> None:
        """A Web Push subscription of this person."""
        made = await self.local("POST", "/devices")
        asked = {"endpoint": made["endpoint"], "keys": made["keys"], "name": "Bench"}
        await self.call("POST", "/me/devices", asked, person.token)


async def populate(api: Api, sockets: int, push: bool) -> list[Person]:
    """Everybody, connected; `push`: with a subscription each."""
    service = await api.token(str(uuid4()), "service")
    organization = str(uuid4())
    stated = {"name": "Load", "kind": "planner", "verified": True}
    await api.call("PUT", f"/directory/organizations/{organization}", stated, service)
    weddings = max(1, round(sockets / DEVICES / WEDDING))
    made = await gather(_wedding(api, service, organization, number) for number in range(weddings))
    people = [person for wedding in made for person in wedding]
    if push:
        await gather(api.subscribe(person) for person in people)
    # Everybody's first device before anybody's second: one person's handshakes do not meet.
    for _ in range(DEVICES):
        await gather(api.connect(person) for person in random.sample(people, len(people)))
    return people


async def _wedding(api: Api, service: str, organization: str, number: int) -> list[Person]:
    wedding = str(uuid4())
    stated = {"title": f"Wedding {number}", "wedding_date": "2030-06-05", "time_zone": "UTC"}
    stated |= {"organization_id": organization, "status": "planned"}
    await api.call("PUT", f"/directory/weddings/{wedding}", stated, service)
    people: list[Person] = []
    for place in range(WEDDING):
        person = Person(number * WEDDING + place, "")
        person.token = await api.token(person.user_id)
        contact = {"email": f"{person.user_id}@example.com", "phone": f"+4477{person.number:08}"}
        profile = {"display_name": f"Person {person.number}", **contact}
        await api.call("PUT", f"/directory/users/{person.user_id}", profile, service)
        member = f"/directory/weddings/{wedding}/members/{person.user_id}"
        await api.call("PUT", member, {"role": "couple"}, service)
        people.append(person)
    for subject, places in enumerate(THREADS):
        among = [people[place] for place in places]
        others = [{"user_id": other.user_id} for other in among[1:]]
        asked = {"wedding_id": wedding, "subject": f"Thread {subject}", "participants": others}
        thread = (await api.call("POST", "/threads", asked, among[0].token))["id"]
        for person in among:
            person.threads.append(thread)
    return people


async def gather(works: Iterable[Awaitable[T]]) -> list[T]:
    """All of them, a few at a time."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(work: Awaitable[T]) -> T:
        async with slots:
            return await work

    return await asyncio.gather(*map(one, works))
