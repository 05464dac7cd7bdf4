"""/threads/{id}/draft: what the caller has begun to write."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from request import answer, body, principal

from wedsync.conversations import drafts
from wedsync.conversations.message_models import Draft
from wedsync.platform.ids import parse_uuid

router = APIGatewayRouter()


@router.get("/threads/<thread_id>/draft")
def get_draft(thread_id: str) -> Response[str]:
    return answer(200, drafts.get(principal(router), parse_uuid(thread_id)))


@router.put("/threads/<thread_id>/draft")
def put_draft(thread_id: str) -> Response[str]:
    return answer(200, drafts.put(principal(router), parse_uuid(thread_id), body(router, Draft)))


@router.delete("/threads/<thread_id>/draft")
def delete_draft(thread_id: str) -> Response[str]:
    drafts.delete(principal(router), parse_uuid(thread_id))
    return answer(204, None)
