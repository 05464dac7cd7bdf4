"""A stack that is killed part by part, or as a whole, and started again on its data.

    python bench/soak_stack.py DATA_DIR HTTP_PORT WS_PORT [whole]

runs one in the foreground. Unless it is to be whole, nothing reads its queues: what passes between clients is enough.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, LiteralString

import aiohttp
import psycopg
from psycopg.rows import dict_row

sys.path.insert(0, str(Path(__file__).parents[1] / "clients/python"))
sys.path.insert(0, str(Path(__file__).parents[1] / "layers/core"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from local.data_dir import DataDir
from local.identity import Issuer
from local.postgres import Login, Postgres
from local.processes import free_port
from local.stack import Options, Stack

AWAITED = ("RestFunction", "WebsocketFunction", "AuthorizerFunction")
START_SECONDS = 60.0
TOO_MANY = 429


class SoakStack:
    """Seen from outside: what lives in other processes can be killed."""

    def __init__(self, folder: Path, *, whole: bool = False) -> None:
        self._folder = folder
        self._whole = ["whole"] if whole else []
        self._ports = free_port(), free_port()
        self._console = f"http://127.0.0.1:{self._ports[0]}"
        self.api = f"{self._console}/v1"
        self._runner: subprocess.Popen[str] | None = None
        self._issuer: Issuer | None = None
        self._tokens: dict[str, str] = {}
        self._watching: psycopg.Connection[dict[str, Any]] | None = None

    def start(self) -> None:
        """Start it, or start it again on its data."""
        command = [sys.executable, __file__, str(self._folder), *map(str, self._ports), *self._whole]
        with (self._folder.parent / "runner.log").open("a") as log:
            self._runner = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        if self._runner.stdout is None or not self._runner.stdout.readline().startswith("ready"):
            raise SystemExit("the stack did not start")
        self._issuer = Issuer(DataDir(self._folder).issuer_key, self._console)

    @property
    def pid(self) -> int:
        """Of the runner."""
        return self._runner.pid if self._runner is not None else 0

    def stop(self) -> None:
        """The end."""
        self._look_away()
        if self._runner is not None:
            self._runner.send_signal(signal.SIGTERM)
            self._runner.wait(30)

    def token(self, user_id: str) -> Callable[[], Awaitable[str]]:
        """As a client asks for it."""

        async def known() -> str:
            if user_id not in self._tokens and self._issuer is not None:
                self._tokens[user_id] = self._issuer.token(user_id)
            return self._tokens[user_id]

        return known

    async def call(self, user_id: str, method: str, path: str, body: object = None) -> Any:
        """One request of the REST API, repeated while there is trouble or too much of it; None if it is refused."""
        headers = {"Authorization": f"Bearer {await self.token(user_id)()}"}
        async with aiohttp.ClientSession(headers=headers) as http:
            while True:
                with suppress(aiohttp.ClientError, ValueError):
                    async with http.request(method, self.api + path, json=body) as answer:
                        if answer.status < 500 and answer.status != TOO_MANY:
                            return await answer.json() if answer.status < 300 else None
                await asyncio.sleep(0.2)

    def ask(self, query: LiteralString, **values: Any) -> list[dict[str, Any]]:
        """What is really stored, seen by a superuser; waits until somebody can be asked."""
        while True:
            try:
                if self._watching is None:
                    self._watching = psycopg.Connection[dict[str, Any]].connect(
                        self._login().dsn, row_factory=dict_row, autocommit=True
                    )
                cursor = self._watching.execute(query, values or None)
                return cursor.fetchall() if cursor.description else []
            except (psycopg.OperationalError, OSError, LookupError):
                self._look_away()
                time.sleep(0.2)

    async def local(self, method: str, path: str, body: object = None) -> Any:
        """A request of what only local mode has."""
        async with (
            aiohttp.ClientSession() as http,
            http.request(method, f"{self._console}/_local{path}", json=body) as answer,
        ):
            return await answer.json()

    async def kill_workers(self) -> None:
        """Of the functions that somebody waits for, whatever they are doing."""
        for state in (await self.local("GET", "/functions"))["data"]:
            for pid in state["pids"] if state["function"] in AWAITED else ():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    async def kill_database(self) -> None:
        """The postmaster; the runner starts it again."""
        os.kill(self._postmaster()[0], signal.SIGKILL)

    async def kill_emulator(self) -> None:
        """With all it knows of connections and tickets."""
        await self.local("POST", "/services", {"name": "emulator", "running": False})
        await self.local("POST", "/services", {"name": "emulator", "running": True})

    async def kill_gateway(self) -> None:
        """The runner itself, and with it everything it started; then all of it is started again."""
        if self._runner is not None:
            self._runner.kill()
            self._runner.wait()
        await asyncio.to_thread(self.start)

    def _postmaster(self) -> tuple[int, int]:
        """Its process id and port."""
        lines = (self._folder / "postgres/data/postmaster.pid").read_text().splitlines()
        return int(lines[0]), int(lines[3])

    def _login(self) -> Login:
        return Postgres(self._folder / "postgres", self._postmaster()[1]).superuser("wedsync")

    def _look_away(self) -> None:
        if self._watching is not None:
            self._watching.close()
            self._watching = None


async def serve(folder: Path, http_port: int, ws_port: int, *, whole: bool) -> None:
    """Until SIGTERM."""
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    data = DataDir(folder)
    with data.held(fresh=False):
        stack = Stack(data, Options(http_port, ws_port, None), lambda line: print(line, file=sys.stderr))
        try:
            await (stack.start() if whole else stack.open())
            print("ready", flush=True)
            await stopped.wait()
        finally:
            await stack.stop()


if __name__ == "__main__":
    import uvloop

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # for sockets
    uvloop.run(serve(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), whole=len(sys.argv) > 4))
