"""Print what Lambda unpacks for each function of the last `sam build`; fail where Lambda would not take or run it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

BUILD = Path(".aws-sam/build")
LIMIT = 250  # MiB unzipped, a function and its layers together (Lambda quotas)
MEBIBYTE = 1024 * 1024
AARCH64 = 0xB7  # e_machine of an ELF file, at byte 18


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


def foreign(build: Path) -> list[Path]:
    """Compiled modules that arm64 cannot run, such as those of the machine that built them."""
    headers = {file: file.read_bytes()[:20] for file in build.rglob("*.so*")}
    return [file for file, header in headers.items() if int.from_bytes(header[18:20], "little") != AARCH64]


def main(template: Path, build: Path) -> int:
    """0, or 1 if a function is too large or holds code for another machine."""
    sizes = unpacked(yaml_parse(template.read_text()), build)
    for name, parts in sizes.items():
        listed = " + ".join(f"{part} {size:.1f}" for part, size in parts.items())
        print(f"{name:<24} {sum(parts.values()):6.1f} MiB of {LIMIT}   ({listed})")
    for file in (strange := foreign(build)):
        print(f"{file} is not for arm64")
    return int(bool(strange) or any(sum(parts.values()) > LIMIT for parts in sizes.values()))


if __name__ == "__main__":
    sys.exit(main(Path("template.yaml"), BUILD))
