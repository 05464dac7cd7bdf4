"""What each operation of the REST API takes and answers. tools/openapi.py checks that every route stands here."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

import openapi_messages
import openapi_threads
from openapi_operation import Operation
from pydantic import BaseModel, create_model
from routes.tickets import NewTicket, Ticket
from typing_extensions import TypedDict

from wedsync.conversations import search
from wedsync.identity import directory, directory_models
from wedsync.notifications import devices, inbox
from wedsync.realtime.polling import CaughtUp
from wedsync.realtime.protocol import Poll


class Health(TypedDict):
    status: Literal["ok"]


def _put(summary: str, model: type[BaseModel], *ids: str) -> Operation:
    """The answer is what was stated, and the ids of the path."""
    named: dict[str, Any] = dict.fromkeys(ids, (UUID, ...))
    resource = create_model(f"{model.__name__}Resource", __base__=model, __doc__=model.__doc__, **named)
    return Operation(
        summary, {200: resource, 201: resource}, (400, 401, 403, 415, 422), body=model, who="a service"
    )


OPERATIONS: dict[tuple[str, str], Operation] = {
    **openapi_threads.OPERATIONS,
    **openapi_messages.OPERATIONS,
    ("GET", "/health"): Operation("Whether the API answers", {200: Health}, who="anybody"),
    ("GET", "/me"): Operation("The caller as the directory knows him", {200: directory.Profile}),
    ("GET", "/me/devices"): Operation("The caller's devices, the oldest first", {200: devices.DeviceList}),
    ("POST", "/me/devices"): Operation(
        "Register a device for Web Push; 200 for an endpoint that is known",
        {201: devices.Device, 200: devices.Device},
        (400, 403, 409, 415, 422),
        body=devices.NewDevice,
    ),
    ("DELETE", "/me/devices/{device_id}"): Operation("Push to a device no more", {204: None}, (403, 404)),
    ("GET", "/notifications"): Operation(
        "The caller's inbox, the newest first, and how much of it is unread",
        {200: inbox.NotificationPage},
        (422,),
        query=inbox.NotificationQuery,
    ),
    ("POST", "/notifications/read"): Operation(
        "The person has opened notifications", {200: inbox.Counts}, (400, 403, 415, 422), body=inbox.Marked
    ),
    ("POST", "/notifications/seen"): Operation(
        "Notifications were on screen in a list",
        {200: inbox.Counts},
        (400, 403, 415, 422),
        body=inbox.Marked,
    ),
    ("GET", "/search"): Operation(
        "Messages and threads that answer a query, the newest first",
        {200: search.SearchPage},
        (422,),
        query=search.SearchQuery,
    ),
    ("POST", "/realtime/tickets"): Operation(
        "A one-time ticket for a WebSocket", {201: Ticket}, (400, 403, 415, 422), body=NewTicket
    ),
    ("POST", "/sync"): Operation(
        "What a device missed; with `wait`, as soon as there is something",
        {200: CaughtUp},
        (400, 403, 415, 422),
        body=Poll,
        keyed=False,
    ),
    ("PUT", "/directory/organizations/{organization_id}"): _put(
        "State an organization", directory_models.Organization, "id"
    ),
    ("PUT", "/directory/users/{user_id}"): _put(
        "State a person and his addresses", directory_models.User, "id"
    ),
    ("PUT", "/directory/organizations/{organization_id}/members/{user_id}"): _put(
        "State a member of an organization", directory_models.OrganizationMember, "organization_id", "user_id"
    ),
    ("DELETE", "/directory/organizations/{organization_id}/members/{user_id}"): Operation(
        "Take a member out of an organization, and of the weddings he worked at for it",
        {204: None},
        (401, 403, 404, 422),
        who="a service",
    ),
    ("PUT", "/directory/weddings/{wedding_id}"): _put("State a wedding", directory_models.Wedding, "id"),
    ("PUT", "/directory/weddings/{wedding_id}/members/{user_id}"): _put(
        "State a member of a wedding", directory_models.WeddingMember, "wedding_id", "user_id"
    ),
    ("DELETE", "/directory/weddings/{wedding_id}/members/{user_id}"): Operation(
        "Take a member out of a wedding and all its threads",
        {204: None},
        (401, 403, 404, 422),
        who="a service",
    ),
}
