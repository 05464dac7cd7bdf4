"""/me: the caller as the directory knows him, and what waits for him."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from request import answer, principal

from wedsync.conversations import cursors
from wedsync.identity import directory

router = APIGatewayRouter()


@router.get("/me")
def get_me() -> Response[str]:
    return answer(200, directory.profile(principal(router)))


@router.get("/me/unread")
def get_unread() -> Response[str]:
    return answer(200, cursors.unread(principal(router)))
