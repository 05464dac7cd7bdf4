"""/threads/{id}/draft: what the caller has begun to write."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from request import answer, body, principal

from wedsync.conversations import drafts
from wedsync.conversations.message_models import Draft
from wedsync.platform.ids import parse_uuid
from wedsync.realtime import hints

router = APIGatewayRouter()


@router.get("/threads/<thread_id>/draft")
def get_draft(thread_id: str) -> Response[str]:
    return answer(200, drafts.get(principal(router), parse_uuid(thread_id)))


@router.put("/threads/<thread_id>/draft")
def put_draft(thread_id: str) -> Response[str]:
    draft = drafts.put(principal(router), parse_uuid(thread_id), body(router, Draft))
    return _told(thread_id, answer(200, draft))


@router.delete("/threads/<thread_id>/draft")
def delete_draft(thread_id: str) -> Response[str]:
    drafts.delete(principal(router), parse_uuid(thread_id))
    return _told(thread_id, answer(204, None))


def _told(thread_id: str, answered: Response[str]) -> Response[str]:
    hints.tell_devices(principal(router).user_id, parse_uuid(thread_id), "draft")
    return answered
