"""Clients that know nothing of us, used as docs/realtime.md says: wscat in a shell, and the package websockets."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any

import pytest

from tests.fixtures.frame_schemas import problems
from tests.fixtures.reader import Shell
from tests.fixtures.wedding_devices import Party

ROOT = Path(__file__).parents[2]
WSCAT = ROOT / ".tools/wscat/node_modules/.bin/wscat"
CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
CHAPTER = (ROOT / "docs/realtime.md").read_text(encoding="utf-8").partition("## A session\n")[2]
COMMAND, TRANSCRIPT, PROGRAM = re.findall(r"^```\w+\n(.*?)^```$", CHAPTER, re.M | re.S)[:3]
FUNCTIONS = re.findall(r"^```sh\n(.*?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)


class Conversation:
    """A program on a terminal, and what it prints there, line by line."""

    def __init__(self, command: list[str], opened: ExitStack) -> None:
        keyboard, terminal = pty.openpty()
        self._keyboard = opened.enter_context(os.fdopen(keyboard, "rb+", buffering=0))
        process = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal)  # noqa: S603
        os.close(terminal)
        self._printed: Queue[str] = Queue()
        self.frames: list[dict[str, Any]] = []
        Thread(target=self._collect, daemon=True).start()
        opened.enter_context(process)
        opened.callback(process.terminate)

    def says(self, line: str) -> None:
        """Type one line."""
        self._keyboard.write(f"{line}\n".encode())

    def prints(self, pattern: str) -> str:
        """The next line that matches."""
        seen: list[str] = []
        try:
            while not re.search(pattern, line := self._printed.get(timeout=10)):
                seen.append(line)
        except Empty:
            raise AssertionError(f"no {pattern} among {seen}") from None
        return line

    def _collect(self) -> None:
        with suppress(OSError):  # of a terminal whose program has ended
            for line in self._keyboard:
                printed = CONTROLS.sub("", line.decode()).strip()
                if heard := re.search(r"< (\{.*\})$", printed):
                    self.frames.append(json.loads(heard[1]))
                self._printed.put(printed)


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as programs:
        yield programs


@pytest.fixture
def reader(shell: Shell) -> Shell:
    """A shell that has the README's functions."""
    [functions] = [block for block in FUNCTIONS if "socket()" in block]
    shell.run(functions)
    return shell


@pytest.mark.skipif(not (shutil.which("node") and WSCAT.exists()), reason="wscat is not installed: no npm")
def test_wscat_has_the_session_that_the_page_shows(reader: Shell, opened: ExitStack) -> None:
    asked = re.fullmatch(r'npx wscat -s wedsync.v1 -c "(.*)"', COMMAND.strip())
    assert asked
    url = reader.run(f'echo "{asked[1]}"')
    wscat = Conversation([str(WSCAT), "-s", "wedsync.v1", "-c", url], opened)

    for line in TRANSCRIPT.splitlines():
        if line.startswith("> "):
            wscat.says(line.removeprefix("> "))
        else:
            wscat.prints(".*".join(map(re.escape, line.split("…"))) + "$")
    assert [problem for frame in wscat.frames for problem in problems(frame)] == []
    assert len(wscat.frames) >= 3


def test_a_program_of_fifteen_lines_follows_a_conversation(
    reader: Shell, opened: ExitStack, party: Party, tmp_path: Path
) -> None:
    thread = party.thread("ben", "ana")
    (tmp_path / "listen.py").write_text(PROGRAM)
    url = reader.run("socket $ana ana-script")
    listening = Conversation([sys.executable, str(tmp_path / "listen.py"), url], opened)
    listening.prints(r"[1-9]\d* threads")

    sent = party.send("ben", thread, "heard by a script").body["seq"]

    listening.prints(f"{thread} {sent} {sent}")
