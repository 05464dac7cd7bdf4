from collections.abc import Sequence
from datetime import datetime

from twilio.http.http_client import TwilioHttpClient

class Message:
    sid: str | None
    body: str
    date_created: datetime

class Messages:
    def create(
        self, to: str, *, from_: str = ..., messaging_service_sid: str = ..., body: str = ...
    ) -> Message: ...
    def list(self, to: str = ..., *, limit: int | None = None) -> Sequence[Message]: ...

class Client:
    messages: Messages
    def __init__(
        self, username: str, password: str, *, http_client: TwilioHttpClient | None = None
    ) -> None: ...
