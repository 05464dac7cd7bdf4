"""What the platform's back end states about people, organizations and weddings, checked at the edge."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    ValidationInfo,
    field_validator,
)

from wedsync.platform.written_times import Day, Moment

# Characters that hide, turn or break a line of text (Unicode TR 36, 3.2).
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_ZONE = re.compile(r"UTC|[A-Z][A-Za-z_]+(?:/[A-Za-z0-9_+-]+){1,2}", re.ASCII)
_EMAIL = (
    r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9][A-Za-z0-9-]{0,61}[A-Za-z0-9]$"
)
_PHONE = r"^\+[1-9][0-9]{6,14}$"  # E.164
_LOCALE = r"^[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,4}$"  # the part of BCP 47 that names languages and places


def _line(text: str) -> str:
    if _UNSEEN.search(text):
        raise ValueError("one line without control characters")
    cleaned = unicodedata.normalize("NFC", text).strip()
    if not cleaned:
        raise ValueError("not empty")
    return cleaned


@lru_cache(maxsize=600)
def _zone(name: str) -> str:
    try:
        known = _ZONE.fullmatch(name) and ZoneInfo(name)
    except (OSError, KeyError, ValueError):
        known = None
    if not known:
        raise ValueError("an IANA time zone name, such as Europe/Lisbon")
    return name


Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_line)]
Email = Annotated[str, Field(max_length=254, pattern=_EMAIL)]
Phone = Annotated[str, Field(pattern=_PHONE)]
Locale = Annotated[str, Field(max_length=35, pattern=_LOCALE)]
Zone = Annotated[str, Field(max_length=64), AfterValidator(_zone)]


class Stated(BaseModel):
    """A full statement of one resource: what is left out is empty afterwards."""

    # Built when first used: most requests need one of them.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Organization(Stated):
    """A business or party."""

    name: Name
    kind: Literal["vendor", "planner", "venue", "couple", "platform"]
    verified: StrictBool


class User(Stated):
    """A person and how he is reached."""

    display_name: Name
    email: Email
    phone: Phone | None = None
    locale: Locale = "en"
    time_zone: Zone = "UTC"


class OrganizationMember(Stated):
    """What a person is in an organization."""

    role: Literal["owner", "admin", "member"]


class Wedding(Stated):
    """A wedding: the day is in the wedding's own time zone."""

    organization_id: UUID
    title: Name
    wedding_date: Day
    time_zone: Zone
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    venue: Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_line)] | None = None
    status: Literal["planned", "postponed", "cancelled", "completed"]

    @field_validator("ends_at")
    @classmethod
    def _after_the_start(cls, ends_at: datetime | None, info: ValidationInfo) -> datetime | None:
        starts_at = info.data.get("starts_at")
        if ends_at and starts_at and ends_at <= starts_at:
            raise ValueError("after starts_at")
        return ends_at


class WeddingMember(Stated):
    """What a person is at a wedding; a vendor is there for his organization."""

    role: Literal["couple", "planner", "vendor", "coordinator"]
    organization_id: UUID | None = Field(default=None, validate_default=True)
    service: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_line)] | None = None
    lead: StrictBool = False

    @field_validator("organization_id")
    @classmethod
    def _vendors_work_for_somebody(cls, organization_id: UUID | None, info: ValidationInfo) -> UUID | None:
        if info.data.get("role") == "vendor" and organization_id is None:
            raise ValueError("a vendor needs one")
        return organization_id

    @field_validator("lead")
    @classmethod
    def _only_organisers_lead(cls, lead: bool, info: ValidationInfo) -> bool:
        if lead and info.data.get("role") not in ("planner", "coordinator"):
            raise ValueError("planners and coordinators only")
        return lead
