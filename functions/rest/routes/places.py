"""The caller's own place in a thread: mute, snooze and pin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from request import answer, optional_body, principal

from wedsync.conversations import thread_acts
from wedsync.conversations.thread_models import Mute, Snooze
from wedsync.platform.ids import parse_uuid
from wedsync.realtime import hints

router = APIGatewayRouter()


@router.put("/threads/<thread_id>/mute")
def mute_thread(thread_id: str) -> Response[str]:
    until = optional_body(router, Mute).until
    return _told(thread_id, thread_acts.mute(principal(router), parse_uuid(thread_id), until))


@router.delete("/threads/<thread_id>/mute")
def unmute_thread(thread_id: str) -> Response[str]:
    return _told(thread_id, thread_acts.mute(principal(router), parse_uuid(thread_id), None))


@router.put("/threads/<thread_id>/snooze")
def snooze_thread(thread_id: str) -> Response[str]:
    until = optional_body(router, Snooze).until
    return _told(thread_id, thread_acts.snooze(principal(router), parse_uuid(thread_id), until))


@router.delete("/threads/<thread_id>/snooze")
def unsnooze_thread(thread_id: str) -> Response[str]:
    return _told(thread_id, thread_acts.snooze(principal(router), parse_uuid(thread_id), None))


@router.put("/threads/<thread_id>/pin")
def pin_thread(thread_id: str) -> Response[str]:
    return _told(thread_id, thread_acts.pin(principal(router), parse_uuid(thread_id), pinned=True))


@router.delete("/threads/<thread_id>/pin")
def unpin_thread(thread_id: str) -> Response[str]:
    return _told(thread_id, thread_acts.pin(principal(router), parse_uuid(thread_id), pinned=False))


def _told(thread_id: str, place: Mapping[str, Any]) -> Response[str]:
    hints.tell_devices(principal(router).user_id, parse_uuid(thread_id), "place")
    return answer(200, place)
