"""What the providers of this machine have sent, as JSON and as a page, and the knobs of what may go wrong."""

from __future__ import annotations

import html
import json
from functools import partial
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web

from local.console_answers import PAGE_HEADERS, guarded, page, problem
from local.dead_letters import redrive
from local.emulator import ServiceError
from local.model import Template
from local.providers.outbox import CHANNELS

if TYPE_CHECKING:
    from local.stack import Stack

_PAGE = page("outbox.html")
_MOST_SHOWN = 200
_MOST_DUPLICATES = 20
_LONGEST_VISIBILITY = 43_200


class OutboxConsole:
    """`/outbox`, and under `/_local` outbox, providers, devices, redrive and what event sources do."""

    def __init__(self, stack: Stack, template: Template) -> None:
        self._stack = stack
        self._template = template

    def routes(self) -> list[web.RouteDef]:
        """To be mounted beside the gateway's."""
        guard = partial(guarded, self._stack.ports.http)
        return [
            web.get("/outbox", guard(self._page)),
            web.get("/_local/outbox", guard(self._outbox)),
            web.post("/_local/providers/{provider}", guard(self._trouble)),
            web.post("/_local/devices", guard(self._subscribe)),
            web.delete("/_local/devices", guard(self._unsubscribe)),
            web.post("/_local/queues/{queue}/redrive", guard(self._redrive)),
            web.post("/_local/event-sources", guard(self._disorder)),
        ]

    async def _outbox(self, request: web.Request) -> web.Response:
        channel = request.query.get("channel")
        if channel not in CHANNELS:
            return problem(422, "invalid", "channel is email, sms or push.")
        return web.json_response({"data": self._stack.providers.outbox.accepted(channel)})

    async def _trouble(self, request: web.Request) -> web.Response:
        name = request.match_info["provider"]
        if name not in self._stack.providers.faults:
            return problem(404, "not_found", "Providers are twilio, resend and push.")
        faults = self._stack.providers.faults[name]
        wish = await _body(request)
        fail, times = wish.get("fail"), wish.get("times", 1)
        if fail not in faults.known or not _whole(times, 10**6) or set(wish) - {"fail", "times"}:
            return problem(422, "invalid", f"Send {{fail, times?}}; fail is one of {sorted(faults.known)}.")
        faults.set(fail, times)
        return web.json_response({"provider": name, "fail": fail, "times": times})

    async def _subscribe(self, _request: web.Request) -> web.Response:
        return web.json_response(self._stack.providers.push.subscribe(), status=201)

    async def _unsubscribe(self, request: web.Request) -> web.Response:
        endpoint = (await _body(request)).get("endpoint")
        if not isinstance(endpoint, str) or not self._stack.providers.push.unsubscribe(endpoint):
            return problem(404, "not_found", "Send {endpoint} of a device that was made here.")
        return web.Response(status=204)

    async def _redrive(self, request: web.Request) -> web.Response:
        queue = self._template.queues.get(request.match_info["queue"])
        if queue is None or queue.dead_letters is None:
            return problem(404, "not_found", "No such queue, or it has no dead letters.")
        try:
            moved = await redrive(self._stack.emulator, queue, self._template.queues[queue.dead_letters])
        except (aiohttp.ClientError, ServiceError):
            return problem(503, "unavailable", "The AWS emulator is down.")
        return web.json_response({"queue": queue.name, "moved": moved})

    async def _disorder(self, request: web.Request) -> web.Response:
        wish = await _body(request)
        duplicates, shuffle = wish.get("duplicates", 0), wish.get("shuffle", False)
        visibility = wish.get("visibility_timeout")
        known = not set(wish) - {"duplicates", "shuffle", "visibility_timeout"} and isinstance(shuffle, bool)
        seen_again = visibility is None or _whole(visibility, _LONGEST_VISIBILITY)
        if not known or not _whole(duplicates, _MOST_DUPLICATES) or not seen_again:
            words = f"Send {{duplicates?: 0-{_MOST_DUPLICATES}, shuffle?: true|false, visibility_timeout?: seconds}}."
            return problem(422, "invalid", words)
        disorder = self._stack.disorder
        disorder.duplicates, disorder.shuffle, disorder.visibility = duplicates, shuffle, visibility
        return web.json_response(
            {"duplicates": duplicates, "shuffle": shuffle, "visibility_timeout": visibility}
        )

    async def _page(self, _request: web.Request) -> web.Response:
        outbox = self._stack.providers.outbox
        shown = {channel: outbox.accepted(channel)[::-1] for channel in CHANNELS}
        text = _PAGE.substitute(
            {f"{channel}_count": str(len(sent)) for channel, sent in shown.items()},
            **{
                channel: "\n".join(map(_card, sent[:_MOST_SHOWN])) or '<p class="none">Nothing yet.</p>'
                for channel, sent in shown.items()
            },
        )
        return web.Response(text=text, content_type="text/html", headers=PAGE_HEADERS)


def _card(sent: dict[str, Any]) -> str:
    """One message; whatever somebody wrote is escaped, an e-mail's HTML is only offered as its source."""
    said = {name: html.escape(str(value)) for name, value in sent.items()}
    subject = f"<h3>{said['subject']}</h3>" if "subject" in said else ""
    text = f'<p class="text">{said["text"]}</p>' if "text" in said else ""
    source = f"<details><summary>HTML</summary><pre>{said['html']}</pre></details>" if "html" in said else ""
    sender = f" from {said['sender']}" if "sender" in said else ""
    return (
        f'<article><header><b>{said["to"]}</b><time datetime="{said["accepted_at"]}">'
        f"{said['accepted_at'][11:19]}</time></header>{subject}{text}{source}"
        f"<footer>{said['status']}{sender} · <code>{said['provider_id']}</code></footer></article>"
    )


async def _body(request: web.Request) -> dict[str, Any]:
    """The request's JSON object; empty for anything else, which every handler refuses."""
    try:
        body = json.loads(await request.read() or b"{}")
    except ValueError:
        return {"": None}
    return body if isinstance(body, dict) else {"": None}


def _whole(number: object, most: int) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= most
