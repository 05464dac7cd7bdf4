"""What outlives the process, in one SQLite file: cursors, messages, and what is to be sent."""

from __future__ import annotations

import json
import sqlite3
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import astuple
from pathlib import Path

from wedsync_client.frames import (
    Applied,
    Drop,
    Effect,
    Event,
    Filled,
    Keep,
    Left,
    Load,
    Message,
    Page,
    Place,
    Queued,
    Refused,
    Reloaded,
    Remember,
    Saved,
    Sent,
)
from wedsync_client.tables import KEEP, connect, prepare

KEPT_SECONDS = 7 * 24 * 3600.0  # what was sent is offered again after a restore (R4)


class StoreError(Exception):
    """The file belongs to somebody else, or to another process."""


class Store:
    """The file of one device of one person. Raises StoreError when it cannot be used."""

    def __init__(self, path: Path | str, user_id: str, device_id: str, now: float) -> None:
        self._skipped: dict[str, int] = {}  # by thread: the last event that older messages lack
        try:
            with ExitStack() as opening:
                self._database = opening.enter_context(closing(connect(path)))
                self._open(user_id, device_id, now)
                opening.pop_all()
        except (OSError, sqlite3.DatabaseError) as error:
            raise StoreError(f"{path} cannot be used: {error}") from error

    def close(self) -> None:
        """Let another process have it."""
        self._database.close()

    def transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        """Everything inside is stored, or nothing."""
        self._database.execute("begin")
        return self._database

    def saved(self) -> Saved:
        """Where a device goes on."""
        places = self._database.execute(
            "select thread_id, epoch, seq, head, seen, read, delivered, loading from threads"
        )
        truncated = self._database.execute(
            "select thread_id, json_extract(body, '$.id'), json_extract(body, '$.at') from messages"
            " where json_extract(body, '$.truncated')"
        )
        return Saved(
            self._fact("since"),
            self._fact("epoch"),
            {row[0]: Place(*row[1:7], loading=bool(row[7])) for row in places},
            self.queued(),
            [Load(*row) for row in truncated],
        )

    def queued(self) -> list[Queued]:
        """What has not been answered yet, in its order."""
        rows = self._database.execute(
            "select thread_id, body from outbox where sent_at is null order by position"
        )
        return [Queued(thread_id, json.loads(body)) for thread_id, body in rows]

    def messages(self, thread_id: str) -> list[Message]:
        """The messages of a thread, as far as this device has them, by `seq`."""
        rows = self._database.execute(
            "select body from messages where thread_id = ? order by seq", [thread_id]
        )
        return [json.loads(body) for (body,) in rows]

    def first(self, thread_id: str) -> int:
        """The number of the oldest message that is here; 0 where there are no older ones."""
        found = self._database.execute(
            "select first from threads where thread_id = ?", [thread_id]
        ).fetchone()
        return found[0] if found else 0

    def is_here(self, thread_id: str) -> bool:
        """Whether it has begun: its newest page is here, or it is short enough to be told from its beginning."""
        found = self._database.execute(
            "select 1 from threads where thread_id = ? and not loading", [thread_id]
        )
        return found.fetchone() is not None

    def is_same_log(self, page: Page) -> bool:
        """Its numbers mean what they mean here (R4), if anything of the thread is here."""
        found = self._database.execute(
            "select 1 from threads where thread_id = ? and epoch <> ?", [page.thread_id, page.epoch]
        )
        return found.fetchone() is None

    def prepend(self, page: Page, before: int) -> bool:
        """Keep what was loaded of before `before`; nothing, if it may lack a change that will not come again."""
        if page.head_seq < self._skipped.get(page.thread_id, 0):
            return False
        fresh = self._database.execute(
            "update threads set first = ? where thread_id = ? and first = ? and epoch = ? and not loading",
            [_first(page), page.thread_id, before, page.epoch],
        )
        for message in page.messages if fresh.rowcount else ():
            self._put(page.thread_id, message)
        return fresh.rowcount == 1

    def awaits(self, load: Load) -> bool:
        """Whether what is loaded is wanted: of one message, if it is here, and as the event `at` left it."""
        if load.message_id is None:
            return True
        known = self._message(load.thread_id, load.message_id)
        return known is not None and known.get("at") == load.at

    def queue(self, item: Queued) -> None:
        """Keep a message until it is answered."""
        self._database.execute(
            "insert into outbox (thread_id, client_msg_id, body) values (?, ?, ?)",
            [item.thread_id, item.client_msg_id, json.dumps(item.body)],
        )

    def reoffer(self, epoch: str, now: float) -> list[Queued]:
        """Queue again what was sent in the last 7 days under another epoch; what is queued then, in its order.

        Those messages say which: whoever was told of them then is not called again.
        """
        self._database.execute(
            "update outbox set sent_at = null, body = json_insert(body, '$.epoch', epoch)"
            " where sent_at > ? and epoch is not ?",
            [now - KEPT_SECONDS, epoch],
        )
        return self.queued()

    def write(self, effect: Effect, now: float) -> None:
        """Store what an effect changes."""
        match effect:
            case Applied(thread_id, _, event):
                self._apply(thread_id, event)
            case Filled(thread_id, message):
                self._put(thread_id, message)
            case Reloaded(thread_id, page):
                self._clear(thread_id, _first(page))
                self._skipped[thread_id] = page.head_seq
                for message in page.messages:
                    self._put(thread_id, message)
            case Left(thread_id):
                self._clear(thread_id)
            case Sent(_, client_msg_id, _, epoch):
                self._database.execute(
                    "update outbox set sent_at = ?, epoch = ? where client_msg_id = ?",
                    [now, epoch, client_msg_id],
                )
            case Refused(_, client_msg_id):
                self._database.execute("delete from outbox where client_msg_id = ?", [client_msg_id])
            case _:
                self._write_place(effect)

    def _write_place(self, effect: Effect) -> None:
        match effect:
            case Keep(thread_id, place):
                self._database.execute(KEEP, [thread_id, *astuple(place)])
            case Drop(thread_id):
                self._clear(thread_id)
                self._database.execute("delete from threads where thread_id = ?", [thread_id])
            case Remember(since, epoch):
                self._state("since", since)
                self._state("epoch", epoch)
            case _:
                pass

    def _open(self, user_id: str, device_id: str, now: float) -> None:
        prepare(self._database)
        for name, whose in (("user_id", user_id), ("device_id", device_id)):
            if self._fact(name) is None:
                self._state(name, whose)
            if self._fact(name) != whose:
                raise StoreError(f"the store belongs to another {name}")
        self._database.execute("delete from outbox where sent_at <= ?", [now - KEPT_SECONDS])

    def _apply(self, thread_id: str, event: Event) -> None:
        """Of a message that is not here nothing is stored: all those between would be missing."""
        message = event.message or self._stub(thread_id, event)
        if message is not None and message["seq"] >= self.first(thread_id):
            self._put(thread_id, message)
        elif message is not None or event.truncated:
            self._skipped[thread_id] = event.last

    def _stub(self, thread_id: str, event: Event) -> Message | None:
        """What stands for a message until its text is loaded, with all that was known of it before."""
        if event.truncated is None:
            return None
        if event.kind == "message.created":
            known: Message | None = {"id": event.truncated, "seq": event.seq}
        else:
            known = self._message(thread_id, event.truncated)
        return known and {**known, "truncated": True, "at": event.seq}

    def _message(self, thread_id: str, message_id: str) -> Message | None:
        found = self._database.execute(
            "select body from messages where thread_id = ? and json_extract(body, '$.id') = ?",
            [thread_id, message_id],
        ).fetchone()
        return json.loads(found[0]) if found else None

    def _put(self, thread_id: str, message: Message) -> None:
        self._database.execute(
            "insert or replace into messages values (?, ?, ?)",
            [thread_id, message["seq"], json.dumps(message, ensure_ascii=False)],
        )

    def _clear(self, thread_id: str, first: int = 0) -> None:
        self._database.execute("delete from messages where thread_id = ?", [thread_id])
        self._database.execute("update threads set first = ? where thread_id = ?", [first, thread_id])

    def _fact(self, name: str) -> str | None:
        row = self._database.execute("select value from facts where name = ?", [name]).fetchone()
        return row[0] if row else None

    def _state(self, name: str, value: str | None) -> None:
        self._database.execute("insert or replace into facts values (?, ?)", [name, value])


def _first(page: Page) -> int:
    return page.messages[0]["seq"] if page.messages else 0
