"""A person's devices: Web Push subscriptions (RFC 8030, RFC 8291), kept as contact points."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Final, LiteralString
from uuid import UUID

from pydantic import AfterValidator, Field
from typing_extensions import TypedDict

from wedsync.conversations.models import Line, Stated
from wedsync.notifications import push_services
from wedsync.platform.clock import rfc3339
from wedsync.platform.context import Caller
from wedsync.platform.db import transaction
from wedsync.platform.errors import NotFound
from wedsync.platform.ids import uuid7

DEVICES = 20
ENDPOINT_CHARACTERS = 1_500
POINT_BYTES, SECRET_BYTES = 65, 16  # RFC 8291: an uncompressed P-256 point, and an authentication secret

_PUT: Final[LiteralString] = """
    select put.*, app.keep_answer(put.device_id, case when put.created then 201 else 200 end)
      from app.put_device(%(id)s, %(endpoint)s, %(address)s, %(name)s, %(up_to)s) put
"""
_DELETE: Final[LiteralString] = "select app.delete_device(%(id)s) as deleted"
_ALL: Final[LiteralString] = """
    select id as device_id, name as device_name, created_at, address::jsonb ->> 'endpoint' as endpoint
      from contact_points where channel = 'device' order by created_at, id
"""


def _push_service(endpoint: str) -> str:
    if not push_services.may_be_called(endpoint):
        raise ValueError("the https address of a push service")
    return endpoint


def _point(text: str) -> str:
    if (raw := _decoded(text))[:1] != b"\x04" or len(raw) != POINT_BYTES:
        raise ValueError("an uncompressed P-256 point as base64url")
    return text


def _secret(text: str) -> str:
    if len(_decoded(text)) != SECRET_BYTES:
        raise ValueError("16 bytes as base64url")
    return text


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise ValueError("not base64url") from None


class Keys(Stated):
    """What the browser encrypts with."""

    p256dh: Annotated[str, Field(max_length=100), AfterValidator(_point)]
    auth: Annotated[str, Field(max_length=30), AfterValidator(_secret)]


class NewDevice(Stated):
    """A `PushSubscription` as the browser gives it, and perhaps a name."""

    endpoint: Annotated[
        str,
        Field(max_length=ENDPOINT_CHARACTERS, pattern=r"^[!-~]+$"),
        AfterValidator(_push_service),
    ]
    keys: Keys
    # Browsers state it and no push service keeps to it: it answers 410 when the time has come.
    expiration_time: Annotated[float | None, Field(alias="expirationTime")] = None
    name: Annotated[Line, Field(max_length=100)] | None = None


class Device(TypedDict):
    """A registered device; its keys are told to nobody."""

    id: str
    name: str | None
    endpoint: str
    created_at: str


class DeviceList(TypedDict):
    """All devices: there are at most 20."""

    data: list[Device]
    next_cursor: None


def register(who: Caller, new: NewDevice) -> tuple[Device, bool]:
    """The device, and whether it is new; a known endpoint keeps its id and takes the new keys.

    Raises Conflict for one device too many, Forbidden for a person whom the directory does not know.
    """
    stated = {
        "id": uuid7(),
        "endpoint": hashlib.sha256(new.endpoint.encode()).digest(),
        "address": json.dumps(new.model_dump(include={"endpoint", "keys"}), separators=(",", ":")),
        "name": new.name,
        "up_to": DEVICES,
    }
    ((row,),) = transaction(who, (_PUT, stated))
    return _device({**row, "endpoint": new.endpoint}), row["created"]


def every(who: Caller) -> DeviceList:
    """The caller's devices, the oldest first."""
    (rows,) = transaction(who, (_ALL, {}))
    return {"data": [_device(row) for row in rows], "next_cursor": None}


def one(who: Caller, device_id: UUID) -> Device:
    """One device of the caller's. Raises NotFound."""
    for device in every(who)["data"]:
        if device["id"] == str(device_id):
            return device
    raise NotFound


def forget(who: Caller, device_id: UUID) -> None:
    """Push to it no more. Raises NotFound unless it is the caller's."""
    ((row,),) = transaction(who, (_DELETE, {"id": device_id}))
    if not row["deleted"]:
        raise NotFound


def _device(row: Mapping[str, Any]) -> Device:
    return {
        "id": str(row["device_id"]),
        "name": row["device_name"],
        "endpoint": row["endpoint"],
        "created_at": rfc3339(row["created_at"]),
    }
