"""`sam deploy` creates what template.yaml says, as far as the emulator can say so (docs/deployment.md)."""

from __future__ import annotations

import json

import pytest

from tests.fixtures.emulated_stack import LACKING_TYPES, Stack
from tests.fixtures.template import functions, resources, transformed

pytestmark = pytest.mark.deploy


def test_every_resource_is_created_but_those_the_emulator_lacks(deployed_stack: Stack) -> None:
    off = {"NatAddressB", "NatB", "Standby"}  # of production only
    expected = {r.name for r in resources() if r.attributes["Type"] not in LACKING_TYPES} - off
    kinds = {attributes["Type"] for attributes in transformed()["Resources"].values()}

    created = {name for kind in kinds for name in deployed_stack.resources(kind)}

    stable = {
        name
        for name in expected
        if "Layer" not in name and not name.startswith("RestApiDeployment") and "Version" not in name
    }
    assert stable <= created
    assert len(created) == len(expected)


def test_the_functions_have_their_environment_their_layer_and_an_alias(deployed_stack: Stack) -> None:
    deployed = deployed_stack.resources("AWS::Lambda::Function")
    client = deployed_stack.client("lambda")

    for function in functions():
        live = client.get_function_configuration(FunctionName=deployed[function.name], Qualifier="live")
        assert set(live["Environment"]["Variables"]) == set(function.properties["Environment"]["Variables"])
        assert live["Runtime"] == "python3.13"
        assert live["Architectures"] == ["arm64"]
        assert live["Timeout"] == function.properties["Timeout"]
        assert len(live["Layers"]) == len(function.properties["Layers"])


def test_parameters_and_addresses_arrive_in_the_environments(deployed_stack: Stack) -> None:
    names = deployed_stack.resources("AWS::Lambda::Function")
    [socket] = deployed_stack.resources("AWS::ApiGatewayV2::Api").values()
    tables = deployed_stack.resources("AWS::DynamoDB::Table")
    client = deployed_stack.client("lambda")

    rest = client.get_function_configuration(FunctionName=names["RestFunction"])["Environment"]["Variables"]

    assert rest["ALLOWED_ORIGINS"] == "https://app.example.com"
    assert rest["CONNECTIONS_TABLE"] == tables["ConnectionsTable"]
    assert rest["JOURNAL_TABLE"] == tables["JournalTable"]
    assert rest["CALLBACK_URL"] == f"https://{socket}.execute-api.eu-central-1.amazonaws.com/v1"
    assert rest["WEBSOCKET_URL"] == f"wss://{socket}.execute-api.eu-central-1.amazonaws.com/v1"


def test_failed_records_of_each_lane_go_to_dead_letters_of_its_own(deployed_stack: Stack) -> None:
    queues = deployed_stack.resources("AWS::SQS::Queue")
    client = deployed_stack.client("sqs")

    def attributes(queue: str) -> dict[str, str]:
        return client.get_queue_attributes(QueueUrl=queues[queue], AttributeNames=["All"])["Attributes"]

    for queue in [name for name in queues if not name.endswith("Dead")]:
        redrive = json.loads(attributes(queue)["RedrivePolicy"])
        assert redrive["deadLetterTargetArn"] == attributes(f"{queue}Dead")["QueueArn"]
        assert int(redrive["maxReceiveCount"]) == 5


def test_every_queue_feeds_its_function_and_a_minute_the_clockwork(deployed_stack: Stack) -> None:
    deployed = deployed_stack.resources("AWS::Lambda::Function")
    client = deployed_stack.client("lambda")
    [rule] = deployed_stack.resources("AWS::Events::Rule").values()

    fed = {
        name
        for mapping in client.list_event_source_mappings()["EventSourceMappings"]
        for name, physical in deployed.items()
        if f":function:{physical}" in mapping["FunctionArn"]
    }
    schedule = deployed_stack.client("events").describe_rule(Name=rule.rpartition("/")[2])

    assert fed == {
        f"{name}{lane}Function"
        for name in ("Planner", "Fanout", "Inbox", "Push", "Email", "Sms")
        for lane in ("", "Emergency")
    }
    assert schedule["ScheduleExpression"] == "rate(1 minute)"


def test_the_table_of_connections_has_one_item_per_person_or_ticket(deployed_stack: Stack) -> None:
    name = deployed_stack.resources("AWS::DynamoDB::Table")["ConnectionsTable"]

    table = deployed_stack.client("dynamodb").describe_table(TableName=name)["Table"]

    assert table["KeySchema"] == [{"AttributeName": "pk", "KeyType": "HASH"}]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"


def test_the_socket_api_has_its_routes_and_asks_for_a_ticket_at_connect(deployed_stack: Stack) -> None:
    [api] = deployed_stack.resources("AWS::ApiGatewayV2::Api").values()
    client = deployed_stack.client("apigatewayv2")

    routes = {route["RouteKey"]: route for route in client.get_routes(ApiId=api)["Items"]}

    own = {"sync", "send", "ack", "read", "focus", "typing", "auth", "ping"}
    assert set(routes) == own | {"$connect", "$disconnect", "$default"}
    assert [key for key, route in routes.items() if route.get("AuthorizationType") == "CUSTOM"] == [
        "$connect"
    ]


def test_the_rest_api_has_its_stage(deployed_stack: Stack) -> None:
    [api] = deployed_stack.resources("AWS::ApiGateway::RestApi").values()

    stages = deployed_stack.client("apigateway").get_stages(restApiId=api)["item"]

    assert [stage["stageName"] for stage in stages] == ["v1"]


def test_logs_are_kept_for_a_month(deployed_stack: Stack) -> None:
    groups = set(deployed_stack.resources("AWS::Logs::LogGroup").values())

    found = deployed_stack.client("logs").describe_log_groups()["logGroups"]

    assert {
        group["logGroupName"]: group.get("retentionInDays")
        for group in found
        if group["logGroupName"] in groups
    } == (dict.fromkeys(groups, 30))


def test_both_addresses_are_told(deployed_stack: Stack) -> None:
    [description] = deployed_stack.client("cloudformation").describe_stacks(StackName="wedsync")["Stacks"]
    told = {output["OutputKey"]: output["OutputValue"] for output in description["Outputs"]}

    assert told["RestUrl"].startswith("https://")
    assert told["SocketUrl"].startswith("wss://")
    assert told["RestUrl"].endswith("/v1")


def test_production_with_another_layer_has_a_standby_and_moves_every_alias(deployed_stack: Stack) -> None:
    names = deployed_stack.resources("AWS::Lambda::Function")
    client = deployed_stack.client("lambda")

    def served() -> dict[str, str]:
        return {
            name: client.get_alias(FunctionName=name, Name="live")["FunctionVersion"]
            for name in names.values()
        }

    before = served()
    deployed_stack.deploy(layer="two", environment="prod")

    after = served()
    assert all(after[name] != before[name] for name in names.values())
    assert set(deployed_stack.resources("AWS::RDS::DBInstance")) == {"Writer", "Standby"}
