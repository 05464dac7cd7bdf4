from collections.abc import Mapping
from typing import Any

from requests import Response, Session

class WebPushException(Exception):
    @property
    def status_code(self) -> int | None: ...
    @property
    def retry_after(self) -> str | None: ...

def webpush(
    subscription_info: Mapping[str, Any],
    data: str,
    vapid_private_key: str,
    vapid_claims: dict[str, str | int],
    *,
    timeout: float,
    ttl: int,
    headers: dict[str, str | int | float],
    requests_session: Session,
) -> Response: ...
