"""GET /threads/{id}/verification."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from request import answer, principal, query

from wedsync.platform.ids import parse_uuid
from wedsync.trust import chains

router = APIGatewayRouter()


@router.get("/threads/<thread_id>/verification")
def verify_thread(thread_id: str) -> Response[str]:
    asked = query(router, chains.VerificationQuery)
    return answer(200, chains.verify(principal(router), parse_uuid(thread_id), asked))
