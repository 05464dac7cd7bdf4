"""What only this machine offers, beside the API on the HTTP port: tokens, people, queues, the console page."""

from __future__ import annotations

import asyncio
import datetime
import html
import json
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

import aiohttp
import psycopg
from aiohttp import web

from local import clock
from local.console_answers import PAGE_HEADERS, guarded, page, problem
from local.console_backups import BackupConsole
from local.identity import KEY_SET_PATH, TOKEN_SECONDS
from local.model import Template
from local.processes import LocalError
from local.providers.outbox import stamp

if TYPE_CHECKING:
    from local.stack import Stack

_PAGE = page("console.html")
_SERVICES = ("database", "emulator")


class Console:
    """Routes under `/_local` and the index page. They answer only to names of this machine."""

    def __init__(self, stack: Stack, template: Template, people: list[dict[str, Any]]) -> None:
        self._stack = stack
        self._template = template
        self._people = people

    def routes(self) -> list[web.RouteDef]:
        """To be mounted beside the gateway's."""
        guard = partial(guarded, self._stack.ports.http)
        return [
            web.get("/", guard(self._page)),
            web.get(KEY_SET_PATH, guard(self._key_set)),
            web.post("/_local/tokens", guard(self._tokens)),
            web.get("/_local/people", guard(self._list_people)),
            web.get("/_local/queues", guard(self._queues)),
            web.get("/_local/functions", guard(self._functions)),
            web.post("/_local/services", guard(self._services)),
            web.post("/_local/time", guard(self._time)),
            *BackupConsole(self._stack).routes(),
        ]

    async def _key_set(self, _request: web.Request) -> web.Response:
        return web.json_response(self._stack.issuer.key_set, headers={"Cache-Control": "max-age=60"})

    async def _tokens(self, request: web.Request) -> web.Response:
        try:
            wish: dict[str, Any] = json.loads(await request.read())
            user_id = str(UUID(wish["user_id"]))
            scope, expires_in = wish.get("scope", ""), wish.get("expires_in", TOKEN_SECONDS)
        except (ValueError, KeyError, TypeError, AttributeError):
            return problem(422, "invalid", "Send {user_id, scope?, expires_in?}; user_id is a UUID.")
        if not isinstance(scope, str) or not isinstance(expires_in, int) or set(wish) - _TOKEN_FIELDS:
            return problem(422, "invalid", "scope is text, expires_in whole seconds; nothing else is known.")
        token = self._stack.issuer.token(user_id, scope, expires_in)
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": expires_in}
        return web.json_response(answer, headers={"Cache-Control": "no-store"})

    async def _list_people(self, _request: web.Request) -> web.Response:
        return web.json_response({"data": self._people})

    async def _queues(self, _request: web.Request) -> web.Response:
        depths = await self._depths()
        if depths is None:
            return problem(503, "unavailable", "The AWS emulator is down.")
        data = [
            {"queue": name, **depth, "dead_letters": self._template.queues[name].dead_letters}
            for name, depth in depths.items()
        ]
        return web.json_response({"data": data})

    async def _functions(self, _request: web.Request) -> web.Response:
        states = [pool.state() for pool in self._stack.pools.values()]
        data = [
            {
                "function": state.function,
                "workers": state.workers,
                "busy": state.busy,
                "invocations": state.invocations,
                "errors": state.errors,
                "pids": list(state.pids),
            }
            for state in states
        ]
        return web.json_response({"data": data, "connections": self._stack.connections})

    async def _services(self, request: web.Request) -> web.Response:
        try:
            wish: dict[str, Any] = json.loads(await request.read())
            name, running = wish["name"], wish["running"]
        except (ValueError, KeyError, TypeError):
            name, running = None, None
        if name not in _SERVICES or not isinstance(running, bool):
            return problem(422, "invalid", "Send {name: database|emulator, running: true|false}.")
        try:
            await self._stack.services.hold_down(name, down=not running)
        except LocalError as error:
            return problem(503, "unavailable", str(error))
        return web.json_response({"name": name, "running": running})

    async def _time(self, request: web.Request) -> web.Response:
        dsn = self._stack.postgres.superuser("wedsync").dsn
        try:
            match json.loads(await request.read()):
                case {"advance": int() | float() as seconds, **rest} if not rest:
                    now = await asyncio.to_thread(clock.advance, dsn, seconds)
                case {"now": str() as text, **rest} if not rest:
                    moment = datetime.datetime.fromisoformat(text).astimezone(datetime.UTC)
                    now = await asyncio.to_thread(clock.set_to, dsn, moment)
                case _:
                    raise ValueError
        except (ValueError, OverflowError, psycopg.DataError):
            return problem(422, "invalid", "Send {advance: seconds} or {now: an RFC 3339 time}.")
        except psycopg.OperationalError:
            return problem(503, "unavailable", "The database is down.")
        return web.json_response({"now": stamp(now.astimezone(datetime.UTC))})

    async def _page(self, _request: web.Request) -> web.Response:
        depths = await self._depths()
        shown = _PAGE.substitute(
            api=f"{self._stack.ports.console}/{self._template.rest.stage}",
            sockets=f"ws://127.0.0.1:{self._stack.ports.websocket}/{self._template.socket.stage}",
            database=f"PostgreSQL {self._stack.postgres.binaries.major} ({self._stack.postgres.binaries.kind})",
            database_port=self._stack.ports.database,
            emulator=self._stack.emulator.endpoint if depths is not None else "(down)",
            providers=self._providers(),
            connections=self._stack.connections,
            functions="\n".join(self._function_rows()),
            queues="\n".join(_row(name, *depth.values()) for name, depth in (depths or {}).items()),
            people="\n".join(map(_person_row, self._people)),
            routes="\n".join(self._route_rows()),
        )
        return web.Response(text=shown, content_type="text/html", headers=PAGE_HEADERS)

    def _providers(self) -> str:
        ports = self._stack.ports.providers
        named = {"Twilio": ports.twilio, "Resend": ports.resend, "a Web Push service": ports.push}
        return ", ".join(f"{name} (<code>127.0.0.1:{port}</code>)" for name, port in named.items())

    def _function_rows(self) -> list[str]:
        states = [pool.state() for pool in self._stack.pools.values()]
        return [
            _row(state.function, state.workers, state.busy, state.invocations, state.errors)
            for state in states
        ]

    def _route_rows(self) -> list[str]:
        rest = [
            _row(
                f"{route.method} {route.path}",
                _runs(route.integration),
                "token" if route.authorizer else "nothing",
            )
            for route in self._template.rest.routes
        ]
        sockets = [
            _row(
                f"socket {route.key}",
                _runs(route.integration),
                "ticket" if route.authorizer else "connection",
            )
            for route in self._template.socket.routes.values()
        ]
        return rest + sockets

    async def _depths(self) -> dict[str, dict[str, int]] | None:
        """Depths of the queues, None while the emulator is down."""
        try:
            return await self._stack.emulator.depths(self._template)
        except aiohttp.ClientError:
            return None


_TOKEN_FIELDS = {"user_id", "scope", "expires_in"}


def _runs(integration: object) -> str:
    return getattr(integration, "function", "answered by the gateway")


def _row(*cells: object) -> str:
    return "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in cells) + "</tr>"


def _person_row(person: dict[str, Any]) -> str:
    parts = ", ".join(
        f"{part['title']}: {part['role']}" + (f" ({part['service']})" if "service" in part else "")
        for part in person["weddings"]
    )
    user_id, name = html.escape(person["user_id"]), html.escape(person["display_name"])
    buttons = "".join(
        f'<button data-user="{user_id}" data-copy="{what}">{what}</button>' for what in ("token", "curl")
    )
    return (
        f"<tr><td>{name}</td><td>{html.escape(parts) or '—'}</td>"
        f"<td><code>{user_id}</code></td><td>{buttons}</td></tr>"
    )
