"""What opens a provider, from Secrets Manager: a JSON object of strings for each."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

from wedsync.platform import aws

CACHE_SECONDS = 300

_cached: dict[str, tuple[float, Mapping[str, str]]] = {}


def credentials(secret: str) -> Mapping[str, str]:
    """The secret's fields, read at most once in `CACHE_SECONDS`; old ones serve while Secrets Manager is away.

    Raises aws.AwsError if they cannot be read and there are none yet.
    """
    known = _cached.get(secret)
    if known is not None and time.monotonic() < known[0]:
        return known[1]
    try:
        fields: Mapping[str, str] = json.loads(aws.secret(secret))
    except (aws.UnavailableError, aws.ThrottledError):
        if known is None:
            raise
        fields = known[1]
    _cached[secret] = (time.monotonic() + CACHE_SECONDS, fields)
    return fields
