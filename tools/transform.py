"""Print template.yaml as plain CloudFormation, the way a deployment transforms it (run with .tools/sam's Python).

`sam validate --lint` passes templates that cannot deploy, such as cycles between an API and its function;
cfn-lint on this output finds them.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

from samtranslator.internal.managed_policies import get_bundled_managed_policy_map
from samtranslator.translator.managed_policy_translator import ManagedPolicyLoader
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

CODE = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}
REGION = "eu-west-1"


class BundledPolicies(ManagedPolicyLoader):
    """The managed policies SAM names, from its own list: no account is asked."""

    def __init__(self) -> None:
        self.max_items = 0

    def load(self) -> dict[str, str]:
        """Name to ARN; the partition does not matter here."""
        return get_bundled_managed_policy_map("aws") or {}


def expand(template: Path, parameters: dict[str, str]) -> dict[str, Any]:
    """The transformed template. Code is given places in a bucket, as `sam package` would."""
    source: dict[str, Any] = yaml_parse(template.read_text())
    for name, resource in source["Resources"].items():
        place = CODE.get(resource["Type"])
        if place:
            resource["Properties"][place] = f"s3://build/{name}-{resource['Properties'][place]}"
    logging.getLogger("samtranslator").setLevel(logging.ERROR)  # it announces features that are switched off
    os.environ.setdefault("AWS_DEFAULT_REGION", REGION)  # the translator asks for one and calls nobody
    return transform(source, parameters, BundledPolicies(), passthrough_metadata=True)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(expand(Path(sys.argv[1]), {}), indent=1))
