"""/messages/{id}: reading, editing and deleting it, its history, reactions, pin and acknowledgement."""

from __future__ import annotations

from urllib.parse import unquote

import conditional
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from once import once
from request import answer, body, principal

from wedsync.conversations import message_acts
from wedsync.conversations.message_models import EditedMessage
from wedsync.notifications import kicks
from wedsync.platform.ids import parse_uuid
from wedsync.realtime.broadcast import KICK_SECONDS, deliver

router = APIGatewayRouter()


@router.get("/messages/<message_id>")
def get_message(message_id: str) -> Response[str]:
    return conditional.page(router, message_acts.get(principal(router), parse_uuid(message_id)))


@router.get("/messages/<message_id>/history")
def get_history(message_id: str) -> Response[str]:
    return answer(200, message_acts.history(principal(router), parse_uuid(message_id)))


@router.route("/messages/<message_id>", method="PATCH")
def edit_message(message_id: str) -> Response[str]:
    stated = body(router, EditedMessage)
    return answer(200, deliver(message_acts.edit(principal(router), parse_uuid(message_id), stated)))


@router.delete("/messages/<message_id>")
def delete_message(message_id: str) -> Response[str]:
    return answer(204, deliver(message_acts.delete(principal(router), parse_uuid(message_id))))


@router.put("/messages/<message_id>/reactions/<emoji>")
def add_reaction(message_id: str, emoji: str) -> Response[str]:
    return _react(message_id, emoji, present=True)


@router.delete("/messages/<message_id>/reactions/<emoji>")
def take_reaction_back(message_id: str, emoji: str) -> Response[str]:
    return _react(message_id, emoji, present=False)


@router.put("/messages/<message_id>/pin")
def pin_message(message_id: str) -> Response[str]:
    return answer(200, deliver(message_acts.pin(principal(router), parse_uuid(message_id), pinned=True)))


@router.delete("/messages/<message_id>/pin")
def unpin_message(message_id: str) -> Response[str]:
    return answer(200, deliver(message_acts.pin(principal(router), parse_uuid(message_id), pinned=False)))


@router.post("/messages/<message_id>/ack")
def acknowledge_message(message_id: str) -> Response[str]:
    message = parse_uuid(message_id)
    return once(
        router,
        lambda who: answer(200, deliver(message_acts.acknowledge(who, message))),
        lambda who, _: answer(200, message_acts.get(who, message)),
    )


def _react(message_id: str, emoji: str, *, present: bool) -> Response[str]:
    stated = unquote(emoji)  # the gateway hands the path on as it was sent
    acted = message_acts.react(principal(router), parse_uuid(message_id), stated, present=present)
    if not acted.changes:
        kicks.kick_reactions(KICK_SECONDS)  # it may have come too soon after another
    return answer(200, deliver(acted))
