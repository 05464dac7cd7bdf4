"""Threads, their participants, and the caller's place in them: what each operation takes and answers."""

from __future__ import annotations

from openapi_operation import Operation

from wedsync.conversations import cursors, models, participants, resources, thread_models, threads
from wedsync.conversations.replay import ChangedThread
from wedsync.trust import chains

EDIT = (400, 403, 404, 409, 412, 415, 422, 428)
OWN = (400, 403, 404, 409, 415, 422)


def _status(summary: str) -> Operation:
    return Operation(
        summary,
        {200: resources.Thread, 204: None},
        OWN,
        body=thread_models.StatusChange,
        body_required=False,
    )


OPERATIONS: dict[tuple[str, str], Operation] = {
    ("GET", "/threads"): Operation(
        "The caller's threads, the latest activity or the earliest wedding first",
        {200: threads.ThreadPage, 304: None},
        (422,),
        query=models.ThreadQuery,
    ),
    ("POST", "/threads"): Operation(
        "Create a thread with its people and perhaps its first message; 200 for a natural key that is known",
        {201: resources.Thread, 200: resources.Thread},
        (400, 403, 409, 415, 422),
        body=models.NewThread,
        located=True,
    ),
    ("GET", "/threads/{thread_id}"): Operation("One thread", {200: resources.Thread, 304: None}, (404,)),
    ("GET", "/threads/{thread_id}/verification"): Operation(
        "Whether the log of a contract or payment thread still says what was written",
        {200: chains.Verification},
        (404, 422),
        query=chains.VerificationQuery,
    ),
    ("PATCH", "/threads/{thread_id}"): Operation(
        "Edit a thread; 204 for a host who sees it no more for that",
        {200: resources.Thread, 204: None},
        EDIT,
        body=thread_models.ThreadEdit,
    ),
    ("POST", "/threads/{thread_id}/close"): _status("Close a thread: it takes no messages"),
    ("POST", "/threads/{thread_id}/reopen"): _status(
        "Make a thread active again; 204 for the support, which does not see it"
    ),
    ("POST", "/threads/{thread_id}/archive"): _status("Put a thread away: nothing is written in it"),
    ("POST", "/threads/{thread_id}/freeze"): _status(
        "Make a thread read-only for everybody; 204 for the support, which does not see it"
    ),
    ("PUT", "/threads/{thread_id}/mute"): Operation(
        "No ordinary notifications until then, or for good",
        {200: ChangedThread},
        OWN,
        body=thread_models.Mute,
        body_required=False,
    ),
    ("DELETE", "/threads/{thread_id}/mute"): Operation(
        "Notifications again", {200: ChangedThread}, (403, 404)
    ),
    ("PUT", "/threads/{thread_id}/snooze"): Operation(
        "Put a thread away until then", {200: ChangedThread}, OWN, body=thread_models.Snooze
    ),
    ("DELETE", "/threads/{thread_id}/snooze"): Operation(
        "Take a thread out again", {200: ChangedThread}, (403, 404)
    ),
    ("PUT", "/threads/{thread_id}/pin"): Operation(
        "Pin a thread to the top of the caller's list", {200: ChangedThread}, (403, 404)
    ),
    ("DELETE", "/threads/{thread_id}/pin"): Operation(
        "Pin a thread no more", {200: ChangedThread}, (403, 404)
    ),
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
        OWN,
        body=models.AddedParticipant,
    ),
    ("GET", "/threads/{thread_id}/participants/{user_id}"): Operation(
        "One person of a thread", {200: resources.Participant, 304: None}, (404,)
    ),
    ("PATCH", "/threads/{thread_id}/participants/{user_id}"): Operation(
        "Give a participant another role or other permissions",
        {200: resources.Participant},
        EDIT,
        body=thread_models.ParticipantEdit,
    ),
    ("DELETE", "/threads/{thread_id}/participants/{user_id}"): Operation(
        "Remove a participant, or leave", {204: None}, (403, 404, 409)
    ),
}
