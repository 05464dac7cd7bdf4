"""Routes, stages and logs of both APIs in template.yaml."""

from __future__ import annotations

from tests.fixtures.template import ROOT, references, resources, written
from wedsync.realtime.protocol import MAX_WAIT


def test_no_log_can_hold_a_ticket_a_token_or_an_address() -> None:
    [rest] = resources("AWS::ApiGateway::Stage")
    [socket] = resources("AWS::ApiGatewayV2::Stage")
    formats = rest.properties["AccessLogSetting"]["Format"] + socket.properties["AccessLogSettings"]["Format"]
    levels = [*rest.properties["MethodSettings"], socket.properties["DefaultRouteSettings"]]

    assert not any(word in formats for word in ("querystring", "header", "sourceIp", "$context.path", "body"))
    assert all(level["LoggingLevel"] == "OFF" and level["DataTraceEnabled"] is False for level in levels)
    assert all(level["ThrottlingRateLimit"] and level["ThrottlingBurstLimit"] for level in levels)


def test_both_stages_wait_for_the_account_to_name_a_role_for_logs() -> None:
    [rest] = resources("AWS::ApiGateway::RestApi")
    [socket] = resources("AWS::ApiGatewayV2::Stage")
    kept = {r.name for r in resources() if r.attributes.get("DeletionPolicy") == "Retain"}

    assert "ApiAccount" in rest.attributes["DependsOn"]
    assert "ApiAccount" in socket.attributes["DependsOn"]
    assert {"ApiAccount", "ApiLogsRole"} <= kept


def test_the_socket_stage_waits_for_every_route_and_response() -> None:
    kinds = ("Route", "RouteResponse", "IntegrationResponse")
    parts = {r.name for r in resources(*(f"AWS::ApiGatewayV2::{kind}" for kind in kinds))}
    [stage] = resources("AWS::ApiGatewayV2::Stage")

    assert parts <= set(stage.attributes["DependsOn"])


def test_two_way_routes_and_no_others_have_a_response() -> None:
    routes = {r.name: r.properties for r in resources("AWS::ApiGatewayV2::Route")}
    answered = {
        routes[name]["RouteKey"]
        for response in resources("AWS::ApiGatewayV2::RouteResponse")
        for name in references(response.properties["RouteId"])
    }

    assert answered == {"auth", "ping", "send"}
    assert answered == {r["RouteKey"] for r in routes.values() if "RouteResponseSelectionExpression" in r}


def test_who_connects_or_asks_for_anything_but_health_passes_the_authorizer() -> None:
    asked = {
        r.properties["RouteKey"]
        for r in resources("AWS::ApiGatewayV2::Route")
        if "AuthorizerId" in r.properties
    }
    [api] = resources("AWS::ApiGateway::RestApi")
    secured = {
        (path, method): [name for scheme in operation["security"] for name in scheme]
        for path, operations in api.properties["Body"]["paths"].items()
        for method, operation in operations.items()
    }

    assert asked == {"$connect"}
    assert secured == {
        ("/health", "get"): ["NONE"],
        ("/{proxy+}", "options"): ["NONE"],
        ("/sync", "options"): ["NONE"],
        ("/sync", "post"): ["Bearer"],
        ("/{proxy+}", "x-amazon-apigateway-any-method"): ["Bearer"],
    }


def test_who_waits_has_environments_of_his_own_and_is_answered_before_the_gateway_gives_up() -> None:
    own = written()["Resources"]["PollFunction"]["Properties"]
    [api] = resources("AWS::ApiGateway::RestApi")
    paths = api.properties["Body"]["paths"]
    called = {
        (path, method): references(operation["x-amazon-apigateway-integration"]["uri"])
        for path in ("/sync", "/{proxy+}")
        for method, operation in paths[path].items()
    }

    assert own["ReservedConcurrentExecutions"]["Fn::If"][:2] == ["Reserve", 50]
    assert MAX_WAIT + 5 < own["Timeout"] < 29
    assert {route for route, names in called.items() if any("Poll" in name for name in names)} == {
        ("/sync", "post")
    }


def test_nothing_puts_an_endpoint_in_the_way_of_posting_to_connections() -> None:
    endpoints = resources("AWS::EC2::VPCEndpoint")

    assert [endpoint.properties["VpcEndpointType"] for endpoint in endpoints] == ["Gateway"]


def test_every_trigger_has_an_event_to_invoke_its_function_with() -> None:
    events = {path.stem for path in (ROOT / "events").glob("*.json")}
    routes = {r.properties["RouteKey"] for r in resources("AWS::ApiGatewayV2::Route")} - {"ping"}
    named = {f"websocket-{route.removeprefix('$')}" for route in routes - {"$default"}} | {
        "websocket-unknown"
    }

    assert events >= named | {
        *(
            "authorizer-rest",
            "authorizer-connect",
            "rest-health",
            "rest-sync",
            "migrate-create",
            "clockwork-tick",
        ),
        *(
            "planner-events",
            "fanout-shards",
            "inbox-deliveries",
            "sms-deliveries",
        ),  # those of the other channels look the same
    }
