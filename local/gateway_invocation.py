"""Calls a function the way a gateway does: it stops waiting after its own limit, the function runs on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from local.model import Invoker, Outcome

_abandoned: set[asyncio.Task[Outcome]] = set()


async def invoke_within(
    invoker: Invoker, function: str, event: Mapping[str, Any], seconds: float
) -> Outcome | None:
    """The outcome, or None when the function did not answer within `seconds`."""
    task = asyncio.ensure_future(invoker.invoke(function, event))
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if done:
        return task.result()
    # The loop holds tasks weakly: without this reference an abandoned invocation could vanish half-way.
    _abandoned.add(task)
    task.add_done_callback(_abandoned.discard)
    return None
