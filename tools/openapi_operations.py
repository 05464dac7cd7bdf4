"""What each operation of the REST API takes and answers. tools/openapi.py checks that every route stands here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, create_model
from routes.tickets import NewTicket
from typing_extensions import TypedDict

from wedsync.conversations import cursors, messages, models, participants, resources, threads
from wedsync.identity import directory, directory_models
from wedsync.notifications import devices, inbox, receipts


class Health(TypedDict):
    status: Literal["ok"]


class Ticket(TypedDict):
    """What opens one WebSocket within `expires_in` seconds."""

    ticket: str
    url: str
    expires_in: int
    protocol: Literal["wedsync.v1"]


@dataclass(frozen=True, slots=True)
class Operation:
    """`answers` maps a status to its type, None for an answer without content; `problems` lists statuses."""

    summary: str
    answers: dict[int, Any]
    problems: tuple[int, ...] = ()
    body: Any = None
    query: Any = None
    who: Literal["anybody", "a person", "a service"] = "a person"


def _put(summary: str, model: type[BaseModel], *ids: str) -> Operation:
    """The answer is what was stated, and the ids of the path."""
    named: dict[str, Any] = dict.fromkeys(ids, (UUID, ...))
    resource = create_model(f"{model.__name__}Resource", __base__=model, __doc__=model.__doc__, **named)
    return Operation(
        summary, {200: resource, 201: resource}, (400, 401, 403, 415, 422), body=model, who="a service"
    )


OPERATIONS: dict[tuple[str, str], Operation] = {
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
    ("GET", "/messages/{message_id}/receipts"): Operation(
        "What became of a message, for its author and planners",
        {200: receipts.ReceiptList},
        (403, 404),
    ),
    ("POST", "/realtime/tickets"): Operation(
        "A one-time ticket for a WebSocket", {201: Ticket}, (400, 403, 415, 422), body=NewTicket
    ),
    ("GET", "/threads"): Operation(
        "The caller's threads, the latest activity first",
        {200: threads.ThreadPage, 304: None},
        (422,),
        query=models.ThreadQuery,
    ),
    ("POST", "/threads"): Operation(
        "Create a thread with its people and perhaps its first message",
        {201: resources.Thread},
        (400, 403, 415, 422),
        body=models.NewThread,
    ),
    ("GET", "/threads/{thread_id}"): Operation("One thread", {200: resources.Thread}, (404,)),
    ("PUT", "/threads/{thread_id}/read"): Operation(
        "The person has seen everything up to a seq",
        {200: cursors.Cursors},
        (400, 403, 404, 415, 422),
        body=models.Cursor,
    ),
    ("PUT", "/threads/{thread_id}/delivered"): Operation(
        "A device has stored everything up to a seq",
        {200: cursors.Cursors},
        (400, 403, 404, 415, 422),
        body=models.Cursor,
    ),
    ("GET", "/threads/{thread_id}/participants"): Operation(
        "The people of a thread", {200: participants.ParticipantList}, (404,)
    ),
    ("POST", "/threads/{thread_id}/participants"): Operation(
        "Add a person, with as much history as stated",
        {201: resources.Participant},
        (400, 403, 404, 409, 415, 422),
        body=models.AddedParticipant,
    ),
    ("DELETE", "/threads/{thread_id}/participants/{user_id}"): Operation(
        "Remove a participant, or leave", {204: None}, (403, 404, 409)
    ),
    ("GET", "/threads/{thread_id}/messages"): Operation(
        "A page of messages by ascending seq; without an anchor the newest",
        {200: messages.MessagePage, 304: None},
        (404, 422),
        query=models.MessageQuery,
    ),
    ("POST", "/threads/{thread_id}/messages"): Operation(
        "Send a message; 200 with `duplicate` for a client_msg_id that is known",
        {201: resources.Message, 200: resources.Message},
        (400, 403, 404, 409, 415, 422),
        body=models.NewMessage,
    ),
    ("PUT", "/directory/organizations/{organization_id}"): _put(
        "State an organization", directory_models.Organization
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
