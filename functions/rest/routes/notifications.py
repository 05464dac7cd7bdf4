"""/notifications: the caller's inbox."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from request import answer, body, principal, query

from wedsync.notifications import inbox

router = APIGatewayRouter()


@router.get("/notifications")
def list_notifications() -> Response[str]:
    return answer(200, inbox.page(principal(router), query(router, inbox.NotificationQuery)))


@router.post("/notifications/read")
def mark_notifications_read() -> Response[str]:
    return answer(200, inbox.read(principal(router), body(router, inbox.Marked)))


@router.post("/notifications/seen")
def mark_notifications_seen() -> Response[str]:
    return answer(200, inbox.seen(principal(router), body(router, inbox.Marked)))
