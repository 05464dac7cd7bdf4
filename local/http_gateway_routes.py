"""Which resource and method of the REST API a request meets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from local.model import RestApi, RestRoute

# Order of precedence of a path segment: literal, {parameter}, {greedy+}.
_LITERAL, _PARAMETER, _GREEDY = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Match:
    """The route met and its path parameters, percent-decoded once."""

    route: RestRoute
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Resource:
    segments: tuple[tuple[int, str], ...]
    methods: Mapping[str, RestRoute]


class RouteTable:
    """The resources of one REST API, most specific first."""

    def __init__(self, api: RestApi) -> None:
        by_path: dict[str, dict[str, RestRoute]] = {}
        for route in api.routes:
            by_path.setdefault(route.path, {})[route.method] = route
        resources = [_Resource(_segments(path), methods) for path, methods in by_path.items()]
        self._resources = sorted(resources, key=lambda resource: [kind for kind, _ in resource.segments])

    def match(self, method: str, path: str) -> Match | None:
        """The match for `path` (still percent-encoded, without the stage), or None.

        The resource is chosen by path alone: a method it lacks is not looked for in a greedier resource.
        """
        parts = tuple(part for part in path.strip("/").split("/") if part)
        for resource in self._resources:
            parameters = _bind(resource.segments, parts)
            if parameters is not None:
                route = resource.methods.get(method) or resource.methods.get("ANY")
                return Match(route, parameters) if route else None
        return None


def _segments(path: str) -> tuple[tuple[int, str], ...]:
    return tuple(_segment(part) for part in path.strip("/").split("/") if part)


def _segment(part: str) -> tuple[int, str]:
    if part.startswith("{") and part.endswith("+}"):
        return _GREEDY, part[1:-2]
    if part.startswith("{") and part.endswith("}"):
        return _PARAMETER, part[1:-1]
    return _LITERAL, part


def _bind(segments: tuple[tuple[int, str], ...], parts: tuple[str, ...]) -> dict[str, str] | None:
    parameters: dict[str, str] = {}
    for index, (kind, name) in enumerate(segments):
        if index >= len(parts):
            return None
        if kind == _GREEDY:
            return {**parameters, name: unquote("/".join(parts[index:]))}
        if kind == _PARAMETER:
            parameters[name] = unquote(parts[index])
        elif unquote(parts[index]) != name:
            return None
    return parameters if len(segments) == len(parts) else None
