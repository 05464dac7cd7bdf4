"""`make demo`: one urgent message of a wedding, and whom it reaches, played against a running local stack.

Everything goes over the real API and real sockets. It can be played again and again.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import sys
import time
from typing import Any

import aiohttp
from aiohttp import ClientSession

from local.scene_people import Person, Stage, StageError

NORMAL = "The arch will be ready at ten."
URGENT = "The van with the arch is stuck on the A2. Who can fetch it?"
PROVIDERS = {"push": "Web Push service", "email": "Resend", "sms": "Twilio"}
CHANNELS = ("inbox", "push", "email", "sms")
ARRIVED = {"sent", "delivered"}
PATIENCE_SECONDS = 40.0  # the first message wakes one worker after the other


async def play(console: str) -> bool:
    """Play the scene; whether the urgent message reached everybody it concerns once, and nobody else."""
    async with ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        stage = Stage(session, console)
        people = {name: await stage.enter(name) for name in ("Ana", "Ben", "Petra", "Flora", "Carlo")}
        try:
            return await _scene(stage, **{name.lower(): person for name, person in people.items()})
        finally:
            for person in people.values():
                await person.close_app()


async def _scene(stage: Stage, ana: Person, ben: Person, petra: Person, flora: Person, carlo: Person) -> bool:
    _title("1  Before")
    for person in (ana, petra, carlo):
        await person.open_app()
    for person in (ben, flora, carlo):
        await person.register_phone()
    _say("Ana (couple), Petra (planner) and Carlo (caterer) have the app open.")
    _say("Ben (couple) and Flora (florist) do not; their phones are registered for push, and so is Carlo's.")

    _title("2  Petra opens a thread with Ana, Ben and Flora. Carlo is not in it.")
    thread = await petra.create_thread("Flowers for the arch", [ana, ben, flora])

    _title(f"3  Flora writes from her van, as always: “{NORMAL}”")
    usual = await flora.write(thread, NORMAL)
    await _told(stage, petra, usual, [ana, petra], [ana, ben, petra, carlo])
    _say("An ordinary message disturbs nobody by e-mail or SMS.")

    _title(f"4  Petra writes, urgent: “{URGENT}”")
    urgent = await petra.write(thread, URGENT, priority_level="urgent")
    told = await _told(stage, petra, urgent, [ana, petra], [ana, ben, flora, carlo])

    await _afterwards(petra, flora, thread, urgent)

    _title("7  Carlo was not disturbed.")
    status, frames = await carlo.look(thread), carlo.frames_about(thread)
    _say(f"The thread answers him {status}; his socket got {frames} frames of it.")

    once, never = dict.fromkeys(CHANNELS, 1), dict.fromkeys(CHANNELS, 0)
    good = told == {ana: {**once, "push": 0}, ben: once, flora: once, carlo: never}
    good = good and (status, frames) == (404, 0)
    print()
    _say("Each of them once by each way he has, and nothing for Carlo." if good else "That is not right!")
    _say(f"The same, to look at: {stage.console}/outbox")
    return good


async def _afterwards(petra: Person, flora: Person, thread: str, urgent: dict[str, Any]) -> None:
    _title("5  Flora opens the app, finds both messages and reads them.")
    await flora.open_app()
    found = await flora.catch_up(thread)
    _say(f"Her sync brings {len(found)} messages; her inbox says {await flora.inbox_line()}.")
    await flora.read(thread, urgent["seq"])
    _say(f"She has read them. Her inbox says {await flora.inbox_line()}.")

    _title("6  Petra looks what became of her message.")
    for receipt in await petra.receipts(urgent["id"]):
        ways = ", ".join(f"{each['channel']} {each['status']}" for each in receipt["deliveries"])
        _say(f"{receipt['display_name']}: {'read' if receipt['read'] else 'not read yet'}; {ways}")


async def _told(
    stage: Stage, planner: Person, message: dict[str, Any], online: list[Person], people: list[Person]
) -> dict[Person, dict[str, int]]:
    """Wait for a message to reach everybody, and print how; how often each was told in each way."""
    await _until_told(planner, message["id"])
    for person in online:
        taken = await person.live(message["id"])
        _say(f"{person.first_name} sees it on the socket {taken * 1000:.0f} ms after it was written.")
        if person.user_id != message["sender_id"]:
            await person.notified(message["id"])
            _say(f"{person.first_name}'s inbox counts one more: the socket says so too.")
    return await _report(stage, message, people)


async def _until_told(author: Person, message_id: str) -> None:
    """Wait until every delivery of the message has arrived at its provider."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        deliveries = [d for receipt in await author.receipts(message_id) for d in receipt["deliveries"]]
        if deliveries and all(each["status"] in ARRIVED for each in deliveries):
            return
        await asyncio.sleep(0.2)
    raise StageError(f"the message was not delivered within {PATIENCE_SECONDS:.0f} s; is the stack busy?")


async def _report(
    stage: Stage, message: dict[str, Any], people: list[Person]
) -> dict[Person, dict[str, int]]:
    """Print, and return, how often each person was told in each way."""
    accepted = {channel: await stage.accepted(channel, message["created_at"]) for channel in CHANNELS[1:]}
    told: dict[Person, dict[str, int]] = {}
    for person in people:
        got = {channel: person.among(accepted[channel], channel, message) for channel in CHANNELS[1:]}
        told[person] = {"inbox": await person.inbox_items(message["id"])} | {
            channel: len(found) for channel, found in got.items()
        }
        line = "  ".join(f"{channel} {told[person][channel]}" for channel in CHANNELS)
        _say(f"{person.first_name:<6} {line}")
        for channel, found in got.items():
            for each in found:
                _say(f"         {_seen_by_provider(channel, each)}")
    return told


def _seen_by_provider(channel: str, accepted: dict[str, Any]) -> str:
    said = {"email": accepted.get("subject"), "push": f"{accepted.get('subject')}: {accepted['text']}"}
    words = " ".join((said.get(channel) or accepted["text"]).split())
    to = "the phone" if channel == "push" else accepted["to"]
    return f"{PROVIDERS[channel]:<16} to {to if isinstance(to, str) else to[0]}: {words}"


def _title(text: str) -> None:
    print(f"\n{text}")


def _say(text: str) -> None:
    print(f"   {text}", flush=True)


def main() -> int:
    """0 if the scene went as it should, 1 if not."""
    parser = argparse.ArgumentParser(prog="python -m local.scene", description=__doc__)
    parser.add_argument("--console", default="http://127.0.0.1:8080", help="where `make up` says it is")
    console: str = parser.parse_args().console.rstrip("/")
    print(f"WedSync Threads, {datetime.datetime.now().astimezone():%d %B %Y, %H:%M}: an urgent message")
    try:
        return 0 if asyncio.run(play(console)) else 1
    except aiohttp.ClientConnectorError:
        print(f"error: nothing answers at {console}: run `make up` in another terminal", file=sys.stderr)
    except StageError as error:
        print(f"error: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
