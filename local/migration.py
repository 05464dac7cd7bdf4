"""Custom resources: the runner plays CloudFormation, so that the deployed migration is the tried one.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html
"""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

from aiohttp import web

from local.cloudformation import REGION, STACK
from local.model import CustomResource, Invoker
from local.processes import LocalError


async def create_or_update(resource: CustomResource, invoker: Invoker, physical_id: str | None) -> str:
    """Ask the resource's function to create it, or to update it when it has a physical id; returns that id.

    Raises: LocalError with the function's reason.
    """
    answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    async def take(request: web.BaseRequest) -> web.Response:
        body = await request.read()
        if not answer.done():
            answer.set_result(json.loads(body))
        return web.Response()

    runner = web.ServerRunner(web.Server(take, access_log=None), shutdown_timeout=0.01)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        outcome = await invoker.invoke(
            resource.function, _event(resource, runner.addresses[0][1], physical_id)
        )
    finally:
        await runner.cleanup()
    if not outcome.ok:
        raise LocalError(f"{resource.name} failed: {outcome.error_type}: {outcome.error_message}")
    if not answer.done():
        raise LocalError(f"{resource.name} failed: {resource.function} never answered CloudFormation")
    said = answer.result()
    if said["Status"] != "SUCCESS":
        raise LocalError(f"{resource.name} failed: {said.get('Reason', 'no reason given')}")
    return str(said["PhysicalResourceId"])


def _event(resource: CustomResource, port: int, physical_id: str | None) -> dict[str, Any]:
    event: dict[str, Any] = {
        "RequestType": "Update" if physical_id else "Create",
        "RequestId": str(uuid.uuid4()),
        "ResponseURL": f"http://127.0.0.1:{port}/answer",
        "ResourceType": resource.kind,
        "LogicalResourceId": resource.name,
        "StackId": f"arn:aws:cloudformation:{REGION}:000000000000:stack/{STACK}/local",
        "ResourceProperties": dict(resource.properties),
    }
    if physical_id:
        event |= {"PhysicalResourceId": physical_id, "OldResourceProperties": dict(resource.properties)}
    return event
