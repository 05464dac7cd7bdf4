"""/scheduled-messages and /threads/{id}/scheduled-messages: what the caller has sent later."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from once import once
from request import answer, body, principal, query

from wedsync.conversations import scheduled
from wedsync.conversations.message_models import LaterEdit, LaterMessage
from wedsync.platform.ids import parse_uuid

router = APIGatewayRouter()


@router.post("/threads/<thread_id>/scheduled-messages")
def schedule_message(thread_id: str) -> Response[str]:
    thread, later = parse_uuid(thread_id), body(router, LaterMessage)

    def shown(made: scheduled.ScheduledMessage) -> Response[str]:
        return answer(201, made, {"Location": f"/v1/scheduled-messages/{made['id']}"})

    return once(
        router,
        lambda who: shown(scheduled.schedule(who, thread, later)),
        lambda who, known: shown(scheduled.get(who, known.made)),
        status=201,
    )


@router.get("/threads/<thread_id>/scheduled-messages")
def list_scheduled_messages_of_thread(thread_id: str) -> Response[str]:
    asked = query(router, scheduled.ScheduledQuery)
    return answer(200, scheduled.page_of_thread(principal(router), parse_uuid(thread_id), asked))


@router.get("/scheduled-messages")
def list_scheduled_messages() -> Response[str]:
    return answer(200, scheduled.page(principal(router), query(router, scheduled.ScheduledQuery)))


@router.get("/scheduled-messages/<scheduled_id>")
def get_scheduled_message(scheduled_id: str) -> Response[str]:
    return answer(200, scheduled.get(principal(router), parse_uuid(scheduled_id)))


@router.route("/scheduled-messages/<scheduled_id>", method="PATCH")
def edit_scheduled_message(scheduled_id: str) -> Response[str]:
    stated = body(router, LaterEdit)
    return answer(200, scheduled.edit(principal(router), parse_uuid(scheduled_id), stated))


@router.delete("/scheduled-messages/<scheduled_id>")
def delete_scheduled_message(scheduled_id: str) -> Response[str]:
    scheduled.delete(principal(router), parse_uuid(scheduled_id))
    return answer(204, None)
