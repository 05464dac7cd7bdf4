"""What a location and an offer are, beside the text that every message has for those who cannot show them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag

from wedsync.platform.written_times import Day
from wedsync.trust.sanitising import one_line

LABEL_CHARACTERS = 200


class Stated(BaseModel):
    """A request body; unknown fields are refused."""

    # Built when first used: most requests need one of them.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


Label = Annotated[str, Field(min_length=1, max_length=LABEL_CHARACTERS), AfterValidator(one_line)]


class Location(Stated):
    """A place, in degrees (WGS 84)."""

    lat: float = Field(strict=True, ge=-90, le=90, allow_inf_nan=False)
    lng: float = Field(strict=True, ge=-180, le=180, allow_inf_nan=False)
    label: Label | None = None
    accuracy_m: float | None = Field(default=None, strict=True, ge=0, le=100_000, allow_inf_nan=False)


class Offer(Stated):
    """What somebody offers for how much. The amount is a decimal number in a string: no currency is a float."""

    title: Label
    amount: str = Field(pattern=r"^(0|[1-9][0-9]{0,9})(\.[0-9]{1,3})?$")
    currency: str = Field(pattern=r"^[A-Z]{3}$", description="ISO 4217")
    valid_until: Day | None = None
    reference: Label | None = None


def _kind(stated: Any) -> str:
    """Which of the two is meant, so that a refusal names the fields of that one."""
    offer = isinstance(stated, Offer) or (
        isinstance(stated, dict) and not stated.keys().isdisjoint(Offer.model_fields)
    )
    return "Offer" if offer and not isinstance(stated, Location) else "Location"


Payload = Annotated[
    Annotated[Location, Tag("Location")] | Annotated[Offer, Tag("Offer")], Discriminator(_kind)
]
