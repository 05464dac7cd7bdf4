"""What clients send about threads that exist, and about people's places in them. Unknown fields are refused."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import Field, field_validator, model_validator

from wedsync.conversations.models import (
    Facts,
    Line,
    Permission,
    Role,
    Stated,
    ThreadPriority,
    Visibility,
)
from wedsync.platform.written_times import Moment

FOR_EVER = datetime(2199, 12, 31, tzinfo=UTC)


class ThreadEdit(Stated):
    """New values of some fields of a thread; `wedding_context` and `metadata` are replaced as a whole."""

    subject: Line = ""
    priority_level: ThreadPriority = "normal"
    visibility: Visibility = "participants"
    wedding_context: Facts = Field(default={})
    metadata: Facts = Field(default={})

    @model_validator(mode="after")
    def _something(self) -> ThreadEdit:
        if not self.model_fields_set:
            raise ValueError("give at least one field")
        return self


class StatusChange(Stated):
    """Why a thread is closed, reopened, archived or frozen."""

    reason: Line | None = None


class ParticipantEdit(Stated):
    """Another role, other permissions, or both. A new role comes with its own permissions unless others are stated.

    `hand_over`: with the role of an owner; whoever hands over is a participant from then on.
    """

    role: Role | None = None
    permissions: frozenset[Permission] | None = None
    hand_over: bool = Field(default=False, strict=True)

    @model_validator(mode="after")
    def _something(self) -> ParticipantEdit:
        if not self.model_fields_set:
            raise ValueError("give role, permissions, or both")
        if "role" in self.model_fields_set and self.role is None:
            raise ValueError("a role is stated or left out")
        if self.hand_over and (self.role != "owner" or self.permissions is not None):
            raise ValueError("hand_over goes with the role owner, and nothing else")
        return self

    @field_validator("permissions")
    @classmethod
    def _reading_at_least(cls, permissions: frozenset[Permission] | None) -> frozenset[Permission] | None:
        if permissions is not None and "read" not in permissions:
            raise ValueError("who may not read is removed instead")
        return permissions


class Mute(Stated):
    """Until when nothing ordinary is notified; without a time for good."""

    until: Moment = FOR_EVER


class Snooze(Stated):
    """Until when the thread is put away."""

    until: Moment
