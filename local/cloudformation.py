"""Values of a CloudFormation template on this machine: parameters, conditions and intrinsic functions."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

REGION = "eu-central-1"
ACCOUNT = "000000000000"
STACK = "wedsync-local"

_PSEUDO = {
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": STACK,
    "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{STACK}/local",
    "AWS::NotificationARNs": "",
}
_VARIABLE = re.compile(r"\$\{([^!}][^}]*)\}")


class TemplateError(Exception):
    """The template says something that this reader does not know or that makes no sense."""


class _NoValue:
    """What AWS::NoValue stands for: the property it is given to does not exist."""


NO_VALUE = _NoValue()


@dataclass(frozen=True, slots=True)
class LocalValues:
    """What references to cloud resources become here.

    Attributes by `LogicalId.Attribute` or `Type.Attribute`, parameters by name; `endpoint` is where AWS services are
    emulated.
    """

    endpoint: str = "http://127.0.0.1"
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])


class Resolver:
    """Resolves what `samtranslator` leaves: Ref, Fn::GetAtt, Fn::Sub, conditions and string functions.

    A reference to a resource becomes what the runner has in its place (`LocalValues`), else a name made of
    the logical id, which is enough for resources that exist only in the cloud.
    """

    def __init__(self, template: Mapping[str, Any], values: LocalValues) -> None:
        self.resources: Mapping[str, Mapping[str, Any]] = template["Resources"]
        self._conditions: Mapping[str, Any] = template.get("Conditions", {})
        self._mappings: Mapping[str, Any] = template.get("Mappings", {})
        self._parameters = template.get("Parameters", {})
        self._values = values

    def properties(self, logical_id: str) -> dict[str, Any]:
        """The resolved properties of a resource."""
        return cast("dict[str, Any]", self.value(self.resources[logical_id].get("Properties", {})))

    def of_type(self, *types: str) -> dict[str, dict[str, Any]]:
        """Resolved properties of the resources of these types whose condition holds, by logical id."""
        return {
            name: self.properties(name)
            for name, resource in self.resources.items()
            if resource["Type"] in types and self.exists(resource)
        }

    def exists(self, resource: Mapping[str, Any]) -> bool:
        """Whether the resource's condition holds."""
        return "Condition" not in resource or self.condition(resource["Condition"])

    def condition(self, name: str) -> bool:
        """The value of a named condition."""
        return bool(self.value(self._conditions[name]))

    def value(self, node: Any) -> Any:
        """`node` with every intrinsic function replaced by its value.

        Raises: TemplateError for an unknown function or name.
        """
        if isinstance(node, dict):
            mapping = cast("dict[str, Any]", node)
            if len(mapping) == 1:
                [(key, argument)] = mapping.items()
                if key in ("Ref", "Condition") or key.startswith("Fn::"):
                    return self._function(key, argument)
            resolved = {key: self.value(item) for key, item in mapping.items()}
            return {key: item for key, item in resolved.items() if item is not NO_VALUE}
        if isinstance(node, list):
            items = [self.value(item) for item in cast("list[Any]", node)]
            return [item for item in items if item is not NO_VALUE]
        return node

    def _function(self, name: str, argument: Any) -> Any:
        match name:
            case "Ref":
                return self._ref(argument)
            case "Fn::GetAtt":
                parts = argument.split(".", 1) if isinstance(argument, str) else argument
                return self._attribute(parts[0], str(self.value(parts[1])))
            case "Fn::Sub":
                return self._substitute(argument)
            case "Condition":
                return self.condition(argument)
            case "Fn::If":
                return self.value(argument[1 if self.condition(argument[0]) else 2])
            case "Fn::GetAZs":
                return [f"{REGION}{zone}" for zone in "abc"]
            case _:
                return self._pure(name, self.value(argument))

    def _pure(self, name: str, argument: Any) -> Any:
        match name:
            case "Fn::Equals":
                return argument[0] == argument[1]
            case "Fn::Not":
                return not argument[0]
            case "Fn::And":
                return all(argument)
            case "Fn::Or":
                return any(argument)
            case "Fn::Join":
                return argument[0].join(map(str, argument[1]))
            case "Fn::Split":
                return argument[1].split(argument[0])
            case "Fn::Select":
                # A made-up name may have fewer parts than the real one.
                return argument[1][min(int(argument[0]), len(argument[1]) - 1)]
            case "Fn::FindInMap":
                return self._mappings[argument[0]][argument[1]][argument[2]]
            case "Fn::Base64":
                return base64.b64encode(argument.encode()).decode()
            case _:
                raise TemplateError(f"{name} is not known to the local runner")

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in _PSEUDO:
            return _PSEUDO[name]
        if name in self._parameters:
            return self._parameter(name)
        if name not in self.resources:
            raise TemplateError(f"the template refers to {name}, which it does not define")
        resource = self.resources[name]
        if resource["Type"] in ("AWS::Lambda::Alias", "AWS::Lambda::Version"):
            function = self.value(resource["Properties"]["FunctionName"])
            return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}:live"
        return self._values.attributes.get(f"{name}.Ref", name)

    def _parameter(self, name: str) -> str:
        if name in self._values.parameters:
            return self._values.parameters[name]
        parameter = self._parameters[name]
        if "Default" not in parameter:
            raise TemplateError(f"the parameter {name} has no default and no local value")
        return str(parameter["Default"])

    def _attribute(self, name: str, attribute: str) -> str:
        if name not in self.resources:
            raise TemplateError(f"the template refers to {name}, which it does not define")
        kind = self.resources[name]["Type"]
        for key in (f"{name}.{attribute}", f"{kind}.{attribute}"):
            if key in self._values.attributes:
                return self._values.attributes[key]
        if kind == "AWS::Lambda::Function" and attribute == "Arn":
            return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
        return f"{name}.{attribute}"

    def _substitute(self, argument: Any) -> str:
        text, given = argument if isinstance(argument, list) else (argument, {})
        local = {key: self.value(item) for key, item in cast("dict[str, Any]", given).items()}

        def replace(match: re.Match[str]) -> str:
            name = match[1].strip()
            if name in local:
                return str(local[name])
            if "." in name and name not in _PSEUDO:
                return self._attribute(*name.split(".", 1))
            return str(self._ref(name))

        return _VARIABLE.sub(replace, cast("str", text)).replace("${!", "${")


def function_of(arn: str) -> str:
    """The function named in a Lambda ARN or in an invocation URI of API Gateway."""
    match = re.search(r":function:([^:/]+)", arn)
    if match is None:
        raise TemplateError(f"no function in {arn}")
    return match[1]
