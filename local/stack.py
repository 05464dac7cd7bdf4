"""Everything of one local stack: started in parallel where it can be, stopped in the reverse order."""

from __future__ import annotations

import asyncio
import datetime
import json
import logging
import secrets
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from aiohttp import web
from psycopg import sql

from local import demo
from local.cloudformation import ACCOUNT, REGION
from local.console import Console
from local.console_chaos import ChaosConsole
from local.console_outbox import OutboxConsole
from local.data_dir import DataDir
from local.emulator import Emulator, master_secret_name
from local.event_sources import Disorder, pollers
from local.gateway_context import Place
from local.http_gateway import HEAD_BYTES, KEEPALIVE_SECONDS, HttpGateway, is_ours
from local.identity import Issuer
from local.migration import create_or_update
from local.model import Outcome, Template
from local.pg_binaries import Kind
from local.pools import Pool
from local.postgres import Postgres
from local.processes import free_port, require_port
from local.providers.stand_ins import ProviderPorts, StandIns, make_keys
from local.schedules import Ticker
from local.services import Services
from local.substitutes import Ports, local_function, local_values
from local.template import read_template
from local.websocket_gateway import WebSocketGateway
from local.websocket_gateway_chaos import Chaos, Trouble
from local.worker_environment import WorkerEnvironment, link_runtime

ROOT = Path(__file__).parents[1]
REAP_SECONDS = 5.0
NO_TROUBLE = Trouble()

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says; `tick` seconds replace slower schedules; `template` runs; `pages` are origins."""

    http_port: int
    ws_port: int
    postgres: Kind | None
    tick: float | None = None
    template: Path = ROOT / "template.yaml"
    trouble: Trouble = NO_TROUBLE
    pages: tuple[str, ...] = ()


class Stack:
    """One running stack. `say` prints a line for the person at the terminal."""

    def __init__(self, data: DataDir, options: Options, say: Callable[[str], None]) -> None:
        self._data = data
        self._options = options
        self._say = say
        self._root = options.template.parent
        self.ports = Ports(
            http=require_port(options.http_port, "http"),
            websocket=require_port(options.ws_port, "ws"),
            database=free_port(),
            emulator=free_port(),
            providers=ProviderPorts(free_port(), free_port(), data.port("push")),
        )
        self.postgres = Postgres(data.postgres, self.ports.database, kind=options.postgres)
        self.emulator = Emulator(self._root / ".tools" / "emulator", data.emulator, self.ports.emulator)
        self.services = Services(self.postgres, self.emulator, self._create_state, say)
        self.issuer = Issuer(data.issuer_key, self.ports.console)
        self.providers = StandIns(self.ports.providers, data.kept("providers", make_keys))
        self.disorder = Disorder()
        self.chaos = Chaos(options.trouble)
        self.pools: dict[str, Pool] = {}
        self.template: Template | None = None
        # The emulator saves its state when it is told to stop; after a crash these are put back.
        self._secrets: dict[str, str] = {}
        self._credentials = {f"LOCAL{secrets.token_hex(8).upper()}": secrets.token_urlsafe(30)}
        self._sockets: WebSocketGateway | None = None
        self._http: web.AppRunner | None = None
        self._tasks: list[asyncio.Task[Any]] = []

    async def invoke(self, function: str, event: Mapping[str, Any]) -> Outcome:
        """Run a function by its logical id."""
        return await self.pools[function].invoke(event)

    @property
    def connections(self) -> int:
        """Open WebSocket connections."""
        return self._sockets.connection_count if self._sockets else 0

    def cut_connections(self) -> int:
        """Break every WebSocket connection; how many there were."""
        return self._sockets.cut() if self._sockets else 0

    def ready_line(self) -> str:
        """What is printed when all of it answers."""
        if self.template is None:
            raise RuntimeError("the stack has not been started")
        api = f"{self.ports.console}/{self.template.rest.stage}"
        sockets = f"ws://127.0.0.1:{self.ports.websocket}/{self.template.socket.stage}"
        return f"ready http={api} ws={sockets} console={self.ports.console}/"

    async def start(self) -> None:
        """Start everything; returns when all of it answers. Raises: LocalError."""
        template = await self.open()
        await self._load_demo()
        for poller in pollers(template, self.emulator, self, self.disorder):
            self._forever(poller.run())
        for schedule in template.schedules:
            self._forever(Ticker(schedule, self, self._say, self._options.tick).run())

    async def open(self) -> Template:
        """Start what people talk to: nothing reads a queue, and no schedule runs. Raises: LocalError."""
        values = local_values(self.ports, self._options.pages)
        reading = self._task(asyncio.to_thread(read_template, self._options.template, values))
        emulator = self._task(self.emulator.start())
        await self.services.start_database()
        template = self.template = await reading
        self._make_pools(template)
        warming = [self._task(self.pools[name].warm()) for name in template.awaited]
        await self.providers.start()
        await emulator
        await self._create_state()
        await self._migrate(template)
        self._secrets = await self.emulator.values(template)
        await asyncio.gather(*warming)
        await self._open_gateways(template)
        self._forever(self.services.keep_up())
        self._forever(self._reap())
        return template

    async def stop(self) -> None:
        """Stop everything that was started, whatever of it that is."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._http is not None:
            await self._http.cleanup()
        if self._sockets is not None:
            await self._sockets.stop()
        await asyncio.gather(*(pool.close() for pool in self.pools.values()))
        await self.providers.stop()
        await self.services.stop()

    def _task(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """A task that ends with the stack, also when that stops while it starts."""
        task = asyncio.create_task(work)
        self._tasks.append(task)
        return task

    def _forever(self, work: Coroutine[Any, Any, None]) -> None:
        """A task that only the end of the stack ends; anything else is told."""

        def tell(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                self._say(f"{work.__qualname__} has ended: {error!r}")

        self._task(work).add_done_callback(tell)

    def _make_pools(self, template: Template) -> None:
        [(key_id, secret)] = self._credentials.items()
        shared = {
            "AWS_ACCESS_KEY_ID": key_id,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_ENDPOINT_URL": self.emulator.endpoint,
        }
        environment = WorkerEnvironment(link_runtime(self._data.runtime), self._data.logs, shared)
        passwords = self._data.passwords(_logins(template))
        for name, spec in template.functions.items():
            environment.path(spec)
            local = local_function(spec, template, self.ports, passwords)
            self.pools[name] = Pool(local, environment, self._say, template.rank(name))

    async def _create_state(self) -> None:
        if self.template is None:
            return
        master = self.postgres.master()
        login = json.dumps({"username": master.user, "password": master.password})
        values = {**self._secrets, **self.providers.secrets(self.template), master_secret_name(): login}
        await self.emulator.create(self.template, values)

    async def _migrate(self, template: Template) -> None:
        known: dict[str, str] = self._data.remembered().get("custom_resources", {})
        for resource in template.custom_resources:
            known[resource.name] = await create_or_update(resource, self, known.get(resource.name))
        self._data.remember(custom_resources=known)
        passwords = self._data.passwords(_logins(template))
        with psycopg.connect(self.postgres.master().dsn, autocommit=True) as connection:
            for role, password in passwords.items():
                connection.execute(
                    sql.SQL("alter role {} password {}").format(sql.Identifier(role), sql.Literal(password))
                )

    async def _open_gateways(self, template: Template) -> None:
        place = Place(REGION, ACCOUNT)
        self._sockets = WebSocketGateway(template.socket, self, place, self._credentials, chaos=self.chaos)
        await self._sockets.start("127.0.0.1", self.ports.websocket)
        app = web.Application()
        app.add_routes(HttpGateway(template.rest, self, place).routes())
        app.add_routes(Console(self, template, demo.people(self._demo_requests())).routes())
        app.add_routes(OutboxConsole(self, template).routes())
        app.add_routes(ChaosConsole(self).routes())
        logging.getLogger("aiohttp.server").addFilter(is_ours)
        self._http = web.AppRunner(
            app,
            access_log=None,
            keepalive_timeout=KEEPALIVE_SECONDS,
            max_line_size=HEAD_BYTES,
            max_field_size=HEAD_BYTES,
            shutdown_timeout=1.0,
        )
        await self._http.setup()
        await web.TCPSite(self._http, "127.0.0.1", self.ports.http, backlog=1024).start()

    def _demo_requests(self) -> list[dict[str, Any]]:
        today = datetime.datetime.now(datetime.UTC).date()
        return demo.read_requests(self._root / "schema" / "demo" / "demo.json", today)

    async def _load_demo(self) -> None:
        if self.template is None or self._data.remembered().get("demo"):
            return
        api = f"{self.ports.console}/{self.template.rest.stage}"
        await demo.load(self._demo_requests(), api, self.issuer.token(demo.SERVICE_ID, "service"))
        self._data.remember(demo=True)

    async def _reap(self) -> None:
        while True:
            await asyncio.sleep(REAP_SECONDS)
            for pool in self.pools.values():
                await pool.reap()


def _logins(template: Template) -> list[str]:
    users = {spec.environment.get("DATABASE_USER") for spec in template.functions.values()}
    return sorted(user for user in users if user)
