"""/me/devices: what the caller wants to be pushed to."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from request import answer, body, principal

from wedsync.notifications import devices
from wedsync.platform.ids import parse_uuid

router = APIGatewayRouter()


@router.get("/me/devices")
def list_devices() -> Response[str]:
    return answer(200, devices.every(principal(router)))


@router.post("/me/devices")
def register_device() -> Response[str]:
    device, is_new = devices.register(principal(router), body(router, devices.NewDevice))
    return answer(201 if is_new else 200, device)


@router.delete("/me/devices/<device_id>")
def forget_device(device_id: str) -> Response[str]:
    devices.forget(principal(router), parse_uuid(device_id))
    return answer(204, None)
