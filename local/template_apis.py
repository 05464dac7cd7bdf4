"""The two APIs of the expanded template."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from local.cloudformation import Resolver, TemplateError, function_of
from local.model import (
    AuthorizerSpec,
    GatewayResponse,
    Integration,
    LambdaIntegration,
    MockIntegration,
    RestApi,
    RestRoute,
    SocketApi,
    SocketRoute,
    Throttle,
)

_ANY = "x-amazon-apigateway-any-method"
_INTEGRATION = "x-amazon-apigateway-integration"
_AUTHORIZER = "x-amazon-apigateway-authorizer"
_RESPONSES = "x-amazon-apigateway-gateway-responses"
_BINARY = "x-amazon-apigateway-binary-media-types"
_METHODS = ("get", "head", "post", "put", "patch", "delete", "options", _ANY)


def rest_api(resolver: Resolver) -> RestApi:
    """The REST API, read from the OpenAPI body that the SAM transform writes."""
    [(name, properties)] = resolver.of_type("AWS::ApiGateway::RestApi").items()
    [stage] = resolver.of_type("AWS::ApiGateway::Stage").values()
    body = properties["Body"]
    authorizers = _rest_authorizers(body)
    routes = [
        RestRoute(
            path=path,
            method="ANY" if method == _ANY else method.upper(),
            integration=_rest_integration(path, operation[_INTEGRATION]),
            authorizer=_secured_by(operation.get("security", []), authorizers),
        )
        for path, operations in body["paths"].items()
        for method, operation in operations.items()
        if method in _METHODS
    ]
    return RestApi(
        name=name,
        identifier=name.lower(),
        stage=stage["StageName"],
        routes=tuple(routes),
        gateway_responses=_gateway_responses(body.get(_RESPONSES, {})),
        binary_media_types=tuple(properties.get("BinaryMediaTypes", body.get(_BINARY, ()))),
        throttle=_rest_throttle(stage.get("MethodSettings", [])),
        minimum_compression_size=properties.get("MinimumCompressionSize"),
    )


def _rest_authorizers(body: Mapping[str, Any]) -> dict[str, AuthorizerSpec]:
    schemes = body.get("components", {}).get("securitySchemes", body.get("securityDefinitions", {}))
    found: dict[str, AuthorizerSpec] = {}
    for name, scheme in schemes.items():
        settings = scheme.get(_AUTHORIZER)
        if settings is None:
            continue
        if settings["type"] != "request":
            raise TemplateError(f"authorizer {name}: only REQUEST authorizers are known to the local gateway")
        sources = tuple(part.strip() for part in settings["identitySource"].split(","))
        ttl = int(settings.get("authorizerResultTtlInSeconds", 300))
        found[name] = AuthorizerSpec(name, function_of(settings["authorizerUri"]), sources, ttl)
    return found


def _secured_by(
    security: list[dict[str, Any]], authorizers: Mapping[str, AuthorizerSpec]
) -> AuthorizerSpec | None:
    names = [name for scheme in security for name in scheme if name != "NONE"]
    return authorizers[names[0]] if names else None


def _rest_integration(path: str, settings: Mapping[str, Any]) -> Integration:
    kind = settings["type"].lower()
    if kind == "aws_proxy":
        return LambdaIntegration(function_of(settings["uri"]), int(settings.get("timeoutInMillis", 29_000)))
    if kind != "mock":
        raise TemplateError(f"{path}: integration type {kind} is not known to the local gateway")
    response = settings["responses"]["default"]
    prefix = "method.response.header."
    headers = {
        key.removeprefix(prefix): value for key, value in response.get("responseParameters", {}).items()
    }
    body = response.get("responseTemplates", {}).get("application/json", "")
    return MockIntegration(int(response["statusCode"]), headers, body)


def _gateway_responses(settings: Mapping[str, Any]) -> dict[str, GatewayResponse]:
    prefix = "gatewayresponse.header."
    return {
        kind: GatewayResponse(
            kind=kind,
            status=int(response["statusCode"]) if "statusCode" in response else None,
            headers={
                key.removeprefix(prefix): value
                for key, value in response.get("responseParameters", {}).items()
                if key.startswith(prefix)
            },
            templates=response.get("responseTemplates", {}),
        )
        for kind, response in settings.items()
    }


def _rest_throttle(settings: list[dict[str, Any]]) -> Throttle | None:
    for each in settings:
        if each.get("ResourcePath") == "/*" and "ThrottlingRateLimit" in each:
            return Throttle(float(each["ThrottlingRateLimit"]), int(each["ThrottlingBurstLimit"]))
    return None


def socket_api(resolver: Resolver) -> SocketApi:
    """The WebSocket API, from its raw resources."""
    [(name, properties)] = resolver.of_type("AWS::ApiGatewayV2::Api").items()
    [stage] = resolver.of_type("AWS::ApiGatewayV2::Stage").values()
    answered = {each["RouteId"] for each in resolver.of_type("AWS::ApiGatewayV2::RouteResponse").values()}
    authorizers = {
        key: AuthorizerSpec(
            each["Name"], function_of(each["AuthorizerUri"]), tuple(each["IdentitySource"]), 0
        )
        for key, each in resolver.of_type("AWS::ApiGatewayV2::Authorizer").items()
    }
    routes = {
        each["RouteKey"]: SocketRoute(
            key=each["RouteKey"],
            integration=_socket_integration(resolver, each["Target"].removeprefix("integrations/")),
            two_way=key in answered,
            authorizer=authorizers[each["AuthorizerId"]]
            if each.get("AuthorizationType") == "CUSTOM"
            else None,
        )
        for key, each in resolver.of_type("AWS::ApiGatewayV2::Route").items()
    }
    limits = stage.get("DefaultRouteSettings", {})
    return SocketApi(
        name=name,
        identifier=name.lower(),
        stage=stage["StageName"],
        selection=properties["RouteSelectionExpression"],
        routes=routes,
        throttle=Throttle(float(limits["ThrottlingRateLimit"]), int(limits["ThrottlingBurstLimit"]))
        if "ThrottlingRateLimit" in limits
        else None,
    )


def _socket_integration(resolver: Resolver, name: str) -> Integration:
    settings = resolver.properties(name)
    if settings["IntegrationType"] == "AWS_PROXY":
        return LambdaIntegration(
            function_of(settings["IntegrationUri"]), int(settings.get("TimeoutInMillis", 29_000))
        )
    if settings["IntegrationType"] != "MOCK":
        raise TemplateError(f"{name}: only AWS_PROXY and MOCK are known to the local gateway")
    request = settings["RequestTemplates"][settings["TemplateSelectionExpression"]]
    status = int(json.loads(request)["statusCode"])
    for response in resolver.of_type("AWS::ApiGatewayV2::IntegrationResponse").values():
        if response["IntegrationId"] == name and response["IntegrationResponseKey"] in (
            f"/{status}/",
            "$default",
        ):
            body = response["ResponseTemplates"][response["TemplateSelectionExpression"]]
            return MockIntegration(status, {}, body)
    raise TemplateError(f"{name}: no integration response for {status}")
