from logging import Logger

from twilio.http.response import Response

class TwilioHttpClient:
    def __init__(self, *, timeout: float | None = None, logger: Logger = ...) -> None: ...
    def request(
        self,
        method: str,
        url: str,
        params: dict[str, object] | None = None,
        data: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response: ...
