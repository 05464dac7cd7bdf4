"""The environment of a function, read here and nowhere else.

Each function is given only the variables it needs (template.yaml); one that is missing raises
`MissingSettingError` where it is used, not at import. Values are read when asked for, because Lambda
replaces the credentials of a running environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache


class MissingSettingError(RuntimeError):
    """A function uses a variable that template.yaml does not give it, or gives no sensible value."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Keys of the function's role; `session_token` is empty for long-lived keys."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """Typed view of the environment; each property names its variable."""

    environment: Mapping[str, str] = field(repr=False)

    def _required(self, name: str) -> str:
        value = self.environment.get(name, "")
        if not value:
            raise MissingSettingError(f"the environment variable {name} is not set")
        return value

    def _flag(self, name: str) -> bool:
        value = self._required(name)
        if value not in ("true", "false"):
            raise MissingSettingError(f"the environment variable {name} must be true or false")
        return value == "true"

    @property
    def service_name(self) -> str:
        """Name of the function in logs and metrics."""
        return self.environment.get("SERVICE_NAME", "wedsync")

    @property
    def log_level(self) -> str:
        return self.environment.get("LOG_LEVEL", "INFO")

    @property
    def database_host(self) -> str:
        return self._required("DATABASE_HOST")

    @property
    def database_port(self) -> int:
        value = self._required("DATABASE_PORT")
        if not value.isdecimal():
            raise MissingSettingError("the environment variable DATABASE_PORT must be a number")
        return int(value)

    @property
    def database_name(self) -> str:
        return self._required("DATABASE_NAME")

    @property
    def database_user(self) -> str:
        return self._required("DATABASE_USER")

    @property
    def database_auth(self) -> str:
        """`iam` (a signed token per connection) or `password`."""
        return self._required("DATABASE_AUTH")

    @property
    def database_password(self) -> str:
        """Only where `database_auth` is `password`: on one machine."""
        return self._required("DATABASE_PASSWORD")

    @property
    def database_tls(self) -> str:
        """`verify-full` or `disable`, as libpq's sslmode."""
        return self._required("DATABASE_TLS")

    @property
    def database_cluster(self) -> str:
        """Identity of the cluster (R4); empty: ask PostgreSQL for its own."""
        return self.environment.get("DATABASE_CLUSTER", "")

    @property
    def database_pipeline(self) -> bool:
        """Whether a transaction goes out in one round trip (unproved through RDS Proxy)."""
        return self._flag("DATABASE_PIPELINE")

    @property
    def database_secret(self) -> str:
        """Secrets Manager id of the master's login; the migrate function only."""
        return self._required("DATABASE_SECRET")

    @property
    def context_key_secret(self) -> str:
        """Secrets Manager id of the keys that sign a database context."""
        return self._required("CONTEXT_KEY_SECRET")

    @property
    def jwt_issuer(self) -> str:
        return self._required("JWT_ISSUER")

    @property
    def jwt_audience(self) -> str:
        return self._required("JWT_AUDIENCE")

    @property
    def jwt_jwks_url(self) -> str:
        return self._required("JWT_JWKS_URL")

    @property
    def connections_table(self) -> str:
        return self._required("CONNECTIONS_TABLE")

    @property
    def journal_table(self) -> str:
        return self._required("JOURNAL_TABLE")

    @property
    def callback_url(self) -> str:
        """Where @connections is reached, with the stage and without a trailing slash."""
        return self._required("CALLBACK_URL").rstrip("/")

    @property
    def websocket_url(self) -> str:
        """Where clients open their socket, with the stage."""
        return self._required("WEBSOCKET_URL")

    @property
    def allowed_origins(self) -> frozenset[str]:
        """Origins of our web apps, comma separated; empty: no browser may connect."""
        listed = self.environment.get("ALLOWED_ORIGINS", "").split(",")
        return frozenset(origin.strip() for origin in listed if origin.strip())

    @property
    def posts_per_second(self) -> int:
        """How many posts to connections one environment of the fan-out may make."""
        value = self._required("POSTS_PER_SECOND")
        if not value.isdecimal() or int(value) == 0:
            raise MissingSettingError("the environment variable POSTS_PER_SECOND must be a number above 0")
        return int(value)

    def queue_url(self, name: str, lane: str) -> str:
        """The queue of `events`, `fanout` or a channel in a lane: EVENTS_QUEUE_URL, SMS_EMERGENCY_QUEUE_URL, …"""
        named = f"{name}_queue_url" if lane == "ordinary" else f"{name}_{lane}_queue_url"
        return self._required(named.upper())

    @property
    def resend_secret(self) -> str:
        """Secrets Manager id of the e-mail provider's key."""
        return self._required("RESEND_SECRET")

    @property
    def resend_api_url(self) -> str | None:
        """Another address for the e-mail provider; on one machine only."""
        return self.environment.get("RESEND_API_URL") or None

    @property
    def email_from(self) -> str:
        """The sender of e-mail, as in a From header."""
        return self._required("EMAIL_FROM")

    @property
    def twilio_secret(self) -> str:
        """Secrets Manager id of the SMS provider's account and token."""
        return self._required("TWILIO_SECRET")

    @property
    def twilio_api_url(self) -> str | None:
        """Another address for the SMS provider; on one machine only."""
        return self.environment.get("TWILIO_API_URL") or None

    @property
    def twilio_from(self) -> str:
        """Number or messaging service that ordinary SMS come from."""
        return self._required("TWILIO_FROM")

    @property
    def twilio_from_emergency(self) -> str:
        """Number or messaging service of emergencies: theirs alone, so that they wait for nothing."""
        return self._required("TWILIO_FROM_EMERGENCY")

    @property
    def vapid_secret(self) -> str:
        """Secrets Manager id of the key that signs Web Push."""
        return self._required("VAPID_SECRET")

    @property
    def vapid_subject(self) -> str:
        """Whom a push service may turn to: a mailto: or https: URL (RFC 8292)."""
        return self._required("VAPID_SUBJECT")

    @property
    def aws_region(self) -> str:
        return self._required("AWS_REGION")

    @property
    def aws_endpoint_url(self) -> str | None:
        """One address for every AWS service instead of AWS's own; on one machine only."""
        return self.environment.get("AWS_ENDPOINT_URL") or None

    @property
    def aws_credentials(self) -> Credentials:
        return Credentials(
            access_key=self._required("AWS_ACCESS_KEY_ID"),
            secret_key=self._required("AWS_SECRET_ACCESS_KEY"),
            session_token=self.environment.get("AWS_SESSION_TOKEN", ""),
        )


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process."""
    return Settings(os.environ)
