"""`/_local/chaos`: trouble on the lines of the WebSocket API, while the stack runs."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from aiohttp import web

from local.console_answers import guarded, problem
from local.websocket_gateway_chaos import Trouble, TroubleError

if TYPE_CHECKING:
    from local.stack import Stack


class ChaosConsole:
    """GET shows the trouble there is; POST replaces it, `{}` ends it; `cut` happens once and changes nothing else."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def routes(self) -> list[web.RouteDef]:
        """To be mounted beside the gateway's."""
        guard = partial(guarded, self._stack.ports.http)
        return [
            web.get("/_local/chaos", guard(self._show)),
            web.post("/_local/chaos", guard(self._begin)),
        ]

    async def _show(self, _request: web.Request) -> web.Response:
        return web.json_response(asdict(self._stack.chaos.trouble))

    async def _begin(self, request: web.Request) -> web.Response:
        try:
            wish = json.loads(await request.read())
        except ValueError:
            wish = None
        if not isinstance(wish, dict):
            return problem(422, "invalid", "Send an object.")
        wish = cast("dict[str, Any]", wish)
        whom = wish.pop("cut", None)
        if whom not in (None, "all"):
            return problem(422, "invalid", "Only all can be cut.")
        try:
            trouble = Trouble.of(wish)
        except TroubleError as error:
            return problem(422, "invalid", str(error))
        if wish or whom is None:
            self._stack.chaos.begin(trouble)
        count = self._stack.cut_connections() if whom else 0
        return web.json_response(asdict(self._stack.chaos.trouble) | {"cut": count})
