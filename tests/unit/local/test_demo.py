"""The demo weddings: dates that stay in the future, people with their parts, refusals that are told."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest
from aiohttp import web

from local import demo
from local.processes import LocalError

FILE = Path(__file__).parents[3] / "schema" / "demo" / "demo.json"
TODAY = datetime.date(2026, 2, 27)


def test_dates_are_counted_from_today(tmp_path: Path) -> None:
    body = {"wedding_date": "+2d", "starts_at": "+2dT12:00:00Z", "phone": "+447700900101", "lead": True}
    (tmp_path / "demo.json").write_text(json.dumps({"requests": [{"path": "/x", "body": body}]}))

    [request] = demo.read_requests(tmp_path / "demo.json", TODAY)

    assert request["body"] == {
        "wedding_date": "2026-03-01",
        "starts_at": "2026-03-01T12:00:00Z",
        "phone": "+447700900101",
        "lead": True,
    }


def test_the_two_weddings_share_a_photographer() -> None:
    people = demo.people(demo.read_requests(FILE, TODAY))

    both = [person["display_name"] for person in people if len(person["weddings"]) == 2]
    assert "Phil Light" in both
    roles = {part["role"] for person in people for part in person["weddings"]}
    assert roles >= {"couple", "planner", "vendor"}


async def test_a_refusal_is_told_with_its_request() -> None:
    async def refuse(_request: web.BaseRequest) -> web.Response:
        return web.Response(status=422, text="unknown organization")

    runner = web.ServerRunner(web.Server(refuse), shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    api = f"http://127.0.0.1:{runner.addresses[0][1]}"

    with pytest.raises(LocalError, match="PUT /directory/users/1 answered 422: unknown organization"):
        await demo.load([{"path": "/directory/users/1", "body": {}}], api, "token")

    await runner.cleanup()
