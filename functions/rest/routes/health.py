"""/health: the function answers. It asks nobody, so that a database in trouble does not look like a dead API."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from request import answer

router = APIGatewayRouter()


@router.get("/health")
def health() -> Response[str]:
    return answer(200, {"status": "ok"})
