"""Print what Lambda unpacks for each function of the last `sam build`, and fail where that is more than it accepts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

BUILD = Path(".aws-sam/build")
LIMIT = 250  # MiB unzipped, a function and its layers together (Lambda quotas)
MEBIBYTE = 1024 * 1024


def mebibytes(folder: Path) -> float:
    """What the files of a folder hold together."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / MEBIBYTE


def unpacked(template: dict[str, Any], build: Path) -> dict[str, dict[str, float]]:
    """MiB of each function's own code and of each of its layers, by function."""
    shared = template.get("Globals", {}).get("Function", {}).get("Layers", [])
    sizes: dict[str, dict[str, float]] = {}
    for name, resource in template["Resources"].items():
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        layers = [layer["Ref"] for layer in [*shared, *resource["Properties"].get("Layers", [])]]
        sizes[name] = {part: mebibytes(build / part) for part in [name, *layers]}
    return sizes


def main() -> int:
    """0, or 1 if a function is too large."""
    sizes = unpacked(yaml_parse(Path("template.yaml").read_text()), BUILD)
    for name, parts in sizes.items():
        listed = " + ".join(f"{part} {size:.1f}" for part, size in parts.items())
        print(f"{name:<20} {sum(parts.values()):6.1f} MiB of {LIMIT}   ({listed})")
    return int(any(sum(parts.values()) > LIMIT for parts in sizes.values()))


if __name__ == "__main__":
    sys.exit(main())
