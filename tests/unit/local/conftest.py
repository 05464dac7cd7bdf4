"""Functions made up for a test, run by the real runtime client."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from local.model import FunctionSpec, Rank
from local.pools import Pool
from local.worker_environment import WorkerEnvironment, link_runtime

MakePool = Callable[..., Pool]


@pytest.fixture
async def pool_of(tmp_path: Path) -> AsyncIterator[MakePool]:
    """Makes the pool of a function given as source; closes it in the end."""
    logs = tmp_path / "logs"
    logs.mkdir()
    environment = WorkerEnvironment(link_runtime(tmp_path / "runtime"), logs, {"SHARED": "by all"})
    pools: list[Pool] = []

    def make(source: str, *, rank: Rank = Rank.AWAITED, **changes: Any) -> Pool:
        code = tmp_path / f"function{len(pools)}"
        code.mkdir()
        (code / "app.py").write_text(textwrap.dedent(source))
        spec = FunctionSpec(
            name=f"Function{len(pools)}",
            code=code,
            handler="app.handler",
            runtime="python3.13",
            environment={},
            timeout=10,
            memory=128,
            layers=(),
            reserved_concurrency=None,
        )
        spec = dataclasses.replace(spec, **changes)
        pools.append(Pool(spec, environment, lambda _line: None, rank))
        return pools[-1]

    yield make
    for pool in pools:
        await pool.close()
