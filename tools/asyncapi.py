"""docs/asyncapi.yaml from the frames of `wedsync.realtime`.

.venv/bin/python tools/asyncapi.py           write it
.venv/bin/python tools/asyncapi.py --check   exit 1 if it is not what the code says
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import TypeAdapter

sys.path.insert(0, str(Path(__file__).parents[1] / "layers" / "core"))

from wedsync.identity.tickets import DEVICE_ID, LIFETIME_SECONDS
from wedsync.realtime import connection_frames, hint_frames, protocol

TARGET = Path(__file__).parents[1] / "docs" / "asyncapi.yaml"
CHANNEL = "socket"

FROM_CLIENTS: dict[str, type] = {
    "sync": protocol.Sync,
    "send": protocol.Send,
    "ack": protocol.Ack,
    "read": protocol.Read,
    "focus": hint_frames.Focus,
    "typing": hint_frames.Typing,
    "auth": protocol.Auth,
    "ping": protocol.Ping,
}
TO_CLIENTS: dict[str, type] = {
    "events": protocol.EventsFrame,
    "resync_required": protocol.ResyncRequiredFrame,
    "synced": protocol.SyncedFrame,
    "sent": protocol.SentFrame,
    "auth_ok": connection_frames.AuthOkFrame,
    "auth_expiring": connection_frames.AuthExpiringFrame,
    "access": protocol.AccessFrame,
    "receipt": hint_frames.ReceiptFrame,
    "others_typing": hint_frames.TypingFrame,
    "presence": hint_frames.PresenceFrame,
    "me": hint_frames.MeFrame,
    "notification": protocol.NotificationFrame,
    "mode": connection_frames.ModeFrame,
    "bye": connection_frames.ByeFrame,
    "error": protocol.ErrorFrame,
    "pong": connection_frames.PongFrame,
}
REPLIES = {
    "sync": ("auth_expiring", "events", "resync_required", "synced", "mode", "error", "bye"),
    "send": ("sent", "error", "bye"),
    "ack": ("error", "bye"),
    "read": ("error", "bye"),
    "focus": ("error", "bye"),
    "typing": ("error", "bye"),
    "auth": ("auth_ok", "error", "bye"),
    "ping": ("pong",),
}
PUSHED = ("events", "access", "receipt", "others_typing", "presence", "me", "notification", "bye")

DESCRIPTION = f"""\
The WebSocket of WedSync Threads, sub-protocol `{protocol.SUBPROTOCOL}`. Frames are JSON text of at most
{protocol.FRAME_BYTES} bytes, either way. Each event of a thread has a `seq`, gapless and in the order of commits. Live
frames are hints: a client that applies events by `seq`, drops what it has, and syncs on a gap applies each
event once and in order. docs/realtime.md says what is guaranteed and what is not.
"""


def document() -> dict[str, Any]:
    """The AsyncAPI 3.1 description, from the server's point of view (`receive` = a client sends it)."""
    return {
        "asyncapi": "3.1.0",
        "info": {
            "title": "WedSync Threads, real time",
            "version": protocol.SUBPROTOCOL.rpartition(".")[2],
            "description": DESCRIPTION,
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "local": {"host": "127.0.0.1:8081", "pathname": "/v1", "protocol": "ws"},
            "deployed": {
                "host": "{api}.execute-api.{region}.amazonaws.com",
                "pathname": "/v1",
                "protocol": "wss",
                "variables": {
                    "api": {"description": "The first label of the stack's output SocketUrl"},
                    "region": {"default": "eu-central-1"},
                },
            },
        },
        "channels": {CHANNEL: _channel()},
        "operations": _operations(),
        "components": {"messages": _messages(), "schemas": _schemas()},
    }


def _channel() -> dict[str, Any]:
    ticket = {
        "type": "string",
        "description": f"From POST /realtime/tickets; good once, for {LIFETIME_SECONDS} seconds",
    }
    device = {"type": "string", "pattern": DEVICE_ID, "description": "The device the ticket was asked for"}
    query = {
        "type": "object",
        "required": ["ticket", "device_id"],
        "properties": {"ticket": ticket, "device_id": device},
    }
    return {
        "address": "/",
        "description": "One connection per device; a newer one takes the older one's place (`bye` 4009).",
        "bindings": {"ws": {"method": "GET", "query": query, "bindingVersion": "0.1.0"}},
        "messages": {name: _ref("components/messages", name) for name in (*FROM_CLIENTS, *TO_CLIENTS)},
    }


def _operations() -> dict[str, Any]:
    operations: dict[str, Any] = {}
    for name, replies in REPLIES.items():
        operations[name] = {
            "action": "receive",
            "channel": _ref("channels", CHANNEL),
            "summary": _summary(FROM_CLIENTS[name]),
            "messages": [_on_channel(name)],
            "reply": {
                "channel": _ref("channels", CHANNEL),
                "messages": [_on_channel(reply) for reply in replies],
            },
        }
    operations["push"] = {
        "action": "send",
        "channel": _ref("channels", CHANNEL),
        "summary": "What is committed, without `re`; and what happens to the connection.",
        "messages": [_on_channel(name) for name in PUSHED],
    }
    return operations


def _messages() -> dict[str, Any]:
    return {
        name: {
            "name": name,
            "summary": _summary(frame),
            "payload": _ref("components/schemas", frame.__name__),
        }
        for name, frame in (FROM_CLIENTS | TO_CLIENTS).items()
    }


def _schemas() -> dict[str, Any]:
    inputs = [
        (name, "validation", TypeAdapter[Any](frame)) for name, frame in (FROM_CLIENTS | TO_CLIENTS).items()
    ]
    _, schema = TypeAdapter.json_schemas(cast(Any, inputs), ref_template="#/components/schemas/{model}")
    return {name: _plain(each) for name, each in sorted(schema["$defs"].items())}


def _plain(schema: Any) -> Any:
    """As JSON Schema draft 7, which AsyncAPI builds on, and without titles that repeat the name."""
    if isinstance(schema, list):
        return [_plain(each) for each in cast(list[Any], schema)]
    if not isinstance(schema, dict):
        return schema
    fields = {name: _plain(value) for name, value in cast(dict[str, Any], schema).items()}
    if isinstance(fields.get("title"), str):
        del fields["title"]
    if "prefixItems" in fields:
        fields["items"] = fields.pop("prefixItems")
    return fields


def _summary(frame: type) -> str:
    return (inspect.getdoc(frame) or "").partition("\n\n")[0].replace("\n", " ")


def _ref(folder: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/{folder}/{name}"}


def _on_channel(name: str) -> dict[str, str]:
    return _ref(f"channels/{CHANNEL}/messages", name)


class _Dumper(yaml.SafeDumper):
    """Paragraphs as blocks; nothing by reference."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def main() -> int:
    """Write or compare; the exit status."""
    text = "# Generated by tools/asyncapi.py; `make docs` writes it anew.\n" + yaml.dump(
        document(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110
    )
    if "--check" not in sys.argv[1:]:
        TARGET.write_text(text, encoding="utf-8")
        return 0
    if TARGET.is_file() and TARGET.read_text(encoding="utf-8") == text:
        return 0
    print("docs/asyncapi.yaml is not what the code says: run `make docs`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
