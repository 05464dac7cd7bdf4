"""All that differs between this machine and the cloud: what references become, which variables are replaced."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from local.cloudformation import LocalValues
from local.emulator import master_secret_name
from local.identity import AUDIENCE, KEY_SET_PATH
from local.model import FunctionSpec, Template
from local.providers.stand_ins import ProviderPorts


@dataclass(frozen=True, slots=True)
class Ports:
    """Loopback ports of one running stack."""

    http: int
    websocket: int
    database: int
    emulator: int
    providers: ProviderPorts

    @property
    def console(self) -> str:
        """Origin of the console and issuer of the tokens."""
        return f"http://127.0.0.1:{self.http}"


def local_values(ports: Ports, pages: Sequence[str] = ()) -> LocalValues:
    """What parameters and attributes of cloud resources become; `pages` are origins beside the console's."""
    return LocalValues(
        endpoint=f"http://127.0.0.1:{ports.emulator}",
        attributes={
            "AWS::RDS::DBProxy.Endpoint": "127.0.0.1",
            "AWS::RDS::DBCluster.Endpoint.Address": "127.0.0.1",
            "AWS::RDS::DBCluster.MasterUserSecret.SecretArn": master_secret_name(),
        },
        parameters={
            "JwtIssuer": ports.console,
            "JwtAudience": AUDIENCE,
            "JwtJwksUrl": ports.console + KEY_SET_PATH,
            "AllowedOrigins": ",".join((ports.console, f"http://localhost:{ports.http}", *pages)),
            "EmailFrom": "WedSync <messages@example.com>",
            "TwilioFrom": "+15005550006",
            "TwilioFromEmergency": "+15005550007",
            "VapidSubject": "mailto:operations@example.com",
            "ReserveConcurrency": "true",  # as in production
        },
    )


def local_function(
    spec: FunctionSpec, template: Template, ports: Ports, passwords: Mapping[str, str]
) -> FunctionSpec:
    """The function with the variables replaced that it has; a database login also gets its password."""
    stage = template.socket.stage
    replaced = {
        "CALLBACK_URL": f"http://127.0.0.1:{ports.websocket}/{stage}",
        "DATABASE_AUTH": "password",
        "DATABASE_CLUSTER": "",
        "DATABASE_PORT": str(ports.database),
        "DATABASE_TLS": "disable",
        "RESEND_API_URL": f"http://127.0.0.1:{ports.providers.resend}",
        "TWILIO_API_URL": f"http://127.0.0.1:{ports.providers.twilio}",
        "WEBSOCKET_URL": f"ws://127.0.0.1:{ports.websocket}/{stage}",
    }
    environment = {name: replaced.get(name, value) for name, value in spec.environment.items()}
    if "DATABASE_USER" in environment:
        environment["DATABASE_PASSWORD"] = passwords[environment["DATABASE_USER"]]
    return dataclasses.replace(spec, environment=environment)
