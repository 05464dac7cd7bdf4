"""/notifications: the caller's inbox."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from once import once
from request import answer, body, principal, query

from wedsync.notifications import inbox

router = APIGatewayRouter()


@router.get("/notifications")
def list_notifications() -> Response[str]:
    return answer(200, inbox.page(principal(router), query(router, inbox.NotificationQuery)))


@router.post("/notifications/read")
def mark_notifications_read() -> Response[str]:
    marked = body(router, inbox.Marked)
    return once(
        router,
        lambda who: answer(200, inbox.read(who, marked)),
        lambda who, _: answer(200, inbox.counts(who)),
    )


@router.post("/notifications/seen")
def mark_notifications_seen() -> Response[str]:
    marked = body(router, inbox.Marked)
    return once(
        router,
        lambda who: answer(200, inbox.seen(who, marked)),
        lambda who, _: answer(200, inbox.counts(who)),
    )
