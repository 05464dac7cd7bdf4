"""`/_local/backups` and `/_local/functions/{function}`: what an operator does in the cloud by the AWS tool."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from local.backups import Backups
from local.console_answers import guarded, problem
from local.processes import LocalError

if TYPE_CHECKING:
    from local.stack import Stack


class BackupConsole:
    """Takes backups, puts them back, and invokes a function with an event."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._backups = Backups(stack.postgres.home.parent / "backups", stack.services)

    def routes(self) -> list[web.RouteDef]:
        """To be mounted beside the gateway's."""
        guard = partial(guarded, self._stack.ports.http)
        return [
            web.get("/_local/backups", guard(self._list)),
            web.post("/_local/backups", guard(self._take)),
            web.post("/_local/backups/{name}/restore", guard(self._put_back)),
            web.post("/_local/functions/{function}", guard(self._invoke)),
        ]

    async def _list(self, _request: web.Request) -> web.Response:
        return web.json_response({"data": [{"name": name} for name in self._backups.names()]})

    async def _take(self, _request: web.Request) -> web.Response:
        try:
            return web.json_response({"name": await self._backups.take()}, status=201)
        except LocalError as error:
            return problem(503, "unavailable", str(error))

    async def _put_back(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        try:
            await self._backups.put_back(name)
        except KeyError:
            return problem(404, "not_found", "There is no such backup.")
        except LocalError as error:
            return problem(503, "unavailable", str(error))
        return web.json_response({"name": name})

    async def _invoke(self, request: web.Request) -> web.Response:
        function = request.match_info["function"]
        if function not in self._stack.pools:
            return problem(404, "not_found", "There is no such function; GET /_local/functions names them.")
        try:
            event = json.loads(await request.read())
        except ValueError:
            return problem(422, "invalid", "Send the event, as JSON.")
        outcome = await self._stack.invoke(function, event)
        if not outcome.ok:
            return problem(502, "failed", f"{outcome.error_type}: {outcome.error_message}")
        return web.json_response(outcome.payload)
