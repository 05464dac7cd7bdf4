"""/threads/{id}/participants."""

from __future__ import annotations

import conditional
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from once import once
from request import answer, body, principal

from wedsync.conversations import participants
from wedsync.conversations.models import AddedParticipant
from wedsync.conversations.resources import Participant
from wedsync.conversations.thread_models import ParticipantEdit
from wedsync.platform.ids import parse_uuid
from wedsync.realtime.broadcast import deliver

router = APIGatewayRouter()


def _shown(status: int, person: Participant) -> Response[str]:
    return conditional.versioned(router, status, person, person["version"])


@router.get("/threads/<thread_id>/participants")
def list_participants(thread_id: str) -> Response[str]:
    return answer(200, participants.everyone(principal(router), parse_uuid(thread_id)))


@router.post("/threads/<thread_id>/participants")
def add_participant(thread_id: str) -> Response[str]:
    thread, new = parse_uuid(thread_id), body(router, AddedParticipant)
    return once(
        router,
        lambda who: _shown(201, deliver(participants.add(who, thread, new))),
        lambda who, known: _shown(known.status, participants.one(who, thread, new.user_id)),
        status=201,
    )


@router.get("/threads/<thread_id>/participants/<user_id>")
def get_participant(thread_id: str, user_id: str) -> Response[str]:
    return _shown(200, participants.one(principal(router), parse_uuid(thread_id), parse_uuid(user_id)))


@router.route("/threads/<thread_id>/participants/<user_id>", method="PATCH")
def change_participant(thread_id: str, user_id: str) -> Response[str]:
    ids, version = (parse_uuid(thread_id), parse_uuid(user_id)), conditional.stated_version(router)
    changed = participants.change(principal(router), *ids, version, body(router, ParticipantEdit))
    return _shown(200, deliver(changed))


@router.delete("/threads/<thread_id>/participants/<user_id>")
def remove_participant(thread_id: str, user_id: str) -> Response[str]:
    return answer(
        204, deliver(participants.remove(principal(router), parse_uuid(thread_id), parse_uuid(user_id)))
    )
