"""PATCH /threads/{id}, and closing, reopening, archiving and freezing it."""

from __future__ import annotations

import conditional
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from once import once
from request import answer, body, optional_body, principal

from wedsync.conversations import thread_acts, threads
from wedsync.conversations.models import Status
from wedsync.conversations.resources import Thread
from wedsync.conversations.thread_models import StatusChange, ThreadEdit
from wedsync.platform.ids import parse_uuid
from wedsync.realtime.broadcast import deliver

router = APIGatewayRouter()


@router.route("/threads/<thread_id>", method="PATCH")
def edit_thread(thread_id: str) -> Response[str]:
    version, stated = conditional.stated_version(router), body(router, ThreadEdit)
    return _shown(deliver(thread_acts.edit(principal(router), parse_uuid(thread_id), version, stated)))


@router.post("/threads/<thread_id>/close")
def close_thread(thread_id: str) -> Response[str]:
    return _set_status(thread_id, "closed")


@router.post("/threads/<thread_id>/reopen")
def reopen_thread(thread_id: str) -> Response[str]:
    return _set_status(thread_id, "active")


@router.post("/threads/<thread_id>/archive")
def archive_thread(thread_id: str) -> Response[str]:
    return _set_status(thread_id, "archived")


@router.post("/threads/<thread_id>/freeze")
def freeze_thread(thread_id: str) -> Response[str]:
    return _set_status(thread_id, "frozen")


def _set_status(thread_id: str, status: Status) -> Response[str]:
    thread, reason = parse_uuid(thread_id), optional_body(router, StatusChange).reason
    return once(
        router,
        lambda who: _shown(deliver(thread_acts.set_status(who, thread, status, reason))),
        lambda who, _: _shown(None if who.kind == "support" else threads.get(who, thread)),
    )


def _shown(thread: Thread | None) -> Response[str]:
    """A thread that the caller does not see, or no more, is not shown."""
    return (
        answer(204, None) if thread is None else conditional.versioned(router, 200, thread, thread["version"])
    )
