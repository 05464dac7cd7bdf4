"""GET and POST /threads, GET /threads/{id}, and the caller's cursors in a thread."""

from __future__ import annotations

import conditional
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from once import once
from request import answer, body, principal, query

from wedsync.conversations import cursors, threads
from wedsync.conversations.models import Cursor, NewThread, ThreadQuery
from wedsync.conversations.resources import Thread
from wedsync.platform.context import Caller
from wedsync.platform.ids import parse_uuid
from wedsync.realtime import hints, receipts
from wedsync.realtime.broadcast import deliver

router = APIGatewayRouter()


@router.get("/threads")
def list_threads() -> Response[str]:
    return conditional.page(router, threads.page(principal(router), query(router, ThreadQuery)))


@router.post("/threads")
def create_thread() -> Response[str]:
    new = body(router, NewThread)

    def shown(status: int, made: Thread) -> Response[str]:
        location = {"Location": f"/v1/threads/{made['id']}"}
        return conditional.versioned(router, status, made, made["version"], location)

    def create(who: Caller) -> Response[str]:
        created = threads.create(who, new)
        return shown(201 if created.changes else 200, deliver(created))

    return once(
        router, create, lambda who, known: shown(known.status, threads.get(who, known.made)), status=201
    )


@router.get("/threads/<thread_id>")
def get_thread(thread_id: str) -> Response[str]:
    found = threads.get(principal(router), parse_uuid(thread_id))
    return conditional.versioned(router, 200, found, found["version"])


@router.put("/threads/<thread_id>/read")
def mark_read(thread_id: str) -> Response[str]:
    stated = body(router, Cursor)
    moved = cursors.read(principal(router), parse_uuid(thread_id), stated.epoch, stated.seq)
    return answer(200, receipts.deliver(moved))


@router.put("/threads/<thread_id>/delivered")
def mark_delivered(thread_id: str) -> Response[str]:
    stated = body(router, Cursor)
    moved = cursors.delivered(principal(router), parse_uuid(thread_id), stated.epoch, stated.seq)
    return answer(200, receipts.deliver(moved))


@router.put("/threads/<thread_id>/unread")
def mark_unread(thread_id: str) -> Response[str]:
    place = cursors.mark_unread(principal(router), parse_uuid(thread_id))
    hints.tell_devices(principal(router).user_id, parse_uuid(thread_id), "place")
    return answer(200, place)
