"""The example of docs/clients-python.md, as somebody would run it who had copied it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.fixtures.wedding_devices import PEOPLE, Party

ROOT = Path(__file__).parents[2]


def test_the_example_says_what_it_sent_and_hears_the_answer(party: Party, tmp_path: Path) -> None:
    [example] = re.findall(r"```python\n(.*?)```", (ROOT / "docs/clients-python.md").read_text(), re.S)
    thread = party.thread("ana", "flora")
    arguments = [party.stack.api, PEOPLE["ana"], party.stack.token(PEOPLE["ana"]), thread]

    with subprocess.Popen(  # noqa: S603 (our own command)
        [sys.executable, "-c", example, *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "clients/python")},
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        # Ana hears of her other threads as well.
        mine = (line for line in running.stdout if line.startswith((thread, "stored")))
        first = {next(mine), next(mine)}
        party.send("flora", thread, "It can")
        answer = next(mine)
        running.kill()

    assert first == {"stored as 2\n", f"{thread} 2 Could the arch be white?\n"}
    assert answer == f"{thread} 3 It can\n"
