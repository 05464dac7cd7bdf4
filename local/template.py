"""Reads `template.yaml`: SAM is expanded by its own translator, the rest is resolved to local values."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

from local.cloudformation import REGION, LocalValues, Resolver, TemplateError, function_of
from local.model import CustomResource, FunctionSpec, Template
from local.template_apis import rest_api, socket_api
from local.template_state import event_sources, queues, schedules, secrets, state_attributes, tables

_SOURCES = "s3://local/"


def read_template(path: Path, values: LocalValues) -> Template:
    """The template as it is on this machine.

    Raises: TemplateError with one line that names the resource.
    """
    document = expand(path)
    attributes = state_attributes(document["Resources"], values.endpoint) | dict(values.attributes)
    resolver = Resolver(document, replace(values, attributes=attributes))
    root = path.resolve().parent
    return Template(
        functions=_functions(resolver, root),
        rest=rest_api(resolver),
        socket=socket_api(resolver),
        queues=queues(resolver),
        event_sources=event_sources(resolver),
        schedules=schedules(resolver),
        tables=tables(resolver),
        secrets=secrets(resolver),
        custom_resources=_custom_resources(resolver),
    )


def expand(path: Path) -> dict[str, Any]:
    """The template after the SAM transform; code locations are paths relative to its folder."""
    logging.getLogger("samtranslator").setLevel(logging.ERROR)
    document: dict[str, Any] = yaml_parse(path.read_text())
    shared = document.get("Globals", {}).get("Function", {}).pop("CodeUri", None)
    for name, resource in document["Resources"].items():
        key = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}.get(
            resource["Type"]
        )
        if key is not None:
            source = resource["Properties"].get(key, shared)
            if not isinstance(source, str):
                raise TemplateError(f"{name} has no {key}")
            # The translator takes S3 locations only; it is handed one that we can read back.
            resource["Properties"][key] = _SOURCES + source
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name=REGION))
    try:
        expanded: dict[str, Any] = translator.translate(document, parameter_values={})
    except InvalidDocumentException as error:
        causes = "; ".join(str(cause.message) for cause in error.causes)
        raise TemplateError(f"{path.name}: {causes}") from None
    return expanded


def _functions(resolver: Resolver, root: Path) -> dict[str, FunctionSpec]:
    layers = {
        name: root / properties["Content"]["S3Key"]
        for name, properties in resolver.of_type("AWS::Lambda::LayerVersion").items()
    }
    return {
        name: FunctionSpec(
            name=name,
            code=root / properties["Code"]["S3Key"],
            handler=properties["Handler"],
            runtime=properties["Runtime"],
            environment=_environment(properties),
            timeout=int(properties.get("Timeout", 3)),
            memory=int(properties.get("MemorySize", 128)),
            layers=tuple(layers[layer] for layer in properties.get("Layers", [])),
            reserved_concurrency=properties.get("ReservedConcurrentExecutions"),
            emergency={"Key": "lane", "Value": "emergency"} in properties.get("Tags", []),
        )
        for name, properties in resolver.of_type("AWS::Lambda::Function").items()
    }


def _environment(properties: Mapping[str, Any]) -> dict[str, str]:
    declared: dict[str, Any] = properties.get("Environment", {}).get("Variables", {})
    return {key: str(value) for key, value in declared.items()}


def _custom_resources(resolver: Resolver) -> tuple[CustomResource, ...]:
    kinds = {resource["Type"] for resource in resolver.resources.values()}
    custom = [kind for kind in kinds if kind.startswith("Custom::")]
    return tuple(
        CustomResource(
            name=name,
            kind=resolver.resources[name]["Type"],
            function=function_of(properties["ServiceToken"]),
            properties=properties,
        )
        for name, properties in resolver.of_type(*custom).items()
    )
