"""How everything that only this machine offers is guarded and answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from string import Template as Text

from aiohttp import web

_HERE = Path(__file__).parent
Handler = Callable[[web.Request], Awaitable[web.Response]]

PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; frame-ancestors 'none'",
}


def guarded(port: int, handler: Handler) -> Handler:
    """Refuse pages of other origins and names that merely resolve to this machine (DNS rebinding)."""
    names = {f"{host}:{port}" for host in ("127.0.0.1", "localhost")}
    origins = {None, *(f"http://{name}" for name in names)}

    async def handle(request: web.Request) -> web.Response:
        if request.host not in names or request.headers.get("Origin") not in origins:
            return problem(403, "forbidden", "Only this machine's own pages may ask.")
        return await handler(request)

    return handle


def page(name: str) -> Text:
    """A page of this folder, in the frame that all have in common."""
    return Text((_HERE / "page.html").read_text() + (_HERE / name).read_text())


def problem(status: int, code: str, detail: str) -> web.Response:
    """An RFC 9457 answer."""
    body = {"type": "about:blank", "title": code, "status": status, "detail": detail, "code": code}
    return web.json_response(body, status=status, content_type="application/problem+json")
