"""The REST API: one function behind `/{proxy+}`. Routes stand in routes/, problems become answers here."""

# Powertools leaves the type parameter of Response open where it takes middlewares.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import browsers
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from request import HEADERS
from routes import ROUTERS

from wedsync.platform.errors import Internal, NotFound, Problem, problem_body
from wedsync.platform.observability import bind, logger

# A path may come decoded or as it was sent; routes know the latter only (an emoji is no letter to them).
AS_SENT = "/%:@!$&'()*+,;=-._~"

app = APIGatewayRestResolver(cors=browsers.cors())
app.use([browsers.refuse_foreign_origins])
for router in ROUTERS:
    app.include_router(router)


@app.exception_handler(Problem)
def refused(problem: Problem) -> Response[str]:
    """The one mapper of problems to answers."""
    request_id = app.current_event.request_context.request_id
    if isinstance(problem, Internal) or problem.status >= 500:
        logger().error("failed", extra={"code": problem.code}, exc_info=problem.__cause__)
    text = json.dumps(problem_body(problem, request_id))
    return Response(problem.status, "application/problem+json", text, headers={**HEADERS, **problem.headers})


@app.exception_handler(NotFoundError)
def missing(_: NotFoundError) -> Response[str]:
    """A path that no route has answers as a thing that does not exist."""
    return refused(NotFound())


@app.exception_handler(Exception)
def failed(error: Exception) -> Response[str]:
    """A defect of ours: the caller learns its request id, the log the rest."""
    internal = Internal()
    internal.__cause__ = error
    return refused(internal)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """API Gateway's proxy event v1 in, its answer out."""
    request_id = event["requestContext"]["requestId"]
    bind(request_id=request_id, route=f"{event['httpMethod']} {event['path']}")
    response = app.resolve({**event, "path": quote(event["path"], AS_SENT, errors="replace")}, context)
    response["multiValueHeaders"] = {**response["multiValueHeaders"], "X-Request-Id": [request_id]}
    return response
