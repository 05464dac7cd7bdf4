"""The resource a REST request meets: literals before parameters before greedy ones, method after resource."""

from __future__ import annotations

import pytest

from local.http_gateway_routes import RouteTable
from local.model import LambdaIntegration, RestApi, RestRoute
from tests.fixtures.gateways import rest_api


def api_of(*paths: str) -> RestApi:
    routes = tuple(RestRoute(path, "ANY", LambdaIntegration("Rest"), None) for path in paths)
    return rest_api(routes=routes)


@pytest.mark.parametrize(
    ("path", "resource", "parameters"),
    [
        ("/health", "/health", {}),
        ("/health/", "/health", {}),
        ("/threads", "/{proxy+}", {"proxy": "threads"}),
        ("/health/deep", "/{proxy+}", {"proxy": "health/deep"}),
        ("/callbacks/twilio/status", "/callbacks/{proxy+}", {"proxy": "twilio/status"}),
        ("/unsubscribe/abc", "/unsubscribe/{token}", {"token": "abc"}),
        ("/unsubscribe/abc/def", "/{proxy+}", {"proxy": "unsubscribe/abc/def"}),
        ("/unsubscribe/a%2Fb%20c", "/unsubscribe/{token}", {"token": "a/b c"}),
        ("/a%252Fb", "/{proxy+}", {"proxy": "a%2Fb"}),
    ],
)
def test_the_most_specific_resource_is_met(path: str, resource: str, parameters: dict[str, str]) -> None:
    table = RouteTable(api_of("/{proxy+}", "/callbacks/{proxy+}", "/unsubscribe/{token}", "/health"))

    match = table.match("GET", path)

    assert match is not None
    assert (match.route.path, match.parameters) == (resource, parameters)


@pytest.mark.parametrize("path", ["/", "", "//"])
def test_the_root_is_no_greedy_match(path: str) -> None:
    assert RouteTable(api_of("/{proxy+}")).match("GET", path) is None


def test_a_root_resource_meets_the_root() -> None:
    match = RouteTable(api_of("/{proxy+}", "/")).match("GET", "/")

    assert match is not None
    assert match.route.path == "/"


def test_a_named_method_wins_over_any() -> None:
    function, other = LambdaIntegration("Rest"), LambdaIntegration("Other")
    table = RouteTable(
        rest_api(
            routes=(RestRoute("/a", "ANY", function, None), RestRoute("/a", "OPTIONS", other, None)),
        )
    )

    met = table.match("OPTIONS", "/a"), table.match("PUT", "/a")

    assert [match.route.integration for match in met if match] == [other, function]


def test_a_method_that_a_resource_lacks_is_not_sought_in_a_greedier_one() -> None:
    table = RouteTable(rest_api())

    assert table.match("DELETE", "/health") is None
