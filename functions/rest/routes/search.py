"""GET /search."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from request import answer, principal, query

from wedsync.conversations import search
from wedsync.conversations.search import SearchQuery

router = APIGatewayRouter()


@router.get("/search")
def find() -> Response[str]:
    return answer(200, search.page(principal(router), query(router, SearchQuery)))
