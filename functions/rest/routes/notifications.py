"""/notifications: the caller's inbox."""

from __future__ import annotations

from collections.abc import Callable

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from once import once
from request import answer, body, principal, query

from wedsync.notifications import inbox
from wedsync.platform.context import Caller

router = APIGatewayRouter()


@router.get("/notifications")
def list_notifications() -> Response[str]:
    return answer(200, inbox.page(principal(router), query(router, inbox.NotificationQuery)))


@router.post("/notifications/read")
def mark_notifications_read() -> Response[str]:
    return _mark(inbox.read)


@router.post("/notifications/seen")
def mark_notifications_seen() -> Response[str]:
    return _mark(inbox.seen)


def _mark(act: Callable[[Caller, inbox.Marked], inbox.Counts]) -> Response[str]:
    marked = body(router, inbox.Marked)
    return once(
        router, lambda who: answer(200, act(who, marked)), lambda who, _: answer(200, inbox.counts(who))
    )
