"""/threads/{id}/messages and /threads/{id}/pins."""

from __future__ import annotations

import conditional
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from request import answer, body, principal, query

from wedsync.conversations import message_acts, messages
from wedsync.conversations.models import MessageQuery, NewMessage
from wedsync.conversations.resources import Message
from wedsync.platform.ids import parse_uuid
from wedsync.realtime.broadcast import deliver

router = APIGatewayRouter()


class SentMessage(Message):
    """A message and the epoch of the log that it stands in: after a restore it is offered again (R4)."""

    epoch: str


@router.get("/threads/<thread_id>/messages")
def list_messages(thread_id: str) -> Response[str]:
    shown = messages.page(principal(router), parse_uuid(thread_id), query(router, MessageQuery))
    return conditional.page(router, shown)


@router.post("/threads/<thread_id>/messages")
def send_message(thread_id: str) -> Response[str]:
    stated = body(router, NewMessage)
    sent = deliver(messages.send(principal(router), parse_uuid(thread_id), [stated]))
    (result,) = sent.results
    made: SentMessage = {**result.resource(), "epoch": sent.epoch}
    return answer(200 if result.status == "duplicate" else 201, made)


@router.get("/threads/<thread_id>/pins")
def list_pins(thread_id: str) -> Response[str]:
    return conditional.page(router, message_acts.pins(principal(router), parse_uuid(thread_id)))
