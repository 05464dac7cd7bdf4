"""The first conversation of the README, command by command, in a shell and on sockets as a reader would have them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.fixtures.frame_schemas import problems
from tests.fixtures.reader import Shell
from tests.fixtures.stack import RunningStack

README = Path(__file__).parents[2] / "README.md"
CONNECT = re.compile(r'^npx -y wscat -c "(?P<url>.*)"$')


class Reader(Shell):
    """Somebody who follows the README: one shell, and a socket for each WebSocket client he starts."""

    def __init__(self, console: str, opened: ExitStack) -> None:
        super().__init__(console, opened)
        self._opened = opened

    def open_socket(self, command: str) -> ClientConnection:
        """What `npx wscat` would: the same address, another stock client."""
        asked = CONNECT.match(command.strip())
        assert asked is not None, command
        return self._opened.enter_context(connect(self.run(f'echo "{asked["url"]}"')))


@pytest.fixture
def reader(stack: RunningStack) -> Iterator[Reader]:
    with ExitStack() as opened:
        yield Reader(stack.console, opened)


def blocks() -> list[str]:
    chapter = README.read_text(encoding="utf-8").partition("## A first conversation")[2].partition("\n## ")[0]
    return re.findall(r"^```\w+\n(.*?)^```$", chapter, re.M | re.S)


def frame(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """The next frame of this type."""
    while (received := json.loads(socket.recv(timeout=10)))["type"] != kind:
        assert problems(received) == []
    assert problems(received) == []
    return received


def say(socket: ClientConnection, text: str) -> None:
    """Send a frame as the page shows it."""
    assert problems(json.loads(text)) == []
    socket.send(text)


def texts(events: dict[str, Any]) -> list[str]:
    return [event["message"]["message"] for event in events["events"] if event["kind"] == "message.created"]


def test_the_first_conversation_goes_as_the_readme_says(reader: Reader) -> None:
    names, create, petra_joins, flora_joins, sync, write, answer, carlo_looks, phil_joins, catch_up = blocks()
    reader.run(names)
    thread = reader.run(create).removeprefix("thread ")

    petra, flora = reader.open_socket(petra_joins), reader.open_socket(flora_joins)
    for socket in (petra, flora):
        say(socket, sync)
        assert thread in {each["thread_id"] for each in frame(socket, "synced")["threads"]}
    sent = json.loads(reader.run(write))
    pushed = [frame(socket, "events") for socket in (petra, flora)]
    say(flora, answer.replace("<thread>", thread))
    answered = frame(petra, "events")
    refused = reader.run(carlo_looks)
    phil = reader.open_socket(phil_joins)
    say(phil, catch_up.replace("<thread>", thread).replace("<epoch of the thread>", answered["epoch"]))
    caught_up = frame(phil, "events")

    assert sent["seq"] == 2
    assert [texts(each) for each in pushed] == [["Could the arch be white & green?"]] * 2
    assert frame(flora, "sent")["results"][0]["status"] == "ok"
    assert texts(answered) == ["White & green it is."]
    assert refused.startswith("HTTP/1.1 404")
    assert "Flowers" not in refused
    assert [event["seq"] for event in caught_up["events"]] == [1, 2, 3]
    assert texts(caught_up) == ["Could the arch be white & green?", "White & green it is."]
