"""The model of our own template, and of one that says what ours does not say yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.cloudformation import TemplateError
from local.model import EventSource, LambdaIntegration, MockIntegration, Rank, Schedule, Template
from local.providers.stand_ins import ProviderPorts
from local.substitutes import Ports, local_function, local_values
from local.template import read_template

ROOT = Path(__file__).parents[3]
PORTS = Ports(
    http=8080, websocket=8081, database=5433, emulator=4566, providers=ProviderPorts(4600, 4601, 4602)
)


@pytest.fixture(scope="module")
def template() -> Template:
    return read_template(ROOT / "template.yaml", local_values(PORTS))


def test_functions_carry_their_code_layers_and_limits(template: Template) -> None:
    rest = template.functions["RestFunction"]

    assert rest.code == ROOT / "functions" / "rest"
    assert rest.layers == (ROOT / "layers" / "core",)
    assert (rest.handler, rest.timeout, rest.memory) == ("app.handler", 10, 1024)
    assert rest.reserved_concurrency == 200


def test_large_answers_of_the_rest_api_are_compressed(template: Template) -> None:
    assert template.rest.minimum_compression_size == 1024


def test_origins_that_are_let_in_reach_both_apis_beside_the_consoles_own() -> None:
    template = read_template(ROOT / "template.yaml", local_values(PORTS, ["http://localhost:5173"]))

    told = {name: spec.environment.get("ALLOWED_ORIGINS") for name, spec in template.functions.items()}

    everybody = "http://127.0.0.1:8080,http://localhost:8080,http://localhost:5173"
    assert {name: origins for name, origins in told.items() if origins is not None} == dict.fromkeys(
        ["AuthorizerFunction", "PollFunction", "RestFunction"], everybody
    )


def test_references_to_the_cloud_become_local_addresses(template: Template) -> None:
    passwords = {"wedsync_app": "secret"}

    environment = local_function(template.functions["RestFunction"], template, PORTS, passwords).environment

    assert (environment["DATABASE_HOST"], environment["DATABASE_PORT"]) == ("127.0.0.1", "5433")
    assert (environment["DATABASE_AUTH"], environment["DATABASE_PASSWORD"]) == ("password", "secret")
    assert environment["CALLBACK_URL"] == "http://127.0.0.1:8081/v1"
    assert environment["WEBSOCKET_URL"] == "ws://127.0.0.1:8081/v1"
    assert environment["CONNECTIONS_TABLE"] == template.tables["ConnectionsTable"].table_name


def test_a_function_without_a_database_login_gets_no_password(template: Template) -> None:
    authorizer = template.functions["AuthorizerFunction"]

    local = local_function(authorizer, template, PORTS, {"wedsync_app": "secret"})

    assert set(local.environment) == set(authorizer.environment)
    assert "secret" not in local.environment.values()


def test_the_clients_of_providers_talk_to_the_stand_ins(template: Template) -> None:
    passwords = {"wedsync_worker": "secret"}

    email, sms = (
        local_function(template.functions[name], template, PORTS, passwords).environment
        for name in ("EmailFunction", "SmsEmergencyFunction")
    )

    assert email["RESEND_API_URL"] == "http://127.0.0.1:4601"
    assert sms["TWILIO_API_URL"] == "http://127.0.0.1:4600"


def test_only_functions_that_somebody_waits_for_are_kept_warm(template: Template) -> None:
    assert set(template.awaited) == {
        "RestFunction",
        "PollFunction",
        "WebsocketFunction",
        "AuthorizerFunction",
        "MigrateFunction",
    }


def test_emergencies_go_before_what_somebody_waits_for_and_that_before_the_rest(template: Template) -> None:
    functions = ("SmsEmergencyFunction", "RestFunction", "SmsFunction", "ClockworkFunction")

    assert [template.rank(name) for name in functions] == [
        Rank.EMERGENCY,
        Rank.AWAITED,
        Rank.BEHIND,
        Rank.BEHIND,
    ]


def test_rest_routes_know_their_function_and_who_must_be_let_in(template: Template) -> None:
    routes = {(route.method, route.path): route for route in template.rest.routes}

    assert routes["GET", "/health"].authorizer is None
    everything = routes["ANY", "/{proxy+}"]
    assert everything.integration == LambdaIntegration("RestFunction", 29_000)
    assert everything.authorizer is not None
    assert everything.authorizer.function == "AuthorizerFunction"
    assert everything.authorizer.identity_sources == ("method.request.header.Authorization",)
    assert everything.authorizer.ttl == 60


def test_gateway_responses_and_throttles_are_read(template: Template) -> None:
    unauthorized = template.rest.gateway_responses["UNAUTHORIZED"]

    assert unauthorized.status == 401
    assert unauthorized.headers["Content-Type"] == "'application/problem+json'"
    assert '"code":"unauthenticated"' in unauthorized.templates["application/json"]
    assert template.rest.throttle is not None
    assert template.socket.throttle is not None


def test_socket_routes_say_which_are_answered(template: Template) -> None:
    routes = template.socket.routes

    assert {key for key, route in routes.items() if route.two_way} == {"auth", "ping", "send"}
    assert routes["ping"].integration == MockIntegration(200, {}, '{"type":"pong"}')
    assert [key for key, route in routes.items() if route.authorizer] == ["$connect"]


def test_queues_lead_to_their_dead_letters(template: Template) -> None:
    queue = template.queues["EventsQueue"]

    assert (queue.dead_letters, queue.max_receive_count) == ("EventsQueueDead", 5)
    assert template.queues["EventsQueueDead"].dead_letters is None


def test_tables_secrets_and_the_migration_are_read(template: Template) -> None:
    assert template.tables["ConnectionsTable"].ttl_attribute == "ttl"
    assert template.secrets["ContextKey"].value is None
    [migration] = template.custom_resources
    assert (migration.kind, migration.function) == ("Custom::Migration", "MigrateFunction")


MORE = """
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Resources:
  Work: {Type: AWS::SQS::Queue}
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: app.handler
      CodeUri: functions/worker
      ReservedConcurrentExecutions: 2
      Events:
        Work:
          Type: SQS
          Properties:
            Queue: !GetAtt Work.Arn
            BatchSize: 5
            FunctionResponseTypes: [ReportBatchItemFailures]
            ScalingConfig: {MaximumConcurrency: 2}
        Tick:
          Type: Schedule
          Properties: {Schedule: rate(1 minute), Input: '{"tick": true}'}
      Environment: {Variables: {QUEUE: !Ref Work}}
  Password:
    Type: AWS::SecretsManager::Secret
    Properties: {GenerateSecretString: {PasswordLength: 20}}
  Rest:
    Type: AWS::Serverless::Api
    Properties:
      StageName: v1
      Cors: {AllowOrigin: "'*'"}
      DefinitionBody:
        openapi: "3.0.1"
        info: {title: x, version: "1"}
        paths: {/x: {get: {x-amazon-apigateway-integration: {type: mock, responses: {default: {statusCode: 204}}}}}}
  Sockets:
    Type: AWS::ApiGatewayV2::Api
    Properties: {Name: sockets, ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.action}
  Stage:
    Type: AWS::ApiGatewayV2::Stage
    Properties: {ApiId: !Ref Sockets, StageName: v1}
"""


def test_event_sources_schedules_and_mock_routes_are_read(tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text(MORE)

    template = read_template(tmp_path / "template.yaml", local_values(PORTS))

    assert template.event_sources == (EventSource("Worker", "Work", 5, 0, True, 2),)
    assert [(each.function, each.expression, each.payload) for each in template.schedules] == [
        ("Worker", "rate(1 minute)", {"tick": True})
    ]
    assert isinstance(template.schedules[0], Schedule)
    assert template.functions["Worker"].environment["QUEUE"].endswith("/wedsync-Work")
    assert template.functions["Worker"].reserved_concurrency == 2
    assert template.secrets["Password"].generate == {"PasswordLength": 20}
    mocks = {route.method: route.integration for route in template.rest.routes}
    assert mocks["GET"] == MockIntegration(204, {}, "")
    preflight = mocks["OPTIONS"]
    assert isinstance(preflight, MockIntegration)
    assert preflight.headers["Access-Control-Allow-Origin"] == "'*'"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("!GetAtt Work.Arn", "arn:aws:sqs:eu-central-1:1:other"), "other is no queue of the template"),
        (("BatchSize: 5", "FilterCriteria: {Filters: []}"), "WorkerWork filters its events"),
        (("type: mock", "type: http"), "integration type http is not known"),
        (("CodeUri: functions/worker", "InlineCode: pass"), "Worker has no CodeUri"),
        (("Handler: app.handler", "Handlers: app.handler"), "template.yaml: .*Handlers"),
    ],
)
def test_what_this_machine_cannot_do_is_refused(tmp_path: Path, change: tuple[str, str], reason: str) -> None:
    (tmp_path / "template.yaml").write_text(MORE.replace(*change))

    with pytest.raises(TemplateError, match=reason):
        read_template(tmp_path / "template.yaml", local_values(PORTS))
