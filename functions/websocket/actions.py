"""What clients may ask for on a socket: an action parses its frame, makes one call, and has an answer or none."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from wedsync.conversations import cursors, messages
from wedsync.realtime import broadcast, frames, presence, receipts, sessions, sync
from wedsync.realtime.hint_frames import Focus, Typing
from wedsync.realtime.protocol import Ack, Auth, Read, Send, Sync, encode
from wedsync.realtime.sessions import Session

Action = Callable[[Session, str], bytes | None]


def unknown(_: Session, body: str) -> bytes:
    return encode(frames.unroutable(body))


def _sync(session: Session, body: str) -> None:
    sync.catch_up(session, frames.parse(Sync, body))


def _send(session: Session, body: str) -> bytes:
    asked = frames.parse(Send, body)
    sent = broadcast.deliver(messages.send(session.principal, asked.thread_id, asked.messages))
    return encode(frames.sent(asked, sent))


def _auth(session: Session, body: str) -> bytes | None:
    asked = frames.parse(Auth, body)
    until = sessions.renew(session, asked.ticket)
    return None if until is None else encode(frames.auth_ok(asked, until))


def _ack(session: Session, body: str) -> None:
    asked = frames.parse(Ack, body)
    receipts.deliver(cursors.acknowledge(session.principal, asked.epoch, asked.cursors))


def _read(session: Session, body: str) -> None:
    asked = frames.parse(Read, body)
    moved = cursors.read(session.principal, asked.thread_id, asked.epoch, asked.seq)
    receipts.deliver(moved, session.connection)


def _focus(session: Session, body: str) -> None:
    presence.focus(session, frames.parse(Focus, body).thread_id)


def _typing(session: Session, body: str) -> None:
    presence.types(session, frames.parse(Typing, body).thread_id)


ACTIONS: Mapping[str, Action] = {
    "sync": _sync,
    "send": _send,
    "auth": _auth,
    "ack": _ack,
    "read": _read,
    "focus": _focus,
    "typing": _typing,
}
TWO_WAY = {"send", "auth"}  # their routes have a response: what the function returns is the answer
