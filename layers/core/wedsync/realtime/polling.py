"""Catching up without a socket: the frames of a sync as one answer, waited for while there is nothing to say."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import Any

from typing_extensions import TypedDict

from wedsync.conversations.replay import Replay, has_changed, replay
from wedsync.identity.principals import Principal
from wedsync.realtime.protocol import EventsFrame, Poll, ResyncRequiredFrame, SyncedFrame
from wedsync.realtime.sync import frames

LOOK_SECONDS = 0.75  # between one look at what has changed and the next: a small query each
PAGE_BYTES = 1_000_000  # of events in one answer; what Lambda answers may have 6 MB


class CaughtUp(TypedDict):
    """The frames of one answer; `more`: it was cut, ask again from where these frames lead."""

    frames: list[EventsFrame | ResyncRequiredFrame | SyncedFrame]
    more: bool


def poll(who: Principal, asked: Poll, re: str) -> CaughtUp:
    """What has happened, as soon as something has. After `wait` seconds, or when the token ends: that nothing has.

    Raises the Problems of the log.
    """
    found = _replayed(who, asked)
    if asked.since is not None and not any(thread.events or thread.resync for thread in found.threads):
        found = _awaited(who, asked, found)
    return _page(frames(found, re))


def _awaited(who: Principal, asked: Poll, found: Replay) -> Replay:
    """The first replay that may hold something new, or the one at hand; meanwhile no transaction is open.

    What is only listed may have been listed before, as long as a transaction runs that is older (R19): it is told
    after one pause, or a client that asks again at once would never pause.
    """
    until = min(time.time() + asked.wait, who.expires_at)
    is_listed = bool(found.changed or found.gone)
    while time.time() + LOOK_SECONDS <= until:
        time.sleep(LOOK_SECONDS)
        if is_listed or has_changed(who, found):
            return _replayed(who, asked)
    return found


def _replayed(who: Principal, asked: Poll) -> Replay:
    cursors = {thread_id: (each.epoch, each.seq) for thread_id, each in asked.cursors.items()}
    return replay(who, asked.since, cursors, asked.limit)


def _page(whole: Iterable[bytes]) -> CaughtUp:
    """All frames, or as many as an answer may hold: without `synced` it has not ended, and is asked for again."""
    page: list[Any] = []
    size = 0
    for frame in whole:
        page.append(json.loads(frame))
        size += len(frame)
        if size > PAGE_BYTES and page[-1]["type"] == "events":
            return {"frames": page, "more": True}
    return {"frames": page, "more": False}
