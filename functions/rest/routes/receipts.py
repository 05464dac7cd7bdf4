"""/messages/{id}/receipts."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from request import answer, principal

from wedsync.notifications import receipts
from wedsync.platform.ids import parse_uuid

router = APIGatewayRouter()


@router.get("/messages/<message_id>/receipts")
def list_receipts(message_id: str) -> Response[str]:
    return answer(200, receipts.of_message(principal(router), parse_uuid(message_id)))
