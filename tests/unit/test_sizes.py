"""What a build may weigh, and for which machine it must be."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import sizes

TEMPLATE = """
Globals: {Function: {Layers: [!Ref Core]}}
Resources:
  Core: {Type: AWS::Serverless::LayerVersion}
  Sender: {Type: AWS::Serverless::Function, Properties: {Layers: [!Ref Extra]}}
"""


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """A build of one function of 1 MiB with layers of 2 and 3 MiB."""
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    for size, part in enumerate(("Sender", "Core", "Extra"), start=1):
        (tmp_path / part / "inner").mkdir(parents=True)
        (tmp_path / part / "inner" / "data").write_bytes(bytes(size * sizes.MEBIBYTE))
    return tmp_path


def compiled(file: Path, machine: int) -> None:
    file.write_bytes(b"\x7fELF" + bytes(14) + machine.to_bytes(2, "little"))


def test_a_function_is_weighed_with_its_layers(build: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sizes.main(build / "template.yaml", build) == 0

    assert (
        "Sender                      6.0 MiB of 250   (Sender 1.0 + Core 2.0 + Extra 3.0)"
        in capsys.readouterr().out
    )


def test_a_function_that_lambda_would_refuse_fails(build: Path) -> None:
    with (build / "Core" / "huge").open("wb") as file:
        file.truncate(245 * sizes.MEBIBYTE)

    assert sizes.main(build / "template.yaml", build) == 1


def test_a_module_for_another_machine_fails(build: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compiled(build / "Core" / "ours.so", sizes.AARCH64)
    compiled(build / "Core" / "theirs.so.1", 0x3E)

    assert sizes.main(build / "template.yaml", build) == 1

    said = capsys.readouterr().out
    assert "theirs.so.1 is not for arm64" in said
    assert "ours.so is not" not in said
