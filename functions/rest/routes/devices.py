"""/me/devices: what the caller wants to be pushed to."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from once import once
from request import answer, body, principal

from wedsync.notifications import devices
from wedsync.platform.context import Caller
from wedsync.platform.ids import parse_uuid

router = APIGatewayRouter()


@router.get("/me/devices")
def list_devices() -> Response[str]:
    return answer(200, devices.every(principal(router)))


@router.post("/me/devices")
def register_device() -> Response[str]:
    new = body(router, devices.NewDevice)

    def register(who: Caller) -> Response[str]:
        device, is_new = devices.register(who, new)
        return answer(201 if is_new else 200, device)

    return once(
        router, register, lambda who, known: answer(known.status, devices.one(who, known.made)), status=201
    )


@router.delete("/me/devices/<device_id>")
def forget_device(device_id: str) -> Response[str]:
    devices.forget(principal(router), parse_uuid(device_id))
    return answer(204, None)
