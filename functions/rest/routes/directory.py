"""/directory: people, organizations and weddings, as the platform's back end states them."""

from __future__ import annotations

from uuid import UUID

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from request import answer, body, principal

from wedsync.conversations import participants
from wedsync.identity import directory
from wedsync.identity.directory_models import Organization, OrganizationMember, User, Wedding, WeddingMember
from wedsync.identity.principals import Principal
from wedsync.platform.errors import FieldError, Invalid
from wedsync.platform.ids import parse_uuid
from wedsync.realtime.broadcast import deliver

router = APIGatewayRouter()


def _service() -> Principal:
    """The caller. Raises Forbidden before the body is looked at, unless it is a service."""
    who = principal(router)
    who.require_service()
    return who


def _named(text: str) -> UUID:
    """The id that a caller gives to what he states. Raises Invalid."""
    return parse_uuid(text, lambda: Invalid(errors=(FieldError("id", "a UUID"),)))


def _stored(stored: directory.Stored) -> Response[str]:
    return answer(201 if stored.created else 200, stored.resource)


@router.put("/directory/organizations/<organization_id>")
def put_organization(organization_id: str) -> Response[str]:
    return _stored(
        directory.put_organization(_service(), _named(organization_id), body(router, Organization))
    )


@router.put("/directory/users/<user_id>")
def put_user(user_id: str) -> Response[str]:
    return _stored(directory.put_user(_service(), _named(user_id), body(router, User)))


@router.put("/directory/organizations/<organization_id>/members/<user_id>")
def put_organization_member(organization_id: str, user_id: str) -> Response[str]:
    who, ids = _service(), (_named(organization_id), _named(user_id))
    return _stored(directory.put_organization_member(who, *ids, body(router, OrganizationMember)))


@router.delete("/directory/organizations/<organization_id>/members/<user_id>")
def delete_organization_member(organization_id: str, user_id: str) -> Response[str]:
    who, ids = _service(), (_named(organization_id), _named(user_id))
    return answer(204, deliver(participants.leave_organization(who, *ids)))


@router.put("/directory/weddings/<wedding_id>")
def put_wedding(wedding_id: str) -> Response[str]:
    return _stored(directory.put_wedding(_service(), _named(wedding_id), body(router, Wedding)))


@router.put("/directory/weddings/<wedding_id>/members/<user_id>")
def put_wedding_member(wedding_id: str, user_id: str) -> Response[str]:
    who, ids = _service(), (_named(wedding_id), _named(user_id))
    return _stored(deliver(participants.join_wedding(who, *ids, body(router, WeddingMember))))


@router.delete("/directory/weddings/<wedding_id>/members/<user_id>")
def delete_wedding_member(wedding_id: str, user_id: str) -> Response[str]:
    who, ids = _service(), (_named(wedding_id), _named(user_id))
    return answer(204, deliver(participants.leave_wedding(who, *ids)))
