"""What a worker process sees: its function's code and layers, the variables Lambda sets, and nothing else."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.cloudformation import REGION
from local.model import FunctionSpec
from local.processes import LocalError

PYTHON_TAG = f"cp{sys.version_info.major}{sys.version_info.minor}"
_RUNTIME_MODULES = ("awslambdaric", "runtime_client", "snapshot_restore_py", "simplejson")
_MEASURE = "import coverage, runpy; coverage.process_startup(); runpy.run_module('awslambdaric', run_name='__main__')"
_COVERAGE_VARIABLES = ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")


@dataclass(frozen=True, slots=True)
class WorkerEnvironment:
    """How workers of every function are started. `shared` are variables that the execution role would give."""

    runtime: Path
    logs: Path
    shared: Mapping[str, str]

    def command(self, spec: FunctionSpec) -> list[str]:
        """The real runtime interface client, without site-packages (-S)."""
        if _measured():
            return [sys.executable, "-S", "-c", _MEASURE, spec.handler]
        return [sys.executable, "-S", "-m", "awslambdaric", spec.handler]

    def variables(self, spec: FunctionSpec, runtime_api: str) -> dict[str, str]:
        """The environment of one worker.

        https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
        """
        lambda_own = {
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{spec.runtime}",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory),
            "AWS_LAMBDA_FUNCTION_NAME": spec.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{spec.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "local",
            "AWS_LAMBDA_RUNTIME_API": runtime_api,
            "AWS_REGION": REGION,
            "LAMBDA_TASK_ROOT": str(spec.code),
            "LANG": "en_US.UTF-8",
            "PATH": os.defpath,
            "PYTHONPATH": os.pathsep.join(map(str, self.path(spec))),
            "TZ": ":UTC",
            "_HANDLER": spec.handler,
        }
        measuring = {key: os.environ[key] for key in _COVERAGE_VARIABLES if key in os.environ}
        return {**lambda_own, **self.shared, **spec.environment, **measuring}

    def path(self, spec: FunctionSpec) -> list[Path]:
        """Where the worker imports from: code, then layers in order, then the runtime.

        Raises: LocalError when the packages of one are not installed.
        """
        sources = [spec.code, *spec.layers]
        return [place for source in sources for place in (source, *_packages(source))] + [self.runtime]


def link_runtime(directory: Path) -> Path:
    """Fill a directory with links to the runtime interface client alone; returns it."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in (*_RUNTIME_MODULES, *(("coverage",) if _measured() else ())):
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise LocalError(f"the Python package that provides {name} is missing; run `make setup`")
        origin = Path(spec.origin)
        target = origin.parent if spec.submodule_search_locations else origin
        link = directory / target.name
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    return directory


def _measured() -> bool:
    return any(name in os.environ for name in _COVERAGE_VARIABLES)


def _packages(source: Path) -> list[Path]:
    """Third-party packages of a layer or function: `.layers/core-cp311` beside `layers/core`."""
    if not (source / "requirements.txt").exists():
        return []
    room = source.parent
    packages = room.with_name(f".{room.name}") / f"{source.name}-{PYTHON_TAG}"
    if not packages.is_dir():
        raise LocalError(f"the packages of {room.name}/{source.name} are not installed; run `make setup`")
    return [packages]
