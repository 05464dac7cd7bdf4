"""The Lambda Runtime API for one worker process, on a loopback port of its own.

A port each, because awslambdaric reports init errors through `http.client`, which refuses a path prefix.
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from local.model import Outcome

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: synchronous payloads, each way.
PAYLOAD_LIMIT = 6 * 1024 * 1024
_PREFIX = "/2018-06-01/runtime/"


@dataclass(frozen=True, slots=True)
class Invocation:
    """One event on its way through a worker. `deadline_ms` in epoch milliseconds."""

    request_id: str
    event: bytes
    arn: str
    deadline_ms: int
    trace_id: str
    outcome: asyncio.Future[Outcome] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class RuntimeApi:
    """Hands one invocation at a time to its worker and takes the answer."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = loop.create_future()
        self.init_error: Outcome | None = None
        self._next: asyncio.Queue[Invocation] = asyncio.Queue()
        self._current: Invocation | None = None
        self._polling: asyncio.Task[Any] | None = None
        # Not 0: that means without limit.
        self._runner = web.ServerRunner(web.Server(self._serve, access_log=None), shutdown_timeout=0.01)
        self.address = ""

    async def start(self) -> None:
        """Listen on a free loopback port."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.address = f"{host}:{port}"

    async def stop(self) -> None:
        """Close the port and every connection: a worker that waits for its next event sees an error and ends."""
        await self._runner.cleanup()
        # aiohttp forgets the task of a request whose worker went away before.
        if self._polling is not None:
            self._polling.cancel()

    def give(self, invocation: Invocation) -> None:
        """Hand an event to the worker; its outcome settles when the worker answers."""
        self._next.put_nowait(invocation)

    def settle(self, outcome: Outcome) -> None:
        """End the current invocation from outside: its worker was killed or has died."""
        if self._current is not None and not self._current.outcome.done():
            self._current.outcome.set_result(outcome)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        match request.path.removeprefix(_PREFIX).split("/"):
            case ["invocation", "next"]:
                return await self._hand_out()
            case ["invocation", request_id, "response"]:
                return self._answer(request_id, await self._body(request))
            case ["invocation", request_id, "error"]:
                return self._finish(request_id, _failure(await request.content.read()))
            case ["init", "error"]:
                self.init_error = _failure(await request.content.read())
                return web.json_response({"status": "OK"}, status=202)
            case _:
                return web.json_response({"errorType": "NotFound"}, status=404)

    async def _hand_out(self) -> web.Response:
        if not self.ready.done():
            self.ready.set_result(None)
        self._polling = asyncio.current_task()
        self._current = invocation = await self._next.get()
        self._polling = None
        headers = {
            "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
            "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": invocation.arn,
            "Lambda-Runtime-Trace-Id": invocation.trace_id,
        }
        return web.Response(body=invocation.event, content_type="application/json", headers=headers)

    async def _body(self, request: web.BaseRequest) -> bytes | None:
        received = bytearray()
        async for chunk in request.content.iter_any():
            received += chunk
        return bytes(received) if len(received) <= PAYLOAD_LIMIT else None

    def _answer(self, request_id: str, body: bytes | None) -> web.Response:
        if body is None:
            message = f"Response payload size exceeded maximum allowed payload size ({PAYLOAD_LIMIT} bytes)."
            self._finish(
                request_id, Outcome(error_type="Function.ResponseSizeTooLarge", error_message=message)
            )
            return web.json_response({"errorType": "RequestEntityTooLarge"}, status=413)
        return self._finish(request_id, Outcome(payload=json.loads(body)))

    def _finish(self, request_id: str, outcome: Outcome) -> web.Response:
        if self._current is None or self._current.request_id != request_id:
            return web.json_response({"errorType": "InvalidRequestID"}, status=400)
        self.settle(outcome)
        return web.json_response({"status": "OK"}, status=202)


def _failure(body: bytes) -> Outcome:
    error: dict[str, Any] = json.loads(body)
    return Outcome(error_type=error["errorType"], error_message=error["errorMessage"])
