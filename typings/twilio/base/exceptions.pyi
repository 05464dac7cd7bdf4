class TwilioException(Exception): ...

class TwilioRestException(TwilioException):
    status: int
    code: int | None
