"""The demo people and weddings of `schema/demo/demo.json`, put through the directory like anybody's."""

from __future__ import annotations

import datetime
import json
import re
from pathlib import Path
from typing import Any

import aiohttp

from local.processes import LocalError

_DAY = re.compile(r"\+(\d+)d(T.*)?")
_PERSON = re.compile(r"/directory/users/([^/]+)")
_WEDDING = re.compile(r"/directory/weddings/([^/]+)")
_MEMBER = re.compile(r"/directory/weddings/([^/]+)/members/([^/]+)")
# Who the platform's own back end is here; tokens with the scope `service` need some subject.
SERVICE_ID = "0190a000-0000-7000-8000-0000000000ff"


def read_requests(file: Path, today: datetime.date) -> list[dict[str, Any]]:
    """The directory requests, with dates relative to `today`."""
    requests: list[dict[str, Any]] = json.loads(file.read_text())["requests"]
    return [{"path": each["path"], "body": _dated(each["body"], today)} for each in requests]


def people(requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The people with their parts in weddings, for the console and `GET /_local/people`."""
    found: dict[str, dict[str, Any]] = {}
    titles: dict[str, str] = {}
    for request in requests:
        path, body = request["path"], request["body"]
        if match := _PERSON.fullmatch(path):
            found[match[1]] = {"user_id": match[1], "display_name": body["display_name"], "weddings": []}
        elif match := _WEDDING.fullmatch(path):
            titles[match[1]] = body["title"]
        elif match := _MEMBER.fullmatch(path):
            part = {key: body[key] for key in ("role", "service") if key in body}
            found[match[2]]["weddings"].append({"wedding_id": match[1], "title": titles[match[1]], **part})
    return list(found.values())


async def load(requests: list[dict[str, Any]], api: str, token: str) -> None:
    """Send the requests to the REST API at `api`.

    Raises: LocalError with the first refusal.
    """
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        for request in requests:
            async with session.put(api + request["path"], json=request["body"]) as response:
                if response.status not in (200, 201):
                    problem = await response.text()
                    raise LocalError(
                        f"demo data: PUT {request['path']} answered {response.status}: {problem}"
                    )


def _dated(body: dict[str, Any], today: datetime.date) -> dict[str, Any]:
    def dated(value: Any) -> Any:
        match = _DAY.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            return value
        return (today + datetime.timedelta(days=int(match[1]))).isoformat() + (match[2] or "")

    return {key: dated(value) for key, value in body.items()}
