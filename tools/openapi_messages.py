"""Messages, what is done with them, drafts and scheduled messages: what each operation takes and answers."""

from __future__ import annotations

from openapi_operation import Operation
from routes.messages import SentMessage

from wedsync.conversations import (
    cursors,
    drafts,
    message_acts,
    message_models,
    messages,
    models,
    resources,
    scheduled,
)
from wedsync.notifications import receipts

ACT = (403, 404, 409, 422)
MESSAGE = {200: resources.Message}

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("GET", "/me/unread"): Operation("What waits for the caller, in all his threads", {200: cursors.Unread}),
    ("PUT", "/threads/{thread_id}/unread"): Operation(
        "Mark a thread as unread, until it is read", {200: cursors.Cursors}, (403, 404)
    ),
    ("GET", "/threads/{thread_id}/messages"): Operation(
        "A page of messages by ascending seq; without an anchor the newest",
        {200: messages.MessagePage, 304: None},
        (404, 422),
        query=models.MessageQuery,
    ),
    ("POST", "/threads/{thread_id}/messages"): Operation(
        "Send a message; 200 with `duplicate` for a client_msg_id that is known",
        {201: SentMessage, 200: SentMessage},
        (400, 403, 404, 409, 415, 422),
        body=models.NewMessage,
        keyed=False,
    ),
    ("GET", "/threads/{thread_id}/pins"): Operation(
        "The pinned messages, the last pinned first", {200: message_acts.Pins, 304: None}, (404,)
    ),
    ("GET", "/messages/{message_id}"): Operation("One message", {**MESSAGE, 304: None}, (404,)),
    ("PATCH", "/messages/{message_id}"): Operation(
        "Edit a message, by its author within 15 minutes",
        MESSAGE,
        (400, 403, 404, 409, 415, 422),
        body=message_models.EditedMessage,
    ),
    ("DELETE", "/messages/{message_id}"): Operation(
        "Delete a message: a tombstone stays; in contract and payment threads a retraction",
        {204: None},
        (403, 404, 409),
    ),
    ("GET", "/messages/{message_id}/history"): Operation(
        "What a message said before its edits", {200: message_acts.History}, (404,)
    ),
    ("GET", "/messages/{message_id}/receipts"): Operation(
        "What became of a message, for its author and planners", {200: receipts.ReceiptList}, (403, 404)
    ),
    ("POST", "/messages/{message_id}/ack"): Operation(
        "Acknowledge a message that asks the caller to", MESSAGE, ACT
    ),
    ("PUT", "/messages/{message_id}/pin"): Operation("Pin a message for everybody", MESSAGE, (403, 404, 409)),
    ("DELETE", "/messages/{message_id}/pin"): Operation("Pin a message no more", MESSAGE, (403, 404, 409)),
    ("PUT", "/messages/{message_id}/reactions/{emoji}"): Operation("React to a message", MESSAGE, ACT),
    ("DELETE", "/messages/{message_id}/reactions/{emoji}"): Operation("Take a reaction back", MESSAGE, ACT),
    ("GET", "/threads/{thread_id}/draft"): Operation(
        "What the caller has begun to write", {200: drafts.StoredDraft}, (404,)
    ),
    ("PUT", "/threads/{thread_id}/draft"): Operation(
        "Keep a draft, in place of the last",
        {200: drafts.StoredDraft},
        (400, 403, 404, 415, 422),
        body=message_models.Draft,
    ),
    ("DELETE", "/threads/{thread_id}/draft"): Operation("Keep no draft", {204: None}, (403, 404)),
    ("POST", "/threads/{thread_id}/scheduled-messages"): Operation(
        "Have a message sent at a time, or relative to the wedding",
        {201: scheduled.ScheduledMessage},
        (400, 403, 404, 409, 415, 422),
        body=message_models.LaterMessage,
        located=True,
    ),
    ("GET", "/threads/{thread_id}/scheduled-messages"): Operation(
        "The caller's scheduled messages in a thread, the next one first",
        {200: scheduled.ScheduledPage},
        (404, 422),
        query=scheduled.ScheduledQuery,
    ),
    ("GET", "/scheduled-messages"): Operation(
        "The caller's scheduled messages in all threads, the next one first",
        {200: scheduled.ScheduledPage},
        (422,),
        query=scheduled.ScheduledQuery,
    ),
    ("GET", "/scheduled-messages/{scheduled_id}"): Operation(
        "One of the caller's scheduled messages", {200: scheduled.ScheduledMessage}, (404,)
    ),
    ("PATCH", "/scheduled-messages/{scheduled_id}"): Operation(
        "Say something else in a scheduled message, at another time, or both",
        {200: scheduled.ScheduledMessage},
        (400, 403, 404, 409, 415, 422),
        body=message_models.LaterEdit,
    ),
    ("DELETE", "/scheduled-messages/{scheduled_id}"): Operation(
        "Do not send a scheduled message", {204: None}, (403, 404, 409)
    ),
}
