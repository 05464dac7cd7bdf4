"""What references and functions of a template become on this machine."""

from __future__ import annotations

from typing import Any

import pytest

from local.cloudformation import REGION, LocalValues, Resolver, TemplateError, function_of

TEMPLATE: dict[str, Any] = {
    "Parameters": {"Environment": {"Default": "dev"}, "Issuer": {}, "Size": {"Default": 3}},
    "Conditions": {
        "Production": {"Fn::Equals": [{"Ref": "Environment"}, "prod"]},
        "Development": {"Fn::Not": [{"Condition": "Production"}]},
    },
    "Mappings": {"Sizes": {"dev": {"small": "1"}}},
    "Resources": {
        "Api": {"Type": "AWS::ApiGatewayV2::Api"},
        "Proxy": {"Type": "AWS::RDS::DBProxy"},
        "Rest": {"Type": "AWS::Lambda::Function"},
        "RestAlias": {"Type": "AWS::Lambda::Alias", "Properties": {"FunctionName": {"Ref": "Rest"}}},
        "Standby": {"Type": "AWS::RDS::DBInstance", "Condition": "Production"},
        "Writer": {"Type": "AWS::RDS::DBInstance", "Condition": "Development"},
    },
}
VALUES = LocalValues(
    attributes={"AWS::RDS::DBProxy.Endpoint": "127.0.0.1"}, parameters={"Issuer": "http://127.0.0.1:1"}
)


@pytest.fixture
def resolver() -> Resolver:
    return Resolver(TEMPLATE, VALUES)


@pytest.mark.parametrize(
    ("node", "value"),
    [
        ({"Ref": "Issuer"}, "http://127.0.0.1:1"),
        ({"Ref": "Size"}, "3"),
        ({"Ref": "AWS::Region"}, REGION),
        ({"Ref": "Api"}, "Api"),
        ({"Fn::GetAtt": ["Proxy", "Endpoint"]}, "127.0.0.1"),
        ({"Fn::GetAtt": "Proxy.Endpoint"}, "127.0.0.1"),
        ({"Fn::GetAtt": ["Api", "ApiEndpoint"]}, "Api.ApiEndpoint"),
        ({"Fn::Sub": "wss://${Api}.${AWS::URLSuffix}/v1"}, "wss://Api.amazonaws.com/v1"),
        ({"Fn::Sub": ["${Here}:${Proxy.Endpoint}", {"Here": {"Ref": "Size"}}]}, "3:127.0.0.1"),
        ({"Fn::Sub": "${!Literal}"}, "${Literal}"),
        ({"Fn::Join": ["-", ["a", {"Ref": "Size"}]]}, "a-3"),
        ({"Fn::Select": ["1", {"Fn::Split": [":", "a:b"]}]}, "b"),
        ({"Fn::If": ["Production", "two", "one"]}, "one"),
        ({"Fn::And": [{"Condition": "Development"}, {"Fn::Equals": ["a", "a"]}]}, True),
        ({"Fn::Or": [{"Condition": "Production"}, {"Fn::Equals": ["a", "b"]}]}, False),
        ({"Fn::FindInMap": ["Sizes", {"Ref": "Environment"}, "small"]}, "1"),
        ({"Fn::Base64": "wed"}, "d2Vk"),
        ({"Fn::GetAZs": ""}, [f"{REGION}{zone}" for zone in "abc"]),
    ],
)
def test_values(resolver: Resolver, node: Any, value: Any) -> None:
    assert resolver.value({"key": node}) == {"key": value}


def test_no_value_takes_its_property_away(resolver: Resolver) -> None:
    node = {"a": {"Fn::If": ["Production", 1, {"Ref": "AWS::NoValue"}]}, "b": [{"Ref": "AWS::NoValue"}, 2]}

    assert resolver.value(node) == {"b": [2]}


def test_a_resource_whose_condition_is_false_does_not_exist(resolver: Resolver) -> None:
    assert list(resolver.of_type("AWS::RDS::DBInstance")) == ["Writer"]


def test_an_alias_leads_to_its_function(resolver: Resolver) -> None:
    uri = resolver.value({"Fn::Sub": "arn:aws:apigateway:x:lambda:path/functions/${RestAlias}/invocations"})

    assert function_of(uri) == "Rest"


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        ({"Ref": "Nobody"}, "refers to Nobody, which it does not define"),
        ({"Fn::GetAtt": ["Nobody", "Arn"]}, "refers to Nobody, which it does not define"),
        ({"Fn::ImportValue": "x"}, "Fn::ImportValue is not known"),
    ],
)
def test_what_cannot_be_resolved_is_refused(resolver: Resolver, node: Any, reason: str) -> None:
    with pytest.raises(TemplateError, match=reason):
        resolver.value(node)


def test_a_parameter_without_default_needs_a_local_value() -> None:
    resolver = Resolver(TEMPLATE, LocalValues())

    with pytest.raises(TemplateError, match="parameter Issuer has no default and no local value"):
        resolver.value({"Ref": "Issuer"})
