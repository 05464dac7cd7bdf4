"""/sync: the WebSocket's catch-up over REST. It stands in a function of its own, `long_poll`, because it waits."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from request import answer, body, principal

from wedsync.realtime.polling import poll
from wedsync.realtime.protocol import Poll

router = APIGatewayRouter()


@router.post("/sync")
def sync() -> Response[str]:
    request_id = router.current_event.request_context.request_id
    return answer(200, poll(principal(router), body(router, Poll), request_id))
