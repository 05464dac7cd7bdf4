"""The conversation in curl of docs/api.md: every block prints what stands below it."""

from __future__ import annotations

import re
from pathlib import Path

from tests.fixtures.reader import Shell

PAGE = Path(__file__).parents[2] / "docs" / "api.md"


def test_every_block_prints_what_stands_below_it(shell: Shell) -> None:
    chapter = PAGE.read_text(encoding="utf-8").partition("## A conversation in curl")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```sh\n(.*?)^```\n\n```text\n(.*?)^```$", chapter, re.M | re.S)

    printed = [shell.run(commands) for commands, _ in blocks]

    assert len(blocks) == 5
    assert printed == [below.strip() for _, below in blocks]
