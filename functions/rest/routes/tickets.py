"""/realtime/tickets: what opens a WebSocket, once, within a minute."""

from __future__ import annotations

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from once import once
from pydantic import BaseModel, ConfigDict, Field
from request import answer, body, principal
from typing_extensions import TypedDict

from wedsync.identity.principals import Principal
from wedsync.identity.tickets import DEVICE_ID, LIFETIME_SECONDS, issue
from wedsync.platform.clock import now
from wedsync.platform.context import Caller
from wedsync.platform.db import claim
from wedsync.platform.settings import settings
from wedsync.realtime.protocol import SUBPROTOCOL

router = APIGatewayRouter()


class NewTicket(BaseModel):
    """The device that is going to connect; it names itself, a UUID for example."""

    model_config = ConfigDict(extra="forbid")

    device_id: Annotated[str, Field(pattern=DEVICE_ID)]


class Ticket(TypedDict):
    """What opens one WebSocket within `expires_in` seconds."""

    ticket: str
    url: str
    expires_in: int
    protocol: Literal["wedsync.v1"]


@router.post("/realtime/tickets")
def create_ticket() -> Response[str]:
    device_id = body(router, NewTicket).device_id

    def claimed(who: Caller) -> Response[str]:
        claim(who)
        return _issued(principal(router), device_id)

    # A ticket is never kept in the clear: a repetition gets another one, which opens no more than the first.
    return once(router, claimed, lambda who, _: _issued(who, device_id), status=201)


def _issued(who: Principal, device_id: str) -> Response[str]:
    ticket: Ticket = {
        "ticket": issue(who, device_id),
        "url": settings().websocket_url,
        "expires_in": min(LIFETIME_SECONDS, who.expires_at - int(now().timestamp())),
        "protocol": SUBPROTOCOL,
    }
    return answer(201, ticket)
